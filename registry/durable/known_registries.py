"""What this process knows of registries without a read. It only saves reads: nobody is answered
from it.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

from registry import clock
from registry.domain.registry import Registry, RegistryTerms

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

MAX_KNOWN = 10_000
OPENING_SECONDS = 1.0
"""After these the list of a registry that was opened is mostly open."""


class LruCache(Generic[Key, Value]):
    """At most so many values. The one that was not used for the longest time makes room."""

    def __init__(self, max_length: int = MAX_KNOWN) -> None:
        self._max_length = max_length
        self._values: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        """The value, which is used by that; None where there is none."""
        if key in self._values:
            self._values.move_to_end(key)
        return self._values.get(key)

    def put(self, key: Key, value: Value) -> None:
        """Keep a value."""
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > self._max_length:
            self._values.popitem(last=False)

    def drop(self, key: Key) -> None:
        """Keep it no longer, if it is there."""
        self._values.pop(key, None)


class Change(NamedTuple):
    """What an add or a removal does. Repeated, it is the same."""

    id: str
    operation: str
    key: str


class _Known(NamedTuple):
    terms: RegistryTerms
    was_read: bool


class KnownRegistries:
    """Registries that were open when this process saw them last, and what it has sent to them.

    Terms never change, and no id is used twice.
    """

    def __init__(self) -> None:
        self._open: LruCache[str, _Known] = LruCache()
        self._sent: LruCache[Change, bool] = LruCache()

    def opened(self, terms: RegistryTerms) -> None:
        """Remember a registry that is being opened."""
        self._open.put(terms.id, _Known(terms, was_read=False))

    def read(self, id: str, registry: Registry | None) -> None:
        """Remember what was read: an open registry, or that there is none that is open."""
        if registry is None or registry.is_closed:
            self._open.drop(id)
        else:
            self._open.put(id, _Known(registry.terms, was_read=True))

    def terms_of(self, id: str) -> RegistryTerms | None:
        """The terms of a registry whose list was open when it was read last, and may be still."""
        known = self._known(id)
        return known.terms if known and known.was_read else None

    def takes(self, change: Change) -> bool:
        """Whether to send a change without a read. Once only: a repeat is mostly decided."""
        was_sent = self._sent.get(change)
        self._sent.put(change, True)
        known = self._known(change.id)
        if known is None or was_sent:
            return False

        open_for = (clock.utc_now() - known.terms.opened_at).total_seconds()
        return known.was_read or open_for >= OPENING_SECONDS

    def _known(self, id: str) -> _Known | None:
        known = self._open.get(id)
        return known if known and clock.utc_now() < known.terms.closes_at else None


known_registries = KnownRegistries()
"""Those of this process."""
