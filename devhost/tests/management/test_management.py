"""The management API: lists, filters, purges, histories and URLs."""

import asyncio
import json
from datetime import timedelta

import azure.durable_functions as df
import pytest
from azure.durable_functions import OrchestrationRuntimeStatus

from devhost.management.api import handle
from devhost.management.lists import CONTINUATION
from devhost.management.messages import ManagementRequest
from tests.clock import START
from tests.sample_host import ORIGIN, SampleHost


def call(host, method: str, path: str, continuation: str = "", **query: str):
    return host.manage(
        ManagementRequest(method, path, ORIGIN, query=query, continuation=continuation)
    )


def ids(reply) -> list[str]:
    assert reply.status == 200
    return [each["instanceId"] for each in json.loads(reply.body)]


@pytest.fixture
def five(host) -> None:
    """Start instances a to e, a minute apart.

    a and b have completed, c was terminated, and d is suspended.
    """
    for id in "abcde":
        host.start("two_events", {"number": id}, id=id)
        host.clock.advance(minutes=1)
    for id in "aabb":
        host.raise_event(id, "go")
    call(host, "POST", "instances/c/terminate")
    call(host, "POST", "instances/d/suspend")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, "abcde"),
        ({"runtimeStatus": "Completed"}, "ab"),
        ({"runtimeStatus": "Suspended,Running, Terminated"}, "cde"),
        (
            {"createdTimeFrom": "2026-12-24T18:01:00Z", "createdTimeTo": "2026-12-24T18:03:00Z"},
            "bcd",
        ),
        ({"createdTimeFrom": "2026-12-24T19:03:30+01:00"}, "e"),
        ({"createdTimeFrom": "no moment"}, "abcde"),
        ({"instanceIdPrefix": "c"}, "c"),
        ({"instanceIdPrefix": "_"}, ""),
        ({"top": "2"}, "ab"),
        ({"top": "none"}, "abcde"),
    ],
)
def test_instances_are_listed_by_filters(host, five, query, expected) -> None:
    """Status, time of creation, prefix and number; an invalid filter is ignored."""
    assert "".join(ids(call(host, "GET", "instances", **query))) == expected


def test_a_list_goes_on_by_its_continuation_token(host, five) -> None:
    pages, token = [], ""
    while True:
        reply = call(host, "GET", "instances/", token, top="2")
        pages.append("".join(ids(reply)))
        if CONTINUATION not in reply.headers:
            break
        token = reply.headers[CONTINUATION]
    assert pages == ["ab", "cd", "e"]
    assert ids(call(host, "GET", "instances", "no token")) == []


def test_an_empty_page_has_a_token(host) -> None:
    """For the same place: on the real host, too, pages may be empty."""
    for id in "ab":
        host.start("two_events", id=id)
    empty = call(host, "GET", "instances", top="0")
    assert empty.body == "[]"
    one = call(host, "GET", "instances", empty.headers[CONTINUATION], top="1")
    empty = call(host, "GET", "instances", one.headers[CONTINUATION], top="0")
    rest = call(host, "GET", "instances", empty.headers[CONTINUATION])
    assert [each["instanceId"] for page in (one, rest) for each in json.loads(page.body)] == [
        "a",
        "b",
    ]
    assert CONTINUATION not in rest.headers


@pytest.mark.parametrize("path", ["instances", "entities"])
def test_a_negative_page_size_is_500(host, path) -> None:
    """Azure Storage refuses it."""
    reply = call(host, "GET", path, top="-1")
    assert (reply.status, json.loads(reply.body)["ExceptionMessage"]) == (
        500,
        "An error occurred while communicating with Azure Storage",
    )


def test_a_list_shows_inputs_unless_show_input_is_false(host, five) -> None:
    first = json.loads(call(host, "GET", "instances").body)[0]
    assert json.loads(first["input"]) == {"number": "a"}
    assert json.loads(call(host, "GET", "instances", showInput="false").body)[0]["input"] is None


