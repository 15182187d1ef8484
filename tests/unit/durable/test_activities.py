import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from registry import settings
from registry.domain.problems import HubUnavailable, OutcomeUnknown
from registry.domain.registry import Backoff, Snapshot
from registry.durable.activities import ATTEMPTS_A_HISTORY, delivery_orchestration, send
from registry.durable.messages import dump, shown
from registry.durable.names import stats_entity
from registry.durable.service import RegistryService
from registry.durable.task_hub import TaskHubClient
from registry.durable.webhook import Webhook
from registry.settings import Settings
from tests.clock import START
from tests.unit.episodes import CALL, CONTINUE_AS_NEW, TIMER, Episodes, completed, failed, fired
from tests.support.fake_hub import OK, FAILS, ID, LOST, TRACE, make_terms

INSTANCE = f"{ID}-delivery"
BACKOFF = Backoff(first=5, longest=600, total=3600)


def order(**changes: Any) -> dict[str, Any]:
    base = {"v": 1, "trace": TRACE, "sent_at": "2026-12-24T18:00:00.000Z", "id": ID, "number": 1}
    return base | {"backoff": list(BACKOFF), "began": None, "failures": 0} | changes


def attempt(action: dict[str, Any]) -> dict[str, Any]:
    assert (action["actionType"], action["functionName"]) == (CALL, "send")
    return json.loads(action["input"])


def due(action: dict[str, Any]) -> datetime:
    assert action["actionType"] == TIMER
    return datetime.fromisoformat(action["fireAt"])


class Delivery:
    """A delivery whose attempts come to what a test says."""

    def __init__(self, **changes: Any) -> None:
        self.now = START
        self._next = 0
        self.episodes = Episodes(delivery_orchestration, order(**changes), INSTANCE)

    @property
    def attempt(self) -> dict[str, Any]:
        """The attempt under way."""
        return attempt(self.episodes.actions[-1])

    def fails(self, outcome: Any = False) -> float:
        """An attempt does not end the delivery; returns the seconds until the next one, which is
        made.
        """
        event = failed(self._next) if outcome is None else completed(self._next, outcome)
        (timer,) = self.episodes.turn(event, at=self.now)
        pause = due(timer) - self.now
        self.now = due(timer)
        self.episodes.turn(fired(self._next + 1), at=self.now)
        self._next += 2
        return pause.total_seconds()


class TestOrchestration:
    def test_an_attempt_that_ends_it_ends_it(self) -> None:
        """Its outcome is on record by then."""
        delivery = Delivery()
        assert delivery.attempt == order(pause=5.0)
        assert delivery.episodes.turn(completed(0, True), at=START) == []
        assert delivery.episodes.is_done

    def test_pauses_are_timers_that_double(self) -> None:
        """Up to the longest; each attempt knows how long the pause after it is."""
        delivery = Delivery()
        pauses = []
        for _ in range(9):
            known = delivery.attempt["pause"]
            pauses.append(delivery.fails())
            assert pauses[-1] == known
        assert pauses == [5, 10, 20, 40, 80, 160, 320, 600, 600]

    def test_the_last_attempt_has_no_pause(self) -> None:
        """After it the total would be exceeded."""
        delivery = Delivery(backoff=[600, 600, 3600])
        for _ in range(6):
            assert delivery.attempt["pause"] == 600
            delivery.fails()
        assert delivery.attempt["pause"] is None
        delivery.episodes.turn(completed(12, True), at=delivery.now)
        assert delivery.episodes.is_done

    def test_a_failing_activity_never_ends_it(self) -> None:
        """Its worker died, or the task hub did not answer: nothing is known, also of the last
        attempt.
        """
        delivery = Delivery(backoff=[600, 600, 1200])
        assert [delivery.fails(None) for _ in range(5)] == [600] * 5
        assert delivery.attempt["pause"] is None
        assert not delivery.episodes.is_done
        delivery.episodes.turn(completed(10, True), at=delivery.now)
        assert delivery.episodes.is_done

    def test_after_fifty_attempts_it_begins_a_new_history(self) -> None:
        """With its beginning and the number of failures; the pauses go on as they were."""
        total = 3600 * 1000
        delivery = Delivery(backoff=[5, 600, total])
        for _ in range(ATTEMPTS_A_HISTORY):
            delivery.fails()
        action = delivery.episodes.actions[-1]
        assert action["actionType"] == CONTINUE_AS_NEW
        following = (
            json.loads(action["input"]) if isinstance(action["input"], str) else action["input"]
        )
        assert following == order(
            backoff=[5, 600, total], began="2026-12-24T18:00:00.000Z", failures=50
        )
        next = Delivery(**{name: following[name] for name in ("backoff", "began", "failures")})
        assert next.attempt["failures"] == 50
        assert next.attempt["pause"] == 600

    def test_the_total_counts_from_the_first_history(self) -> None:
        """Not from the latest one."""
        began = "2026-12-24T17:00:01.000Z"
        assert Delivery(began=began, failures=50).attempt["pause"] is None
        assert Delivery(began="2026-12-24T17:20:00.000Z", failures=50).attempt["pause"] == 600


