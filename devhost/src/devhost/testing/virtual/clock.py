"""A virtual clock, in the place of `datetime` and `time` in an app's modules."""

import datetime as datetime_module
import time as time_module
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, tzinfo
from types import ModuleType, SimpleNamespace
from typing import Any


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
        self._changes: list[tuple[ModuleType, str, object]] = []

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
    return SimpleNamespace(**{**vars(module), **changes})
