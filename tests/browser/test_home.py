"""The page in a browser: its details."""

import re
import time
from itertools import pairwise

import pytest
import requests
from playwright.sync_api import expect

from tests.browser.conftest import WAIT
from tests.browser.steps import add, api, items, opened

pytestmark = pytest.mark.verify

MOST_BYTES = 64_000


def test_items_stay_in_the_order_in_which_they_were_typed(visit, home) -> None:
    """However quickly, and although the first takes longest."""
    page = opened(visit, home)
    page.route("**/api/add/*", lambda route: (time.sleep(0.3), route.continue_()), times=1)
    for number in range(4):
        add(page, f"Gift {number}")
    expect(page.locator("#items small:not(.you)")).to_have_count(0)
    expected = [f"Gift {number}" for number in range(4)]
    expect(items(page)).to_have_text(expected[::-1])
    assert requests.get(api(page, "peek")).json()["registry"]["items"] == expected


def test_polls_are_less_than_two_seconds_apart(visit, home) -> None:
    """While the page is visible; and one at once when it becomes visible again."""
    page = opened(visit, home)
    moments: list[float] = []
    page.on(
        "request",
        lambda request: moments.append(time.monotonic()) if "/peek/" in request.url else None,
    )
    page.wait_for_timeout(4000)
    pauses = [later - sooner for sooner, later in pairwise(moments)]
    assert pauses
    assert sorted(pauses)[len(pauses) // 2] < 2
    page.evaluate(
        "Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    page.wait_for_timeout(500)
    moments.clear()
    page.wait_for_timeout(2500)
    assert moments == []
    with page.expect_request("**/peek/*"):
        page.evaluate(
            "Object.defineProperty(document, 'hidden', {value: false, configurable: true});"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )


@pytest.mark.parametrize("hours", [-30, 30])
def test_the_countdown_is_right_where_the_visitors_clock_is_not(
    visit, context, home, hours
) -> None:
    """The server's Date counts."""
    context.add_init_script(f"const now = Date.now; Date.now = () => now() + {hours} * 3600e3")
    page = opened(visit, home)
    expect(page.get_by_role("timer")).to_have_text(re.compile(r"5:00|4:5\d"))


def test_the_stats_of_all_registries(visit, hasty_home) -> None:
    """They follow what happens on the page, and what happens elsewhere."""
    page = opened(visit, hasty_home)
    stats = page.locator("#stats")
    expect(stats).to_have_text(re.compile(r"opened\s*1\s*gifts\s*0\s*open now\s*1\s*delivered\s*0"))
    add(page, "Bike")
    expect(stats).to_have_text(re.compile(r"opened\s*1\s*gift\s*1\s*open now\s*1"))
    requests.post(hasty_home.replace("home", "open"))
    expect(stats).to_have_text(re.compile(r"opened\s*2\s*gift\s*1"), timeout=2 * WAIT)


def test_the_page_is_small_and_asks_nobody_else(visit, context, home) -> None:
    """Less than 64,000 bytes with all that it loads, uncompressed; shown before the API answers."""
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    context.route("**/api/stats", lambda route: None)
    page = visit(home)
    expect(page.get_by_role("button", name="Open a registry")).to_be_visible()
    host = home.removesuffix("home")
    assert all(url.startswith((host, "data:")) for url in asked)
    modules = [url for url in asked if url.startswith(f"{home}/")]
    assert set(asked) - {*modules} - {url for url in asked if url.startswith("data:")} == {
        home,
        f"{host}stats",
    }
    assert len(modules) == len(set(modules)) == 6
    assert sum(len(requests.get(url).content) for url in [home, *modules]) < MOST_BYTES


def test_a_link_that_leads_nowhere(visit, home) -> None:
    """The page says so, and offers to open a registry."""
    for wrong in ("0" * 32, "nonsense", "../stats"):
        page = visit(f"{home}#{wrong}", quiet=False)
        expect(page.get_by_role("alert")).to_contain_text("There is no such registry")
        expect(page.get_by_role("button", name="Open a registry")).to_be_visible()
        page.close()


def test_the_dialog_is_about_one_registry(visit, home) -> None:
    """Whoever goes back to another one does not finish that."""
    page = opened(visit, home)
    first = api(page, "peek")
    page.evaluate("location.hash = ''")
    page.get_by_role("button", name="Open a registry").click()
    expect(page.get_by_role("heading", name="The registry is open")).to_be_visible()
    page.get_by_role("button", name="Finish the registry…").click()
    page.go_back()
    page.go_back()
    expect(page).to_have_url(re.compile(first.rpartition("/")[2]))
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert requests.get(first).json()["status"] == "Open"


def test_the_close_is_announced_to_everybody(visit, home) -> None:
    """Whatever they were at; the focus is on what is there."""
    for at in ("#share", "#finish", "#item", "confirm", "invite"):
        page = opened(visit, home)
        if at == "confirm":
            page.get_by_role("button", name="Finish the registry…").click()
        elif at == "invite":
            page.get_by_role("button", name="Share").click()
        else:
            page.locator(at).focus()
        requests.post(api(page, "finish"))
        expect(page.get_by_role("status")).to_contain_text(
            "The registry is closed. Somebody finished it at"
        )
        expect(page.get_by_role("heading", name="The registry is closed")).to_be_focused()
        expect(page.get_by_role("dialog")).to_be_hidden()
        page.close()


def test_others_gifts_are_announced_and_ones_own_once(visit, home) -> None:
    """In the live region."""
    page = opened(visit, home)
    page.evaluate(
        "window.news = []; new MutationObserver("
        "() => news.push(document.getElementById('news').textContent))"
        ".observe(document.getElementById('news'), {childList: true})"
    )
    add(page, "Bike")
    expect(page.get_by_role("status")).to_have_text("Bike is in the registry")
    with page.expect_response("**/peek/*"):
        pass
    requests.post(api(page, "add"), params={"item": "Book"})
    expect(page.get_by_role("status")).to_have_text("A new gift: Book")
    assert page.evaluate("news") == ["Bike is in the registry", "A new gift: Book"]


def test_a_slash_after_the_address(visit, home) -> None:
    """It is the same page."""
    page = opened(visit, f"{home}/")
    add(page, "Bike")
    expect(items(page)).to_have_text(["Bike"])
    link = page.get_by_role("link", name="Description of the API")
    assert link.evaluate("link => link.href") == home.replace("home", "openapi.json")


def test_a_key_in_the_address_is_passed_on(visit, context, home) -> None:
    """In a header. It moves from the address into the tab, so that no shared link has it."""
    keys: list[tuple[str, str | None]] = []
    context.on(
        "request",
        lambda request: keys.append((request.url, request.headers.get("x-functions-key"))),
    )
    page = visit(f"{home}?code=the-key")
    page.get_by_role("button", name="Open a registry").click()
    expect(page.get_by_role("heading", name="The registry is open")).to_be_visible()
    assert {key for url, key in keys if "/api/home" not in url} == {"the-key"}
    assert "the-key" not in page.url
    page.get_by_role("button", name="Share").click()
    expect(page.get_by_label("Link to share")).to_have_value(page.url)
    page.reload()
    add(page, "Bike")
    expect(page.get_by_role("status")).to_have_text("Bike is in the registry")
    assert keys[-1][1] == "the-key"


def test_what_happens_is_announced(visit, home) -> None:
    """In a live region, for those who do not see it."""
    page = opened(visit, home)
    expect(page.get_by_role("status")).to_have_text("The registry is open. Share its link.")
    add(page, "Bike")
    expect(page.get_by_role("status")).to_contain_text("Bike")


def test_the_page_links_to_the_description(visit, home) -> None:
    """And that is there."""
    page = visit(home)
    link = page.get_by_role("link", name="Description of the API")
    assert requests.get(link.evaluate("link => link.href")).json()["openapi"] == "3.1.0"
