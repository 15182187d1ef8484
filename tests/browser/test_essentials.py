"""The page in a browser: what must work with every change."""

import re
import time

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Dialog, Error, Route, expect

from tests.browser.steps import add, api, finish, items, lines, opened


def test_a_registry_from_its_open_to_its_close(visit, home, receiver) -> None:
    """Open, add, finish, and what the page shows then."""
    page = opened(visit, home)
    assert re.fullmatch(r".*/api/home#[0-9a-f]{32}", page.url)
    expect(page.get_by_role("timer")).to_have_text(re.compile(r"5:00|4:5\d"))
    expect(page.get_by_label("Add a gift")).to_be_focused()
    add(page, "Commodore 64")
    add(page, "Zork Trilogy")
    expect(items(page)).to_have_text(["Zork Trilogy", "Commodore 64"])  # the newest first
    expect(page.locator("#items small:not(.you)")).to_have_count(0)  # none is under way any more
    assert requests.get(api(page, "peek")).json()["registry"]["items"] == [
        "Commodore 64",
        "Zork Trilogy",
    ]
    page.get_by_role("button", name="Finish the registry…").click()
    page.get_by_role("button", name="Keep it open").click()
    expect(page.get_by_role("heading", name="The registry is open")).to_be_visible()
    finish(page)
    expect(page.locator("#ending")).to_contain_text("You finished it at")
    expect(page.locator("#processing")).to_have_text(
        re.compile("2 gifts were sent to be wrapped up.")
    )
    expect(page.get_by_role("status")).to_contain_text("2 gifts were sent to be wrapped up.")
    expect(page.get_by_label("Add a gift")).to_be_hidden()
    expect(items(page)).to_have_text(["Commodore 64", "Zork Trilogy"])  # in order
    first = page.url.partition("#")[2]
    assert receiver.ids[-1] == first
    page.get_by_role("button", name="Open another one").click()
    expect(page.get_by_role("heading", name="The registry is open")).to_be_visible()
    assert page.url.partition("#")[2] != first


def test_an_item_is_shown_at_once_as_not_yet_added(visit, home) -> None:
    """It is only what it is when the API has said so."""
    page = opened(visit, home)
    page.route("**/api/add/*", lambda route: None)  # no answer
    add(page, "Bike")
    expect(lines(page)).to_have_text(["Bike You sending…"])


