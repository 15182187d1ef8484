import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from registry import settings
from registry.domain.problems import HubUnavailable, OutcomeUnknown
from registry.domain.views import RegistryStatusView
from registry.durable.activities import attempt_delivery, close_registry
from registry.durable.messages import AddItem, CloseRegistry, RecordDelivery, RequestDelivery
from registry.durable.names import stats_entity
from registry.durable.webhook.client import Webhook
from registry.settings import Settings
from tests.support.fake_hub import FAILS, ID, LOST, OK, TRACE, on
from tests.support.registries import make_terms
from tests.unit import stored_by_1_0

REQUEST, RECORD = "signal RequestDelivery", "signal RecordDelivery"
REPORT = "signal RecordSnapshot"


def run(activity: Any, client, message: dict[str, Any]) -> Any:
    """What an activity returns for a message."""
    work = activity._function.get_user_function().client_function
    return client.clock.run(work(message, client.mock))


def attempt(client, delay: float | None = 5, number: int = 1) -> bool:
    """Make one attempt at the delivery of this number."""
    changes = {"pause": delay, "number": number}
    return run(attempt_delivery, client, stored_by_1_0.MESSAGES["AttemptDelivery"] | changes)


def reported(client) -> list[dict[str, Any]]:
    return [call.content["standing"] for call in client.calls if call.what == REPORT]


class TestCloseRegistry:
    CLOSE = stored_by_1_0.MESSAGES["CloseRegistry"]

    def test_a_registry_is_closed_in_the_name_of_the_message(self, opened, clock) -> None:
        """The result is for people who look at the instance. The messages carry the trace."""
        opened.apply(AddItem, key="k1", text="Bike")
        message = self.CLOSE | {"trace": "a" * 32}
        expected = {"closedBy": "user", "itemsCount": 1}
        assert run(close_registry, opened, message) == expected
        assert {call.content["trace"] for call in opened.calls if call.content} == {"a" * 32}

        clock.advance(minutes=5)
        assert run(close_registry, opened, message | {"by": "timeout"}) == expected

    def test_it_fails_unless_the_close_is_on_record(self, opened) -> None:
        """So that it is tried again. Nothing is counted that was not read."""
        opened.fault = on("signal CloseRegistry", LOST)
        with pytest.raises(OutcomeUnknown):
            run(close_registry, opened, self.CLOSE)
        assert opened.count(REPORT) == 0
        assert not opened.registry().is_closed


class Receiver:
    """A webhook that answers as a test says, and keeps what was posted."""

    def __init__(self) -> None:
        self.result = "delivered"
        self.posts: list[tuple[str, Any]] = []
        self.on_post = lambda: None

    async def post(self, id: str, body: str, now: datetime) -> tuple[str, str]:
        self.posts.append((id, json.loads(body)))
        self.on_post()
        return self.result, "500"


@pytest.fixture
def receiver(monkeypatch) -> Receiver:
    """The receiver of the app's webhook."""
    receiver = Receiver()
    monkeypatch.setattr(Webhook, "post", lambda self, *args: receiver.post(*args))
    return receiver


@pytest.fixture
def pending(client, clock):
    """A closed registry whose delivery is pending."""
    terms = client.open(make_terms(has_webhook=True))
    client.apply(AddItem, key="k1", text="Fahrrad für Zoë")
    clock.advance(seconds=10)
    client.apply(CloseRegistry, terms=terms, by="user")
    return client


