"""What people do on the page, and where they look."""

from playwright.sync_api import Page, expect


def opened(visit, home: str, **more) -> Page:
    """The page with a registry that it has just opened."""
    page = visit(home, **more)
    page.get_by_role("button", name="Open a registry").click()
    expect(page.get_by_role("heading", name="The registry is open")).to_be_visible()
    return page


def add(page: Page, text: str) -> None:
    page.get_by_label("Add a gift").fill(text)
    page.keyboard.press("Enter")


def items(page: Page):
    """The texts of the gifts, without what stands beside them."""
    return page.locator("#items > li > bdi")


def lines(page: Page):
    """The gifts with what stands beside them."""
    return page.locator("#items > li")


def api(page: Page, call: str) -> str:
    """The address of a call for the registry that the page shows."""
    address, _, id = page.url.partition("#")
    return f"{address.removesuffix('home')}{call}/{id}"


def finish(page: Page) -> None:
    page.get_by_role("button", name="Finish the registry…").click()
    page.get_by_role("dialog").get_by_role("button", name="Finish it").click()
    expect(page.get_by_role("heading", name="The registry is closed")).to_be_visible()
