"""The page when the network, the host or the API fails, or is slow."""

import re
import time
from itertools import pairwise

import pytest
import requests
from playwright.sync_api import Route, expect

from registry.domain.problems import HubUnavailable
from registry.web.responses import Problem
from tests.browser.steps import add, api, finish, items, lines, opened
from tests.receiver import Receiver

pytestmark = pytest.mark.verify


def test_the_end_is_seen_however_slow_the_answers_are(visit, hasty_home) -> None:
    """A poll that is due does not put off the one that is under way."""
    page = opened(visit, hasty_home)
    page.route("**/api/peek/*", lambda route: (page.wait_for_timeout(700), route.continue_()))
    expect(page.get_by_role("heading", name="The registry is closed")).to_be_visible()


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


@pytest.mark.parametrize(
    ("status", "problem", "words"),
    [
        (401, {}, "wants a key"),
        (
            503,
            Problem.of(HubUnavailable()).to_json(),
            "cannot be reached just now. Try again",
        ),
        (418, {}, "answered with 418"),
        (200, {}, "answered with 200, which this page does not understand"),
    ],
)
def test_a_host_that_cannot(visit, context, home, status, problem, words) -> None:
    """Whatever it answers is shown in words, and the button can be pressed again."""
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


def test_a_finish_that_fails_is_shown_where_people_look(visit, home) -> None:
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


def test_what_is_pending_survives_a_reload(visit, home) -> None:
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


def test_the_alert_stays_while_adds_fail(visit, home) -> None:
    """Polls that succeed do not take it away, to be read out again and again."""
    page = opened(visit, home, quiet=False)
    page.evaluate(
        "window.alerts = []; new MutationObserver("
        "() => alerts.push(document.getElementById('alert').textContent))"
        ".observe(document.getElementById('alert'), "
        "{childList: true, characterData: true, subtree: true})"
    )
    page.route("**/api/add/*", lambda route: route.fulfill(status=503))
    add(page, "Bike")
    page.wait_for_timeout(4000)
    assert page.evaluate("alerts") == [
        "The host answered with 503, which this page does not understand. Try again later."
    ]


def test_offline_on_the_start_page(visit, context, home) -> None:
    """The page says so until it is over."""
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
