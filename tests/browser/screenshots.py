"""The pictures of the README: `make screenshots`."""

import json
import re
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import chromium
from tests.e2e.process import Devhost
from tests.receiver import SECRET, Receiver

FOLDER = Path("docs")
GIFTS = ("Commodore 64", "Zork Trilogy", "A walk in the snow")


def take(browser: Browser, home: str, width: int, scheme: str, *names: str) -> None:
    """Go through the life of a registry, with a picture of each state that has a name."""
    page = browser.new_page(viewport={"width": width, "height": 420}, color_scheme=scheme, reduced_motion="reduce")
    page.goto(home)
    states = iter(names)
    expect(page.locator("#openCount")).to_have_text(re.compile(r"\d"))
    picture(page, next(states))
    page.get_by_role("button", name="Open a registry").click()
    for gift in GIFTS:
        page.get_by_label("Add a gift").fill(gift)
        page.keyboard.press("Enter")
    expect(page.locator("#items > li")).to_have_text(list(reversed(GIFTS)))
    picture(page, next(states))
    page.get_by_role("button", name="Finish the registry…").click()
    page.get_by_role("button", name="Finish it").click()
    expect(page.get_by_text("It was sent to be wrapped up.")).to_be_visible()
    picture(page, next(states))
    page.close()


def picture(page: Page, name: str) -> None:
    """Save a picture of all of the page, unless it has no name."""
    if name:
        page.screenshot(path=FOLDER / f"{name}.png", full_page=True)


def main() -> None:
    """Take them all, on a host of their own."""
    with tempfile.TemporaryDirectory() as folder, Receiver() as receiver, chromium() as browser:
        settings = {"PROCESSING_WEBHOOK_URL": receiver.url, "PROCESSING_WEBHOOK_SECRET": SECRET}
        with Devhost(Path(folder) / "data", **settings) as host:
            home = f"{host.url}/api/home"
            take(browser, home, 720, "light", "open", "filled", "closed")
            take(browser, home, 360, "light", "", "phone", "")
            take(browser, home, 720, "dark", "", "dark", "")
    print(json.dumps(sorted(path.name for path in FOLDER.glob("*.png"))))


if __name__ == "__main__":
    main()
