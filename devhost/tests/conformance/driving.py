"""Tools to do on devhost what a scenario of durable.json says, and to compare what came of it.

A case is a function under the name that the recording has; it gets a `Driver` and returns what was
recorded of it.
"""

import http.client
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

from devhost.functions.app import App
from devhost.functions.indexing import index
from devhost.management.urls import PREFIX
from devhost.settings.files import DEFAULTS, HostJson
from tests.server import serving

APP = Path(__file__).parent / "durable_app.py"
PATIENCE = 10.0
"""Seconds until an instance that should have ended has failed the case."""
STILL = 0.5
"""Seconds after which an instance that should not end is taken to stand still: what devhost does,
it does at once.
"""
POLL = 0.005
SHOWN_HEADERS = ("content-type", "location", "retry-after", "www-authenticate")
UNIQUE = product("jkqvJKQVZ", repeat=4)
"""Parts of ids, as long as the recorded ones, that are no part of any word."""
ENDS_BY = {"suspended": "suspend", "terminated": "terminate"}
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP."""

    status: int
    headers: dict[str, str]
    """By names in lower case."""
    body: Any
    """The value of a body that is JSON, else its text."""
    text: str

    def shown(self) -> dict[str, Any]:
        """With headers, as most cases have it."""
        return {"status": self.status, "headers": self.shown_headers(), "body": self.body}

    def brief(self) -> dict[str, Any]:
        """Without headers, as the other cases have it."""
        return {"status": self.status, "body": self.body}

    def shown_headers(self) -> dict[str, str]:
        return {name: self.headers[name] for name in SHOWN_HEADERS if name in self.headers}


@dataclass
class Driver:
    """A devhost that serves durable_app.py, and a part of ids that only this case has."""

    origin: str
    hub: dict[str, Any] = field(default_factory=dict)
    """What cases have left on it for others."""
    unique: str = field(default_factory=lambda: "".join(next(UNIQUE)))

    def request(
        self,
        method: str,
        path: str,
        body: str | bytes | None = None,
        headers: Mapping[str, str] = JSON,
    ) -> Answer:
        """Send a request; `path` is percent-encoded."""
        connection = http.client.HTTPConnection(
            self.origin.removeprefix("http://"), timeout=PATIENCE
        )
        try:
            connection.request(
                method, path, body.encode() if isinstance(body, str) else body, dict(headers)
            )
            response = connection.getresponse()
            text = response.read().decode()
            shown = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, shown, parsed(text), text)
        finally:
            connection.close()

    def mgmt(
        self,
        method: str,
        path: str,
        body: str | bytes | None = None,
        headers: Mapping[str, str] = JSON,
    ) -> Answer:
        """Call the management API; `path` is what follows its prefix."""
        return self.request(method, PREFIX + path, body, headers)

    def id(self, name: str) -> str:
        """An id that only this case has."""
        return f"{name}-{self.unique}"

    def start(self, name: str, id: str = "", input: Any = None) -> str:
        """Start an instance over HTTP; the input is raw JSON there. Returns its id."""
        path = f"orchestrators/{name}" + (f"/{quote(id, safe='')}" if id else "")
        started: str = self.mgmt("POST", path, json.dumps(input)).body["id"]
        return started

    def status(self, id: str, query: str = "") -> Answer:
        return self.mgmt("GET", f"instances/{quote(id, safe='')}{query}")

    def until(self, id: str, *statuses: str, patience: float = PATIENCE) -> Any:
        """The status of an instance once it is one of these (its end, where none is named).

        {"TIMEOUT": true, "last": [...]} where that takes too long.
        """
        wanted = statuses or ("Completed", "Failed", "Terminated")
        give_up = time.monotonic() + patience
        while True:
            answer = self.status(id)
            if answer.status < 300 and answer.body["runtimeStatus"] in wanted:
                return answer.body
            if time.monotonic() > give_up:
                return {"TIMEOUT": True, "last": [answer.status, answer.text]}
            time.sleep(POLL)

    def end(self, id: str, *members: str, patience: float = PATIENCE) -> Any:
        """Some members of the status of an instance that has ended: runtimeStatus and output, where
        none is named.
        """
        shown = self.until(id, patience=patience)
        return (
            shown
            if "TIMEOUT" in shown
            else {name: shown[name] for name in members or ("runtimeStatus", "output")}
        )

    def still(self, id: str) -> Any:
        """The status of an instance that does not end, in the form of a time-out."""
        return self.until(id, patience=STILL)

    def orch(self, code: str, *members: str, patience: float = PATIENCE, **input: Any) -> Any:
        """Run an orchestration whose source defines `f(context)`, until it ends."""
        return self.end(self.start("py", input={"code": code} | input), *members, patience=patience)

    def pyh(self, code: str) -> Any:
        """Run `async def f(client, req)` in the app; returns its result, or what it raised."""
        return self.request("POST", "/api/pyh", code).body

    @contextmanager
    def file(self) -> Iterator[Path]:
        """The path of a file that does not exist yet."""
        with TemporaryDirectory() as folder:
            yield Path(folder) / "file"

    def sdk(self, expression: str) -> Any:
        """The result of an expression of the SDK's client, `c`, or {"raised": ..., "str": ...}."""
        return self.pyh(f"async def f(c, req):\n    return {expression}")

    def instance(self, state: str, name: str) -> str:
        """An instance in a state, as the recordings have it; returns its id."""
        id = self.id(name)
        if state == "missing":
            return id
        starts = {"completed": ("noop", id, {"a": 1}), "failed": ("failing", id, "1")}
        self.start(*starts.get(state, ("waiter", id, "1")))
        if state in ENDS_BY:
            self.until(id, "Running")
            self.mgmt("POST", f"instances/{id}/{ENDS_BY[state]}?reason=x")
        self.until(id, state.title())
        return id


def parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def eventually(
    take: Callable[[], Any], expected: Callable[[Any], bool], patience: float = PATIENCE
) -> Any:
    """What is found, once it is as expected; or what was found last."""
    give_up = time.monotonic() + patience
    while not expected(found := take()) and time.monotonic() < give_up:
        time.sleep(POLL)
    return found


@dataclass(frozen=True)
class Drive:
    """How a case is driven."""

    run: Callable[[Driver], Any]
    alone: bool
    """On a task hub of its own."""
    config: HostJson


CASES: dict[str, Drive] = {}


def case(
    name: str, *, alone: bool = False, config: HostJson = DEFAULTS
) -> Callable[[Callable[[Driver], Any]], Any]:
    """Register a function as what a case does."""

    def register(run: Callable[[Driver], Any]) -> Callable[[Driver], Any]:
        assert name not in CASES
        CASES[name] = Drive(run, alone or config != DEFAULTS, config)
        return run

    return register


@contextmanager
def driver(config: HostJson = DEFAULTS) -> Iterator[Driver]:
    """A devhost that serves durable_app.py, for the length of the block."""
    with serving(durable_app(), config=config) as origin:
        yield Driver(origin)


@cache
def durable_app() -> App:
    """The app that the cases were asked of; what it notes goes nowhere."""
    names: dict[str, Any] = {"__name__": "durable_app"}
    exec(
        compile(APP.read_text(), APP, "exec"), names
    )  # it is no package, and imported as no module
    names["LOG"] = names["ENV"]["LOG"] = os.devnull
    return index(names["app"])


KEY = re.compile(r"\{&key\}|&?code=[^&\"]*|\?\{key\}")
MASKS = [
    (re.compile(r"127\.0\.0\.1:(\d+|\{port\})"), "127.0.0.1:{port}"),
    (re.compile(r"taskHub=[A-Za-z0-9]+"), "taskHub={hub}"),
    (re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}"), "{guid}"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|\{time:s\}Z"), "{time:s}Z"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z|\{time:\d\}Z"), "{time:f}Z"),
    (
        re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00|\{time:nozone\}\+00:00"),
        "{time:nozone}+00:00",
    ),
    (
        re.compile(r'(RemoteStackTrace\\*":\\*"|(\\n|\n)Stack: |StackTrace: ).*', re.DOTALL),
        r"\1{frames}",
    ),
    (re.compile(r"(\\n|\n)   at .*", re.DOTALL), ""),
    (re.compile(r"\b0x[0-9a-f]{8,}\b"), "{address}"),
]
UNCOMPARED = {"StackTrace"}
CUT_TRACE = re.compile(r',\s*\\*"StackTrace.*', re.DOTALL)
FRAMING = {"Connection", "Content-Length", "Date", "Server", "Transfer-Encoding"}
"""Headers of a response to call_http that depend on the server, which was the host itself."""
LONG = 500
"""Characters of an answer from which on the recording may have cut it."""


def comparable(value: Any, unique: str = "") -> Any:
    """What compares of an answer.

    JSON compares as a value, in texts too. Left out are the key of the management API, which
    devhost does not have, and StackTrace: frames of .NET, which devhost does not have and does not
    make up. A fraction of a second has as many digits as it happens to need.
    """
    match value:
        case dict():
            if isinstance(headers := value.get("headers"), dict | list):
                value = value | {"headers": _without_framing(headers)}
            return {
                _masked(name, unique): comparable(each, unique)
                for name, each in value.items()
                if name not in UNCOMPARED
            }
        case list():
            return [comparable(each, unique) for each in value]
        case str():
            inner = parsed(value)
            return (
                comparable(inner, unique)
                if isinstance(inner, dict | list)
                else _masked(value, unique)
            )
    return value


def _without_framing(headers: dict[str, Any] | list[str]) -> dict[str, Any] | list[str]:
    if isinstance(headers, dict):
        return {name: value for name, value in headers.items() if name not in FRAMING}
    return [name for name in headers if name not in FRAMING]


def _masked(text: str, unique: str) -> str:
    text = KEY.sub("", text)
    if unique:
        text = text.replace(unique, "{id}")
    for pattern, mask in MASKS:
        text = pattern.sub(mask, text)
    return text


def same(real: str, found: Any, unique: str = "") -> bool:
    """Whether devhost did what the real host did; 1 and true differ, as in JSON.

    The recording has an answer as JSON in a text; of a long one its beginning, which is cut.
    """
    whole = parsed(real)
    if not isinstance(whole, str):
        return json.dumps(comparable(whole), sort_keys=True) == json.dumps(
            comparable(found, unique), sort_keys=True
        )
    shown = CUT_TRACE.sub("", _masked(real, ""))
    if len(real) < LONG:
        return isinstance(found, str) and _masked(found, unique) == shown
    forms = (found, comparable(found, unique))
    texts = (
        [found]
        if isinstance(found, str)
        else [json.dumps(each, ensure_ascii=False) for each in forms]
    )
    return any(_masked(text, unique).startswith(shown.rstrip("{")) for text in texts)
