"""The page in a browser, served by devhost."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

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
def context(browser) -> Iterator[BrowserContext]:
    context = browser.new_context()
    context.set_default_timeout(WAIT)
    expect.set_options(timeout=WAIT)
    yield context
    context.close()


@pytest.fixture
def visit(context) -> Callable[..., Page]:
    """Open an address in a page of its own; whatever goes wrong in a script fails the test."""

    def visited(address: str, quiet: bool = True) -> Page:
        page = context.new_page()
        page.on("pageerror", lambda error: pytest.fail(f"the script failed: {error}"))
        if quiet:
            page.on(
                "console",
                lambda message: pytest.fail(message.text) if message.type == "error" else None,
            )
        page.goto(address)
        return page

    return visited
