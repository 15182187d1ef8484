"""Azure's Python worker without its process: the library inside it, on stand-ins for the messages
that gRPC carries.

The worker for Python 3.13 is a proxy that hands each message to azure-functions-runtime. The
library makes its answers of whatever `protos` it is given, and reads only fields of what it is
asked: so plain records do.
"""

import asyncio
import json
import os
import sys
import uuid
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from azure.functions import HttpRequest, HttpResponse

from devhost.functions.app import App
from devhost.functions.invocation import FunctionInfo
from devhost.testing.answers import Answer

if sys.version_info < (3, 13):
    pytest.skip(
        "not run: Azure's worker library is for Python 3.13 and later", allow_module_level=True
    )
if "CI" not in os.environ:
    pytest.importorskip(
        "azure_functions_runtime", reason="not run: azure-functions-runtime is not installed"
    )

import azure_functions_runtime as runtime


class Record(SimpleNamespace):
    """A message with the fields that it was given."""


class TypedData(Record):
    """A value in the one field that is named for its type, or none."""

    def WhichOneof(self, group: str) -> str | None:
        return next(iter(vars(self)), None)


class ParameterBinding(Record):
    """A value for a parameter; not in shared memory."""

    def WhichOneof(self, group: str) -> str:
        return "data"


class StatusResult(Record):
    """How it ended."""

    Failure, Success = 0, 1


class BindingInfo(Record):
    """Directions of bindings."""

    out, inout = 1, 2
    undefined = 0


PROTOS = SimpleNamespace(
    BindingInfo=BindingInfo,
    FunctionLoadResponse=Record,
    FunctionMetadataResponse=Record,
    InvocationResponse=Record,
    ParameterBinding=ParameterBinding,
    RpcException=Record,
    RpcFunctionMetadata=Record,
    RpcHttp=Record,
    StatusResult=StatusResult,
    TypedData=TypedData,
    WorkerInitResponse=Record,
    WorkerMetadata=Record,
)


def message(kind: str, **fields: Any) -> Record:
    """What the proxy hands to the library."""
    return Record(
        request=Record(**{kind: Record(**fields)}),
        properties={"host": "127.0.0.1", "protos": PROTOS},
    )


class WorkerError(Exception):
    """The worker answered with an exception: its class, and what it says."""


def checked(response: Any) -> Any:
    """The response. Raises WorkerError where it is a failure."""
    if response.result.status != StatusResult.Success:
        raise WorkerError(response.result.exception.message)
    return response


@dataclass(frozen=True)
class Function:
    """A function that the worker has indexed."""

    name: str
    id: str
    bindings: list[dict[str, Any]]

    @property
    def trigger(self) -> dict[str, Any]:
        (trigger,) = [each for each in self.bindings if each["type"].endswith("Trigger")]
        return trigger

    @property
    def clients(self) -> list[str]:
        return [each["name"] for each in self.bindings if each["type"] == "durableClient"]


class Worker:
    """Loads apps and invokes their functions, as the host asks it to."""

    def __init__(self) -> None:
        self.functions: dict[str, Function] = {}
        self.succeeded: Counter[str] = Counter()
        """How often each function was invoked without a failure."""
        self.failures: list[str] = []

    async def load(self, folder: Path) -> None:
        """Import and index the app of a folder that is in sys.path. Raises WorkerError."""
        checked(
            await runtime.worker_init_request(
                message("worker_init_request", capabilities={}, function_app_directory=str(folder))
            )
        )
        indexed = checked(
            await runtime.functions_metadata_request(message("functions_metadata_request"))
        )
        for each in indexed.function_metadata_results or []:
            bindings = [json.loads(binding) for binding in each.raw_bindings]
            self.functions[each.name] = Function(each.name, each.function_id, bindings)
            loading = message("function_load_request", function_id=each.function_id)
            checked(await runtime.function_load_request(loading))

    async def invoke(self, name: str, payload: TypedData, client: str) -> Any:
        """Invoke a function with what triggers it; returns what it returned. Raises WorkerError."""
        function = self.functions[name]
        values = {function.trigger["name"]: payload} | dict.fromkeys(
            function.clients, TypedData(string=client)
        )
        invocation = message(
            "invocation_request",
            invocation_id=str(uuid.uuid4()),
            function_id=function.id,
            input_data=[ParameterBinding(name=name, data=data) for name, data in values.items()],
            trigger_metadata={},
            trace_context=Record(trace_parent="", trace_state="", attributes={}),
            retry_context=Record(retry_count=0, max_retry_count=0, exception=None),
        )
        try:
            result = checked(await runtime.invocation_request(invocation)).return_value
        except WorkerError as error:
            self.failures.append(f"{name}: {error}")
            raise
        self.succeeded[name] += 1
        return result

    async def request(self, name: str, request: HttpRequest, client: str) -> Answer:
        """Invoke an HTTP function; returns what the worker tells the host to answer."""
        body = TypedData(bytes=request.get_body()) if request.get_body() else TypedData()
        http = Record(
            method=request.method,
            url=request.url,
            headers={name.lower(): value for name, value in request.headers.items()},
            query=dict(request.params),
            params=dict(request.route_params),
            body=body,
        )
        answer = (await self.invoke(name, TypedData(http=http), client)).http
        headers = {name.lower(): value for name, value in answer.headers.items()}
        assert not answer.cookies
        return Answer(int(answer.status_code), headers, getattr(answer.body, "bytes", b""))


def behind(worker: Worker, app: App) -> App:
    """The app, whose functions devhost calls through the worker: all of them, whatever their
    trigger.
    """
    return App(
        [replace(each, code=_through(worker, each), wants_context=False) for each in app.functions]
    )


def _through(worker: Worker, function: FunctionInfo) -> Any:
    name, trigger = function.name, function.trigger["name"]

    def client_of(arguments: Mapping[str, Any]) -> str:
        return next((arguments[each] for each in function.clients), "")

    async def answer(**arguments: Any) -> HttpResponse:
        status, headers, body = await worker.request(name, arguments[trigger], client_of(arguments))
        return HttpResponse(body, status_code=status, headers=headers)

    async def act(**arguments: Any) -> Any:
        payload = TypedData(json=json.dumps(arguments[trigger]))
        return json.loads((await worker.invoke(name, payload, client_of(arguments))).json)

    async def tick(**arguments: Any) -> None:
        timer = arguments[trigger]
        request = {
            "Schedule": timer.schedule,
            "ScheduleStatus": timer.schedule_status,
            "IsPastDue": timer.past_due,
        }
        await worker.invoke(name, TypedData(json=json.dumps(request)), client_of(arguments))

    def turn(context: Any) -> str:
        """Not async, and yet it may be called on a loop."""
        with ThreadPoolExecutor(1) as pool:
            payload = TypedData(string=context.body)
            result: str = pool.submit(asyncio.run, worker.invoke(name, payload, "")).result().json
        return result

    kinds = {
        "httpTrigger": answer,
        "activityTrigger": act,
        "timerTrigger": tick,
        "orchestrationTrigger": turn,
        "entityTrigger": turn,
    }
    assert function.trigger["type"] in kinds, f"the test does not know how to invoke {name}"
    return kinds[function.trigger["type"]]
