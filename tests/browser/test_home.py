"""The page, as people use it."""

import re
import time
from itertools import pairwise

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error, Page, Route, expect

from registry.domain.problems import UNAVAILABLE
from registry.web.responses import problem_body
from tests.browser.conftest import WAIT
from tests.receiver import Receiver

MOST_BYTES = 60_000


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


def test_the_life_of_a_registry(visit, home, receiver) -> None:
    """Open, add, finish, and what became of it."""
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


def test_an_item_shows_at_once_and_tells_that_it_is_not_in_yet(visit, home) -> None:
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


def test_polls_are_less_than_two_seconds_apart(visit, home) -> None:
    """While the page is visible; none while it is hidden, and one at once when it is visible again."""
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


def test_a_registry_times_out_before_the_visitors_eyes(visit, hasty_home) -> None:
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


def test_the_end_is_seen_however_slow_the_answers_are(visit, hasty_home) -> None:
    """A poll that is due does not put off the one that is under way."""
    page = opened(visit, hasty_home)
    page.route("**/api/peek/*", lambda route: (page.wait_for_timeout(700), route.continue_()))
    expect(page.get_by_role("heading", name="The registry is closed")).to_be_visible()


@pytest.mark.parametrize("hours", [-30, 30])
def test_the_countdown_is_right_where_the_visitors_clock_is_not(
    visit, context, home, hours
) -> None:
    """The server's Date counts."""
    context.add_init_script(f"const now = Date.now; Date.now = () => now() + {hours} * 3600e3")
    page = opened(visit, home)
    expect(page.get_by_role("timer")).to_have_text(re.compile(r"5:00|4:5\d"))


@pytest.mark.parametrize(
    "text", ["<img src=x onerror=alert(1)>", "<script>alert(1)</script>", "&amp; {{7*7}} ${1}"]
)
def test_an_item_is_only_ever_text(visit, home, text) -> None:
    """It neither runs nor becomes an element."""
    page = opened(visit, home)
    page.on("dialog", lambda dialog: pytest.fail("a script of an item ran"))
    add(page, text)
    expect(items(page)).to_have_text([text])
    other = visit(page.url)
    expect(items(other)).to_have_text([text])
    assert items(other).locator("*").count() == 0


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
        "document.body.append(Object.assign(document.createElement('script'), {text: 'window.ran = 1'}))",
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran = 1\">')",
        "document.body.innerHTML = '<b>bold</b>'",
    ):
        with pytest.raises(Error, match="requires 'Trusted"):
            page.evaluate(injection)


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
    """Less than 60 kB with all that it loads, and shown before the API answers."""
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


def test_errors_of_the_api_are_told_in_words(visit, home) -> None:
    """What was refused is back in the field; or marked in the list, if something else is being
    typed.
    """
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


def test_an_item_that_comes_too_late(visit, home) -> None:
    """Somebody else has finished the registry a moment before."""
    page = opened(visit, home, quiet=False)
    page.route("**/api/peek/*", lambda route: None)  # it has not heard of the close
    requests.post(api(page, "finish"))
    add(page, "Bike")
    expect(page.get_by_role("status")).to_have_text("“Bike” came too late.")
    expect(page.get_by_role("heading", name="Too late for this one")).to_be_visible()
    expect(page.locator("#late-gifts > li > bdi")).to_have_text(["Bike"])
    page.locator("#late-gifts").get_by_role("button", name="Copy: Bike").click()
    expect(page.locator("#late-gifts button")).to_have_text(re.compile("Copied|Not copied"))
    expect(items(page)).to_have_count(0)


def test_a_link_that_leads_nowhere(visit, home) -> None:
    """The page says so, and offers to open a registry."""
    for wrong in ("0" * 32, "nonsense", "../stats"):
        page = visit(f"{home}#{wrong}", quiet=False)
        expect(page.get_by_role("alert")).to_contain_text("There is no such registry")
        expect(page.get_by_role("button", name="Open a registry")).to_be_visible()
        page.close()


