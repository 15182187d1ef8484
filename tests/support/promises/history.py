"""What clients sent and received, sorted by registry, and how it reads in a report."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal, NamedTuple

Name = Literal["open", "add", "remove", "peek", "finish", "process", "stats"]

UNKNOWN = (0, 202, 500, 503)
"""Statuses after which the effect of a request is unknown. 0: there was no answer."""

SHOWING = {"peek": 200, "finish": 200, "process": 202}
"""Answers that show the registry."""


class Moment(NamedTuple):
    """When something was sent or received. Moments of the same time have an order nevertheless."""

    order: int
    at: datetime


@dataclass(eq=False)
class Exchange:
    """A request of a client, and its answer."""

    client: str
    call: Name
    sent: Moment
    answered: Moment
    """When the answer came, or when the client gave up waiting."""
    status: int = 0
    """0: no answer."""
    body: Any = None
    """The answer: a value if it is JSON, otherwise text."""
    id: str = ""
    key: str = ""
    text: str = ""

    @property
    def problem(self) -> str:
        """The kind of problem that the answer names, or nothing."""
        type = self.body.get("type") if isinstance(self.body, Mapping) else None
        return type.rpartition("/")[2].rpartition("#")[2] if isinstance(type, str) else ""

    @property
    def says_closed(self) -> bool:
        """Whether the answer refuses because the registry is closed."""
        return self.status == 409 and self.problem == "registry-closed"

    def __str__(self) -> str:
        times = f"{clock(self.sent.at)} .. {clock(self.answered.at)}"
        name = f"{self.call} {self.text!r}" if self.text else self.call
        return f"{times}  {self.client:8} {name:30} -> {self._outcome()}"

    def _outcome(self) -> str:
        if shown := Shown.of(self):
            return f"{self.status} {shown}"
        if self.status == 0:
            return "no answer"
        if self.call == "stats" or not isinstance(self.body, Mapping):
            return f"{self.status} {self.body}"
        details = [str(self.body[name]) for name in ("closesAt", "detail") if name in self.body]
        count = [f"itemsCount {self.body['itemsCount']}"] if "itemsCount" in self.body else []
        return " ".join([str(self.status), self.problem, *count, *details]).replace("  ", " ")


@dataclass(eq=False)
class Delivery:
    """A registry as the webhook received it, and the status with which it answered."""

    webhook_id: str
    body: Any
    received: Moment
    status: int

    def __str__(self) -> str:
        content = Shown.of(self) or self.body
        return f"{clock(self.received.at)}  delivery, answered {self.status}: {content}"


Evidence = Exchange | Delivery


@dataclass(eq=False)
class Shown:
    """A registry as an answer or a delivery showed it."""

    source: Evidence
    sent: Moment
    answered: Moment
    id: str
    status: str
    items: tuple[str, ...]
    opened_at: str
    closes_at: datetime
    closed_at: datetime | None
    closed_by: str | None
    processing: str

    @property
    def is_closed(self) -> bool:
        return self.status == "Closed"

    def __str__(self) -> str:
        closed = f" by {self.closed_by} at {clock(self.closed_at)}" if self.is_closed else ""
        tail = "".join(f" {item!r}" for item in self.items[-3:])
        tail = f": ...{tail}" if len(self.items) > 3 else f": {tail.strip()}" if tail else ""
        return f"{self.status}{closed}, {self.processing}, {len(self.items)} items{tail}"

    @property
    def content(self) -> tuple[Any, ...]:
        """What never changes in a closed registry."""
        return (self.items, self.opened_at, self.closes_at, self.closed_at, self.closed_by)

    @classmethod
    def of(cls, source: Evidence) -> "Shown | None":
        """Return what an answer or a delivery shows, or None if it is not of that kind or form."""
        if isinstance(source, Delivery):
            sent = answered = source.received
        elif source.status == SHOWING.get(source.call):
            sent, answered = source.sent, source.answered
        else:
            return None
        try:
            status, registry = source.body["status"], source.body["registry"]
            items, closed_at = registry["items"], registry["closedAt"]
            if not (isinstance(items, list) and all(isinstance(item, str) for item in items)):
                return None
            return cls(
                source,
                sent,
                answered,
                registry["id"],
                status,
                tuple(items),
                registry["openedAt"],
                datetime.fromisoformat(registry["closesAt"]),
                closed_at and datetime.fromisoformat(closed_at),
                registry["closedBy"],
                registry["processing"],
            )
        except (KeyError, TypeError, ValueError):
            return None


@dataclass
class RegistryHistory:
    """All exchanges and deliveries of one registry."""

    id: str
    exchanges: list[Exchange] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)

    def calls(self, call: Name, *statuses: int) -> list[Exchange]:
        """The exchanges of a kind, in the order of their answers; with statuses, only those."""
        return [
            each
            for each in self.exchanges
            if each.call == call and (not statuses or each.status in statuses)
        ]

    @cached_property
    def opened(self) -> Exchange | None:
        """The open that was answered; None if the registry is only known by its delivery."""
        return next(iter(self.calls("open", 201)), None)

    @cached_property
    def shown(self) -> list[Shown]:
        """All that was ever shown of it, in the order of the answers."""
        sources: list[Evidence] = [*self.exchanges, *self.deliveries]
        found = [shown for source in sources if (shown := Shown.of(source))]
        return sorted(found, key=lambda shown: shown.answered)

    @cached_property
    def final(self) -> Shown | None:
        """What the last client saw."""
        return next(
            (shown for shown in reversed(self.shown) if isinstance(shown.source, Exchange)), None
        )

    @cached_property
    def closes_at(self) -> datetime | None:
        """When it should close."""
        if self.opened:
            return datetime.fromisoformat(self.opened.body["closesAt"])
        return self.shown[0].closes_at if self.shown else None

    @cached_property
    def seen_closed(self) -> list[tuple[Moment, Evidence]]:
        """Each time that somebody saw that it was closed."""
        seen: list[tuple[Moment, Evidence]] = [
            (each.answered, each.source) for each in self.shown if each.is_closed
        ]
        seen += [(each.answered, each) for each in self.exchanges if each.says_closed]
        return sorted(seen, key=lambda pair: pair[0])

    @cached_property
    def adds(self) -> dict[str, list[Exchange]]:
        """The adds of each text. Clients never use a text for two items."""
        return _by_text(self.calls("add"))

    @cached_property
    def removes(self) -> dict[str, list[Exchange]]:
        """The removes of each text."""
        return _by_text(self.calls("remove"))

    def shown_with(self, text: str) -> list[Shown]:
        """All that was shown with that item in it."""
        return [each for each in self.shown if text in each.items]

    def may_be_removed(self, text: str, by: Moment) -> bool:
        """Whether somebody had asked to remove the item by then, and was not refused."""
        return any(
            each.sent < by and each.status not in (404, 409) for each in self.removes.get(text, [])
        )

    def acknowledged(self, before: Moment) -> Iterator[Exchange]:
        """For each item that was acknowledged before that moment, the first add that was."""
        for adds in self.adds.values():
            if found := [each for each in adds if each.status == 200 and each.answered < before]:
                yield found[0]


class History:
    """All that clients sent and received, written down as it happens."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        """In the order of their answers."""
        self.deliveries: list[Delivery] = []
        self.starts: list[datetime] = []
        """When the app started again."""
        self._order = 0

    def moment(self, at: datetime) -> Moment:
        """Return a moment after all others so far."""
        self._order += 1
        return Moment(self._order, at)

    def calls(self, call: Name, *statuses: int) -> list[Exchange]:
        """The exchanges of a kind, in the order of their answers; with statuses, only those."""
        return [
            each
            for each in self.exchanges
            if each.call == call and (not statuses or each.status in statuses)
        ]

    def last_start(self, before: datetime, otherwise: datetime) -> datetime:
        """The later of `otherwise` and the last start before a moment."""
        return max([otherwise, *(start for start in self.starts if start < before)])

    def registries(self) -> list[RegistryHistory]:
        """The registries that are known by an answered open or by a delivery."""
        found: dict[str, RegistryHistory] = {}
        for exchange in self.exchanges:
            if exchange.id:
                found.setdefault(exchange.id, RegistryHistory(exchange.id)).exchanges.append(
                    exchange
                )
        for delivery in self.deliveries:
            if shown := Shown.of(delivery):
                found.setdefault(shown.id, RegistryHistory(shown.id)).deliveries.append(delivery)
        return list(found.values())


def clock(at: datetime | None) -> str:
    """A time of the day, to the millisecond."""
    return at.strftime("%H:%M:%S.%f")[:-3] if at else "no time"


def _by_text(exchanges: Iterable[Exchange]) -> dict[str, list[Exchange]]:
    found: dict[str, list[Exchange]] = {}
    for exchange in exchanges:
        found.setdefault(exchange.text, []).append(exchange)
    return found
