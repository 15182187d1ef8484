import random

from registry.durable.read_delay import FIRST_DELAY, LONGEST_DELAY, ReadDelay


def count_reads(delay: ReadDelay, *commits: float) -> list[int]:
    """How many reads each of these commits takes, where the second one is late enough."""
    counts = []
    for seconds in commits:
        is_late_enough = delay.seconds >= seconds
        delay.learn(was_late_enough=is_late_enough)
        counts.append(1 if is_late_enough else 2)
    return counts


def test_the_first_read_comes_after_twenty_milliseconds_at_first() -> None:
    """A commit on Azure Storage takes about that."""
    assert ReadDelay().seconds == FIRST_DELAY == 0.02


def test_where_changes_can_be_read_at_once_they_are() -> None:
    """After some dozens of changes no time is lost."""
    delay = ReadDelay()
    assert set(count_reads(delay, *[0.0] * 60)) == {1}
    assert delay.seconds == 0


def test_about_one_read_in_nine_is_too_early() -> None:
    """So that a change neither costs two reads nor takes longer than it must."""
    chance, delay = random.Random(7), ReadDelay()
    counts = count_reads(delay, *(chance.uniform(0.015, 0.05) for _ in range(2000)))[100:]
    assert 0.08 < sum(count > 1 for count in counts) / len(counts) < 0.14
    assert 0.03 < delay.seconds < 0.06


def test_a_task_hub_that_has_become_slow_is_noticed() -> None:
    """From zero as well; but nobody waits for longer than a tenth of a second."""
    delay = ReadDelay()
    count_reads(delay, *[0.0] * 60)
    count_reads(delay, *[1.0] * 20)
    assert delay.seconds == LONGEST_DELAY
