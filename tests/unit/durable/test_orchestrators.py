import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from registry.domain.problems import OutcomeUnknown
from registry.durable.messages import dump
from registry.durable.names import FINISH
from registry.durable.orchestrators import registry_orchestration, settle
from tests.clock import START
from tests.unit.episodes import RETRY, TIMER, WHEN_ANY, Episodes, completed, failed, fired, raised
from tests.support.fake_hub import OK, ID, LOST, TRACE, make_terms

FINISHER = "a" * 32
END = START + timedelta(minutes=5)
FLAT = {
    "openedAt": "2026-12-24T18:00:00.000Z",
    "closesAt": "2026-12-24T18:05:00.000Z",
    "maxItems": 3,
}


def message(trace: str = TRACE, **content: Any) -> dict[str, Any]:
    return {
        "v": 1,
        "trace": trace,
        "sent_at": "2026-12-24T18:00:00.000Z",
        "birth": as_json(make_terms()),
        **content,
    }


def as_json(terms: Any) -> Any:
    return json.loads(json.dumps(dump(terms)))


@pytest.fixture
def life() -> Episodes:
    """A life in its race."""
    return Episodes(registry_orchestration, message())


def order(actions: list[dict[str, Any]]) -> dict[str, Any]:
    """The order of the one action that is new, the settling."""
    action = retried(actions)
    assert action["functionName"] == "settle"
    return json.loads(action["input"])


def retried(actions: list[dict[str, Any]]) -> dict[str, Any]:
    """A call with retries; the SDK wraps it up."""
    (action,) = actions
    (action,) = action["compoundActions"]
    assert action["actionType"] == RETRY
    return action


def fire_at(timer: dict[str, Any]) -> datetime:
    assert timer["actionType"] == TIMER
    return datetime.fromisoformat(timer["fireAt"])


def test_the_timer_races_the_finish(life) -> None:
    """It is due a second after the end: on Azure Storage timers are up to a second early."""
    (race,) = life.actions
    assert race["actionType"] == WHEN_ANY
    timer, finish = race["compoundActions"]
    assert fire_at(timer) == END + timedelta(seconds=1)
    assert finish["externalEventName"] == FINISH
    assert not life.is_done


def test_time_settles_the_registry(life) -> None:
    """The order is a message `Close` by time-out, in the trace of whoever opened it."""
    now = END + timedelta(seconds=0.4)
    given = order(life.turn(fired(0), at=now))
    assert given == message(by="timeout", sent_at="2026-12-24T18:05:00.400Z")
    life.turn(completed(1, {"closedBy": "timeout", "itemsCount": 2}), at=now)
    assert life.is_done
    assert life.output == {"closedBy": "timeout", "itemsCount": 2}


def test_a_finish_cancels_the_timer_and_settles_the_registry(life) -> None:
    """By the user, and in the trace of whoever finished it."""
    finish = raised(FINISH, message(FINISHER))
    given = order(life.turn(finish, at=START + timedelta(seconds=10)))
    assert (given["by"], given["trace"]) == ("user", FINISHER)
    assert life.actions[0]["compoundActions"][0]["isCanceled"]
    life.turn(completed(1, {}), at=START + timedelta(seconds=11))
    assert life.is_done


def test_the_event_of_an_older_version_finishes_too(life) -> None:
    """It was the trace alone."""
    given = order(life.turn(raised(FINISH, FINISHER), at=START + timedelta(seconds=10)))
    assert (given["by"], given["trace"]) == ("user", FINISHER)


def test_a_timer_that_fires_early_is_set_again(life) -> None:
    """Nothing is settled before the end; the finish still counts, and cancels the second timer."""
    (again,) = life.turn(fired(0), at=END - timedelta(milliseconds=1))
    assert fire_at(again["compoundActions"][0]) == END + timedelta(seconds=1)
    given = order(life.turn(fired(1), at=END))
    assert given["by"] == "timeout"


def test_a_finish_after_an_early_timer_counts(life) -> None:
    """The second race is between the second timer and the same event."""
    life.turn(fired(0), at=END - timedelta(milliseconds=800))
    given = order(
        life.turn(raised(FINISH, message(FINISHER)), at=END - timedelta(milliseconds=500))
    )
    assert given["by"] == "user"


