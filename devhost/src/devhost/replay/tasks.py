"""What an orchestrator waits for: single tasks, task_any, task_all, and tasks with retry. Pure."""

from __future__ import annotations

from collections.abc import Callable


class Task:
    """Something that an orchestrator waits for."""

    def __init__(self, done: bool = False) -> None:
        self.done = done
        self.failed = False
        self.parent: Task | None = None

    def complete(self, failed: bool = False) -> None:
        """Be done, and tell the task that this one is a part of."""
        self.done = True
        self.failed = failed
        if self.parent is not None and not self.parent.done:
            self.parent.on_part_done(self)

    def on_part_done(self, part: Task) -> None:
        """A part of this task is done."""

    def add_part(self, part: Task) -> None:
        """Make a task a part of this one."""
        part.parent = self
        if part.done and not self.done:
            self.on_part_done(part)


class WhenAny(Task):
    """A task_any: done with the first of its parts. It never fails."""

    def __init__(self, parts: list[Task]) -> None:
        super().__init__(done=not parts)
        for part in parts:
            self.add_part(part)

    def on_part_done(self, part: Task) -> None:
        self.complete()


class WhenAll(Task):
    """A task_all: done with the last of its parts or, as in the SDK, with the first that fails."""

    def __init__(self, parts: list[Task]) -> None:
        super().__init__(done=not parts)
        self._pending = len(parts)
        for part in parts:
            self.add_part(part)

    def on_part_done(self, part: Task) -> None:
        self._pending -= 1
        if part.failed or not self._pending:
            self.complete(part.failed)


class Retry(Task):
    """A task that is tried again after a pause if it fails.

    There is a pause after the last attempt too, of no length, because the SDK and the Durable Task
    Framework give it a number.
    """

    def __init__(
        self, attempt: Callable[[], Task], pause: Callable[[int], Task], attempts: int
    ) -> None:
        """`pause` is called with the number of attempts that were made."""
        super().__init__()
        self._attempt = attempt
        self._pause = pause
        self._attempts = attempts
        self._made = 1
        self._pausing = False
        self.add_part(attempt())

    def on_part_done(self, part: Task) -> None:
        if self._pausing:
            self._on_pause_done()
        elif part.failed:
            self._pausing = True
            self.add_part(self._pause(self._made))
        else:
            self.complete()

    def _on_pause_done(self) -> None:
        if self._made >= self._attempts:
            self.complete(failed=True)
            return
        self._pausing = False
        self._made += 1
        self.add_part(self._attempt())