@pytest.mark.parametrize(
    ("status", "problem", "words"),
    [
        (401, {}, "wants a key"),
        (
            503,
            problem_body(UNAVAILABLE, "The task hub does not answer."),
            "cannot be reached just now. Try again",
        ),
        (418, {}, "answered with 418"),
        (200, {}, "answered with 200, which this page does not understand"),
    ],
)
def test_a_host_that_cannot(visit, context, home, status, problem, words) -> None:
    """Whatever it answers is told in words, and the button can be pressed again."""
    context.route("**/api/open", lambda route: route.fulfill(status=status, json=problem))
    page = visit(home, quiet=False)
    button = page.get_by_role("button", name="Open a registry")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text(words)
    expect(button).to_be_enabled()
    expect(button).to_be_focused()


def test_an_answer_that_is_not_the_apis_confirms_nothing(visit, home) -> None:
    """A page to log in to the network, say, with the status 200."""
    page = opened(visit, home)

    def portal(route: Route) -> None:
        route.fulfill(status=200, body="<h1>Welcome to the hotel</h1>")

    page.route("**/api/add/*", portal, times=1)
    page.route("**/api/peek/*", portal, times=2)
    add(page, "Bike")
    expect(lines(page)).to_have_text(["Bike You not yet confirmed, trying again…"])
    expect(page.get_by_role("alert")).to_contain_text("answered with 200")
    expect(items(page)).to_have_text(["Bike"])
    expect(page.get_by_role("alert")).to_be_empty()
    assert requests.get(api(page, "peek")).json()["registry"]["items"] == ["Bike"]


def test_a_404_that_is_not_the_apis_is_no_end(visit, home) -> None:
    """A host that is being restarted answers so."""
    page = opened(visit, home, quiet=False)
    page.route("**/api/peek/*", lambda route: route.fulfill(status=404), times=1)
    expect(page.get_by_role("alert")).to_contain_text("answered with 404")
    expect(page.get_by_role("alert")).to_be_empty()
    expect(page.get_by_role("heading", name="The registry is open")).to_be_visible()


def test_refused_gifts_are_not_forgotten(visit, context, home) -> None:
    """They stand apart, and so does what was being typed at the close."""
    page = opened(visit, home, quiet=False)
    context.set_offline(True)
    add(page, "Ball")
    add(page, "Book")
    page.get_by_label("Add a gift").fill("half a w")
    requests.post(api(page, "finish"))
    context.set_offline(False)
    expect(page.get_by_role("heading", name="The registry is closed")).to_be_visible()
    expect(page.locator("#late-gifts > li > bdi")).to_have_text(["Ball", "Book", "half a w"])
    expect(items(page)).to_have_count(0)
    expect(page.get_by_role("alert")).to_be_empty()


def test_a_refused_gift_can_be_changed(visit, home) -> None:
    """It waits in the list while another one is being typed."""
    page = opened(visit, home, quiet=False)
    page.route(
        "**/api/add/*", lambda route: (page.wait_for_timeout(300), route.continue_()), times=1
    )
    add(page, "x" * 101)
    page.get_by_label("Add a gift").fill("Ne")
    page.get_by_role("button", name="Edit").click()
    expect(page.get_by_label("Add a gift")).to_have_value("x" * 101)
    expect(page.get_by_label("Add a gift")).to_be_focused()
    expect(items(page)).to_have_count(0)


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


def test_a_finish_waits_for_what_is_being_added(visit, home) -> None:
    """And the dialog says so."""
    page = opened(visit, home)
    page.route("**/api/add/*", lambda route: (page.wait_for_timeout(1000), route.continue_()))
    add(page, "Bike")
    page.get_by_role("button", name="Finish the registry…").click()
    expect(page.get_by_role("dialog")).to_contain_text("Not yet confirmed of your gifts: 1.")
    page.get_by_role("button", name="Finish it").click()
    expect(page.get_by_role("heading", name="The registry is closed")).to_be_visible()
    expect(items(page)).to_have_text(["Bike"])