def test_the_first_of_timer_and_finish_decides(life) -> None:
    """Where both come in one turn; the list has the last word all the same."""
    given = order(life.turn(fired(0), raised(FINISH, message(FINISHER)), at=END))
    assert (given["by"], given["trace"]) == ("timeout", TRACE)
    other = Episodes(registry_orchestration, message())
    assert order(other.turn(raised(FINISH, message(FINISHER)), fired(0), at=END))["by"] == "user"


def test_a_finish_that_comes_twice_counts_once(life) -> None:
    """The second one has no effect on the settling."""
    finish = raised(FINISH, message(FINISHER))
    assert order(life.turn(finish, at=START))["by"] == "user"
    with pytest.warns(UserWarning, match="duplicate"):
        assert life.turn(finish, at=START) == []


def test_a_life_that_begins_late_settles_at_once() -> None:
    """There is no timer: the start was stuck, or was repeated."""
    late = Episodes(registry_orchestration, message(), at=END)
    assert order(late.actions)["by"] == "timeout"


def test_settling_is_tried_five_times(life) -> None:
    """Two seconds apart; then the life fails, and heal settles the registry."""
    action = retried(life.turn(fired(0), at=END))
    assert action["retryOptions"] == {
        "firstRetryIntervalInMilliseconds": 2000,
        "maxNumberOfAttempts": 5,
    }
    now, id = END, 1
    for attempt in range(5):
        life.turn(failed(id), at=now)
        assert not life.is_done
        now += timedelta(seconds=2)
        if attempt == 4:
            with pytest.raises(Exception, match="exited with code 137"):
                life.turn(fired(id + 1), at=now)
        else:
            life.turn(fired(id + 1), at=now)
        id += 2


def test_a_settling_that_fails_once_is_made_good(life) -> None:
    """Its result is that of the last attempt."""
    life.turn(fired(0), at=END)
    life.turn(failed(1), at=END)
    life.turn(fired(2), at=END + timedelta(seconds=2))
    life.turn(completed(3, {"closedBy": "timeout"}), at=END + timedelta(seconds=3))
    assert life.is_done
    assert life.output == {"closedBy": "timeout"}


OLDEST = FLAT | {"items": [], "closedAt": None, "closedBy": None}
OLDER = FLAT | {"processing": "pending", "backoff": [1, 600, 7200], "trace": TRACE}


@pytest.mark.parametrize(
    ("input", "birth", "trace"),
    [
        (OLDEST, make_terms(), ""),
        (OLDER, make_terms(has_webhook=True, backoff=(1, 600, 7200)), TRACE),
        (OLDER | {"processing": "off"}, make_terms(backoff=(1, 600, 7200)), TRACE),
    ],
    ids=["5df348e", "0d91084", "0d91084 without a webhook"],
)
def test_the_inputs_of_older_versions_are_read(input, terms, trace) -> None:
    """They are flat: 5df348e knew neither traces nor deliveries."""
    life = Episodes(registry_orchestration, input)
    assert fire_at(life.actions[0]["compoundActions"][0]) == END + timedelta(seconds=1)
    given = order(life.turn(fired(0), at=END))
    assert (given["birth"], given["trace"]) == (as_json(terms), trace)


def test_every_part_of_a_history_replays_to_the_same_actions(life) -> None:
    """What was asked for once is asked for again in the same order."""
    life.turn(fired(0), at=END - timedelta(seconds=0.5))
    before = list(life.actions)
    life.turn(fired(1), at=END)
    assert life.actions[: len(before)] == before


def test_settle_settles_in_the_name_of_the_order(client, clock) -> None:
    """Its result is for people who look at the instance; the trace goes with its messages."""
    client.open()
    client.apply(AddItem, key="k1", text="Bike")
    run = settle._function.get_user_function().client_function
    given = message(FINISHER, by="user")
    assert clock.run(run(given, client.mock)) == {"closedBy": "user", "itemsCount": 1}
    assert {call.content["trace"] for call in client.calls if call.content} == {FINISHER}
    clock.advance(minutes=5)
    assert clock.run(run(given | {"by": "timeout"}, client.mock)) == {
        "closedBy": "user",
        "itemsCount": 1,
    }


def test_a_settling_without_a_recorded_close_fails(client, clock) -> None:
    """So that it is tried again: nothing is counted that was not read."""
    client.open()
    client.fault = lambda call: LOST if call.what == "signal CloseRegistry" else OK
    with pytest.raises(OutcomeUnknown):
        clock.run(
            settle._function.get_user_function().client_function(message(by="user"), client.mock)
        )
    assert client.count("signal RecordSnapshot") == 0
    assert client.registry(ID).closed_at is None
