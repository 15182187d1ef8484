"""The pictures of the README: `make screenshots`."""

import base64
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.browser.apng import animated
from tests.browser.chromium import chromium
from tests.e2e.process import Devhost
from tests.receiver import SECRET, Receiver

FOLDER = Path("docs")
WIDTH, HEIGHT = 360, 540
MINE, YOURS = ("Commodore 64", "A walk in the snow"), ("Zork Trilogy", "Gingerbread, lots of it")


def add(page: Page, gift: str) -> None:
    """Add a gift, and wait until it is in the registry."""
    page.get_by_label("Add a gift").fill(gift)
    page.keyboard.press("Enter")
    expect(
        page.locator("#items > li", has_text=gift).get_by_role("button", name="Take back")
    ).to_be_visible()


class Film:
    """Two browsers side by side, picture by picture."""

    def __init__(self, browser: Browser, *pages: Page) -> None:
        self._pages, self.frames = pages, list[tuple[bytes, int]]()
        self._stage = browser.new_page(viewport={"width": 2 * WIDTH + 60, "height": HEIGHT + 60})

    def take(self, milliseconds: int) -> None:
        """Add a picture of both as they are, shown for so long."""
        shots = [base64.b64encode(page.screenshot()).decode() for page in self._pages]
        self._stage.set_content(
            "<style>body{margin:0;padding:20px;display:flex;gap:20px;background:#1d4d36}"
            "div{border-radius:12px;overflow:hidden;background:#e9dfcf;padding-top:20px}"
            "img{display:block}</style>"
            + "".join(f"<div><img src='data:image/png;base64,{shot}'></div>" for shot in shots)
        )
        self.frames.append((self._stage.screenshot(), milliseconds))


def film(browser: Browser, home: str) -> bytes:
    """Two people open, share, fill and finish a registry."""
    size = {"width": WIDTH, "height": HEIGHT}
    one, two = (
        browser.new_context(viewport=size, reduced_motion="reduce").new_page() for _ in range(2)
    )
    for page in (one, two):
        page.goto(home)
    made = Film(browser, one, two)
    made.take(1500)
    one.get_by_role("button", name="Open a registry").click()
    one.get_by_role("button", name="Share").click()
    made.take(1500)
    two.goto(one.url)
    one.get_by_role("button", name="Done").click()
    for mine, yours in zip(MINE, YOURS, strict=True):
        for page, other, gift in ((one, two, mine), (two, one, yours)):
            add(page, gift)
            expect(other.locator("#items > li > bdi").first).to_have_text(gift)
        made.take(1500)
    two.get_by_role("button", name="Finish the registry…").click()
    made.take(1000)
    two.get_by_role("button", name="Finish it").click()
    for page in (one, two):
        expect(page.locator("#processing")).to_have_text("4 gifts were sent to be wrapped up.")
    made.take(3500)
    return animated(made.frames)


def still(browser: Browser, home: str, width: int, scheme: str, name: str) -> None:
    """A registry with gifts of its visitor, and one of somebody else, in the middle of its time."""
    page = browser.new_page(
        viewport={"width": width, "height": 420}, color_scheme=scheme, reduced_motion="reduce"
    )
    page.goto(home)
    page.get_by_role("button", name="Open a registry").click()
    for gift in MINE:
        add(page, gift)
    other = browser.new_page()
    other.goto(page.url)
    add(other, YOURS[0])
    expect(page.locator("#items > li")).to_have_count(3)
    page.screenshot(path=FOLDER / f"{name}.png", full_page=True)


def main() -> None:
    """Take them all, on a host of their own."""
    with tempfile.TemporaryDirectory() as folder, Receiver() as receiver, chromium() as browser:
        settings = {"PROCESSING_WEBHOOK_URL": receiver.url, "PROCESSING_WEBHOOK_SECRET": SECRET}
        with Devhost(Path(folder) / "data", **settings) as host:
            (FOLDER / "together.png").write_bytes(film(browser, host.url))
            still(browser, host.url, 768, "dark", "dark")
            still(browser, host.url, 360, "light", "phone")
    for path in sorted(FOLDER.glob("*.png")):
        print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