class TestAttempt:
    def test_a_closed_registry_is_delivered(self, pending, receiver, clock) -> None:
        """As callers see it, under its id. The outcome is recorded, then reported."""
        view = RegistryStatusView.of(pending.registry(), clock.utc_now()).model_dump(mode="json")
        assert attempt(pending) is True
        assert receiver.posts == [(ID, view)]
        assert pending.registry().delivery.status == "delivered"
        assert pending.sent() == [RECORD, REPORT]
        assert reported(pending)[0]["phase"] == "delivered"
        assert {call.content["trace"] for call in pending.calls if call.content} == {TRACE}

    @pytest.mark.parametrize("delay", [5, None])
    def test_a_final_refusal_ends_the_delivery(self, pending, receiver, delay) -> None:
        """Whatever time is left."""
        receiver.result = "failed"
        assert attempt(pending, delay) is True
        assert pending.registry().delivery.status == "failed"

    def test_a_failed_attempt_is_reported_with_the_time_of_the_next(
        self, pending, receiver, clock, caplog
    ) -> None:
        """The list stays as it is. The log line has the first digits of the id."""
        receiver.result = "retry"
        assert attempt(pending, delay=90) is False
        assert pending.registry().delivery.status == "pending"
        assert pending.sent() == [REPORT]
        (snapshot,) = reported(pending)
        assert snapshot["phase"] == "pending"
        due = datetime.fromisoformat(snapshot["due"])
        assert due == clock.utc_now() + timedelta(seconds=90)
        assert caplog.messages == ["registry 01234567: processing webhook: 500"]

    def test_the_last_attempt_fails_for_good(self, pending, receiver) -> None:
        """No delay follows it."""
        receiver.result = "retry"
        assert attempt(pending, delay=None) is True
        assert pending.registry().delivery.status == "failed"

    @pytest.mark.parametrize("delay", [90, None])
    def test_a_stopped_attempt_is_never_the_last(self, pending, receiver, clock, delay) -> None:
        """The receiver was not asked. The next one comes after the delay, or the longest one."""
        receiver.result = "stopped"
        assert attempt(pending, delay) is False
        assert pending.registry().delivery.status == "pending"
        due = datetime.fromisoformat(reported(pending)[0]["due"])
        assert due == clock.utc_now() + timedelta(seconds=delay or 3600)

    @pytest.mark.parametrize("delay", [5, None])
    def test_without_a_webhook_the_delivery_waits(
        self, pending, receiver, clock, monkeypatch, caplog, delay
    ) -> None:
        """The stats have it as due, so that reconcile starts it again. Its own log has no line."""
        monkeypatch.setattr(settings, "current", lambda: Settings())
        assert attempt(pending, delay) is True
        assert pending.registry().delivery.status == "pending"
        (snapshot,) = reported(pending)
        assert snapshot["phase"] == "pending"
        assert datetime.fromisoformat(snapshot["due"]) == clock.utc_now()
        assert (receiver.posts, caplog.messages) == ([], [])

    @pytest.mark.parametrize("fault", [LOST, FAILS])
    def test_it_fails_unless_the_outcome_is_on_record(self, pending, receiver, fault) -> None:
        """So that it is made again. No outcome is reported."""
        pending.fault = on(RECORD, fault)
        with pytest.raises(OutcomeUnknown, match="not on record yet"):
            attempt(pending)
        assert (pending.registry().delivery.status, reported(pending)) == ("pending", [])
        pending.fault = lambda call: OK
        assert attempt(pending) is True
        assert pending.registry().delivery.status == "delivered"

    def test_it_succeeds_although_the_outcome_cannot_be_reported(self, pending, receiver) -> None:
        """It is on record. Reconcile reports it; the receiver gets nothing more."""
        pending.fault = on(REPORT, FAILS)
        assert attempt(pending) is True
        assert pending.registry().delivery.status == "delivered"
        assert pending.stats().counts.total() == 0

    def test_it_fails_where_the_next_attempt_cannot_be_reported(self, pending, receiver) -> None:
        """The orchestrator makes the next attempt all the same."""
        receiver.result = "retry"
        pending.fault = on(REPORT, FAILS)
        with pytest.raises(HubUnavailable):
            attempt(pending)
        assert pending.registry().delivery.status == "pending"

    def test_an_outcome_that_is_lost_is_sent_again(self, pending, receiver) -> None:
        """Each second. The receiver gets nothing more."""
        pending.fault = on(RECORD, LOST, 2)
        assert attempt(pending) is True
        assert pending.times(RECORD) == pytest.approx([10, 11, 12], abs=0.05)
        assert len(receiver.posts) == 1

    def test_a_slow_receiver_takes_no_time_from_the_task_hub(
        self, pending, receiver, clock
    ) -> None:
        """The outcome has a deadline of its own."""
        receiver.on_post = lambda: clock.advance(seconds=55)
        assert attempt(pending) is True
        assert pending.registry().delivery.status == "delivered"

    def test_a_repeated_attempt_posts_nothing(self, pending, receiver) -> None:
        """The delivery has come to its end."""
        assert attempt(pending) is True
        assert attempt(pending) is True
        assert len(receiver.posts) == 1

    def test_the_first_outcome_that_is_recorded_stays(self, pending, receiver) -> None:
        """Where an attempt runs twice at once."""
        receiver.on_post = lambda: pending.apply(RecordDelivery, number=1, outcome="delivered")
        receiver.result = "failed"
        assert attempt(pending, delay=None) is True
        assert pending.registry().delivery.status == "delivered"
        assert reported(pending)[-1]["phase"] == "delivered"

    def test_a_late_attempt_does_not_end_the_next_delivery(self, pending, receiver) -> None:
        """Its outcome has the number of its own."""

        def request_another() -> None:
            pending.apply(RecordDelivery, number=1, outcome="failed")
            pending.apply(RequestDelivery, number=2)

        receiver.on_post = request_another
        assert attempt(pending) is True
        delivery = pending.registry().delivery
        assert (delivery.status, delivery.number) == ("pending", 2)

    @pytest.mark.parametrize("state", ["gone", "open", "closed before its open"])
    def test_where_nothing_is_pending_it_ends(self, client, receiver, state) -> None:
        """Nothing is posted, and nothing is sent."""
        terms = make_terms(has_webhook=True)
        if state == "open":
            client.open(terms)
        elif state != "gone":
            client.apply(CloseRegistry, terms=terms, by="user")
        assert attempt(client) is True
        assert (receiver.posts, client.sent()) == ([], [])

    def test_a_task_hub_that_does_not_answer_does_not_end_it(self, pending, receiver) -> None:
        """The attempt fails, and is made again."""
        pending.fault = lambda call: FAILS
        with pytest.raises(HubUnavailable):
            attempt(pending)
        assert receiver.posts == []