def test_a_finish_whose_outcome_is_not_known_is_repeated(visit, home) -> None:
    """As the API says."""
    page = opened(visit, home)
    page.route(
        "**/api/finish/*",
        lambda route: route.fulfill(status=202, json={"detail": "not known"}),
        times=1,
    )
    finish(page)


def test_a_finish_that_fails_is_told_where_one_looks(visit, home) -> None:
    """Also at the end of a long list, on a phone."""
    page = opened(visit, home, quiet=False)
    page.set_viewport_size({"width": 360, "height": 400})
    for number in range(5):
        add(page, f"Gift {number}")
    expect(items(page)).to_have_count(5)
    page.route("**/api/finish/*", lambda route: route.fulfill(status=503))
    button = page.get_by_role("button", name="Finish the registry…")
    button.click()
    page.get_by_role("button", name="Finish it").click()
    expect(page.get_by_role("alert")).to_contain_text("answered with 503")
    expect(page.get_by_role("alert")).to_be_in_viewport()
    expect(button).to_be_focused()


def test_gifts_are_sent_although_another_registry_is_shown(visit, home) -> None:
    """Each registry has a queue of its own."""
    page = opened(visit, home)
    first = api(page, "peek")
    held: list[Route] = []
    page.route("**/api/add/*", lambda route: held.append(route), times=1)
    add(page, "Bike")
    page.evaluate("location.hash = ''")
    page.get_by_role("button", name="Open a registry").click()
    add(page, "Book")
    expect(items(page)).to_have_text(["Book"])
    held[0].continue_()
    page.wait_for_timeout(300)
    page.go_back()
    page.go_back()
    expect(items(page)).to_have_text(["Bike"])
    assert requests.get(first).json()["registry"]["items"] == ["Bike"]


def test_what_is_pending_outlives_a_reload(visit, home) -> None:
    """And is one gift, although it had arrived."""
    page = opened(visit, home, quiet=False)
    page.on("dialog", lambda dialog: dialog.accept())  # are you sure that you want to leave?
    page.route("**/api/add/*", lambda route: (route.fetch(), route.abort()))
    add(page, "Bike")
    expect(page.get_by_role("alert")).to_contain_text("does not answer")
    page.unroute("**/api/add/*")
    page.reload()
    expect(page.get_by_role("status")).to_have_text("Bike is in the registry")
    expect(items(page)).to_have_text(["Bike"])
    assert requests.get(api(page, "peek")).json()["registry"]["items"] == ["Bike"]


def test_a_gift_is_shown_once_although_its_answer_is_late(visit, home) -> None:
    """Others of the same name count on their own."""
    page = opened(visit, home)
    add(page, "Bike")
    expect(page.get_by_role("status")).to_have_text("Bike is in the registry")
    page.route("**/api/add/*", lambda route: route.fetch(), times=1)  # and no answer
    with page.expect_response(
        lambda answer: "/peek/" in answer.url and len(answer.json()["registry"]["items"]) == 2
    ):
        add(page, "Bike")
    page.wait_for_timeout(100)
    expect(items(page)).to_have_text(["Bike", "Bike"])
    requests.post(api(page, "add"), params={"item": "Bike"})
    expect(items(page)).to_have_text(["Bike", "Bike", "Bike"])


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


def test_the_alert_stays_while_adds_fail(visit, home) -> None:
    """Polls that succeed do not take it away, to be read out again and again."""
    page = opened(visit, home, quiet=False)
    page.evaluate(
        "window.alerts = []; new MutationObserver(() => alerts.push(document.getElementById('alert').textContent))"
        ".observe(document.getElementById('alert'), {childList: true, characterData: true, subtree: true})"
    )
    page.route("**/api/add/*", lambda route: route.fulfill(status=503))
    add(page, "Bike")
    page.wait_for_timeout(4000)
    assert page.evaluate("alerts") == [
        "The host answered with 503, which this page does not understand. Try again later."
    ]


