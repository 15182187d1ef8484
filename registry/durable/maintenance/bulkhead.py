"""A bulkhead for maintenance: what fails, hangs or is junk for one registry stops no other."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable

from registry import clock, telemetry
from registry.domain.problems import InvalidStored

log = logging.getLogger(__name__)

SKIPPED = "skipped"
"""The outcome of what failed. It is left for the next run."""


async def for_each(
    ids: Iterable[str],
    work: Callable[[str], Awaitable[str]],
    done: str,
    at_once: int,
    until: float,
) -> Counter[str]:
    """Do the work for each registry, in order, so many at a time; begin none after that time.

    The work returns its outcome. `done` is what the log calls it, `until` is of the monotonic
    clock. Returns how often there was each outcome.
    """
    waiting = list(ids)[::-1]
    outcomes: Counter[str] = Counter()

    async def work_through() -> None:
        while waiting and clock.monotonic() < until:
            id = waiting.pop()
            try:
                outcomes[await work(id)] += 1
            except Exception as error:
                outcomes[SKIPPED] += 1
                log_skipped(f"registry {telemetry.short_id(id)}", done, error)

    await asyncio.gather(*(work_through() for _ in range(at_once)))

    if waiting:
        outcomes[SKIPPED] += len(waiting)
        log.warning("%s registries: not %s yet: the run was too long", len(waiting), done)
    return outcomes


def log_skipped(what: str, done: str, error: Exception) -> None:
    """Log that something is left for the next run, unless its reader has logged why."""
    if not isinstance(error, InvalidStored):
        log.warning("%s: not %s yet: %s", what, done, type(error).__name__)
