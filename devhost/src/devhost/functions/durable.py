"""The durable functions of an app, as the engine runs them."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from devhost.replay.protocol import OrchestrationError

RawFunction = Callable[[str], str]
"""An orchestrator or entity function as the SDK wraps it: JSON in, JSON out."""


@dataclass(frozen=True)
class DurableFunctions:
    """Durable functions by name in lower case, because names match in any letter case."""

    orchestrators: Mapping[str, RawFunction] = field(default_factory=dict)
    entities: Mapping[str, RawFunction] = field(default_factory=dict)
    activities: frozenset[str] = frozenset()
    names: Mapping[str, Collection[str]] = field(default_factory=dict)
    """The names as the app spells them, by kind: orchestrator, entity, activity."""

    def __bool__(self) -> bool:
        """Whether there are any. Without one, the real host leaves the task hub alone."""
        return bool(self.orchestrators or self.entities or self.activities)

    def unknown(self, name: str, kind: str) -> OrchestrationError:
        """The error for a function that the app does not have, in the words of the real host."""
        known = ", ".join(f"'{each}'" for each in sorted(self.names.get(kind, ())))
        info = (
            f"The following are the known {kind} functions: {known}."
            if known
            else f"There is no {kind} function."
        )
        return OrchestrationError(
            f"The function '{name}' doesn't exist, is disabled, or is not an {kind} function. "
            f"Additional info: {info}"
        )