def test_an_item_that_is_not_confirmed_is_sent_again_under_its_key(visit, home) -> None:
    """A 202 and a lost answer: it is one item in the end."""
    page = opened(visit, home, quiet=False)
    keys = []

    def answer(route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            route.fulfill(status=202, json={"itemKey": keys[0], "detail": "not known"})
        elif len(keys) == 2:
            route.fetch()  # it arrives, and the answer is lost
            route.abort()
        else:
            route.continue_()

    page.route("**/api/add/*", answer)
    add(page, "Bike")
    expect(page.get_by_text("not yet confirmed, trying again…")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("Bike is in the registry")
    expect(items(page)).to_have_text(["Bike"])
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert requests.get(api(page, "peek")).json()["registry"]["items"] == ["Bike"]


def test_two_people_see_each_others_items(visit, home) -> None:
    """Within two seconds, and the close too."""
    page = opened(visit, home)
    other = visit(page.url)
    expect(other.get_by_role("heading", name="The registry is open")).to_be_visible()
    began = time.monotonic()
    add(page, "Bike")
    expect(items(other)).to_have_text(["Bike"])
    add(other, "Book")
    expect(items(page)).to_have_text(["Book", "Bike"])
    assert time.monotonic() - began < 10  # both; a poll is due each 1.2 s, and machines may be slow
    finish(other)
    expect(page.get_by_role("heading", name="The registry is closed")).to_be_visible()


def test_a_registry_times_out_while_the_page_shows_it(visit, hasty_home) -> None:
    """The countdown ends, and the page says so; nothing is sent from this host."""
    page = opened(visit, hasty_home)
    add(page, "Bike")
    expect(page.get_by_role("heading", name="The registry is closed")).to_be_visible()
    expect(page.locator("#ending")).to_contain_text("Its time was up at")
    expect(page.locator("#processing")).to_have_text(
        re.compile("1 gift is kept here, and sent nowhere.")
    )
    expect(page.get_by_role("heading", name="The registry is closed")).to_be_focused()
    expect(page.get_by_role("timer")).to_be_hidden()


@pytest.mark.parametrize(
    "text", ["<img src=x onerror=alert(1)>", "<script>alert(1)</script>", "&amp; {{7*7}} ${1}"]
)
def test_an_item_is_only_ever_text(visit, home, text) -> None:
    """It neither runs nor becomes an element."""
    page = opened(visit, home)
    dialogs: list[str] = []

    def on_dialog(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", on_dialog)
    add(page, text)
    expect(items(page)).to_have_text([text])
    other = visit(page.url)
    expect(items(other)).to_have_text([text])
    assert items(other).locator("*").count() == 0
    assert dialogs == []


def test_scripts_of_others_do_not_run(visit, context, home) -> None:
    """The policy names the one script and the one style by hash, and lets no text become markup."""
    assert "unsafe" not in requests.get(home).headers["Content-Security-Policy"]
    others = "<script>window.ran = 1</script><img src=x onerror='window.ran = 1'></body>"

    def smuggle(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace("</body>", others))

    context.route("**/api/home", smuggle)
    page = visit(home, quiet=False)
    expect(page.locator("img")).to_be_attached()
    assert page.evaluate("window.ran") is None
    for injection in (
        "document.body.append("
        "Object.assign(document.createElement('script'), {text: 'window.ran = 1'}))",
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran = 1\">')",
        "document.body.innerHTML = '<b>bold</b>'",
    ):
        with pytest.raises(Error, match="requires 'Trusted"):
            page.evaluate(injection)


def test_errors_of_the_api_are_shown_in_words(visit, home) -> None:
    """What was refused is in the field again, or in the list if something else is being typed."""
    page = opened(visit, home, quiet=False)
    alert = page.get_by_role("alert")
    add(page, "   ")
    expect(alert).to_have_text("Name a gift, then press Enter.")
    add(page, "x" * 101)
    expect(alert).to_contain_text("an item has at most 100 characters. Shorten it")
    expect(page.get_by_label("Add a gift")).to_have_value("x" * 101)
    for number in range(5):
        add(page, f"Gift {number}")
    expect(items(page)).to_have_count(5)
    add(page, "One more")
    expect(alert).to_contain_text(
        "“One more” was not added. The registry is full: it takes at most 5 items"
    )
    expect(items(page)).to_have_count(5)


def test_offline_nothing_is_lost(visit, context, home) -> None:
    """What was added is sent when the network is back."""
    page = opened(visit, home, quiet=False)
    context.set_offline(True)
    add(page, "Bike")
    expect(page.get_by_role("alert")).to_contain_text("You are offline.")
    expect(page.get_by_text("not yet confirmed, trying again…")).to_be_visible()
    context.set_offline(False)
    expect(items(page)).to_have_text(["Bike"])
    expect(page.get_by_role("alert")).to_be_empty()


def test_the_keyboard_is_enough(visit, home) -> None:
    """Open, add, finish, and the focus is where one goes on."""
    page = visit(home)
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Open a registry")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Add a gift")).to_be_focused()
    page.keyboard.type("Bike")
    page.keyboard.press("Enter")
    expect(items(page)).to_have_text(["Bike"])
    expect(page.get_by_label("Add a gift")).to_be_focused()
    expect(page.get_by_role("button", name="Take back: Bike")).to_be_visible()
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Finish the registry…")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Keep it open")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Finish the registry…")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="The registry is closed")).to_be_focused()


def test_a_phone_shows_all_of_it(visit, home) -> None:
    """At 360 pixels nothing is cut off, however long an item is."""
    page = opened(visit, home)
    page.set_viewport_size({"width": 360, "height": 640})
    add(page, "x" * 100)
    expect(items(page)).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    finish(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible(visit, home, scheme) -> None:
    """axe-core finds no violation in any state."""
    page = visit(home)
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    check = Axe()

    def accessible() -> None:
        results = check.run(page)
        assert results.violations_count == 0, results.generate_report()

    accessible()
    page.get_by_role("button", name="Open a registry").click()
    add(page, "Bike")
    expect(items(page)).to_have_text(["Bike"])
    add(page, " ")
    accessible()
    page.get_by_role("button", name="Finish the registry…").click()
    accessible()
    page.get_by_role("button", name="Finish it").click()
    expect(page.locator("#ending")).to_contain_text("You finished it at")
    accessible()