def test_the_client_queries_and_purges_by_filters(host, client, five) -> None:
    """By get_status_all, get_status_by and purge_instance_history_by."""
    assert len(asyncio.run(client.get_status_all())) == 5
    completed = [OrchestrationRuntimeStatus.Completed]
    (found,) = asyncio.run(client.get_status_by(START, START + timedelta(seconds=30), completed))
    assert found.instance_id == "a"
    purged = asyncio.run(
        client.purge_instance_history_by(START, START + timedelta(minutes=9), completed)
    )
    assert purged.instances_deleted == 2
    assert ids(call(host, "GET", "instances")) == ["c", "d", "e"]
    assert (
        asyncio.run(client.purge_instance_history_by(START, None, completed)).instances_deleted == 0
    )


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ({"runtimeStatus": "Completed,Running"}, "cde"),
        ({"runtimeStatus": "Running"}, ""),
        ({"runtimeStatus": "terminated"}, ""),
        ({"createdTimeTo": "2026-12-24T18:02:30Z"}, "de"),
    ],
)
def test_a_purge_without_a_final_status_deletes_everything_in_its_time(
    host, five, query, left
) -> None:
    """As on the real host, which ignores the other statuses."""
    reply = call(host, "DELETE", "instances", createdTimeFrom="2026-01-01", **query)
    assert (reply.status, json.loads(reply.body)) == (200, {"instancesDeleted": 5 - len(left)})
    assert ids(call(host, "GET", "instances")) == list(left)


def test_a_purge_by_filters_deletes_entities_and_their_messages(host) -> None:
    """On the real host they are running instances."""
    with host.store.transaction():
        host.store.save_entity("@counter@a", "1", "2026-12-24T18:00:00.000000Z")
        host.client.signal("@counter@a", "add", None)
        assert handle(
            host.client,
            ManagementRequest("DELETE", "instances", ORIGIN, {"createdTimeFrom": "2026-01-01"}),
            START,
        )
    assert host.store.next_due() is None
    assert host.store.entity("@counter@a") is None


def test_a_purge_by_filters_needs_created_time_from(host, five) -> None:
    assert call(host, "DELETE", "instances").status == 400
    assert len(ids(call(host, "GET", "instances"))) == 5


def test_an_entity_is_purged_like_an_instance(host, client) -> None:
    """With the operations that it has not processed."""
    entity = df.EntityId("counter", "a")
    asyncio.run(client.signal_entity(entity, "add", 3))
    scheduler = df.EntityId.get_scheduler_id(entity)
    assert asyncio.run(client.purge_instance_history(scheduler)).instances_deleted == 1
    assert not asyncio.run(client.read_entity_state(entity)).entity_exists
    assert asyncio.run(client.purge_instance_history(scheduler)).instances_deleted == 0


def test_a_history_for_people(host) -> None:
    """With names of types and functions; each task is one event."""
    id = host.start("parent", {"name": "child", "input": 3, "id": "my-child"})
    host.complete("9")
    query = {"showHistory": "true", "showHistoryOutput": "true"}
    parent = json.loads(call(host, "GET", f"instances/{id}", **query).body)["historyEvents"]
    assert [event["EventType"] for event in parent] == [
        "ExecutionStarted",
        "SubOrchestrationInstanceCompleted",
        "ExecutionCompleted",
    ]
    assert parent[0]["FunctionName"] == "parent"
    assert parent[1]["FunctionName"] == "child"
    assert parent[1]["Result"] == ["my-child", id, 9]
    child = json.loads(call(host, "GET", "instances/my-child", **query).body)["historyEvents"]
    (square,) = [event for event in child if event["EventType"] == "TaskCompleted"]
    assert (square["FunctionName"], square["Result"]) == ("square", 9)
    assert square["ScheduledTime"] == "2026-12-24T18:00:00.0000000+00:00"
    assert "EventId" not in square


