"""Clients that use registries as people do, above all around the moment of a close.

What they do follows from a seed, as far as the host gives the same answers.
"""

import asyncio
import json
import random
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol
from urllib.parse import quote, urlencode

from devhost.testing import NoResponse, Response
from tests.support.promises import Limits
from tests.support.promises.history import UNKNOWN, Exchange, History, Name

End = Literal["left alone", "timer", "finish", "finish at the end"]
ENDS: dict[End, float] = {"left alone": 1, "timer": 4, "finish": 3, "finish at the end": 2}
ENDINGS = ("", " für Zoë", " 🎁🎁", ' "\\u0041" & <b>%41+', "\t\u2028two lines\n", " ﷽\uffff")
"""Ends of texts with characters that may get lost on the way."""


class Target(Protocol):
    """A host and its time."""

    async def call(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Response: ...

    def now(self) -> datetime: ...

    async def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True)
class Plan:
    """What the clients do, and for how long."""

    seed: int = 1
    registries: int = 5
    """How many are open at a time."""
    seconds: float = 20
    """For how long registries are opened, one after the other."""
    guests: int = 2
    """Clients of each registry, except of those that are left alone."""
    removes: bool = True
    processes: bool = True
    give_up_after: float = 15
    """Seconds after the close until which a client repeats requests whose outcome is unknown."""
    faults_linger: float = 0
    """Seconds for which faults go on when the clients have gone."""
    patience: float = 190
    """Seconds from the last `closesAt`, or the last start, after which the history is checked."""
    linger: float = 30
    """Seconds between the end of everything and the last look."""
    limits: Limits = field(default_factory=Limits)


