"""The API's documentation in a browser."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect


@pytest.mark.verify
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_on_a_phone(browser, home, scheme) -> None:
    """Accessible, without a scroll to the side; a problem's type leads to its explanation."""
    page = browser.new_page(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    page.goto(f"{home.rpartition('/api')[0]}/api/docs#registry-closed")
    expect(page.locator("#registry-closed")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgba(0, 0, 0, 0)"
    assert Axe().run(page).response["violations"] == []
    page.close()