def test_others_gifts_are_announced_and_ones_own_once(visit, home) -> None:
    """In the live region."""
    page = opened(visit, home)
    page.evaluate(
        "window.news = []; new MutationObserver(() => news.push(document.getElementById('news').textContent))"
        ".observe(document.getElementById('news'), {childList: true})"
    )
    add(page, "Bike")
    expect(page.get_by_role("status")).to_have_text("Bike is in the registry")
    with page.expect_response("**/peek/*"):
        pass
    requests.post(api(page, "add"), params={"item": "Book"})
    expect(page.get_by_role("status")).to_have_text("A new gift: Book")
    assert page.evaluate("news") == ["Bike is in the registry", "A new gift: Book"]


def test_offline_on_the_start_page(visit, context, home) -> None:
    """It is told, and no longer when it is over."""
    page = visit(home, quiet=False)
    context.set_offline(True)
    expect(page.get_by_role("alert")).to_have_text("You are offline.")
    context.set_offline(False)
    expect(page.get_by_role("alert")).to_be_empty()


def test_nothing_is_said_of_gifts_that_are_not_loaded_yet(visit, context, home) -> None:
    """Neither that there are none."""
    page = opened(visit, home)
    context.route("**/api/peek/*", lambda route: None)
    other = visit(page.url)
    expect(other.get_by_role("heading", name="Loading…")).to_be_visible()
    expect(other.get_by_text("Nothing here yet.")).to_be_hidden()
    expect(page.get_by_text("Nothing here yet.")).to_be_visible()


def test_a_slash_after_the_address(visit, home) -> None:
    """It is the same page."""
    page = opened(visit, f"{home}/")
    add(page, "Bike")
    expect(items(page)).to_have_text(["Bike"])
    link = page.get_by_role("link", name="Description of the API")
    assert link.evaluate("link => link.href") == home.replace("home", "openapi.json")


def test_a_key_in_the_address_is_passed_on(visit, context, home) -> None:
    """In a header, and it moves from the address into the tab, so that no link that is shared holds
    it.
    """
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


def test_polls_are_rarer_while_they_fail(visit, home) -> None:
    """The pause doubles, and the page says that there is no answer."""
    page = opened(visit, home, quiet=False)
    moments: list[float] = []

    def fail(route) -> None:
        moments.append(time.monotonic())
        route.abort()

    page.route("**/api/peek/*", fail)
    expect(page.get_by_role("alert")).to_contain_text("does not answer")
    page.wait_for_timeout(6500)
    pauses = [later - sooner for sooner, later in pairwise(moments)]
    assert 1 <= len(pauses) <= 3
    assert pauses[0] > 2


def test_a_failed_delivery_can_be_sent_again(visit, home, receiver: Receiver) -> None:
    """The state is shown, and a button for it."""
    receiver.statuses = [410]
    page = opened(visit, home)
    finish(page)
    expect(page.locator("#processing")).to_have_text(
        re.compile("The empty list could not be sent to be wrapped up.")
    )
    page.get_by_role("button", name="Send it again").click()
    expect(page.locator("#processing")).to_have_text(
        re.compile("The empty list was sent to be wrapped up.")
    )
    expect(page.get_by_role("button", name="Send it again")).to_be_hidden()


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


def test_what_happens_is_announced(visit, home) -> None:
    """In a live region, for those who do not see it."""
    page = opened(visit, home)
    expect(page.get_by_role("status")).to_have_text("The registry is open. Share its link.")
    add(page, "Bike")
    expect(page.get_by_role("status")).to_contain_text("Bike")


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
def test_nothing_is_in_the_way_of_anybody(visit, home, scheme) -> None:
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


def test_the_page_links_to_the_description(visit, home) -> None:
    """And that is there."""
    page = visit(home)
    link = page.get_by_role("link", name="Description of the API")
    assert requests.get(link.evaluate("link => link.href")).json()["openapi"] == "3.1.0"
