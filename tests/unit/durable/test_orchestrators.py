import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from registry.durable import orchestrators
from registry.durable.names import CLOSE_EVENT
from registry.durable.orchestrators import (
    ATTEMPTS_PER_HISTORY,
    delivery_orchestrator,
    registry_orchestrator,
)
from tests.clock import START
from tests.support.registries import END, ID
from tests.unit import stored_by_1_0
from tests.unit.episodes import (
    CALL,
    CONTINUE_AS_NEW,
    RETRY,
    TIMER,
    WHEN_ANY,
    Episodes,
    completed,
    failed,
    fired,
    raised,
)

OPENED = stored_by_1_0.MESSAGES["OpenRegistry"]
FINISHER = "a" * 32
FINISHED = raised(CLOSE_EVENT, stored_by_1_0.ENVELOPE | {"trace": FINISHER})


def close_call(actions: list[dict[str, Any]]) -> dict[str, Any]:
    """The one action that is new: a call with retries, which the SDK wraps."""
    (action,) = actions
    (call,) = action["compoundActions"]
    assert (call["actionType"], call["functionName"]) == (RETRY, "settle")
    return call


def close_message(actions: list[dict[str, Any]]) -> dict[str, Any]:
    """The message of that call."""
    return json.loads(close_call(actions)["input"])


def fire_at(timer: dict[str, Any]) -> datetime:
    assert timer["actionType"] == TIMER
    return datetime.fromisoformat(timer["fireAt"])


class TestRegistryOrchestrator:
    @pytest.fixture
    def episodes(self) -> Episodes:
        """An orchestration that waits for the close."""
        return Episodes(registry_orchestrator, OPENED)

    def test_it_waits_for_a_timer_or_the_close_event(self, episodes) -> None:
        """The timer is due a second after closesAt: Azure Storage's are up to a second early."""
        (race,) = episodes.actions
        assert race["actionType"] == WHEN_ANY
        timer, event = race["compoundActions"]
        assert fire_at(timer) == END + timedelta(seconds=1)
        assert event["externalEventName"] == CLOSE_EVENT
        assert not episodes.is_done

    def test_the_timer_closes_the_registry(self, episodes) -> None:
        """By time-out, in the trace of whoever opened it."""
        now = END + timedelta(seconds=0.4)
        message = close_message(episodes.turn(fired(0), at=now))
        assert message == OPENED | {"by": "timeout", "sent_at": "2026-12-24T18:05:00.400Z"}

        result = {"closedBy": "timeout", "itemsCount": 2}
        episodes.turn(completed(1, result), at=now)
        assert (episodes.is_done, episodes.output) == (True, result)

    def test_the_close_event_cancels_the_timer_and_closes_the_registry(self, episodes) -> None:
        """By the user, in the trace of whoever finished it."""
        message = close_message(episodes.turn(FINISHED, at=START + timedelta(seconds=10)))
        assert (message["by"], message["trace"]) == ("user", FINISHER)
        assert episodes.actions[0]["compoundActions"][0]["isCanceled"]
        episodes.turn(completed(1, {}), at=START + timedelta(seconds=11))
        assert episodes.is_done

    @pytest.mark.parametrize("data", [None, 5, "x", {}, {"trace": 5}])
    def test_an_event_closes_whatever_it_carries(self, episodes, data) -> None:
        """Only its trace is read; without one there is none."""
        message = close_message(episodes.turn(raised(CLOSE_EVENT, data), at=START))
        assert (message["by"], message["trace"]) == ("user", "")

    def test_a_timer_that_fires_early_is_set_again(self, episodes) -> None:
        """Nothing is closed before closesAt."""
        (again,) = episodes.turn(fired(0), at=END - timedelta(milliseconds=1))
        assert fire_at(again["compoundActions"][0]) == END + timedelta(seconds=1)
        assert close_message(episodes.turn(fired(1), at=END))["by"] == "timeout"

    def test_the_close_event_counts_after_an_early_timer(self, episodes) -> None:
        """It ends the second wait."""
        episodes.turn(fired(0), at=END - timedelta(milliseconds=800))
        message = close_message(episodes.turn(FINISHED, at=END - timedelta(milliseconds=500)))
        assert message["by"] == "user"

    def test_the_first_of_timer_and_event_decides(self, episodes) -> None:
        """Where both come in one turn. The list has the last word all the same."""
        message = close_message(episodes.turn(fired(0), FINISHED, at=END))
        assert (message["by"], message["trace"]) == ("timeout", OPENED["trace"])
        other = Episodes(registry_orchestrator, OPENED)
        assert close_message(other.turn(FINISHED, fired(0), at=END))["by"] == "user"

    def test_a_second_event_has_no_effect(self, episodes) -> None:
        """The registry is being closed."""
        assert close_message(episodes.turn(FINISHED, at=START))["by"] == "user"
        with pytest.warns(UserWarning, match="duplicate"):
            assert episodes.turn(FINISHED, at=START) == []

    def test_an_orchestration_that_starts_late_closes_at_once(self) -> None:
        """Without a timer: its start was delayed, or repeated."""
        late = Episodes(registry_orchestrator, OPENED, at=END)
        assert close_message(late.actions)["by"] == "timeout"

    def test_the_close_is_tried_five_times(self, episodes) -> None:
        """Two seconds apart; then the orchestration fails, and reconcile closes the registry."""
        call = close_call(episodes.turn(fired(0), at=END))
        assert call["retryOptions"] == {
            "firstRetryIntervalInMilliseconds": 2000,
            "maxNumberOfAttempts": 5,
        }
        now, id = END, 1
        for _ in range(4):
            episodes.turn(failed(id), at=now)
            assert not episodes.is_done
            now += timedelta(seconds=2)
            episodes.turn(fired(id + 1), at=now)
            id += 2

        episodes.turn(failed(id), at=now)
        with pytest.raises(Exception, match="exited with code 137"):
            episodes.turn(fired(id + 1), at=now + timedelta(seconds=2))

    def test_a_retry_that_succeeds_has_the_result(self, episodes) -> None:
        """The failure before it is forgotten."""
        episodes.turn(fired(0), at=END)
        episodes.turn(failed(1), at=END)
        episodes.turn(fired(2), at=END + timedelta(seconds=2))
        episodes.turn(completed(3, {"closedBy": "timeout"}), at=END + timedelta(seconds=3))
        assert (episodes.is_done, episodes.output) == (True, {"closedBy": "timeout"})

    def test_every_part_of_a_history_replays_to_the_same_actions(self, episodes) -> None:
        """In the same order."""
        episodes.turn(fired(0), at=END - timedelta(seconds=0.5))
        before = list(episodes.actions)
        episodes.turn(fired(1), at=END)
        assert episodes.actions[: len(before)] == before

    def test_an_input_with_unknown_members_is_read(self) -> None:
        """A later version may have started it."""
        later = Episodes(registry_orchestrator, OPENED | {"title": "Christmas"})
        (race,) = later.actions
        assert fire_at(race["compoundActions"][0]) == END + timedelta(seconds=1)