class Receiver:
    """A webhook that answers as a test says, and keeps what was posted."""

    def __init__(self) -> None:
        self.verdict = "delivered"
        self.posts: list[tuple[str, Any]] = []
        self.on_post = lambda: None

    async def post(self, id: str, body: str, now: datetime) -> tuple[str, str]:
        self.posts.append((id, json.loads(body)))
        self.on_post()
        return self.verdict, "500"


@pytest.fixture
def receiver(monkeypatch) -> Receiver:
    """The receiver of the app's webhook."""
    receiver = Receiver()
    chosen = Settings(webhook=Webhook("http://127.0.0.1:9", "", 1))
    monkeypatch.setattr(Webhook, "post", lambda self, *args: receiver.post(*args))
    monkeypatch.setattr(settings, "current", lambda: chosen)
    return receiver


@pytest.fixture
def pending(client, clock):
    """A closed registry whose first delivery is under way."""
    terms = client.open(make_terms(has_webhook=True))
    client.apply(AddItem, key="k1", text="Fahrrad für Zoë")
    clock.advance(seconds=10)
    client.apply(CloseRegistry, terms=terms, by="user")
    return client


def run(client, pause: float | None = 5, **changes: Any) -> bool:
    work = send._function.get_user_function().client_function
    return client.clock.run(work(order(pause=pause, **changes), client.mock))


def reported(client) -> list[dict[str, Any]]:
    return [
        call.content["standing"] for call in client.calls if call.what == "signal RecordSnapshot"
    ]


