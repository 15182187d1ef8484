import json
import logging
from dataclasses import replace
from datetime import timedelta

import pytest

from devhost.engine.decisions import WorkItem
from devhost.engine.failure_details import activity_failure
from devhost.engine.work_items import ActivityOutcome, WorkItems
from devhost.functions.app import App
from devhost.functions.indexing import index
from devhost.management.messages import ManagementRequest
from devhost.settings.files import DEFAULTS
from devhost.storage.rows import Message
from devhost.storage.sqlite import open_store
from tests.sample_app import make_app
from tests.sample_host import ORIGIN, SampleHost, turns


@pytest.fixture(params=["memory", "file"])
def host(request, tmp_path):
    """A host over a task hub in memory, and over one in a file."""
    with SampleHost(tmp_path / "hub.db" if request.param == "file" else None) as host:
        yield host


def test_fan_out_and_in(host) -> None:
    """Activities of a task_all, their results in order, and a custom status."""
    id = host.start("fan_out", [2, 3])
    assert [(each.name, each.input) for each in host.store.activities()] == [
        ("square", "2"),
        ("square", "3"),
    ]
    host.complete("4")
    assert host.status(id) == ("Running", None)
    host.complete("9")
    assert host.status(id) == ("Completed", 13)
    assert host.store.instance(id).custom_status == '{"squares": 2}'


def test_a_failed_activity_is_raised_at_its_caller(host) -> None:
    """With its message."""
    id = host.start("halves", 3)
    host.complete(error="ValueError: 3 is odd")
    status, output = host.status(id)
    assert status == "Completed"
    assert "Activity function 'halve' failed: ValueError: 3 is odd" in output


def test_an_activity_counts_once(host) -> None:
    """A result that comes again changes nothing."""
    id = host.start("fan_out", [2, 3])
    activity = host.store.activities()[0]
    for _ in range(2):
        with host.store.transaction():
            host.work_items.complete_activity(activity, ActivityOutcome("4"))
        host.run()
    assert host.status(id) == ("Running", None)


def test_an_orchestrator_that_raises_fails(host, caplog) -> None:
    """The message is the output, and a line in the log."""
    id = host.start("broken")
    host.complete("1")
    assert host.status(id) == (
        "Failed",
        "Orchestrator function 'broken' failed: out of wrapping paper",
    )
    assert "out of wrapping paper" in caplog.text


def test_an_activity_that_fails_is_not_logged_once_more_at_its_caller(host, caplog) -> None:
    """The log had its traceback when it failed: the orchestrator's has the reason alone, without
    .NET's details.
    """
    id = host.start("broken")
    error = ValueError("no paper")
    (activity,) = host.store.activities()
    with host.store.transaction():
        host.work_items.complete_activity(
            activity, ActivityOutcome(failure=activity_failure("square", error))
        )
    host.run()
    assert '"RemoteMessage":"ValueError: no paper"' in host.store.instance(id).output.replace(
        "\\", ""
    )
    assert caplog.text.rstrip().endswith(
        "Exception: Activity function 'square' failed:  ValueError: no paper"
    )


def test_an_orchestrator_that_is_not_deterministic_fails(host) -> None:
    """With a line that says what differed."""
    id = host.start("fickle")
    host.complete("4")
    status, reason = host.status(id)
    assert status == "Failed"
    assert reason.startswith("Non-Deterministic workflow detected: ")


def test_an_orchestrator_that_is_gone_fails_its_instances(host) -> None:
    """When the app has changed since they were started."""
    id = host.start("two_events")
    host.work_items.functions = replace(host.work_items.functions, orchestrators={})
    host.raise_event(id, "go")
    assert host.status(id)[0] == "Failed"


def test_events_of_one_name_come_one_after_the_other(host) -> None:
    """Each wait takes one."""
    id = host.start("two_events")
    host.raise_event(id, "go", 1)
    assert host.status(id) == ("Running", None)
    host.raise_event(id, "go", 2)
    assert host.status(id) == ("Completed", ["1", "2"])


def test_an_event_after_the_end_is_gone(host) -> None:
    """410, as the real host answers."""
    id = host.start("two_events")
    assert [host.raise_event(id, "go") for _ in range(3)] == [202, 202, 410]
    assert host.raise_event("nobody", "go") == 404


def test_a_timer_fires_when_its_time_has_come(host) -> None:
    """Not earlier, and late ones at once."""
    id = host.start("raced_twice")
    host.advance(seconds=9)
    assert host.store.activities() == []
    host.advance(hours=1)
    host.raise_event(id, "again")
    assert [each.name for each in host.store.activities()] == ["square"]


def test_a_race_over_a_timer_of_an_earlier_race(host) -> None:
    """The orchestrator goes on where its actions alone do not say why, and replays alike."""
    id = host.start("raced_twice")
    host.raise_event(id, "go")
    host.advance(seconds=10)
    host.complete("9")
    assert host.status(id) == ("Completed", 9)


def test_a_cancelled_timer_does_not_fire(host) -> None:
    """While the orchestration goes on."""
    id = host.start("cancels")
    assert host.store.next_due() is not None
    host.raise_event(id, "go")
    assert host.store.next_due() is None
    assert host.status(id) == ("Running", None)


