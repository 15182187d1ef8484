"""What an orchestrator waits for: tasks, races and groups of them, and tasks that are tried again. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(eq=False)
class Task:
    """Something that an orchestrator waits for."""

    is_complete: Callable[[list[Task]], bool] = lambda children: False
    children: list[Task] = field(default_factory=list)
    parent: Task | None = None
    done: bool = False
    failed: bool = False

    def adopt(self, children: list[Task]) -> Task:
        """Have the tasks decide when this one is done; returns this one."""
        self.children = children
        for child in children:
            child.parent = self
        self.update()
        return self

    def settle(self, failed: bool = False) -> None:
        """Be done, and tell the task that this one is a part of."""
        self.done, self.failed = True, failed
        if self.parent is not None and not self.parent.done:
            self.parent.update()

    def update(self) -> None:
        """Take notice of a child that is done."""
        if self.is_complete(self.children):
            self.settle(failed=any(child.failed for child in self.children))


def any_done(children: list[Task]) -> bool:
    """When a task_any is done."""
    return not children or any(child.done for child in children)


def all_done(children: list[Task]) -> bool:
    """When a task_all is done: as in the SDK, the first failure completes it."""
    return all(child.done for child in children) or any(child.failed for child in children)


class Retry(Task):
    """A task that is tried again after a pause when it has failed.

    There is a pause after the last attempt too, of no length: the SDK and the Durable Task Framework count it.
    """

    def __init__(self, attempt: Callable[[], Task], pause: Callable[[int], Task], attempts: int) -> None:
        """`pause` is given how many attempts were made."""
        super().__init__()
        self._attempt = attempt
        self._pause = pause
        self._attempts = attempts
        self._made = 1
        self._pausing = False
        self.adopt([attempt()])

    def update(self) -> None:
        (child,) = self.children
        if not child.done:
            return
        if self._pausing and self._made >= self._attempts:
            self.settle(failed=True)
        elif self._pausing:
            self._pausing = False
            self._made += 1
            self.adopt([self._attempt()])
        elif child.failed:
            self._pausing = True
            self.adopt([self._pause(self._made)])
        else:
            self.settle()
