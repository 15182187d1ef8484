"""What the SDK's client cannot do, against a management API that answers as a test says."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import aiohttp
import azure.durable_functions as df
import pytest
from aiohttp import web
from azure.durable_functions.models.utils import http_utils

from registry.domain.problems import UNKNOWN_REGISTRY, HubUnavailable, ProblemError
from registry.domain.registry import Registry
from registry.durable.names import REGISTRY_ORCHESTRATOR
from registry.durable.service import RegistryService
from registry.durable.task_hub import (
    CONTINUATION_HEADER,
    ENDED,
    REQUEST_SECONDS,
    Instance,
    TaskHubClient,
    ended_before,
    find_instance,
)
from tests.clock import FakeClock
from tests.support.registries import ID, make_terms
from tests.unit import stored_by_1_0

STATUS = {
    "instanceId": ID,
    "name": REGISTRY_ORCHESTRATOR,
    "runtimeStatus": "Running",
    "input": "{}",
    "output": None,
}
Work = Callable[[df.DurableOrchestrationClient], Awaitable[Any]]


@pytest.fixture
def clock():
    """A clock that stands still while a real server answers, and jumps where the app sleeps."""
    with FakeClock().installed() as clock:
        yield clock


class Api:
    """A management API, and a client of it."""

    def __init__(self, *answers: tuple[int, Any, dict[str, str]]) -> None:
        """Its answers are a status, JSON and headers. The last one is repeated."""
        self.answers = list(answers)
        self.requests: list[web.Request] = []

    async def _answer(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        if "/entities/" in request.path:
            return web.Response(status=404)
        status, content, headers = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return web.Response(status=status, text=json.dumps(content), headers=headers)

    def run(self, work: Work) -> Any:
        """The result of what is done with a client of this API."""

        async def serve() -> Any:
            app = web.Application()
            app.router.add_route("*", "/durabletask/{rest:.*}", self._answer)
            runner = web.AppRunner(app)
            await runner.setup()
            try:
                await web.TCPSite(runner, "127.0.0.1", 0).start()
                return await work(_client(runner.addresses[0][1]))
            finally:
                await http_utils._close_session()
                await runner.cleanup()

        return asyncio.run(serve())


def _client(port: int) -> df.DurableOrchestrationClient:
    binding = {
        "taskHubName": "t",
        "creationUrls": {},
        "managementUrls": {},
        "rpcBaseUrl": f"http://127.0.0.1:{port}/durabletask/",
    }
    return df.DurableOrchestrationClient(json.dumps(binding))


class TestInstance:
    @staticmethod
    def find(client: df.DurableOrchestrationClient) -> Awaitable[Any]:
        return find_instance(client, ID)

    @pytest.mark.parametrize(
        ("status", "runtime"), [(202, "Running"), (200, "Completed"), (200, "Failed")]
    )
    def test_an_instance_is_found_whatever_its_status(self, status, runtime) -> None:
        """202 says that it runs, 200 that it has ended."""
        api = Api((status, STATUS | {"runtimeStatus": runtime}, {}))
        assert api.run(self.find) == Instance(ID, REGISTRY_ORCHESTRATOR, runtime, "{}")
        (request,) = api.requests
        assert request.path_qs == f"/durabletask/instances/{ID}?showInput=true"

    def test_only_404_says_that_there_is_none(self) -> None:
        """Every other failure raises; the SDK's get_status makes a status of 500, too."""
        assert Api((404, None, {})).run(self.find) is None
        for status in (400, 401, 410, 500, 503):
            with pytest.raises(aiohttp.ClientError):
                Api((status, {}, {})).run(self.find)

    def test_an_instance_has_ended_only_with_a_final_status(self) -> None:
        """One that waits, is suspended or continues as new goes on."""
        goes_on = {"Running", "Pending", "Suspended", "ContinuedAsNew"}
        statuses = {status.value for status in df.OrchestrationRuntimeStatus}
        assert set(ENDED) == statuses - goes_on
        assert set(ENDED) == {"Completed", "Failed", "Terminated", "Canceled"}

    def test_a_look_that_fails_is_repeated(self, clock) -> None:
        """Within the deadline of the request."""
        api = Api((500, {}, {}), (503, {}, {}), (202, STATUS, {}))
        found = api.run(lambda client: TaskHubClient(client).instance(ID))
        assert found.id == ID
        assert clock.slept == [0.02, 0.04]

    def test_an_error_is_not_an_unknown_registry(self, clock) -> None:
        """It is repeated until the deadline; then the task hub does not answer."""

        def peek(client: df.DurableOrchestrationClient) -> Awaitable[Registry]:
            return RegistryService(TaskHubClient(client)).peek(ID)

        with pytest.raises(HubUnavailable):
            Api((500, {}, {})).run(peek)
        assert sum(clock.slept) == pytest.approx(REQUEST_SECONDS)
        with pytest.raises(ProblemError) as error:
            Api((404, None, {})).run(peek)
        assert error.value.type == UNKNOWN_REGISTRY

    def test_the_input_of_an_instance_is_read(self, clock) -> None:
        """It comes as a text, as the SDK has sent it."""
        input = json.dumps(stored_by_1_0.MESSAGES["OpenRegistry"])
        api = Api((500, {}, {}), (202, STATUS | {"input": input}, {}))
        registry = api.run(lambda client: RegistryService(TaskHubClient(client)).peek(ID))
        assert registry == Registry.new(make_terms(has_webhook=True))


MOMENT = datetime(2026, 11, 24, tzinfo=UTC)


async def query(client: df.DurableOrchestrationClient) -> list[str]:
    return [each.id async for each in ended_before(client, MOMENT)]


def page(*ids: str) -> list[dict[str, Any]]:
    return [STATUS | {"instanceId": id} for id in ids]


class TestQuery:
    def test_all_pages_are_read_whatever_their_length(self) -> None:
        """One that is short or empty is not the last; one without a token is."""
        api = Api(
            (200, page("a", "b"), {CONTINUATION_HEADER: "t1"}),
            (200, page(), {CONTINUATION_HEADER: "t2"}),
            (200, page("c"), {CONTINUATION_HEADER: "t3"}),
            (200, page("d", "e"), {}),
        )
        assert api.run(query) == ["a", "b", "c", "d", "e"]
        tokens = [request.headers.get(CONTINUATION_HEADER) for request in api.requests]
        assert tokens == [None, "t1", "t2", "t3"]
        for request in api.requests:
            assert request.path == "/durabletask/instances/"
            assert dict(request.query) == {
                "createdTimeTo": "2026-11-24T00:00:00.000Z",
                "runtimeStatus": "Completed,Failed,Terminated,Canceled",
                "showInput": "false",
            }

    def test_no_instances_are_an_empty_page(self) -> None:
        """It has no token."""
        assert Api((200, [], {})).run(query) == []

    @pytest.mark.parametrize(
        "answers",
        [[(500, [], {})], [(200, page("a"), {CONTINUATION_HEADER: "t"}), (503, [], {})]],
        ids=["at first", "later"],
    )
    def test_an_error_is_not_an_empty_page(self, answers) -> None:
        """It raises."""
        with pytest.raises(aiohttp.ClientError):
            Api(*answers).run(query)