FAR = {"opened_at": "9999-12-24T18:00:00Z", "closes_at": "9999-12-24T18:05:00Z"}


def opening(**changes: Any) -> dict[str, Any]:
    """The input of a registry's orchestration, with other terms."""
    return OPENED | {"birth": OPENED["birth"] | changes}


@pytest.mark.parametrize(
    ("input", "reason"),
    [
        (None, "the input is invalid: TypeError"),
        (5, "the input is invalid: TypeError"),
        ({}, "the input is invalid: sent_at: missing; birth: missing"),
        (
            opening(closes_at="2026-12-24T18:05:00"),
            "the input is invalid: birth.closes_at: timezone_aware",
        ),
        (opening(id="f" * 32), "the terms are those of another registry"),
        (opening(**FAR), "no settings allow such times"),
        (opening(closes_at="2026-12-24T17:59:59Z"), "no settings allow such times"),
        (
            opening(closes_at="2026-12-26T00:00:00Z"),
            "no settings allow such times",
        ),
    ],
)
def test_an_orchestration_of_a_registry_fails_by_junk(input, reason) -> None:
    """At once, and with a reason that has none of its values."""
    with pytest.raises(Exception, match=f"^{reason}\n") as error:
        Episodes(registry_orchestrator, input)
    assert isinstance(error.value.__cause__, ValueError)


def test_no_registry_has_an_id_of_another_form() -> None:
    """It could not be asked for."""
    with pytest.raises(Exception, match=r"^no registry has such an id\n"):
        Episodes(registry_orchestrator, opening(id="x"), "x")


def test_an_orchestration_from_a_clock_that_is_a_day_ahead_waits() -> None:
    """Its callers were told that time."""
    ahead = {"opened_at": "2026-12-25T18:00:00Z", "closes_at": "2026-12-25T18:05:00Z"}
    assert not Episodes(registry_orchestrator, opening(**ahead)).is_done


SHORT = [600, 600, 1200]
INPUT = stored_by_1_0.DELIVERY_INPUT | {"backoff": [5, 600, 3600]}


