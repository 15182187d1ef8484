"""The API's documentation in a browser."""

import os

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.chromium import HOW_TO_GET_ONE, executable

if not executable() and "CI" not in os.environ:
    pytest.skip(HOW_TO_GET_ONE, allow_module_level=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_on_a_phone(browser, home, scheme) -> None:
    """Without a violation of accessibility, nor a scroll to the side; a problem's type leads to its
    explanation.
    """
    page = browser.new_page(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    page.goto(f"{home.rpartition('/api')[0]}/api/docs#registry-closed")
    expect(page.locator("#registry-closed")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgba(0, 0, 0, 0)"
    assert Axe().run(page).response["violations"] == []
    page.close()
