"""What surrounds an app in a test: its modules, its clock, its environment, and chance."""

import datetime as datetime_module
import os
import random
import sys
import time as time_module
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, tzinfo
from functools import lru_cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import patch

from devhost.engine.work_items import WorkItem
from devhost.engine.workers import Done, Execute
from devhost.functions.app import App
from devhost.functions.loading import load
from devhost.settings.files import HostJson

OWN = {"devhost", "__main__"}
"""Packages that are never an app's, though they may lie in its folder."""
Changes = list[tuple[ModuleType, str, object]]


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
    """Add settings to the environment in the block. Afterwards it is as before, whatever changed."""
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


class AppModules:
    """Imports an app from its folder as a new worker process does: nothing is left of before.

    While its modules are in use, those that a test has imported under the same names are set aside.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._path = list(sys.path)
        sources = [each for each in self._folder.iterdir() if each.is_dir() or each.suffix == ".py"]
        self._names = {each.stem for each in sources} - OWN
        self._imported: set[str] = set()
        self._set_aside: dict[str, ModuleType] = {}

    def load(self, config: HostJson) -> tuple[App, list[ModuleType]]:
        """Import the app anew; returns it, and its modules. Raises AppError."""
        sys.path[:] = self._path
        self._forget_imported()
        self._set_aside |= self._pop(self._may_be_of_the_app)
        try:
            with patch.object(SourceFileLoader, "source_to_code", _compiled):
                app = load(self._folder, config)
        finally:
            self._imported |= {
                _package(name) for name in list(sys.modules) if self._may_be_of_the_app(name)
            }
            self._put_back(lambda name: _package(name) not in self._imported)

        modules = [module for name, module in sys.modules.items() if self._is_imported(name)]
        return app, modules

    def restore(self) -> None:
        """Put everything back as it was before the first import."""
        self._forget_imported()
        self._put_back(lambda name: True)
        sys.path[:] = self._path

    def _may_be_of_the_app(self, name: str) -> bool:
        """Whether a module has a name that is in the folder, or is itself in it."""
        if _package(name) in OWN:
            return False
        file = getattr(sys.modules[name], "__file__", None) or ""
        is_in_folder = file.startswith(f"{self._folder}{os.sep}") and "site-packages" not in file
        return is_in_folder or _package(name) in self._names

    def _is_imported(self, name: str) -> bool:
        return _package(name) in self._imported

    def _forget_imported(self) -> None:
        self._pop(self._is_imported)

    def _pop(self, matches: Callable[[str], bool]) -> dict[str, ModuleType]:
        names = [name for name in list(sys.modules) if matches(name)]
        return {name: sys.modules.pop(name) for name in names}

    def _put_back(self, matches: Callable[[str], bool]) -> None:
        for name in [each for each in self._set_aside if matches(each)]:
            sys.modules[name] = self._set_aside.pop(name)


class VirtualClock:
    """Replaces `datetime` and `time` in modules of an app."""

    def __init__(
        self,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        virtual = _virtual_datetime(now)
        times = {
            "time": lambda: now().timestamp(),
            "time_ns": lambda: round(now().timestamp() * 1e9),
            "monotonic": monotonic,
            "perf_counter": monotonic,
            "sleep": sleep,
        }
        self._replacements: dict[int, object] = {
            id(datetime): virtual,
            id(datetime_module): _copy(datetime_module, {"datetime": virtual}),
            id(time_module): _copy(time_module, times),
        }
        for name, function in times.items():
            self._replacements[id(getattr(time_module, name))] = function
        self._changes: Changes = []

    def install(self, modules: Iterable[ModuleType]) -> None:
        """Replace what these modules have imported."""
        for module in modules:
            for name, value in list(vars(module).items()):
                replacement = self._replacements.get(id(value))
                if replacement is not None:
                    setattr(module, name, replacement)
                    self._changes.append((module, name, value))

    def uninstall(self) -> None:
        """Undo all replacements."""
        for module, name, value in self._changes:
            setattr(module, name, value)
        self._changes.clear()


class InlineWorkers:
    """Executes work items at once, in the place of threads that would race the virtual time."""

    def __init__(self, execute: Execute, on_late: object) -> None:
        self._execute = execute

    def execute(self, items: Sequence[WorkItem]) -> tuple[list[Done], list[WorkItem]]:
        """Execute items; none of them is late."""
        return [Done(item, self._execute(item)) for item in items], []

    def stop(self) -> None:
        """There is no thread to end."""


def _virtual_datetime(now: Callable[[], datetime]) -> type:
    """The class `datetime` with another `now`. Its instances are ordinary datetimes."""

    class Meta(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, datetime)

        def __subclasscheck__(cls, subclass: type) -> bool:
            return issubclass(subclass, datetime)

    class VirtualDatetime(datetime, metaclass=Meta):
        def __new__(cls, *arguments: Any, **named: Any) -> Any:
            return datetime(*arguments, **named)  # noqa: DTZ001  # the app's own arguments

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            moment = now().astimezone(tz)
            return moment if tz else moment.replace(tzinfo=None)

        @classmethod
        def utcnow(cls) -> Any:
            return now().replace(tzinfo=None)

        @classmethod
        def today(cls) -> Any:
            return cls.now()

    return VirtualDatetime


def _copy(module: ModuleType, changes: Mapping[str, object]) -> SimpleNamespace:
    return SimpleNamespace(**(vars(module) | changes))


def _package(name: str) -> str:
    """The package or module at the top, to which a module belongs."""
    return name.partition(".")[0]


def _compiled(loader: SourceFileLoader, data: bytes, path: str, **options: Any) -> Any:
    return _compile(bytes(data), path)


@lru_cache(maxsize=1000)
def _compile(data: bytes, path: str) -> Any:
    """Compile a module once, however often it is imported."""
    return compile(data, path, "exec", dont_inherit=True)
