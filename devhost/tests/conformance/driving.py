"""Repeats the scenarios of durable.json on devhost, and compares the results.

A case is a function under its recorded name. It gets a `Driver`, and returns what was recorded.
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
from unittest.mock import patch
from urllib.parse import quote

from devhost.functions.app import App
from devhost.functions.indexing import index
from devhost.management.urls import PREFIX
from devhost.settings.files import DEFAULTS, HostJson
from tests.server import serving

APP = Path(__file__).parent / "durable_app.py"
TIMEOUT = 10.0
"""Seconds within which an instance has to end."""
STILL = 0.5
"""Seconds after which an instance counts as waiting."""
POLL = 0.005
SHOWN_HEADERS = ("content-type", "location", "retry-after", "www-authenticate")
UNIQUE = product("jkqvJKQVZ", repeat=4)
"""Parts of ids, as long as the recorded ones, that occur in no word."""
ENDS_BY = {"suspended": "suspend", "terminated": "terminate"}
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Answer:
    """A response over HTTP."""

    status: int
    headers: dict[str, str]
    """By name in lower case."""
    body: Any
    """The parsed body if it is JSON, else its text."""
    text: str

    def shown(self) -> dict[str, Any]:
        """With headers, as in most recordings."""
        return {"status": self.status, "headers": self.shown_headers(), "body": self.body}

    def brief(self) -> dict[str, Any]:
        """Without headers, as in the other recordings."""
        return {"status": self.status, "body": self.body}

    def shown_headers(self) -> dict[str, str]:
        return {name: self.headers[name] for name in SHOWN_HEADERS if name in self.headers}


@dataclass
class Driver:
    """A devhost that serves durable_app.py, and a text that makes the ids of a case unique."""

    origin: str
    hub: dict[str, Any] = field(default_factory=dict)
    """Data that cases share."""
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
            self.origin.removeprefix("http://"), timeout=TIMEOUT
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
        """Make an id that only this case has."""
        return f"{name}-{self.unique}"

    def start(self, name: str, id: str = "", input: Any = None) -> str:
        """Start an instance over HTTP, with raw JSON as its input. Returns its id."""
        path = f"orchestrators/{name}" + (f"/{quote(id, safe='')}" if id else "")
        started: str = self.mgmt("POST", path, json.dumps(input)).body["id"]
        return started

    def status(self, id: str, query: str = "") -> Answer:
        return self.mgmt("GET", f"instances/{quote(id, safe='')}{query}")

    def until(self, id: str, *statuses: str, timeout: float = TIMEOUT) -> Any:
        """Wait until an instance has one of some statuses, by default a final one; returns it.

        If that takes too long, returns {"TIMEOUT": true, "last": [...]}.
        """
        wanted = statuses or ("Completed", "Failed", "Terminated")
        deadline = time.monotonic() + timeout
        while True:
            answer = self.status(id)
            if answer.status < 300 and answer.body["runtimeStatus"] in wanted:
                return answer.body
            if time.monotonic() > deadline:
                return {"TIMEOUT": True, "last": [answer.status, answer.text]}
            time.sleep(POLL)

    def end(self, id: str, *members: str, timeout: float = TIMEOUT) -> Any:
        """Members of the status of an ended instance, by default runtimeStatus and output."""
        shown = self.until(id, timeout=timeout)
        return (
            shown
            if "TIMEOUT" in shown
            else {name: shown[name] for name in members or ("runtimeStatus", "output")}
        )

    def still(self, id: str) -> Any:
        """The status of an instance that does not end, as a time-out."""
        return self.until(id, timeout=STILL)

    def orch(self, code: str, *members: str, timeout: float = TIMEOUT, **input: Any) -> Any:
        """Run an orchestration whose source defines `f(context)`, until it ends."""
        return self.end(self.start("py", input={"code": code} | input), *members, timeout=timeout)

    def pyh(self, code: str) -> Any:
        """Run `async def f(client, req)` in the app; returns its result or exception."""
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
        """Make an instance with some status, as in the recordings; returns its id."""
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
    take: Callable[[], Any], expected: Callable[[Any], bool], timeout: float = TIMEOUT
) -> Any:
    """Take a value until it is as expected; returns the last one."""
    deadline = time.monotonic() + timeout
    while not expected(found := take()) and time.monotonic() < deadline:
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
    """Register the function of a case."""

    def register(run: Callable[[Driver], Any]) -> Callable[[Driver], Any]:
        assert name not in CASES
        CASES[name] = Drive(run, alone or config != DEFAULTS, config)
        return run

    return register


@contextmanager
def driver(config: HostJson = DEFAULTS) -> Iterator[Driver]:
    """Serve durable_app.py within the block.

    What clients ask has its effect before the answer, unless a function is slow. None of these is,
    however busy the machine may be.
    """
    with (
        patch.multiple("devhost.engine.workers", QUICK_SECONDS=2, LONGEST_WAIT=2),
        serving(durable_app(), config=config) as origin,
    ):
        yield Driver(origin)


@cache
def durable_app() -> App:
    """The recorded app, without its notes to files."""
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
"""The recording may have cut answers after so many characters."""


def comparable(value: Any, unique: str = "") -> Any:
    """Mask the parts of an answer that differ from run to run.

    JSON within texts is parsed. The key of the management API and StackTrace (frames of .NET) are
    left out, because devhost has neither. Fractions of a second may have any number of digits.
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
    """Whether devhost's result is the recorded one; 1 and true differ, as in JSON.

    The recording is JSON in a text, or the beginning of a long answer.
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