class TestAnotherDelivery:
    @pytest.fixture
    def failed(self, pending):
        """A registry whose first delivery has failed."""
        pending.apply(RecordDelivery, number=1, outcome="failed")
        return pending

    def test_the_stats_hear_of_it_before_the_list(self, failed, receiver) -> None:
        """So reconcile restarts it, whatever ends it. It is on record before it is posted."""
        assert attempt(failed, number=2) is True
        assert failed.sent() == [REPORT, REQUEST, RECORD, REPORT]
        delivery = failed.registry().delivery
        assert (delivery.status, delivery.number) == ("delivered", 2)
        assert len(receiver.posts) == 1
        assert [each["phase"] for each in reported(failed)] == ["pending", "delivered"]

    def test_it_counts_as_one_registry_all_the_time(self, failed, receiver, clock) -> None:
        """Also where the stats have dropped it."""
        clock.advance(hours=3)
        failed.entity(stats_entity(ID)).store({"items": 1, "phases": {"failed": 1}})
        assert attempt(failed, number=2) is True
        clock.advance(seconds=1)
        assert (failed.stats().items, +failed.stats().counts) == (1, {"delivered": 1})

    def test_its_second_attempt_goes_on(self, failed, receiver) -> None:
        """It is not requested again."""
        receiver.result = "retry"
        assert attempt(failed, number=2) is False
        receiver.result = "delivered"
        assert attempt(failed, number=2) is True
        assert failed.count(REQUEST) == 1
        assert failed.registry().delivery.status == "delivered"

    def test_within_a_minute_it_is_refused(self, failed, receiver, clock) -> None:
        """The delivery ends, and nothing is posted."""
        attempt(failed, number=2)
        clock.advance(seconds=50)
        assert attempt(failed, number=3) is True
        assert (len(receiver.posts), failed.count(REQUEST)) == (1, 1)
        assert failed.registry().delivery.number == 2

        clock.advance(seconds=10)
        assert attempt(failed, number=3) is True
        assert len(receiver.posts) == 2

    @pytest.mark.parametrize("number", [1, 3, 4])
    def test_another_number_than_the_next_posts_nothing(self, failed, receiver, number) -> None:
        """It is of a delivery that ended, or of one that nobody has requested."""
        assert attempt(failed, number=number) is True
        assert receiver.posts == []
        assert failed.registry().delivery.number == 1

    def test_an_attempt_of_the_delivery_before_posts_nothing(self, failed, receiver) -> None:
        """The next one is pending."""
        failed.apply(RequestDelivery, number=2)
        assert attempt(failed, number=1) is True
        assert (receiver.posts, failed.sent()) == ([], [])

    def test_a_request_that_is_lost_is_sent_again(self, failed, receiver) -> None:
        """Each second."""
        failed.fault = on(REQUEST, LOST, 2)
        assert attempt(failed, number=2) is True
        assert failed.times(REQUEST) == pytest.approx([10, 11, 12], abs=0.05)

    def test_nothing_is_posted_that_could_not_be_reported(self, failed, receiver) -> None:
        """The attempt fails before the list hears of it, and is made again."""
        failed.fault = on(REPORT, FAILS)
        with pytest.raises(HubUnavailable):
            attempt(failed, number=2)
        assert (receiver.posts, failed.registry().delivery.status) == ([], "failed")

        failed.fault = lambda call: OK
        assert attempt(failed, number=2) is True
        assert failed.count(REQUEST) == 1
        assert len(receiver.posts) == 1

    def test_nothing_is_posted_that_is_not_on_record(self, failed, receiver) -> None:
        """The attempt fails, and is made again."""
        failed.fault = on(REQUEST, LOST)
        with pytest.raises(OutcomeUnknown):
            attempt(failed, number=2)
        assert receiver.posts == []
