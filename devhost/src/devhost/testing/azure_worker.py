"""An app on the library in Azure's own Python worker, without the worker's process and gRPC.

The worker for Python 3.13 is a proxy that hands each message to azure-functions-runtime, which has
to be installed (on Python 3.13 or later). That library builds its answers from whatever `protos` it
is given, and only reads fields of what it gets: so plain records do as messages.
"""

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from azure.functions import HttpRequest, HttpResponse

from devhost.functions.app import App
from devhost.functions.invocation import FunctionInfo
from devhost.functions.sdk import close_client_session
from devhost.management.urls import client_binding
from devhost.testing.responses import Response

__all__ = [
    "Function",
    "Worker",
    "WorkerError",
    "client_binding",
    "close_client_session",
    "on_worker",
]


class Record(SimpleNamespace):
    """A message with the fields that it is given."""


class TypedData(Record):
    """A value, in a field that is named for its type; or no value."""

    def WhichOneof(self, group: str) -> str | None:
        return next(iter(vars(self)), None)


class ParameterBinding(Record):
    """The value of a parameter, outside shared memory."""

    def WhichOneof(self, group: str) -> str:
        return "data"


class StatusResult(Record):
    """Whether something succeeded."""

    Failure, Success = 0, 1


class BindingInfo(Record):
    """The directions of bindings."""

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
    """A request, as the proxy hands it to the library."""
    return Record(
        request=Record(**{kind: Record(**fields)}),
        properties={"host": "127.0.0.1", "protos": PROTOS},
    )


class WorkerError(Exception):
    """The worker answered with an exception: its class and its text."""


def checked(response: Any) -> Any:
    """The response. Raises WorkerError if it is a failure."""
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
        """The binding of its trigger."""
        (trigger,) = [each for each in self.bindings if each["type"].endswith("Trigger")]
        return trigger

    @property
    def clients(self) -> list[str]:
        """The parameters that get a Durable client."""
        return [each["name"] for each in self.bindings if each["type"] == "durableClient"]


class Worker:
    """Loads an app and invokes its functions, as the host asks it to."""

    def __init__(self) -> None:
        """Raises ModuleNotFoundError where azure-functions-runtime is not installed."""
        self._library = import_module("azure_functions_runtime")
        self.functions: dict[str, Function] = {}
        self.succeeded: Counter[str] = Counter()
        """How often each function was invoked successfully."""
        self.failures: list[str] = []

    async def load(self, folder: Path) -> None:
        """Import and index the app in a folder that is in sys.path. Raises WorkerError."""
        library = self._library
        start = message("worker_init_request", capabilities={}, function_app_directory=str(folder))
        checked(await library.worker_init_request(start))

        request = message("functions_metadata_request")
        indexed = checked(await library.functions_metadata_request(request))
        for each in indexed.function_metadata_results or []:
            bindings = [json.loads(binding) for binding in each.raw_bindings]
            self.functions[each.name] = Function(each.name, each.function_id, bindings)
            loading = message("function_load_request", function_id=each.function_id)
            checked(await library.function_load_request(loading))

    async def invoke(self, name: str, payload: TypedData, client: str) -> Any:
        """Invoke a function with a trigger's payload; returns its result. Raises WorkerError.

        `client` is what its durableClient parameters get.
        """
        function = self.functions[name]
        values = {function.trigger["name"]: payload}
        values |= dict.fromkeys(function.clients, TypedData(string=client))
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
            result = checked(await self._library.invocation_request(invocation)).return_value
        except WorkerError as error:
            self.failures.append(f"{name}: {error}")
            raise
        self.succeeded[name] += 1
        return result

    async def request(self, name: str, request: HttpRequest, client: str) -> Response:
        """Invoke an HTTP function; returns the response that the worker gives to the host."""
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
        return Response(int(answer.status_code), headers, getattr(answer.body, "bytes", b""))


def on_worker(worker: Worker, app: App) -> App:
    """The app, whose functions are all invoked on a worker that has loaded it."""
    functions = []
    for each in app.functions:
        code = _invoke_on(worker, each)
        functions.append(replace(each, code=code, wants_context=False))
    return App(functions)


def _invoke_on(worker: Worker, function: FunctionInfo) -> Callable[..., Any]:
    """A function for devhost that invokes this one on the worker."""
    name, trigger = function.name, function.trigger["name"]

    def client_of(arguments: Mapping[str, Any]) -> str:
        return next((arguments[each] for each in function.clients), "")

    async def answer(**arguments: Any) -> HttpResponse:
        status, headers, body = await worker.request(name, arguments[trigger], client_of(arguments))
        return HttpResponse(body, status_code=status, headers=headers)

    async def run_activity(**arguments: Any) -> Any:
        payload = TypedData(json=json.dumps(arguments[trigger]))
        result = await worker.invoke(name, payload, client_of(arguments))
        return json.loads(result.json)

    async def run_timer(**arguments: Any) -> None:
        timer = arguments[trigger]
        request = {
            "Schedule": timer.schedule,
            "ScheduleStatus": timer.schedule_status,
            "IsPastDue": timer.past_due,
        }
        await worker.invoke(name, TypedData(json=json.dumps(request)), client_of(arguments))

    def make_turn(context: Any) -> str:
        """Not async, but it may be called on an event loop: so it uses one in another thread."""
        payload = TypedData(string=context.body)
        with ThreadPoolExecutor(1) as pool:
            turn = pool.submit(asyncio.run, worker.invoke(name, payload, ""))
            result: str = turn.result().json
        return result

    by_trigger: dict[str, Callable[..., Any]] = {
        "httpTrigger": answer,
        "activityTrigger": run_activity,
        "timerTrigger": run_timer,
        "orchestrationTrigger": make_turn,
        "entityTrigger": make_turn,
    }
    kind = function.trigger["type"]
    if kind not in by_trigger:
        raise NotImplementedError(f"{name} has a trigger of another kind: {kind}")
    return by_trigger[kind]
