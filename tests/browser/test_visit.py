"""A visit of the page: sharing, own gifts, the lights, the close, and what is remembered."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route, expect

from tests.browser.apng import SIGNATURE
from tests.browser.steps import add, api, finish, items, lines, opened
from tests.e2e.process import Devhost

pytestmark = pytest.mark.verify

HEIGHT = "document.querySelector('#items [data-action=remove]')?.getBoundingClientRect().height"
"""Asked in one step: the page draws the line of a gift again when the host shows it too."""


def closed_with(visit, home: str, *gifts: str) -> Page:
    """The page with a registry that was finished with these gifts."""
    page = opened(visit, home)
    for gift in gifts:
        add(page, gift)
    expect(page.locator("#items small:not(.you)")).to_have_count(0)
    finish(page)
    return page


def copied(page: Page) -> str:
    """What is in the clipboard."""
    return page.evaluate("navigator.clipboard.readText()")


@pytest.fixture
def clipboard(context) -> None:
    """Let pages use it."""
    context.grant_permissions(["clipboard-read", "clipboard-write"])


@pytest.mark.parametrize("path", ["/", "/api", "/api/home"])
def test_the_page_works_at_each_of_its_addresses(visit, home, path) -> None:
    """It calls the API absolutely."""
    address = f"{home.removesuffix('/api/home')}{path}"
    page = opened(visit, address)
    assert urlsplit(page.url).path == path
    add(page, "Bike")
    expect(page.get_by_role("status")).to_have_text("Bike is in the registry")


def test_a_share_copies_the_link_and_shows_its_code(visit, home, clipboard) -> None:
    """Where the device has no share sheet."""
    page = opened(visit, home)
    page.evaluate("navigator.share = undefined")
    page.get_by_role("button", name="Share").dblclick(force=True)
    expect(page.get_by_role("img", name="QR code of the link")).to_be_visible()
    expect(page.get_by_label("Link to share")).to_have_value(page.url)
    expect(page.get_by_role("status")).to_have_text("It is copied")
    assert copied(page) == page.url
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Share")).to_be_focused()


def test_a_share_opens_the_share_sheet_of_the_device(visit, home) -> None:
    """Where there is one."""
    page = opened(visit, home)
    page.evaluate("navigator.share = async (what) => { window.shared = what; }")
    page.get_by_role("button", name="Share").click()
    page.wait_for_function("window.shared")
    assert page.evaluate("shared.url") == page.url


@pytest.mark.parametrize("tail", ["", ")", "?utm_source=chat", "abc"])
def test_whatever_a_chat_hangs_on_a_link_it_leads_there(visit, home, tail) -> None:
    """The first 32 hex digits count, in any case."""
    page = opened(visit, home)
    add(page, "Bike")
    address, _, id = page.url.partition("#")
    other = visit(f"{address}#{id.upper()}{tail}")
    expect(items(other)).to_have_text(["Bike"])
    assert other.url == page.url


def test_heading_time_and_input_stay_in_sight(visit, home) -> None:
    """While a long list scrolls, on a phone too."""
    page = opened(visit, home)
    page.set_viewport_size({"width": 360, "height": 480})
    for number in range(5):
        add(page, f"Gift {number}")
    expect(items(page)).to_have_count(5)
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    for shown in (
        page.get_by_role("heading", name="The registry is open"),
        page.get_by_role("timer"),
    ):
        expect(shown).to_be_in_viewport()
    expect(page.get_by_label("Add a gift")).to_be_in_viewport()
    expect(page.get_by_role("button", name="Share")).to_be_in_viewport()


def test_lights_go_out_one_by_one(visit, hasty_home) -> None:
    """And the last minute looks different."""
    page = opened(visit, hasty_home)
    lit = page.locator("#lights > :not(.out)")
    first = lit.count()
    page.wait_for_timeout(900)
    assert 0 < lit.count() < first <= 10
    expect(page.locator("#head")).to_have_class("late")


def test_the_last_minute_is_a_step(visit, home) -> None:
    """The head looks different from then on, and it is said."""
    page = opened(visit, home)

    address = api(page, "peek")

    def aged(route: Route) -> None:
        body = requests.get(address).json()
        closes_at = datetime.now(UTC) + timedelta(seconds=59.5)
        body["registry"] |= {
            "openedAt": (closes_at - timedelta(minutes=5)).isoformat(),
            "closesAt": closes_at.isoformat(),
        }
        route.fulfill(json=body)

    page.route("**/api/peek/*", aged)
    expect(page.locator("#head")).to_have_class("minute")
    expect(page.get_by_role("status")).to_have_text("60 seconds left")
    expect(page.locator("#lights > :not(.out)")).to_have_count(2)


def test_a_thumb_is_enough(browser, home) -> None:
    """Touch at 360 pixels: open, add, take back, finish; each target is high enough."""
    context = browser.new_context(
        viewport={"width": 360, "height": 640}, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    page.goto(home)
    page.get_by_role("button", name="Open a registry").tap()
    page.get_by_label("Add a gift").fill("Bike")
    page.get_by_role("button", name="Add", exact=True).tap()
    expect(items(page)).to_have_text(["Bike"])
    back = page.get_by_role("button", name="Take back: Bike")
    expect(back).to_be_visible()
    page.wait_for_function(f"{HEIGHT} >= 24")  # https://www.w3.org/TR/WCAG22/#target-size-minimum
    back.tap()
    expect(items(page)).to_have_count(0)
    page.get_by_role("button", name="Undo").tap()
    expect(items(page)).to_have_text(["Bike"])
    page.get_by_role("button", name="Finish the registry…").tap()
    page.get_by_role("button", name="Finish it").tap()
    expect(page.locator("#ending")).to_contain_text("You finished it")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    context.close()


def test_ones_own_gifts_can_be_taken_back_and_that_undone(visit, home) -> None:
    """The undo is a new add with a new key; those of others cannot."""
    page = opened(visit, home)
    keys: list[str] = []
    page.on("request", lambda request: keys.append(request.headers.get("idempotency-key", "")))
    requests.post(api(page, "add"), params={"item": "Ball"})
    expect(lines(page)).to_have_text(["Ball"])
    add(page, "Bike")
    expect(lines(page)).to_have_text(["Bike You Take back", "Ball"])
    page.reload()
    page.get_by_role("button", name="Take back: Bike").click()
    expect(lines(page)).to_have_text(["Ball"])
    expect(page.get_by_role("status")).to_have_text("“Bike” is taken back.")
    assert requests.get(api(page, "peek")).json()["registry"]["items"] == ["Ball"]
    page.get_by_role("button", name="Undo").click()
    expect(lines(page)).to_have_text(["Bike You Take back", "Ball"])
    assert len(set(filter(None, keys))) == 2
    expect(page.get_by_role("button", name="Undo")).to_be_hidden()


def paste(page: Page, text: str) -> None:
    page.get_by_label("Add a gift").evaluate(
        "(field, text) => { const data = new DataTransfer(); data.setData('text/plain', text);"
        "const options = {clipboardData: data, bubbles: true, cancelable: true};"
        "field.dispatchEvent(new ClipboardEvent('paste', options)); }",
        text,
    )


def test_several_lines_can_be_added_at_once(visit, home) -> None:
    """Or pasted as one."""
    page = opened(visit, home)
    paste(page, "- Bike\n- Ball\n\n- Book\n")
    expect(page.get_by_role("dialog")).to_contain_text("Add 3 gifts?")
    page.get_by_role("button", name="Add them all").click()
    expect(items(page)).to_have_text(["Book", "Ball", "Bike"])
    expect(page.get_by_label("Add a gift")).to_be_focused()
    paste(page, "A\nB")
    page.get_by_role("button", name="Paste as one").click()
    expect(page.get_by_label("Add a gift")).to_have_value("A B")


def test_a_double_click_is_no_error_and_the_focus_comes_back(visit, home) -> None:
    """On the button; an empty gift is one, until something is typed."""
    page = opened(visit, home)
    page.get_by_label("Add a gift").fill("Bike")
    page.get_by_role("button", name="Add", exact=True).dblclick()
    expect(items(page)).to_have_text(["Bike"])
    expect(page.get_by_role("alert")).to_be_empty()
    expect(page.get_by_label("Add a gift")).to_be_focused()
    page.wait_for_timeout(900)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("Name a gift, then press Enter.")
    page.keyboard.type("B")
    expect(page.get_by_role("alert")).to_be_empty()


def test_addresses_in_gifts_are_links_that_tell_nothing(visit, home) -> None:
    """To http and https only."""
    page = opened(visit, home)
    add(page, "See https://example.com/a?b=1. Not javascript:alert(1)")
    link = items(page).get_by_role("link")
    expect(link).to_have_text(["https://example.com/a?b=1"])
    assert link.evaluate("link => [link.href, link.rel, link.target]") == [
        "https://example.com/a?b=1",
        "noopener noreferrer",
        "_blank",
    ]


def test_long_gifts_are_clamped(visit, home) -> None:
    """Until one wants to see all of it."""
    page = opened(visit, home)
    add(page, "a\nb\nc")
    long = "\n".join("abcdef")
    requests.post(api(page, "add"), data=long, headers={"Content-Type": "text/plain"})
    expect(items(page)).to_have_count(2)
    gift = items(page).first
    height = gift.bounding_box()["height"]
    page.get_by_role("button", name="Show all").click()
    assert gift.bounding_box()["height"] > height


def test_the_close_is_a_moment_and_motion_can_be_reduced(visit, home) -> None:
    """The bow comes over the list, and rests beside the heading."""
    for motion, moves in (("no-preference", True), ("reduce", False)):
        page = opened(visit, home)
        page.emulate_media(reduced_motion=motion)
        finish(page)
        bow = page.locator("#bow")
        expect(bow).to_be_visible()
        assert (bow.evaluate("bow => bow.getAnimations({subtree: true}).length") > 0) == moves


def test_the_result_can_be_taken_along(visit, home, clipboard) -> None:
    """As text and as Markdown, shared, and printed."""
    page = closed_with(visit, home, "*Bike*", "Ball")
    page.evaluate("navigator.share = undefined; window.print = () => { window.printed = true; }")
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("It is copied")
    assert copied(page).endswith("\n\n1. *Bike*\n2. Ball\n")
    page.get_by_role("button", name="Copy as Markdown").click()
    expect(page.get_by_role("button", name="Copied")).to_have_count(2)
    assert re.fullmatch(r"## Holiday Registry, .*\n\n1\. \\\*Bike\\\*\n2\. Ball\n", copied(page))
    page.get_by_role("button", name="Share the result").click()
    expect(page.get_by_role("button", name="Copied")).to_have_count(3)
    assert copied(page).endswith(page.url)
    page.get_by_role("button", name="Print").click()
    assert page.evaluate("printed")


def test_on_paper_there_is_the_list_and_no_button(visit, home) -> None:
    """Print styles."""
    page = closed_with(visit, home, "Bike")
    page.emulate_media(media="print")
    expect(items(page)).to_be_visible()
    expect(page.locator("#ending")).to_be_visible()
    assert page.locator("button:visible").count() == 0


def test_what_was_visited_is_remembered_until_it_is_forgotten(visit, home) -> None:
    """On this device."""
    page = closed_with(visit, home, "Bike")
    id = page.url.partition("#")[2]
    page.goto(home)
    visits = page.locator("#visits > li")
    expect(visits).to_contain_text(["1 gift"])
    page.get_by_role("link", name=re.compile(r"\d:\d")).click()
    expect(page.get_by_role("heading", name="The registry is closed")).to_be_visible()
    assert page.url.endswith(id)
    page.goto(home)
    page.get_by_role("button", name=re.compile("Forget")).click()
    expect(page.get_by_text("Visited on this device")).to_be_hidden()
    page.reload()
    expect(visits).to_have_count(0)


def test_there_are_no_numbers_while_they_are_nought(visit, hasty_home) -> None:
    """And three steps that say what happens."""
    page = visit(hasty_home)
    with page.expect_response("**/api/stats"):
        page.reload()
    expect(page.locator(".steps > li")).to_have_count(3)
    expect(page.get_by_text("All registries")).to_be_hidden()
    page.get_by_role("button", name="Open a registry").click()
    expect(page.get_by_text("All registries")).to_be_visible()


def test_what_was_not_opened_is_offered_again(visit, home) -> None:
    """And the alert goes with its cause."""
    page = visit(home, quiet=False)
    page.route("**/api/open", lambda route: route.fulfill(status=500), times=1)
    page.get_by_role("button", name="Open a registry").click()
    expect(page.get_by_role("alert")).to_have_text(
        "The registry was not opened. The host stumbled over this."
    )
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="The registry is open")).to_be_visible()
    expect(page.get_by_role("alert")).to_be_empty()


def test_what_was_not_finished_is_said_and_offered_again(visit, home) -> None:
    """The registry stays open until somebody tries again."""
    page = opened(visit, home, quiet=False)
    page.route("**/api/finish/*", lambda route: route.fulfill(status=503), times=1)
    page.get_by_role("button", name="Finish the registry…").click()
    page.get_by_role("button", name="Finish it").click()
    expect(page.get_by_role("alert")).to_contain_text("The registry was not finished.")
    expect(page.get_by_role("heading", name="The registry is open")).to_be_visible()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="The registry is closed")).to_be_visible()
    expect(page.get_by_role("alert")).to_be_empty()


def test_a_slow_line_is_enough(visit, context, home) -> None:
    """Where each answer takes a second and 20 kB, nothing is lost or doubled, and waits show."""
    page = opened(visit, home)
    slow = {
        "offline": False,
        "latency": 1000,
        "downloadThroughput": 20_000,
        "uploadThroughput": 20_000,
    }
    context.new_cdp_session(page).send("Network.emulateNetworkConditions", slow)
    add(page, "Bike")
    add(page, "Sled")
    expect(lines(page).filter(has_text="sending…")).to_have_count(2)
    expect(page.locator("#items small:not(.you)")).to_have_count(0)
    page.reload()
    expect(items(page)).to_have_count(2)
    finish(page)
    expect(items(page)).to_have_text(["Bike", "Sled"])
    assert requests.get(api(page, "peek")).json()["registry"]["items"] == ["Bike", "Sled"]


def test_a_screen_reader_finds_its_way(visit, home) -> None:
    """In the tree that it reads each part has a name, and comes in the order of its use."""
    page = visit(home)
    main = page.get_by_role("main")
    expect(main).to_match_aria_snapshot("""
        - main:
          - alert
          - status
          - region "Gifts, at the last minute":
            - heading "Gifts, at the last minute" [level=2]
            - list:
              - listitem: /Open/
              - listitem: /Share/
              - listitem: /Add/
            - button "Open a registry"
    """)
    page.get_by_role("button", name="Open a registry").click()
    add(page, "Bike")
    expect(main).to_match_aria_snapshot("""
        - main:
          - region "The registry is open":
            - heading "The registry is open" [level=2]
            - timer "Time left"
            - button "Share"
            - textbox "Add a gift"
            - button "Add"
            - heading "Gifts" [level=3]
            - list "Gifts":
              - listitem:
                - text: Bike You
                - 'button "Take back: Bike"'
            - paragraph:
              - button "Finish the registry…"
    """)
    finish(page)
    expect(main).to_match_aria_snapshot("""
        - main:
          - region "The registry is closed":
            - heading "The registry is closed" [level=2]
            - paragraph: /You finished it at/
            - list "Gifts":
              - listitem: Bike You
            - button "Copy"
            - button "Copy as Markdown"
            - button "Print"
            - button "Share the result"
            - button "Open another one"
    """)


def test_a_worker_that_died_loses_nothing(visit, home) -> None:
    """An empty 500 is repeated: an add under its key, and a finish."""
    page = opened(visit, home, quiet=False)
    keys: list[str] = []

    def die(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        route.fulfill(status=500) if len(keys) == 1 else route.continue_()

    page.route("**/api/add/*", die)
    page.route("**/api/finish/*", lambda route: route.fulfill(status=500), times=1)
    add(page, "Bike")
    expect(page.get_by_role("status")).to_have_text("Bike is in the registry")
    assert len(keys) == 2
    assert len(set(keys)) == 1
    finish(page)
    expect(items(page)).to_have_text(["Bike"])


def test_polls_ask_only_for_what_is_new(visit, home) -> None:
    """With the tag of the last answer; a 304 changes nothing."""
    page = opened(visit, home)
    tags: list[str | None] = []

    def tagged(route: Route) -> None:
        tags.append(route.request.headers.get("if-none-match"))
        if tags[-1]:
            return route.fulfill(status=304)
        return route.fulfill(
            response=route.fetch(), headers={"ETag": '"1"', "Content-Type": "application/json"}
        )

    page.route("**/api/peek/*", tagged)
    page.reload()
    expect(page.get_by_role("heading", name="The registry is open")).to_be_visible()
    for _ in range(2):
        with page.expect_request("**/api/peek/*"):
            pass
    assert tags[0] is None
    assert set(tags[1:]) == {'"1"'}
    expect(page.get_by_role("heading", name="The registry is open")).to_be_visible()
    expect(page.get_by_role("alert")).to_be_empty()


def test_a_restart_of_the_host_loses_nothing(visit, tmp_path) -> None:
    """What was added meanwhile is sent when it is back; the alert goes then."""
    with Devhost(tmp_path / "data") as host:
        page = opened(visit, host.url, quiet=False)
        add(page, "Bike")
        expect(page.get_by_role("status")).to_have_text("Bike is in the registry")
        host.kill()
        add(page, "Ball")
        expect(page.get_by_role("alert")).to_contain_text(
            "What you add is kept here, and sent when it does."
        )
        host.start()
        expect(page.get_by_role("status")).to_have_text("Ball is in the registry")
        expect(items(page)).to_have_text(["Ball", "Bike"])
        expect(page.get_by_role("alert")).to_be_empty()
        page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_new_states_are_in_nobodys_way(visit, home, scheme) -> None:
    """axe-core finds no violation in any state, nor in forced colours."""
    page = opened(visit, home)
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")

    def accessible() -> None:
        results = Axe().run(page)
        assert results.violations_count == 0, results.generate_report()

    page.get_by_role("button", name="Share").click()
    accessible()
    page.keyboard.press("Escape")
    paste(page, "Bike\nhttps://example.com\n" + "long " * 15)
    accessible()
    page.get_by_role("button", name="Add them all").click()
    expect(page.locator("#items small:not(.you)")).to_have_count(0)
    accessible()
    page.get_by_role("button", name="Take back: Bike").click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    accessible()
    page.get_by_label("Add a gift").fill("half a thought")
    finish(page)
    expect(page.get_by_role("heading", name="Too late for this one")).to_be_visible()
    accessible()
    page.emulate_media(forced_colors="active")
    accessible()
    page.goto(home)
    expect(page.get_by_text("Visited on this device")).to_be_visible()
    accessible()


def test_the_pictures_of_the_readme_are_small() -> None:
    """One moves, and none is heavy."""
    names = re.findall(r"!\[[^]]*\]\((.*?)\)", Path("README.md").read_text())
    pictures = [Path(name).read_bytes() for name in names]
    assert len(pictures) == 3
    assert sum(b"acTL" in picture[:64] for picture in pictures) == 1
    assert all(picture.startswith(SIGNATURE) and len(picture) < 600_000 for picture in pictures)
