import random
from collections.abc import Callable
from statistics import mean

import pytest

from registry.durable.read_delay import FIRST_DELAY, LONGEST_DELAY, ReadDelay


@pytest.fixture
def delay(clock) -> ReadDelay:
    return ReadDelay()


def count_reads(delay: ReadDelay, *commits: float) -> list[int]:
    """How many reads each of these commits takes; after the first, the pauses double."""
    counts = []
    for seconds in commits:
        too_early, read_at, count = 0.0, delay.seconds, 1
        while read_at < seconds:
            too_early, read_at, count = read_at, 3 * max(read_at, 0.01), count + 1
        delay.learn(too_early, read_at)
        counts.append(count)
    return counts


def on_storage(chance: random.Random) -> float:
    """A commit on Azure Storage."""
    return chance.uniform(0.015, 0.05)


def alone(chance: random.Random) -> float:
    """A commit of a lone add as it was recorded: 9 ms, but more than 40 in one of twenty."""
    return 0.009 * chance.lognormvariate(0, 0.9)


def test_the_first_read_comes_after_twenty_milliseconds_at_first(delay) -> None:
    """A commit on Azure Storage takes about that."""
    assert delay.seconds == FIRST_DELAY == 0.02


def test_where_changes_can_be_read_at_once_they_are(delay, clock) -> None:
    """After some dozens of changes no time is lost, nor after a pause."""
    assert set(count_reads(delay, *[0.0] * 60)) == {1}
    assert delay.seconds == 0
    clock.advance(minutes=5)
    assert delay.seconds == 0


@pytest.mark.parametrize(("commit", "median"), [(on_storage, 0.0325), (alone, 0.009)])
def test_it_aims_at_the_median(delay, commit: Callable[[random.Random], float], median) -> None:
    """About every other read comes too early."""
    chance, delays, counts = random.Random(7), [], []
    for _ in range(2000):
        delays.append(delay.seconds)
        counts += count_reads(delay, commit(chance))
    assert mean(delays) == pytest.approx(median, rel=0.4)
    assert mean(counts) < 1.6


def test_a_task_hub_that_has_become_slow_is_noticed(delay) -> None:
    """From zero as well; but nobody waits for longer than a tenth of a second."""
    count_reads(delay, *[0.0] * 60)
    count_reads(delay, *[1.0] * 20)
    assert delay.seconds == LONGEST_DELAY


def test_changes_at_once_teach_no_more_than_one(delay) -> None:
    """Twenty that were sent together, and came 30 ms later."""
    for _ in range(20):
        delay.learn(0.02, 0.06)
    assert delay.seconds == pytest.approx(0.04)


def test_a_burst_is_forgotten_within_half_a_minute(delay, clock) -> None:
    """Whether somebody adds something meanwhile or not."""
    for pause in (30, 3):
        count_reads(delay, *[0.3] * 100)
        assert delay.seconds == LONGEST_DELAY
        for _ in range(30 // pause):
            clock.advance(seconds=pause)
            count_reads(delay, 0.009)
        assert delay.seconds <= FIRST_DELAY
