import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import aiohttp
import azure.durable_functions as df
import pytest
from aiohttp import web

from registry.domain.problems import UNKNOWN, HubUnavailable, ProblemError
from registry.durable import management
from registry.durable.task_hub import CONTINUATION, Instance
from registry.durable.names import LIFE
from registry.durable.service import RegistryService
from registry.durable.task_hub import REQUEST_SECONDS, TaskHubClient
from tests.clock import FakeClock
from tests.support.fake_hub import ID, make_terms

SHOWN = {"instanceId": ID, "name": LIFE, "runtimeStatus": "Running", "input": "{}", "output": None}
Work = Callable[[df.DurableOrchestrationClient], Awaitable[Any]]


@pytest.fixture
def clock():
    """The clock does not pass while a real server answers, but at once where the app sleeps."""
    with FakeClock().installed() as clock:
        yield clock


class Api:
    """A management API that answers as a test says, and the client of it."""

    def __init__(self, *answers: tuple[int, Any, dict[str, str]]) -> None:
        """The last of the answers (status, JSON, headers) is repeated."""
        self.answers = list(answers)
        self.requests: list[web.Request] = []

    async def _answer(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        if "/entities/" in request.path:
            return web.Response(status=404)
        status, content, headers = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return web.Response(status=status, text=json.dumps(content), headers=headers)

    def run(self, work: Work) -> Any:
        async def serve() -> Any:
            app = web.Application()
            app.router.add_route("*", "/durabletask/{rest:.*}", self._answer)
            runner = web.AppRunner(app)
            await runner.setup()
            try:
                site = web.TCPSite(runner, "127.0.0.1", 0)
                await site.start()
                port = runner.addresses[0][1]
                url = f"http://127.0.0.1:{port}/durabletask/"
                binding = {
                    "taskHubName": "t",
                    "creationUrls": {},
                    "managementUrls": {},
                    "rpcBaseUrl": url,
                }
                return await work(df.DurableOrchestrationClient(json.dumps(binding)))
            finally:
                from azure.durable_functions.models.utils import http_utils

                await http_utils._close_session()
                await runner.cleanup()

        return asyncio.run(serve())


def reading(client: df.DurableOrchestrationClient) -> Awaitable[Any]:
    return management.instance(client, ID)


@pytest.mark.parametrize(
    ("status", "runtime"), [(202, "Running"), (200, "Completed"), (200, "Failed")]
)
def test_an_instance_is_there_whatever_became_of_it(status, runtime) -> None:
    """202 says that it goes on, 200 that it has ended."""
    api = Api((status, SHOWN | {"runtimeStatus": runtime}, {}))
    assert api.run(reading) == Instance(ID, LIFE, runtime, "{}")
    (request,) = api.requests
    assert request.path_qs == f"/durabletask/instances/{ID}?showInput=true"


def test_only_404_says_that_there_is_none() -> None:
    """Every other failure raises: the SDK's get_status makes a status of 500 too."""
    assert Api((404, None, {})).run(reading) is None
    for status in (400, 401, 410, 500, 503):
        with pytest.raises(aiohttp.ClientError):
            Api((status, {}, {})).run(reading)


def test_only_the_final_statuses_have_ended() -> None:
    """An instance that waits, is suspended or begins a new history goes on."""
    alive = {"Running", "Pending", "Suspended", "ContinuedAsNew"}
    statuses = {status.value for status in df.OrchestrationRuntimeStatus}
    assert (
        set(management.ENDED)
        == statuses - alive
        == {"Completed", "Failed", "Terminated", "Canceled"}
    )


def test_a_read_that_fails_now_and_then_is_repeated(clock) -> None:
    """Within the deadline of the request."""
    api = Api((500, {}, {}), (503, {}, {}), (202, SHOWN, {}))
    found = api.run(lambda client: TaskHubClient(client).instance(ID))
    assert found.id == ID
    assert clock.slept == [0.02, 0.04]


def test_an_error_is_not_told_as_an_unknown_registry(clock) -> None:
    """It is repeated until the deadline, and then the task hub does not answer."""
    api = Api((500, {}, {}))
    with pytest.raises(HubUnavailable):
        api.run(lambda client: RegistryService(TaskHubClient(client)).peek(ID))
    assert sum(clock.slept) == pytest.approx(REQUEST_SECONDS)
    with pytest.raises(ProblemError) as problem:
        Api((404, None, {})).run(lambda client: RegistryService(TaskHubClient(client)).peek(ID))
    assert problem.value.type == UNKNOWN


def test_a_life_that_is_there_is_shown_although_its_list_is_not(clock) -> None:
    """The input comes as a text, as the SDK has sent it."""
    input = {
        "birth": {
            "openedAt": "2026-12-24T18:00:00.000Z",
            "closesAt": "2026-12-24T18:05:00.000Z",
            "maxItems": 3,
        }
    }
    api = Api((500, {}, {}), (202, SHOWN | {"input": json.dumps(input)}, {}))
    registry = api.run(lambda client: RegistryService(TaskHubClient(client)).peek(ID))
    assert (registry.terms, registry.revision) == (make_terms(), 0)


MOMENT = datetime(2026, 11, 24, tzinfo=UTC)


def querying(client: df.DurableOrchestrationClient) -> Awaitable[list[str]]:
    async def ids() -> list[str]:
        return [each.id async for each in management.ended_before(client, MOMENT)]

    return ids()


def page(*ids: str) -> list[dict[str, Any]]:
    return [SHOWN | {"instanceId": id} for id in ids]


def test_all_pages_are_read_whatever_their_length() -> None:
    """One that is short, or empty with a token, is not the last; one without a token is."""
    api = Api(
        (200, page("a", "b"), {CONTINUATION: "t1"}),
        (200, page(), {CONTINUATION: "t2"}),
        (200, page("c"), {CONTINUATION: "t3"}),
        (200, page("d", "e"), {}),
    )
    assert api.run(querying) == ["a", "b", "c", "d", "e"]
    assert [request.headers.get(CONTINUATION) for request in api.requests] == [
        None,
        "t1",
        "t2",
        "t3",
    ]
    for request in api.requests:
        assert request.path == "/durabletask/instances/"
        assert dict(request.query) == {
            "createdTimeTo": "2026-11-24T00:00:00.000Z",
            "runtimeStatus": "Completed,Failed,Terminated,Canceled",
            "showInput": "false",
        }


def test_no_instances_are_an_empty_page() -> None:
    """It has no token."""
    assert Api((200, [], {})).run(querying) == []


def test_an_error_is_not_an_empty_page() -> None:
    """Neither at first nor later."""
    for answers in ([(500, [], {})], [(200, page("a"), {CONTINUATION: "t"}), (503, [], {})]):
        with pytest.raises(aiohttp.ClientError):
            Api(*answers).run(querying)