def test_a_reply_to_an_earlier_execution_is_not_taken(host) -> None:
    """It asked, was ended and started again under its id before the entity answered."""
    with host.store.transaction():
        host.client.start("asks_twice", None, host.clock.now, "again")
        turns(host.work_items, host.clock.now)
        host.client.terminate("again", "over")
        call, _ = host.store.due("9", 10)
        host.store.dequeue([call])
        turns(host.work_items, host.clock.now)
        assert host.store.instance("again").status == "Terminated"
        host.client.start("asks_twice", None, host.clock.now, "again")
        host.store.enqueue([call])
    host.run()
    assert host.status("again") == ("Completed", [1, 2])
    events = json.loads(f"[{','.join(host.store.history('again'))}]")
    assert [event["EventType"] for event in events].count(15) == 2


def test_entities_are_signalled_and_called(host) -> None:
    """In order; an error of one operation is raised at its caller and leaves the others alone."""
    id = host.start("counts", "a")
    assert host.status(id) == ("Completed", 5)
    assert host.store.instance(id).custom_status == '"the counter burst"'
    assert host.store.entity("@counter@a") == "5"


def test_an_entity_function_that_breaks_keeps_its_state(host, caplog) -> None:
    """Its callers get an error, and other instances go on."""
    host.start("counts", "a")

    def breaks(payload: str) -> str:
        raise MemoryError("too many gifts")

    host.work_items.functions = App(host.app.functions).durable
    host.work_items.functions.entities["counter"] = breaks
    id = host.start("counts", "a")
    assert host.status(id)[0] == "Failed"
    assert "too many gifts" in host.status(id)[1]
    assert host.store.entity("@counter@a") == "5"
    assert "its state stays as it was" in caplog.text


def test_a_terminated_instance_ends(host) -> None:
    """Its timers with it."""
    id = host.start("raced_twice")
    reply = host.manage(
        ManagementRequest("POST", f"instances/{id}/terminate", ORIGIN, query={"reason": "over"})
    )
    assert reply.status == 202
    assert host.status(id) == ("Terminated", "over")
    assert host.store.next_due() is None


def test_an_id_can_be_used_again_after_the_end(host) -> None:
    """The new instance starts from nothing; messages for the old one do not reach it."""
    host.start("fan_out", [2], id="again")
    activity = host.store.activities()[0]
    host.complete("4")
    host.start("fan_out", [5], id="again")
    with host.store.transaction():
        assert not host.store.complete(activity)
    assert host.status("again") == ("Running", None)
    host.complete("25")
    assert host.status("again") == ("Completed", 25)


def test_a_turn_that_is_not_committed_has_no_effect(host) -> None:
    """It is run again from the same messages, and comes to the same."""
    with host.store.transaction():
        id = host.client.start("fan_out", json.dumps("[2]"), host.clock.now)

    def interrupted() -> None:
        with host.store.transaction():
            turns(host.work_items, host.clock.now)
            assert host.store.activities()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert host.status(id) == ("Pending", None)
    assert host.store.activities() == []
    host.run()
    host.complete("4")
    assert host.status(id) == ("Completed", 4)


def test_many_messages_are_taken_in_several_rounds(host) -> None:
    """In order, at most as many as asked for."""
    with host.store.transaction():
        for _ in range(5):
            host.client.signal("@counter@b", "add", json.dumps("1"))
        assert [turns(host.work_items, host.clock.now, limit=2) for _ in range(4)] == [1, 1, 1, 0]
    assert host.store.entity("@counter@b") == "5"


def test_a_restart_goes_on_where_it_was(tmp_path) -> None:
    """Instances, activities and timers are in the file; what fell due meanwhile happens at once."""
    path = tmp_path / "hub.db"
    with SampleHost(path) as host:
        waiting, working = host.start("raced_twice"), host.start("fan_out", [2])
        host.raise_event(waiting, "go")
    store = open_store(path)
    work_items = WorkItems(store, index(make_app()).durable)
    later = host.clock.now + timedelta(hours=1)
    with store.transaction():
        while turns(work_items, later):
            pass
        square, third = store.activities()
        work_items.complete_activity(square, ActivityOutcome("4"))
        work_items.complete_activity(third, ActivityOutcome("9"))
        while turns(work_items, later):
            pass
    assert json.loads(store.instance(working).output) == 4
    assert json.loads(store.instance(waiting).output) == 9
    store.close()


def test_a_turn_that_cannot_be_written_fails_its_instance_only(host, monkeypatch) -> None:
    """What it wrote is undone, and the others of the batch go on."""
    bad, good = host.start("sends_what_cannot_be_stored"), host.start("raced_twice")
    host.raise_event(good, "go")
    enqueue = host.store.enqueue

    def refuse(messages: list[Message]) -> None:
        if any(message.target == "@counter@a" for message in messages):
            raise ValueError("this one cannot be stored")
        enqueue(messages)

    monkeypatch.setattr(host.store, "enqueue", refuse)
    host.advance(seconds=10)
    assert host.status(bad) == ("Failed", "ValueError('this one cannot be stored')")
    assert [each.instance for each in host.store.activities()] == [good]


