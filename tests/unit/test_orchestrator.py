import json
from datetime import UTC, datetime
from unittest.mock import MagicMock, call

import pytest
from registry.entities import list_entity, stats_entity
from registry.orchestrator import processing_orchestration, registry_orchestration

from tests.virtual import VirtualHost

ID = "0123456789abcdef0123456789abcdef"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
FINISHER = "a" * 32
OPENING = {"openedAt": "2026-12-24T18:00:00.000Z", "closesAt": "2026-12-24T18:05:00.000Z", "maxItems": 500}
OPENING |= {"processing": "off", "backoff": [5, 3600, 86400], "trace": TRACE}
orchestrate = registry_orchestration._function.get_user_function().orchestrator_function


def run_to_the_race() -> tuple[MagicMock, object]:
    """A mocked context, and the orchestrator waiting at its race."""
    context = MagicMock(instance_id=ID, is_replaying=False)
    context.get_input.return_value = dict(OPENING)
    generator = orchestrate(context)
    next(generator)
    generator.send(None)
    assert generator.send(None) is context.task_any.return_value
    return context, generator


def test_the_stats_know_a_registry_before_its_list_opens() -> None:
    """opened, then open, each awaited."""
    context = MagicMock(instance_id=ID)
    context.get_input.return_value = dict(OPENING)
    generator = orchestrate(context)
    next(generator)
    assert context.call_entity.call_args_list == [call(stats_entity(ID), "opened", [ID])]
    generator.send(None)
    assert context.call_entity.call_args_list[1:] == [call(list_entity(ID), "open", OPENING)]
    context.create_timer.assert_not_called()


def test_the_timer_races_the_finish() -> None:
    """The timer is set for closesAt of the input, and task_any gets both."""
    context, _ = run_to_the_race()
    context.create_timer.assert_called_once_with(datetime(2026, 12, 24, 18, 5, tzinfo=UTC))
    context.wait_for_external_event.assert_called_once_with("finish")
    race = [context.create_timer.return_value, context.wait_for_external_event.return_value]
    context.task_any.assert_called_once_with(race)


@pytest.mark.parametrize("closed_by", ["user", "timeout"])
def test_both_arms_of_the_race_close_the_list_and_tell_the_stats(closed_by) -> None:
    """The winner decides who closed it; the timer is cancelled only where it lost."""
    context, generator = run_to_the_race()
    timer, finish = context.create_timer.return_value, context.wait_for_external_event.return_value
    finish.result = json.dumps(FINISHER)
    trace = FINISHER if closed_by == "user" else TRACE
    closing = generator.send(finish if closed_by == "user" else timer)
    assert closing is context.call_entity.return_value
    assert context.call_entity.call_args == call(list_entity(ID), "close", [closed_by, trace])
    assert timer.cancel.call_count == (1 if closed_by == "user" else 0)
    context.signal_entity.assert_not_called()
    with pytest.raises(StopIteration) as stop:
        generator.send(3)
    context.signal_entity.assert_called_once_with(stats_entity(ID), "closed", [ID, 3, "off"])
    assert stop.value.value == {"closedBy": closed_by, "itemsCount": 3}


def test_a_delivery_that_is_lost_with_its_host_is_tried_again() -> None:
    """An activity that fails is an attempt that failed: it does not end the orchestration."""
    context, generator = run_to_the_race()
    context.get_input.return_value["processing"] = "pending"
    context.current_utc_datetime = datetime(2026, 12, 24, 18, 5, tzinfo=UTC)
    generator.send(context.create_timer.return_value)
    assert generator.send(1) is context.call_activity.return_value
    pause = generator.throw(Exception("Timeout value of 00:05:00 was exceeded"))
    assert pause is context.create_timer.return_value
    assert context.create_timer.call_args == call(datetime(2026, 12, 24, 18, 5, 5, tzinfo=UTC))
    assert generator.send(None) is context.call_activity.return_value
    assert context.call_activity.call_args_list == [call("send", ID)] * 2
    generator.send("delivered")
    assert context.call_entity.call_args == call(list_entity(ID), "processed", ["delivered", TRACE])
    with pytest.raises(StopIteration):
        generator.send(None)
    assert context.signal_entity.call_args == call(stats_entity(ID), "processed", [ID, "delivered"])


def test_what_is_not_there_or_not_closed_is_not_sent_again() -> None:
    """The list decides: it may have been forgotten since it was asked for."""
    context = MagicMock(instance_id=f"{ID}-processing")
    context.get_input.return_value = {"id": ID, "backoff": [5, 3600, 86400], "trace": TRACE}
    generator = processing_orchestration._function.get_user_function().orchestrator_function(context)
    next(generator)
    assert context.call_entity.call_args_list == [call(list_entity(ID), "send_again")]
    with pytest.raises(StopIteration):
        generator.send(None)
    context.call_activity.assert_not_called()


@pytest.mark.parametrize("finished", [True, False])
def test_a_replay_of_every_prefix_asks_for_the_same(finished) -> None:
    """Whatever part of a history it is given, the actions are a prefix of those of the whole."""
    with VirtualHost() as host:
        id = host.open()
        host.add(id, "Bike")
        host.post(f"/api/finish/{id}") if finished else host.advance(minutes=5)
        history = json.loads(f"[{','.join(host.store.history(id))}]")
        input = host.store.instance(id).input
    handle = registry_orchestration._function.get_user_function()

    def actions(count: int) -> list[dict]:
        context = {
            "history": history[:count],
            "input": json.loads(input),
            "instanceId": id,
            "isReplaying": False,
            "parentInstanceId": None,
            "upperSchemaVersion": 1,
            "upperSchemaVersionNew": 2,
        }
        (listed,) = json.loads(handle(json.dumps(context)))["actions"]
        return [json.loads(json.dumps(each).replace('"isCanceled": true', '"isCanceled": false')) for each in listed]

    whole = actions(len(history))
    kinds = [each["actionType"] for each in whole]
    assert kinds == [7, 7, 11, 7, 9]  # call stats, call list, race, call list, signal stats
    for count in range(2, len(history)):
        replayed = actions(count)
        assert replayed == whole[: len(replayed)]
        assert actions(count) == replayed
