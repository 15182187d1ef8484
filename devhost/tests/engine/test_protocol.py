"""What orchestrators can ask for, through the real SDK, in virtual time."""

import json
from datetime import timedelta

import pytest

from devhost.management.messages import ManagementRequest
from tests.sample_host import ORIGIN, turns


def control(host, id: str, operation: str, **query: str) -> int:
    return host.manage(
        ManagementRequest("POST", f"instances/{id}/{operation}", ORIGIN, query=query)
    ).status


def test_an_activity_is_retried_until_it_succeeds(host) -> None:
    """With the pause of its options."""
    id = host.start("retries", 3)
    host.complete(error="not yet")
    assert host.store.activities() == []
    host.advance(seconds=4)
    assert host.store.activities() == []
    host.advance(seconds=1)
    host.complete(error="not yet")
    host.advance(seconds=5)
    host.complete("9")
    assert host.status(id) == ("Completed", 9)


def test_an_activity_that_fails_at_every_attempt(host) -> None:
    """The last error is raised at the caller."""
    id = host.start("retries", 3)
    for _ in range(3):
        host.complete(error="never")
        host.advance(seconds=5)
    status, output = host.status(id)
    assert status == "Failed"
    assert "Activity function 'square' failed: never" in output


def test_a_sub_orchestration_returns_to_its_parent(host) -> None:
    """It knows its parent, has the id that was asked for, and its own history."""
    id = host.start("parent", {"name": "child", "input": 3, "id": "my-child"})
    assert host.status(id) == ("Running", None)
    host.complete("9")
    assert host.status("my-child") == ("Completed", ["my-child", id, 9])
    assert host.status(id) == ("Completed", ["my-child", id, 9])


def test_sub_orchestrations_run_side_by_side(host) -> None:
    """In a task_all."""
    id = host.start("parallel_parent")
    host.complete("1")
    host.complete("4")
    assert host.status(id) == ("Completed", [["child-1", id, 1], ["child-2", id, 4]])


def test_a_failed_sub_orchestration_fails_at_its_parent(host) -> None:
    """With the child's reason."""
    id = host.start("parent", {"name": "broken"})
    host.complete("1")
    status, output = host.status(id)
    assert status == "Completed"
    assert "Orchestrator function 'broken' failed: out of wrapping paper" in output


def test_a_terminated_sub_orchestration_fails_at_its_parent(host) -> None:
    """With the reason of the termination."""
    id = host.start("parent", {"name": "two_events", "id": "my-child"})
    control(host, "my-child", "terminate", reason="no more paper")
    assert "no more paper" in host.status(id)[1]


def test_a_sub_orchestration_is_retried(host) -> None:
    """As another instance."""
    id = host.start("retrying_parent", 3)
    host.complete(error="not yet")
    host.advance(seconds=5)
    host.complete("9")
    status, (child, parent, result) = host.status(id)
    assert (status, parent, result) == ("Completed", id, 9)
    assert child == f"{id}:2"
    assert host.status(f"{id}:0")[0] == "Failed"


def test_continue_as_new_starts_over_with_its_input(host) -> None:
    """Under the same id, with a short history, and without losing an event."""
    id = host.start("eternal")
    first = host.store.instance(id).execution
    host.raise_event(id, "go", 1)
    assert host.store.instance(id).execution != first
    assert len(host.store.history(id)) == 1
    host.raise_event(id, "go", 2)
    host.raise_event(id, "go", 3)
    assert host.status(id) == ("Completed", ["1", "2", "3"])


@pytest.mark.parametrize("limit", [2, 8])
def test_continue_as_new_keeps_unprocessed_events_in_order(host, limit) -> None:
    """Of the same turn, and those that it has not taken yet: they come after the start of the next
    execution.
    """
    with host.store.transaction():
        id = host.client.start("eternal", None, host.clock.now)
        for number in (1, 2, 3):
            host.client.raise_event(id, "go", json.dumps(str(number)))
        while turns(host.work_items, host.clock.now, limit):
            pass
    assert host.status(id) == ("Completed", ["1", "2", "3"])