class Client:
    """One client of many, with dice of its own. All its requests and answers are written down."""

    def __init__(self, target: Target, history: History, plan: Plan, name: str) -> None:
        self.name = name
        self.dice = random.Random(f"{plan.seed}/{name}")
        self._target = target
        self._history = history
        self._plan = plan
        self._items = 0

    async def ask(self, call: Name, id: str = "", text: str = "", key: str = "") -> Exchange:
        """Send a request, and write it down with its answer."""
        sent = self._history.moment(self._target.now())
        try:
            answer = await self._target.call(*self._request(call, id, text, key))
        except NoResponse:
            answer = Response(0, {}, b"")
        answered = self._history.moment(self._target.now())
        exchange = Exchange(
            self.name, call, sent, answered, answer.status, _value(answer), id, key, text
        )
        if isinstance(exchange.body, dict):
            if call == "open" and answer.status == 201:
                exchange.id = str(exchange.body.get("id"))
            if call == "add" and not key:
                exchange.key = str(exchange.body.get("itemKey", ""))
        self._history.exchanges.append(exchange)
        return exchange

    def _request(
        self, call: Name, id: str, text: str, key: str
    ) -> tuple[str, str, dict[str, str], bytes]:
        path = f"/api/{call}" + (f"/{id}" if id else "")
        if call in ("peek", "stats"):
            return "GET", path, {}, b""
        if call == "remove":
            return "POST", f"{path}?{urlencode({'itemKey': key})}", {}, b""
        method = "GET" if call in ("open", "add", "finish") and self.dice.random() < 0.1 else "POST"
        if call != "add":
            return method, path, {}, b""
        headers = {"Idempotency-Key": key} if key else {}
        form = "query" if method == "GET" else self.dice.choice(["query", "json", "text"])
        if form == "query":
            return method, f"{path}?item={quote(text)}", headers, b""
        if form == "json":
            return (
                method,
                path,
                headers | {"Content-Type": "application/json"},
                json.dumps({"item": text}).encode(),
            )
        return method, path, headers | {"Content-Type": "text/plain; charset=utf-8"}, text.encode()

    async def pause(self, shortest: float, longest: float) -> None:
        await self._target.sleep(self.dice.uniform(shortest, longest))

    async def until(self, moment: datetime, offset: float = 0) -> None:
        """Sleep until some seconds after a moment, unless that has passed."""
        seconds = (moment - self._target.now()).total_seconds() + offset
        if seconds > 0:
            await self._target.sleep(seconds)

    async def give(self, id: str, until: datetime) -> None:
        """Add an item, again and again until its outcome is known or the client gives up.

        Some items have no key: they are sent again only if an answer names one. Some are sent again
        although they are in the registry. Some are removed: at once, later, or before they are in.
        """
        self._items += 1
        text = f"{self.name}.{self._items}{self.dice.choice(ENDINGS)}"
        key = "" if self.dice.random() < 0.2 else f"key-{self.name}-{self._items}"
        taken_back = self._plan.removes and key and self.dice.random() < 0.25
        async with asyncio.TaskGroup() as tasks:
            if taken_back:
                tasks.create_task(self._take_back(id, text, key, until))
            known = await self._add(id, text, key, until)
        if known.status in (200, 409) and known.key and self.dice.random() < 0.15:
            await self.ask("add", id, text, known.key)

    async def _add(self, id: str, text: str, key: str, until: datetime) -> Exchange:
        exchange = await self.ask("add", id, text, key)
        while (
            exchange.status in UNKNOWN
            and exchange.key
            and self._target.now() < until
            and self.dice.random() > 0.05
        ):
            await self.pause(0, 1)
            exchange = await self.ask("add", id, text, exchange.key)
        return exchange

    async def _take_back(self, id: str, text: str, key: str, until: datetime) -> None:
        await self.pause(*self.dice.choice([(0, 0.001), (0, 0.3), (0.5, 3)]))
        exchange = await self.ask("remove", id, text, key)
        while (
            exchange.status in UNKNOWN and self._target.now() < until and self.dice.random() > 0.1
        ):
            await self.pause(0, 1)
            exchange = await self.ask("remove", id, text, key)

    async def see_through(self, number: int) -> None:
        """Open a registry, let guests use it, and stay until some seconds after its close."""
        opened = await self.ask("open")
        if opened.status != 201:
            await self.pause(0, 1)
            return
        end_by = self.dice.choices([*ENDS], [*ENDS.values()])[0]
        if end_by == "left alone":
            return
        begin, end = self._target.now(), datetime.fromisoformat(opened.body["closesAt"])
        crux = end
        if end_by == "finish":
            crux = begin + (end - begin) * self.dice.choice(
                [0, self.dice.uniform(0, 0.3), self.dice.uniform(0, 0.9)]
            )
        async with asyncio.TaskGroup() as tasks:
            for guest in range(self._plan.guests):
                client = Client(
                    self._target,
                    self._history,
                    self._plan,
                    f"{self.name}.{number}{'abcdefgh'[guest]}",
                )
                finishes = end_by != "timer" and (guest == 0 or self.dice.random() < 0.3)
                tasks.create_task(client.visit(opened.id, crux, end, finishes, tasks))

    async def visit(
        self, id: str, crux: datetime, end: datetime, finishes: bool, tasks: asyncio.TaskGroup
    ) -> None:
        """Add and peek after the open, now and then, and all the time around the crux."""
        patience = end + timedelta(seconds=self._plan.give_up_after)

        def start(work: Coroutine[Any, Any, Any]) -> None:
            tasks.create_task(work)

        for _ in range(self.dice.randint(0, 2)):
            start(self.give(id, patience))
            await self.pause(0, 0.1)
        while crux - self._target.now() > timedelta(seconds=2.5):
            await self.pause(0.2, 2)
            start(self.give(id, patience) if self.dice.random() < 0.5 else self.look(id))
        await self.until(crux, -self.dice.uniform(0.3, 1.2))
        if finishes:
            start(self.finish(id, crux, patience))
        while self._target.now() < crux + timedelta(seconds=1.5):
            start(self.give(id, patience))
            start(self.look(id))
            await self.pause(0.1, 0.5)
        await self.pause(0, 3)
        await self.give(id, patience)
        if self._plan.processes and self.dice.random() < 0.4:
            await self.ask("process", id)
            await self.pause(0, 2)
        await self.look(id)

    async def look(self, id: str) -> Exchange:
        return await self.ask("peek", id)

    async def finish(self, id: str, crux: datetime, until: datetime) -> None:
        """Finish near the crux, and check at once what a peek shows."""
        await self.until(crux, self.dice.uniform(-0.4, 0.2))
        exchange = await self.ask("finish", id)
        while (
            exchange.status in UNKNOWN and self._target.now() < until and self.dice.random() > 0.2
        ):
            await self.pause(0, 1)
            exchange = await self.ask("finish", id)
        for _ in range(3):
            await self.look(id)
            await self.pause(0, 0.4)

    async def read_stats(self, until: datetime) -> None:
        while self._target.now() < until:
            await self.ask("stats")
            await self.pause(0.5, 3)


async def rush(target: Target, history: History, plan: Plan) -> None:
    """Let all clients do what the plan says; returns when the last one has gone."""
    end = target.now() + timedelta(seconds=plan.seconds)

    async def host_parties(lane: int) -> None:
        client = Client(target, history, plan, f"c{lane}")
        number = 0
        await client.pause(0, 2)
        while number == 0 or target.now() < end:
            number += 1
            await client.see_through(number)
            await client.pause(0, 1)

    async with asyncio.TaskGroup() as tasks:
        for lane in range(1, plan.registries + 1):
            tasks.create_task(host_parties(lane))
        tasks.create_task(
            Client(target, history, plan, "reader").read_stats(end + timedelta(seconds=5))
        )


def _value(answer: Response) -> Any:
    try:
        return json.loads(answer.body) if answer.body else ""
    except ValueError:
        return answer.body.decode(errors="replace")