class TestSend:
    def test_a_closed_registry_is_delivered(self, pending, receiver, clock) -> None:
        """The receiver sees it as callers do, under its id; the list and then the stats have the
        outcome.
        """
        before = pending.registry()
        assert run(pending) is True
        assert receiver.posts == [(ID, shown(before, clock.utc_now()))]
        assert pending.registry().delivery.status == "delivered"
        assert pending.sent() == ["signal RecordDelivery", "signal RecordSnapshot"]
        assert reported(pending)[0]["phase"] == "delivered"
        assert {call.content["trace"] for call in pending.calls if call.content} == {TRACE}

    @pytest.mark.parametrize("pause", [5, None])
    def test_a_receiver_that_refuses_for_good_ends_it(self, pending, receiver, pause) -> None:
        """It has failed, whatever time is left."""
        receiver.verdict = "failed"
        assert run(pending, pause) is True
        assert pending.registry().delivery.status == "failed"

    def test_a_failed_attempt_is_tried_again(self, pending, receiver, clock, caplog) -> None:
        """The list stays as it is; the stats hear when the next attempt reports. The log line has
        no id.
        """
        receiver.verdict = "again"
        assert run(pending, 90) is False
        assert pending.registry().delivery.status == "pending"
        assert pending.sent() == ["signal RecordSnapshot"]
        (standing,) = reported(pending)
        assert standing["phase"] == "pending"
        assert datetime.fromisoformat(standing["due"]) == clock.utc_now() + timedelta(seconds=90)
        assert caplog.messages == ["registry 01234567: processing webhook: 500"]

    def test_the_last_attempt_fails_for_good(self, pending, receiver) -> None:
        """There is no pause after it."""
        receiver.verdict = "again"
        assert run(pending, None) is True
        assert pending.registry().delivery.status == "failed"

    def test_without_a_webhook_nothing_is_sent(self, pending, monkeypatch) -> None:
        """It was taken away since the registry was opened: processing is off, and the delivery
        ends.
        """
        monkeypatch.setattr(settings, "current", lambda: Settings())
        assert run(pending) is True
        assert pending.registry().delivery.status == "off"

    @pytest.mark.parametrize("fault", [LOST, FAILS])
    def test_it_does_not_end_before_the_outcome_is_on_record(
        self, pending, receiver, fault
    ) -> None:
        """It fails instead, so that it is tried again, and the stats hear of no outcome."""
        pending.fault = lambda call: fault if call.what == "signal RecordDelivery" else OK
        with pytest.raises(OutcomeUnknown, match="not on record yet"):
            run(pending)
        assert (pending.registry().delivery.status, reported(pending)) == ("pending", [])
        pending.fault = lambda call: OK
        assert run(pending) is True
        assert pending.registry().delivery.status == "delivered"

    def test_it_ends_although_the_stats_cannot_be_told_of_the_outcome(
        self, pending, receiver, clock
    ) -> None:
        """The outcome is on record: they are told by heal, and the receiver gets nothing more."""
        standing = Snapshot.of(pending.registry(), clock.utc_now())
        pending.fault = lambda call: FAILS if call.what == "signal RecordSnapshot" else OK
        assert run(pending) is True
        assert pending.registry().delivery.status == "delivered"
        assert pending.stats().counts.total() == 0
        pending.fault = lambda call: OK
        clock.run(RegistryService(TaskHubClient(pending.mock)).heal(ID, standing))
        clock.advance(seconds=1)
        assert +pending.stats().counts == {"delivered": 1}
        assert len(receiver.posts) == 1

    def test_an_attempt_fails_whose_successor_the_stats_cannot_be_told_of(
        self, pending, receiver
    ) -> None:
        """The delivery goes on all the same, as the orchestration makes the next attempt."""
        receiver.verdict = "again"
        pending.fault = lambda call: FAILS if call.what == "signal RecordSnapshot" else OK
        with pytest.raises(HubUnavailable):
            run(pending)
        assert pending.registry().delivery.status == "pending"

    def test_an_outcome_whose_message_is_lost_is_sent_again(self, pending, receiver) -> None:
        """After a second; the receiver gets nothing more."""
        faults = [LOST, LOST]
        pending.fault = lambda call: (
            faults.pop() if faults and call.what == "signal RecordDelivery" else OK
        )
        assert run(pending) is True
        assert pending.times("signal RecordDelivery") == pytest.approx([10, 11, 12], abs=0.05)
        assert len(receiver.posts) == 1

    def test_the_task_hub_has_its_time_after_a_slow_receiver(
        self, pending, receiver, clock
    ) -> None:
        """The deadline of the first read does not count any more."""
        receiver.on_post = lambda: clock.advance(seconds=55)
        assert run(pending) is True
        assert pending.registry().delivery.status == "delivered"

    def test_a_repeat_of_an_attempt_is_harmless(self, pending, receiver) -> None:
        """What has come to an end is not sent again."""
        assert run(pending) is True
        assert run(pending) is True
        assert len(receiver.posts) == 1

    def test_an_attempt_that_runs_twice_at_once_has_one_outcome(self, pending, receiver) -> None:
        """The first one that is recorded stays."""
        receiver.on_post = lambda: pending.apply(RecordDelivery, number=1, outcome="delivered")
        receiver.verdict = "failed"
        assert run(pending, None) is True
        assert pending.registry().delivery.status == "delivered"
        assert reported(pending)[-1]["phase"] == "delivered"

    def test_a_late_attempt_of_an_earlier_delivery_does_not_end_the_next(
        self, pending, receiver, clock
    ) -> None:
        """Its outcome has the number of its own delivery."""

        def meanwhile() -> None:
            pending.apply(RecordDelivery, number=1, outcome="failed")
            pending.apply(RequestDelivery, number=2)

        receiver.on_post = meanwhile
        assert run(pending) is True
        assert (pending.registry().delivery.status, pending.registry().delivery.number) == (
            "pending",
            2,
        )

    @pytest.mark.parametrize("state", ["gone", "open", "closed before its open"])
    def test_where_there_is_nothing_to_send_it_is_over(
        self, client, receiver, clock, state
    ) -> None:
        """Nothing is posted, and nothing is told."""
        terms = make_terms(has_webhook=True)
        if state == "open":
            client.open(terms)
        elif state != "gone":
            client.apply(CloseRegistry, terms=terms, by="user")
        assert run(client) is True
        assert (receiver.posts, client.sent()) == ([], [])

    def test_a_task_hub_that_does_not_answer_does_not_end_it(self, pending, receiver) -> None:
        """The attempt fails, and is made again."""
        pending.fault = lambda call: FAILS
        with pytest.raises(HubUnavailable):
            run(pending)
        assert receiver.posts == []