@pytest.mark.parametrize("days", [1, 6, 7, 20])
def test_a_timer_of_any_length(host, days) -> None:
    """The SDK cuts long ones into pieces, as for a queue."""
    id = host.start("sleeps", days)
    end = host.clock.now + timedelta(days=days)
    for _ in range(days * 4 - 1):
        host.advance(hours=6)
    host.advance(hours=5, minutes=59)
    assert host.status(id) == ("Running", None)
    host.advance(minutes=1)
    assert host.status(id) == ("Completed", end.isoformat())


def test_uuids_and_time_are_the_same_in_each_replay(host) -> None:
    """So a replay comes to the same."""
    host.start("about", id="a")
    before = host.clock.now
    host.complete("1")
    host.clock.advance(seconds=60)
    host.complete("4")
    status, output = host.status("a")
    assert status == "Completed"
    assert len(set(output["uuids"])) == 2
    assert output["time"] == host.clock.now.isoformat() != before.isoformat()


def test_a_suspended_instance_takes_nothing_until_it_is_resumed(host) -> None:
    """Events wait, in order; timers too. Its output is the reason meanwhile."""
    id = host.start("eternal")
    assert control(host, id, "suspend", reason="lunch") == 202
    assert host.status(id) == ("Suspended", "lunch")
    for number in (1, 2):
        host.raise_event(id, "go", number)
    assert host.status(id) == ("Suspended", "lunch")
    assert turns(host.work_items, host.clock.now) == 0
    assert control(host, id, "resume", reason="back") == 202
    assert host.status(id) == ("Running", "back")
    host.raise_event(id, "go", 3)
    assert host.status(id) == ("Completed", ["1", "2", "3"])


def test_an_instance_that_is_suspended_before_its_first_turn_goes_on_as_any(host) -> None:
    """Also through a continue_as_new: its history begins with the suspension."""
    with host.store.transaction():
        id = host.client.start("eternal", None, host.clock.now)
        host.client.suspend(id, "lunch")
    host.run()
    assert control(host, id, "resume", reason="back") == 202
    for number in (1, 2, 3):
        host.raise_event(id, "go", number)
    assert host.status(id) == ("Completed", ["1", "2", "3"])


def test_a_suspended_instance_can_be_terminated(host) -> None:
    """And is then gone for every other operation."""
    id = host.start("eternal")
    control(host, id, "suspend")
    assert control(host, id, "terminate", reason="over") == 202
    assert host.status(id) == ("Terminated", "over")
    assert [control(host, id, each) for each in ("suspend", "resume", "terminate")] == [410] * 3


def test_rewind_lets_a_failed_instance_go_on(host) -> None:
    """The failed activity runs again, the others do not."""
    id = host.start("rewindable", [2, 3])
    host.complete("4")
    host.complete(error="broken")
    assert host.status(id)[0] == "Failed"
    assert control(host, id, "rewind", reason="mended") == 202
    (again,) = host.store.activities()
    assert again.input == "3"
    host.complete("9")
    assert host.status(id) == ("Completed", [4, 9])


def test_rewind_reaches_failed_sub_orchestrations(host) -> None:
    """And the parent goes on with what the child then returns."""
    id = host.start("rewindable_parent", [2, 3])
    host.complete("4")
    host.complete(error="broken")
    assert host.status(id)[0] == "Failed"
    assert control(host, id, "rewind") == 202
    host.complete("9")
    assert host.status(id) == ("Completed", [4, 9])


def test_only_what_has_failed_is_rewound(host) -> None:
    """412 for a running instance, 404 for none."""
    id = host.start("two_events")
    assert control(host, id, "rewind") == 412
    assert control(host, "nobody", "rewind") == 404


@pytest.mark.parametrize("new", ["true", "false"])
def test_restart_runs_it_again_with_its_input(host, new) -> None:
    """Under a new id, or under its own."""
    id = host.start("fan_out", [2])
    host.complete("4")
    reply = host.manage(
        ManagementRequest(
            "POST", f"instances/{id}/restart", ORIGIN, query={"restartWithNewInstanceId": new}
        )
    )
    assert reply.status == 202
    again = json.loads(reply.body)["id"]
    assert (again == id) == (new == "false")
    host.complete("5")
    assert host.status(again) == ("Completed", 5)


def test_what_cannot_be_restarted(host) -> None:
    """An unknown instance, and one that runs, under its own id."""
    assert control(host, "nobody", "restart") == 400
    id = host.start("two_events")
    assert control(host, id, "restart", restartWithNewInstanceId="false") == 409