def test_a_history_without_inputs_and_outputs(host) -> None:
    """By showInput and showHistoryOutput."""
    id = host.start("fan_out", [2])
    host.complete("4")
    query = {"showHistory": "true", "showInput": "false"}
    for event in json.loads(call(host, "GET", f"instances/{id}", **query).body)["historyEvents"]:
        assert not {"Input", "Result"} & set(event)


def test_a_failure_may_be_500(host) -> None:
    """If the request asks for that."""
    id = host.start("unknown_activity")
    assert call(host, "GET", f"instances/{id}").status == 200
    assert (
        call(host, "GET", f"instances/{id}", returnInternalServerErrorOnFailure="true").status
        == 500
    )


def test_entities_are_listed(host) -> None:
    """All, or those of one name; with their states on request."""
    for key in ("a", "b"):
        host.start("counts", key)
    listed = json.loads(call(host, "GET", "entities/Counter", fetchState="true").body)
    assert listed == [
        {
            "entityId": {"name": "counter", "key": key},
            "lastOperationTime": "2026-12-24T18:00:00.0000000Z",
            "state": 5,
        }
        for key in ("a", "b")
    ]
    assert len(json.loads(call(host, "GET", "entities").body)) == 2
    assert json.loads(call(host, "GET", "entities/other").body) == []
    first = call(host, "GET", "entities", top="1")
    (second,) = json.loads(call(host, "GET", "entities", first.headers[CONTINUATION], top="1").body)
    assert second["entityId"]["key"] == "b"
    assert (
        json.loads(call(host, "GET", "entities", lastOperationTimeTo="2026-12-24T17:00:00Z").body)
        == []
    )


def test_the_client_suspends_resumes_rewinds_and_restarts(host, client) -> None:
    """The SDK understands the responses."""
    id = asyncio.run(client.start_new("two_events"))
    asyncio.run(client.suspend(id, "lunch"))
    assert asyncio.run(client.get_status(id)).runtime_status == OrchestrationRuntimeStatus.Suspended
    asyncio.run(client.resume(id, "back"))
    assert asyncio.run(client.get_status(id)).runtime_status == OrchestrationRuntimeStatus.Running
    failed = asyncio.run(client.start_new("rewindable", client_input=[2]))
    host.complete(error="broken")
    asyncio.run(client.rewind(failed, "mended"))
    host.complete("4")
    assert asyncio.run(client.get_status(failed)).output == [4]
    asyncio.run(client.restart(failed))
    assert [each.name for each in host.store.activities()] == ["square"]


def test_every_url_of_a_start_leads_to_its_instance(host) -> None:
    """Also for an id that has to be encoded in a URL."""
    body = json.loads(call(host, "POST", "orchestrators/two_events/a%20b%C3%A4").body)
    assert body["id"] == "a bä"
    assert set(body) == {
        "id",
        "statusQueryGetUri",
        "sendEventPostUri",
        "terminatePostUri",
        "purgeHistoryDeleteUri",
        "restartPostUri",
        "suspendPostUri",
        "resumePostUri",
    }
    for name, status in (
        ("suspendPostUri", 202),
        ("resumePostUri", 202),
        ("terminatePostUri", 202),
    ):
        path = body[name].split("/durabletask/")[1].split("?")[0]
        assert call(host, "POST", path).status == status
    path = body["purgeHistoryDeleteUri"].split("/durabletask/")[1].split("?")[0]
    assert call(host, "DELETE", path).status == 200


def test_a_purge_makes_the_file_smaller(tmp_path) -> None:
    path = tmp_path / "hub.db"
    with SampleHost(path) as host:
        for number in range(200):
            host.start("two_events", "x" * 5000, id=f"i{number}")
            call(host, "POST", f"instances/i{number}/terminate")
        host.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        before = path.stat().st_size
        reply = call(host, "DELETE", "instances", createdTimeFrom="2026-01-01T00:00:00Z")
        assert json.loads(reply.body) == {"instancesDeleted": 200}
        host.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert before > 1_000_000
        assert path.stat().st_size < before / 2