class Delivery:
    """A delivery's orchestration, whose attempts end as a test says."""

    def __init__(self, **changes: Any) -> None:
        self.now = START
        self.episodes = Episodes(delivery_orchestrator, INPUT | changes, f"{ID}-delivery")
        self._next = 0

    @property
    def attempt(self) -> dict[str, Any]:
        """The message of the attempt that was called last."""
        action = self.episodes.actions[-1]
        assert (action["actionType"], action["functionName"]) == (CALL, "send")
        return json.loads(action["input"])

    def fail(self, event: dict[str, Any] | None = None) -> float:
        """End the attempt without an outcome, and have its timer fire.

        Returns the seconds of the timer. Without an event, the activity returns that it failed.
        """
        (timer,) = self.episodes.turn(event or completed(self._next, False), at=self.now)
        delay = fire_at(timer) - self.now
        self.now += delay
        self.episodes.turn(fired(self._next + 1), at=self.now)
        self._next += 2
        return delay.total_seconds()

    def crash(self) -> float:
        """Have the activity fail, as it does where its worker dies."""
        return self.fail(failed(self._next))

    def succeed(self) -> None:
        """The attempt's outcome is on record."""
        self.episodes.turn(completed(self._next, True), at=self.now)


class TestDeliveryOrchestrator:
    def test_it_ends_with_an_attempt_whose_outcome_is_on_record(self) -> None:
        """Nothing else follows."""
        delivery = Delivery()
        assert delivery.attempt == INPUT | {"pause": 5.0}
        delivery.succeed()
        assert delivery.episodes.is_done

    def test_delays_are_timers_that_double_up_to_the_longest(self) -> None:
        """Each attempt carries the delay that follows it."""
        delivery = Delivery()
        delays = []
        for _ in range(9):
            known = delivery.attempt["pause"]
            delays.append(delivery.fail())
            assert delays[-1] == known
        assert delays == [5, 10, 20, 40, 80, 160, 320, 600, 600]

    def test_the_last_attempt_has_no_delay(self) -> None:
        """The one after it would come later than the total."""
        delivery = Delivery(backoff=[600, 600, 3600])
        for _ in range(6):
            assert delivery.attempt["pause"] == 600
            delivery.fail()
        assert delivery.attempt["pause"] is None
        delivery.succeed()
        assert delivery.episodes.is_done

    def test_an_activity_that_fails_never_ends_it(self) -> None:
        """Nothing is known of the outcome then, also of the last attempt's."""
        delivery = Delivery(backoff=SHORT)
        assert [delivery.crash() for _ in range(5)] == [600] * 5
        assert delivery.attempt["pause"] is None
        assert not delivery.episodes.is_done
        delivery.succeed()
        assert delivery.episodes.is_done

    def test_after_fifty_attempts_it_continues_as_new(self, monkeypatch) -> None:
        """With its beginning and the number of failures, so that the delays go on as they were.

        Here it does so after ten: every turn replays them all.
        """
        assert ATTEMPTS_PER_HISTORY == 50
        monkeypatch.setattr(orchestrators, "ATTEMPTS_PER_HISTORY", 10)
        backoff = [5, 600, 3600 * 1000]
        delivery = Delivery(backoff=backoff)
        for _ in range(10):
            delivery.fail()

        action = delivery.episodes.actions[-1]
        assert action["actionType"] == CONTINUE_AS_NEW
        input = json.loads(action["input"])
        assert input == INPUT | {
            "backoff": backoff,
            "began": "2026-12-24T18:00:00.000Z",
            "failures": 10,
        }
        assert Delivery(**input).attempt["failures"] == 10
        assert Delivery(**input).attempt["pause"] == 600

    @pytest.mark.parametrize(
        ("junk", "reason"),
        [
            ({"id": "f" * 32}, "the input is that of another registry"),
            ({"id": 5}, "the input is invalid: id: string_type"),
            ({"failures": -(10**9)}, "the input is invalid: failures: greater_than_equal"),
            ({"backoff": [0, 600, 3600]}, "no settings allow such a back-off"),
            ({"backoff": [600, 10**12, 3600]}, "no settings allow such a back-off"),
            ({"backoff": [600, 600, 10**30]}, "no settings allow such a back-off"),
            ({"began": "9999-12-24T18:00:00"}, "the input is invalid: began: timezone_aware"),
        ],
    )
    def test_it_fails_by_junk(self, junk, reason) -> None:
        """At once, and with a reason that has none of its values."""
        with pytest.raises(Exception, match=f"^{reason}\n"):
            Delivery(**junk)

    def test_a_beginning_that_is_to_come_is_now(self) -> None:
        """Otherwise it would go on for ever."""
        delivery = Delivery(backoff=SHORT, began="9999-12-24T18:00:00Z")
        assert [delivery.fail(), delivery.fail()] == [600, 600]
        assert delivery.attempt["pause"] is None

    def test_the_total_counts_from_the_first_history(self) -> None:
        """Not from the latest one."""
        began = {"failures": 50, "began": "2026-12-24T17:00:01.000Z"}
        assert Delivery(**began).attempt["pause"] is None
        began["began"] = "2026-12-24T17:20:00.000Z"
        assert Delivery(**began).attempt["pause"] == 600

    def test_an_input_with_unknown_members_is_read(self) -> None:
        """A later version may have started it."""
        assert Delivery(title="Christmas").attempt["pause"] == 5
