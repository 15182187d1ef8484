import random

from registry.durable.pace import FIRST_DELAY, LONGEST_FIRST_DELAY, Pace


def reads_of(pace: Pace, *commits: float) -> list[int]:
    """How many reads each of these commits takes, where the second one is late enough."""
    counts = []
    for seconds in commits:
        in_time = pace.delay >= seconds
        pace.learn(in_time)
        counts.append(1 if in_time else 2)
    return counts


def test_the_first_read_comes_after_twenty_milliseconds_at_first() -> None:
    """What a commit on Azure Storage takes most often."""
    assert Pace().delay == FIRST_DELAY == 0.02


def test_where_changes_can_be_read_at_once_they_are() -> None:
    """After some dozens of changes no time is lost."""
    pace = Pace()
    assert set(reads_of(pace, *[0.0] * 60)) == {1}
    assert pace.delay == 0


def test_about_one_read_in_nine_is_too_early() -> None:
    """So that a change neither costs two reads nor takes longer than it must."""
    chance, pace = random.Random(7), Pace()
    counts = reads_of(pace, *(chance.uniform(0.015, 0.05) for _ in range(2000)))
    assert 0.08 < sum(count > 1 for count in counts[100:]) / len(counts[100:]) < 0.14
    assert 0.03 < pace.delay < 0.06


def test_a_task_hub_that_has_become_slow_is_noticed() -> None:
    """From nought as well; but nobody waits for longer than a tenth of a second."""
    pace = Pace()
    reads_of(pace, *[0.0] * 60)
    reads_of(pace, *[1.0] * 20)
    assert pace.delay == LONGEST_FIRST_DELAY
