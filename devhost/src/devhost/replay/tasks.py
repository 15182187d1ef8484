"""What an orchestrator waits for: tasks, races and groups of them, and tasks that are tried again.
Pure.
"""

from __future__ import annotations

from collections.abc import Callable


class Task:
    """Something that an orchestrator waits for."""

    def __init__(self, done: bool = False) -> None:
        self.done = done
        self.failed = False
        self.parent: Task | None = None

    def settle(self, failed: bool = False) -> None:
        """Be done, and tell the task that this one is a part of."""
        self.done, self.failed = True, failed
        if self.parent is not None and not self.parent.done:
            self.parent.take(self)

    def take(self, child: Task) -> None:
        """Take notice of a part that is done."""

    def adopt(self, child: Task) -> None:
        """Make a task a part of this one."""
        child.parent = self
        if child.done and not self.done:
            self.take(child)


class Race(Task):
    """A task_any: it is done with the first of its parts, and does not fail with it."""

    def __init__(self, children: list[Task]) -> None:
        super().__init__(done=not children)
        for child in children:
            self.adopt(child)

    def take(self, child: Task) -> None:
        self.settle()


class Group(Task):
    """A task_all: it is done with the last of its parts or, as in the SDK, with the first that
    fails.
    """

    def __init__(self, children: list[Task]) -> None:
        super().__init__(done=not children)
        self._pending = len(children)
        for child in children:
            self.adopt(child)

    def take(self, child: Task) -> None:
        self._pending -= 1
        if child.failed or not self._pending:
            self.settle(child.failed)


class Retry(Task):
    """A task that is tried again after a pause when it has failed.

    There is a pause after the last attempt too, of no length: the SDK and the Durable Task
    Framework count it.
    """

    def __init__(
        self, attempt: Callable[[], Task], pause: Callable[[int], Task], attempts: int
    ) -> None:
        """`pause` is given how many attempts were made."""
        super().__init__()
        self._attempt = attempt
        self._pause = pause
        self._attempts = attempts
        self._made = 1
        self._pausing = False
        self.adopt(attempt())

    def take(self, child: Task) -> None:
        if self._pausing and self._made >= self._attempts:
            self.settle(failed=True)
        elif self._pausing:
            self._pausing = False
            self._made += 1
            self.adopt(self._attempt())
        elif child.failed:
            self._pausing = True
            self.adopt(self._pause(self._made))
        else:
            self.settle()
