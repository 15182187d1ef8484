from datetime import timedelta

import pytest

from registry.domain.delivery import DEFAULT_BACKOFF, BackoffPolicy, Delivery
from tests.clock import START
from tests.support.registries import END

MINUTE = timedelta(minutes=1)


@pytest.fixture
def delivery() -> Delivery:
    """The first delivery, which has failed."""
    return Delivery(status="failed")


def test_delays_double_up_to_the_longest() -> None:
    """By default 5 s, 10 s, ... to an hour, for a day; the last attempt comes before its end."""
    delays, elapsed = [], timedelta()
    while (delay := DEFAULT_BACKOFF.delay(len(delays) + 1, elapsed)) is not None:
        delays.append(delay.total_seconds())
        elapsed += delay

    assert delays[:10] == [5 * 2**failures for failures in range(10)]
    assert set(delays[10:]) == {3600}
    assert timedelta(hours=23) < elapsed <= timedelta(hours=24)


def test_an_attempt_exactly_at_the_end_of_the_total_is_made() -> None:
    """A moment later it is not."""
    policy = BackoffPolicy(first=600, longest=600, total=1200)
    assert policy.delay(2, timedelta(seconds=600)) == timedelta(seconds=600)
    assert policy.delay(2, timedelta(seconds=600, milliseconds=1)) is None


def test_delays_after_very_many_failures_are_of_the_longest() -> None:
    """No number grows without bound."""
    policy = BackoffPolicy(first=1, longest=600, total=10**9)
    assert policy.delay(10**6, timedelta()) == timedelta(seconds=600)


def test_a_total_of_nothing_is_one_attempt() -> None:
    """There are no retries."""
    assert BackoffPolicy(first=5, longest=3600, total=0).delay(1, timedelta()) is None


def test_another_delivery_has_the_next_number(delivery) -> None:
    """What became of the one before it is kept."""
    for number in (1, 3, 0):
        assert not delivery.request(number, END)
        assert delivery.status == "failed"

    assert delivery.request(2, END)
    assert delivery == Delivery(
        status="pending", previous_status="failed", number=2, requested_at=END
    )


def test_a_pending_delivery_comes_to_its_end_before_another_one() -> None:
    """A request for another changes nothing."""
    delivery = Delivery(status="pending")
    assert not delivery.request(2, START)
    assert delivery == Delivery(status="pending")


def test_another_delivery_can_be_requested_once_a_minute(delivery) -> None:
    """From the request before; the seconds that are left are rounded up."""
    assert delivery.seconds_until_next_request(END) == 0
    delivery.request(2, END)
    delivery.record(2, "delivered")

    for elapsed, seconds in (
        (timedelta(), 60),
        (timedelta(milliseconds=1), 60),
        (timedelta(milliseconds=59_001), 1),
    ):
        assert delivery.seconds_until_next_request(END + elapsed) == seconds
        assert not delivery.request(3, END + elapsed)

    assert delivery.seconds_until_next_request(END + MINUTE) == 0
    assert delivery.request(3, END + MINUTE)
    assert (delivery.number, delivery.requested_at) == (3, END + MINUTE)


def test_an_outcome_is_recorded_once() -> None:
    """What is recorded stays."""
    delivery = Delivery(status="pending")
    assert delivery.record(1, "delivered")
    assert not delivery.record(1, "failed")
    assert delivery.status == "delivered"


@pytest.mark.parametrize("number", [0, 1, 3])
def test_the_outcome_of_another_delivery_changes_nothing(delivery, number) -> None:
    """It is late, or belongs to one that nobody has requested."""
    delivery.request(2, END)
    assert not delivery.record(number, "delivered")
    assert delivery.status == "pending"
