"""The page in a browser, served by devhost."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from tests.browser.chromium import NONE, chromium, executable
from tests.e2e.process import Devhost
from tests.receiver import SECRET, Receiver
from tests.support.program import absent

WAIT = 10_000
"""Milliseconds: machines may be slow."""


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One for all tests of a process; without one they are skipped, but fail in CI."""
    if not executable():
        absent(NONE)
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="package")
def home(tmp_path_factory, receiver) -> Iterator[str]:
    """The address of the page, on a host that sends closed registries to the receiver."""
    with Devhost(
        tmp_path_factory.mktemp("browser") / "data",
        REGISTRY_MAX_ITEM_LENGTH=100,
        REGISTRY_MAX_ITEMS=5,
        PROCESSING_WEBHOOK_URL=receiver.url,
        PROCESSING_WEBHOOK_SECRET=SECRET,
    ) as host:
        yield f"{host.url}/api/home"


@pytest.fixture
def hasty_home(tmp_path) -> Iterator[str]:
    """The page on a host whose registries live three seconds."""
    with Devhost(tmp_path / "data", REGISTRY_OPEN_SECONDS=3) as host:
        yield f"{host.url}/api/home"


@pytest.fixture
def context(browser, request) -> Iterator[BrowserContext]:
    if "hasty_home" in request.fixturenames:
        request.getfixturevalue("hasty_home")  # it outlives the pages, which would miss it
    context = browser.new_context()
    context.set_default_timeout(WAIT)
    expect.set_options(timeout=WAIT)
    yield context
    context.close()


@pytest.fixture
def visit(context) -> Iterator[Callable[..., Page]]:
    """Open an address in a page of its own; whatever goes wrong in a script fails the test."""
    complaints: list[str] = []  # Playwright does not survive a handler that fails

    def on_message(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(message.text)

    def visited(address: str, quiet: bool = True) -> Page:
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        if quiet:
            page.on("console", on_message)
        page.goto(address)
        return page

    yield visited
    assert complaints == []
