"""The model as JSON: as it is stored, and read in the form of this version or an older one, and as
people see it.
"""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from registry.clock import from_text, to_text
from registry.domain.registry import Backoff, Birth, Phase, Registry, Standing, Stats

State = dict[str, Any]

VERSION = 1  # of states, inputs and messages. Those of before 1.0 have none
LONG_AGO = datetime(
    2020, 1, 1, tzinfo=UTC
)  # when something was due of which an older version did not note when


def dump(value: Any) -> Any:
    """A part of the model as JSON. A mapping becomes pairs, so that nobody reads a meaning into its
    keys.
    """
    match value:
        case str() | int() | float() | None:  # first, for nearly all there is is one of these
            return value
        case datetime():
            return to_text(value)
        case Counter():
            return dict(value)
        case dict():
            return [[key, dump(each)] for key, each in value.items()]
        case list() | tuple():
            return [dump(each) for each in value]
    return {name: dump(each) for name, each in vars(value).items()}


def stored(whole: Registry | Stats) -> State:
    """What an entity stores."""
    return {"v": VERSION, **dump(whole)}


def to_birth(state: State, id: str = "") -> Birth:
    """Read a birth. In older versions its members are those of the list's state or the life's
    input, without the id.
    """
    if "openedAt" in state:
        opened_at, closes_at = from_text(state["openedAt"]), from_text(state["closesAt"])
        is_sent = state.get("processing", "off") != "off"
        return Birth(
            id, opened_at, closes_at, state["maxItems"], is_sent, Backoff(*state.get("backoff", []))
        )
    return Birth(
        **state
        | _moments(state, "opened_at", "closes_at")
        | {"backoff": Backoff(*state["backoff"])}
    )


def to_registry(state: State, id: str) -> Registry:
    """Read what a list stores."""
    members = {name: value for name, value in state.items() if name != "v"}
    if "v" not in state:  # closed and delivered at most once, and without removed keys
        members = {
            "birth": state,
            "items": state.get("items", []),
            "closed_at": state.get("closedAt"),
            "closed_by": state.get("closedBy"),
            "processing": state.get("processing", "off"),
            "revision": len(state.get("items", [])) + 2,
        }
    read = {"birth": to_birth(members["birth"], id), "items": dict(members["items"])}
    return Registry(**members | read | _moments(members, "closed_at", "asked_at"))


def to_standing(state: State) -> Standing:
    """Read a standing."""
    birth = to_birth(state["birth"]) if state["birth"] else None
    return Standing(**state | {"birth": birth} | _moments(state, "due", "closed_at"))


def to_stats(state: State) -> Stats:
    """Read what a shard of the stats stores. Where an older version did not note when something is
    due, it is now.
    """
    if "v" in state:
        standings = {id: to_standing(each) for id, each in state["standings"]}
        return Stats(state["items"], Counter(state["phases"]), standings)
    standings = {id: Standing(0, count, "open", LONG_AGO) for id, count in state["open"].items()}
    standings |= {
        id: Standing(0, state["open"].get(id), "pending", LONG_AGO)
        for id in state.get("pending", [])
    }
    phases: Counter[Phase] = Counter(each.phase for each in standings.values())
    phases.update(
        {phase: max(0, n) for phase, n in state.get("processing", {}).items() if phase != "pending"}
    )
    others = state["registries"] - phases.total()
    ended: tuple[Phase, ...] = ("off", "delivered", "failed")
    phases["off" if others >= 0 else max(ended, key=phases.__getitem__)] += (
        others  # some were counted twice
    )
    return Stats(state["closedItems"] + sum(state["open"].values()), phases, standings)


def _moments(state: State, *names: str) -> State:
    return {name: from_text(state[name]) if state.get(name) else None for name in names}


def shown(registry: Registry, now: datetime) -> dict[str, Any]:
    """What `peek` answers. A registry whose time was up at `now`, but whose close is not on record,
    is Closing.
    """
    birth = registry.birth
    status = "Closed" if registry.is_closed else "Closing" if now >= birth.closes_at else "Open"
    members = {
        "id": birth.id,
        "items": list(registry.items.values()),
        "openedAt": to_text(birth.opened_at),
        "closesAt": to_text(birth.closes_at),
        "closedAt": registry.closed_at and to_text(registry.closed_at),
        "closedBy": registry.closed_by,
        "processing": registry.processing,
    }
    return {"status": status, "registry": members}