class TestSendAgain:
    @pytest.fixture
    def rested(self, pending):
        """A registry whose first delivery has failed."""
        pending.apply(RecordDelivery, number=1, outcome="failed")
        return pending

    def test_the_stats_hear_of_it_before_the_list(self, rested, receiver) -> None:
        """So it is healed, whatever ends the delivery; the list takes note before it is sent."""
        assert run(rested, number=2) is True
        to_list, to_stats = (
            [f"signal list {name}" for name in ("send_again", "delivered")],
            "signal RecordSnapshot",
        )
        assert rested.sent() == [to_stats, to_list[0], to_list[1], to_stats]
        assert (rested.registry().delivery.status, rested.registry().delivery.number) == (
            "delivered",
            2,
        )
        assert len(receiver.posts) == 1
        assert [each["phase"] for each in reported(rested)] == ["pending", "delivered"]

    def test_it_counts_as_one_registry_all_the_time(self, rested, receiver, clock) -> None:
        """Also where the stats have forgotten it."""
        clock.advance(hours=3)
        entity = rested.entity(stats_entity(ID))
        stats = {"v": 1, "items": 1, "phases": {"failed": 1}, "standings": []}
        entity.exists, entity.state = True, json.dumps(stats)
        assert run(rested, number=2) is True
        clock.advance(seconds=1)
        assert (rested.stats().items, +rested.stats().counts) == (1, {"delivered": 1})

    def test_its_second_attempt_goes_on(self, rested, receiver) -> None:
        """It is under way: the list is not asked again."""
        receiver.verdict = "again"
        assert run(rested, number=2) is False
        receiver.verdict = "delivered"
        assert run(rested, number=2) is True
        assert rested.count("signal RequestDelivery") == 1
        assert rested.registry().delivery.status == "delivered"

    def test_within_a_minute_it_is_refused(self, rested, receiver, clock) -> None:
        """By the asking of the list, and also where the attempt itself sees it."""
        run(rested, number=2)
        clock.advance(seconds=50)
        assert run(rested, number=3) is True
        assert len(receiver.posts) == 1
        assert rested.registry().delivery.number == 2
        clock.advance(seconds=10)
        assert run(rested, number=3) is True
        assert len(receiver.posts) == 2

    @pytest.mark.parametrize("number", [1, 3, 4])
    def test_another_number_than_the_next_sends_nothing(self, rested, receiver, number) -> None:
        """It belongs to a delivery that was, or to one that nobody has asked for."""
        assert run(rested, number=number) is True
        assert receiver.posts == []
        assert rested.registry().delivery.number == 1

    def test_an_attempt_of_the_delivery_before_sends_nothing(self, rested, receiver) -> None:
        """That of the next number is under way."""
        rested.apply(RequestDelivery, number=2)
        assert run(rested, number=1) is True
        assert (receiver.posts, rested.sent()) == ([], [])

    def test_a_lost_question_is_asked_again(self, rested, receiver) -> None:
        """Once a second."""
        faults = [LOST, LOST]
        rested.fault = lambda call: (
            faults.pop() if faults and call.what == "signal RequestDelivery" else OK
        )
        assert run(rested, number=2) is True
        assert rested.times("signal RequestDelivery") == pytest.approx([10, 11, 12], abs=0.05)

    def test_nothing_is_sent_that_the_stats_have_not_heard_of(self, rested, receiver) -> None:
        """The attempt fails before the list is asked; when it is made again, it is asked and sent."""
        rested.fault = lambda call: FAILS if call.what == "signal RecordSnapshot" else OK
        with pytest.raises(HubUnavailable):
            run(rested, number=2)
        assert (receiver.posts, rested.registry().delivery.status) == ([], "failed")
        rested.fault = lambda call: OK
        assert run(rested, number=2) is True
        assert rested.count("signal RequestDelivery") == 1
        assert len(receiver.posts) == 1

    def test_nothing_is_sent_that_the_list_has_not_noted(self, rested, receiver) -> None:
        """The attempt fails, and is made again."""
        rested.fault = lambda call: LOST if call.what == "signal RequestDelivery" else OK
        with pytest.raises(OutcomeUnknown):
            run(rested, number=2)
        assert receiver.posts == []
