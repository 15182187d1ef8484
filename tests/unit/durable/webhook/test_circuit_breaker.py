from collections.abc import Iterable

import pytest

from registry.durable.webhook.circuit_breaker import CircuitBreaker
from tests.clock import FakeClock

IDS = "abcde"


@pytest.fixture
def breaker(clock) -> CircuitBreaker:
    return CircuitBreaker()


def time_out(breaker: CircuitBreaker, ids: Iterable[str] = IDS) -> None:
    for id in ids:
        breaker.record_timeout(id)


def attempts(breaker: CircuitBreaker, clock: FakeClock, seconds: int) -> list[int]:
    """In which of the next seconds an attempt is let through, where each has two."""
    allowed = []
    for second in range(seconds):
        allowed += [second for _ in range(2) if breaker.allows_attempt()]
        clock.advance(seconds=1)
    return allowed


def test_five_registries_in_a_row_open_it(breaker) -> None:
    """Until then every attempt is let through."""
    for id in IDS:
        assert breaker.allows_attempt()
        assert breaker.allows_attempt()
        breaker.record_timeout(id)
    assert not breaker.allows_attempt()


def test_one_registry_alone_does_not_open_it(breaker) -> None:
    """However often its attempts time out: the receiver may hang for it only."""
    time_out(breaker, "a" * 100)
    assert breaker.allows_attempt()


def test_an_answer_between_them_starts_anew(breaker) -> None:
    """Four and four are not in a row."""
    time_out(breaker, "abcd")
    breaker.record_answer()
    time_out(breaker, "efgh")
    assert breaker.allows_attempt()


def test_open_it_lets_one_attempt_through_each_ten_seconds(breaker, clock) -> None:
    """Also where none of these probes has ended yet. The first one follows the last attempt."""
    breaker.allows_attempt()
    time_out(breaker)
    assert attempts(breaker, clock, 35) == [10, 20, 30]


def test_where_attempts_are_long_the_first_probe_goes_out_at_once(breaker, clock) -> None:
    """Nothing was asked of the receiver for ten seconds."""
    breaker.allows_attempt()
    clock.advance(seconds=60)
    time_out(breaker)
    assert attempts(breaker, clock, 15) == [0, 10]


def test_late_time_outs_do_not_put_off_the_next_probe(breaker, clock) -> None:
    """Several attempts were in flight when it opened."""
    breaker.allows_attempt()
    time_out(breaker)
    clock.advance(seconds=9)
    time_out(breaker, "fghij")
    assert attempts(breaker, clock, 3) == [1]


def test_an_answer_closes_it(breaker, clock) -> None:
    """Also that of an attempt which began before it opened. Then five time-outs open it again."""
    time_out(breaker)
    breaker.record_answer()
    assert attempts(breaker, clock, 2) == [0, 0, 1, 1]
    time_out(breaker, "abcd")
    assert breaker.allows_attempt()
    time_out(breaker, "e")
    assert not breaker.allows_attempt()