def test_a_message_after_the_end_changes_nothing(host) -> None:
    """Whoever sent it did not know yet."""
    id = host.start("unknown_activity")
    before = (host.store.instance(id), host.store.history(id))
    with host.store.transaction():
        host.client.raise_event(id, "go", "null")
        host.client.suspend(id, "late")
    host.advance(seconds=1)
    assert (host.store.instance(id), host.store.history(id)) == before


def test_a_message_for_nobody_is_dropped(host) -> None:
    """No instance comes of it."""
    with host.store.transaction():
        host.client.raise_event("nobody", "go", "null")
    host.run()
    assert host.store.instance("nobody") is None
    assert host.store.next_due() is None


@pytest.mark.parametrize("text", ["a\uffffb", "\ufffe"])
@pytest.mark.parametrize("encoding", ["UTF8", "Base64"])
def test_characters_that_xml_cannot_have(text, encoding) -> None:
    """Clients get 500 and nothing is sent, as with Azure Storage; encoded as Base64 they pass."""
    with SampleHost(config=replace(DEFAULTS, message_encoding=encoding)) as host:
        id = host.start("two_events")
        calls = [
            ManagementRequest(
                "POST", f"instances/{id}/raiseEvent/no", ORIGIN, body=json.dumps(text)
            ),
            ManagementRequest(
                "POST", "entities/Counter/a", ORIGIN, query={"op": "add"}, body=json.dumps([text])
            ),
            *(
                ManagementRequest("POST", f"instances/{id}/{each}", ORIGIN, query={"reason": text})
                for each in ("suspend", "resume")
            ),
            ManagementRequest("POST", f"instances/{id}/terminate", ORIGIN, query={"reason": text}),
        ]
        expected = 500 if encoding == "UTF8" else 202
        assert {host.manage(call).status for call in calls} == {expected}
        assert (host.store.instance(id).status == "Running") == (encoding == "UTF8")
        assert (host.store.entity("@counter@a") is None) == (encoding == "UTF8")


def test_characters_that_are_escaped_once_more_pass(host) -> None:
    """As the SDK's client sends them."""
    id = host.start("two_events")
    assert [host.raise_event(id, "go", "\uffff") for _ in range(2)] == [202, 202]
    assert host.status(id) == ("Completed", ['"\\uffff"', '"\\uffff"'])


def test_payloads_of_clients_are_read_as_the_real_host_reads_them(host) -> None:
    """Half of a surrogate pair becomes U+FFFD, and NaN a text."""
    id = host.start("two_events")
    for body in (r'"a\ud800b"', "NaN"):
        host.manage(ManagementRequest("POST", f"instances/{id}/raiseEvent/go", ORIGIN, body=body))
    assert host.status(id) == ("Completed", ["a\ufffdb", "NaN"])
    host.manage(ManagementRequest("POST", "orchestrators/two_events/n", ORIGIN, body="[NaN]"))
    assert json.loads(host.store.instance("n").input) == ["NaN"]


def test_a_target_is_taken_once_until_its_item_is_completed_or_abandoned(host) -> None:
    """What comes for it meanwhile waits; where it is abandoned, its messages can be taken again."""
    client, work_items, now = host.client, host.work_items, host.clock.now

    def signal_and_take() -> list[WorkItem]:
        with host.store.transaction():
            client.signal("@counter@a", "add", json.dumps("1"))
            return work_items.take(now)

    (first,) = signal_and_take()
    assert (signal_and_take(), work_items.next_due()) == ([], None)
    work_items.abandon(first)
    assert work_items.next_due() == ""
    (again,) = signal_and_take()
    with host.store.transaction():
        work_items.complete(again, work_items.execute(again), now)
    assert host.store.entity("@counter@a") == "3"


def test_nothing_more_is_taken_while_very_many_are_executed(host, monkeypatch) -> None:
    """Until one of them is done."""
    monkeypatch.setattr("devhost.engine.work_items.MOST_LOCKED", 1)
    client, work_items, now = host.client, host.work_items, host.clock.now
    with host.store.transaction():
        client.signal("@counter@a", "add", json.dumps("1"))
        (first,) = work_items.take(now)
        client.signal("@counter@b", "add", json.dumps("1"))
        assert (work_items.take(now), work_items.next_due()) == ([], None)
        work_items.complete(first, work_items.execute(first), now)
        assert work_items.next_due() == ""
        assert [item.target for item in work_items.take(now)] == ["@counter@b"]


@pytest.fixture(autouse=True)
def log_level(caplog) -> None:
    caplog.set_level(logging.INFO)


def test_nothing_is_due_once_all_is_completed(host) -> None:
    """Else the next batch would be made for nothing."""
    with host.store.transaction():
        host.client.signal("@counter@a", "add", "1")
        assert host.work_items.next_due() == ""
        assert turns(host.work_items, host.clock.now) == 1
    assert host.work_items.next_due() is None
