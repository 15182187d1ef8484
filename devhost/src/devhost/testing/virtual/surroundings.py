"""What else surrounds an app: chance, its environment, and the threads that execute work items."""

import os
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from unittest.mock import patch

from devhost.engine.decisions import WorkItem
from devhost.engine.workers import Done, Execute

DAY = 86_400.0
"""Seconds."""


@contextmanager
def fixed_chance(seed: int) -> Iterator[None]:
    """Let random numbers and UUIDs follow from a seed in the block."""
    entropy = random.Random(f"{seed} chance")  # noqa: S311  # nothing is secret here
    before = random.getstate()
    random.seed(seed)
    with patch("os.urandom", entropy.randbytes), patch("random._urandom", entropy.randbytes):
        try:
            yield
        finally:
            random.setstate(before)


@contextmanager
def changed_environment(settings: Mapping[str, object]) -> Iterator[None]:
    """Add settings to the environment in the block. Afterwards it is as it was before."""
    with patch.dict(os.environ):
        set_environment(settings)
        yield


def set_environment(settings: Mapping[str, object]) -> None:
    """Set environment variables; None removes one."""
    for name, value in settings.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = str(value)


@contextmanager
def waiting_long() -> Iterator[None]:
    """Let the host wait for a day at once in the block.

    Usually it wakes each minute, because somebody may have set the clock. In virtual time nobody
    does, and a test that lets months pass would take long.
    """
    with (
        patch("devhost.engine.dispatcher.LONGEST_WAIT", DAY),
        patch("devhost.host.LONGEST_SLEEP", DAY),
    ):
        yield


class InlineWorkers:
    """Executes work items at once, in the place of threads that would race the virtual time."""

    def __init__(self, execute: Execute, on_late: object) -> None:
        self._execute = execute

    def execute(self, items: Sequence[WorkItem]) -> tuple[list[Done], list[WorkItem]]:
        """Execute items; none of them is late."""
        return [Done(item, self._execute(item)) for item in items], []

    def stop(self) -> None:
        """There is no thread to end."""
