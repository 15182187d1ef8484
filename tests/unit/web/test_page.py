import base64
import hashlib
import re
from datetime import timedelta

import pytest

from registry.web.page import HEADERS, MODULES, document
from tests.unit.web.conftest import get

PAGE = document(timedelta(minutes=5))


@pytest.mark.parametrize("name", ["home", "home_at_api", "home_at_root"])
def test_it_is_served_as_html_with_its_policy(name) -> None:
    response = get(name)
    assert response.get_body().decode() == PAGE
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]


def test_the_policy_allows_the_page_s_own_scripts_and_style_only() -> None:
    """Scripts of this origin, whatever a proxy calls it, and the style by its hash."""
    policy = HEADERS["Content-Security-Policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["script-src"] == rules["connect-src"] == "'self'"
    (style,) = re.findall(r"<style>(.*?)</style>", PAGE, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert rules["style-src"] == f"'sha256-{digest}'"
    assert rules["default-src"] == rules["form-action"] == rules["frame-ancestors"] == "'none'"
    assert "unsafe" not in policy


def test_modules_are_served_as_javascript_with_an_etag() -> None:
    response = get("home_module", file="page.js")
    assert response.get_body().decode() == MODULES["page.js"]
    assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert "no-cache" in response.headers["Cache-Control"]

    etag = response.headers["ETag"]
    again = get("home_module", {"If-None-Match": etag}, file="page.js")
    assert (again.status_code, again.get_body()) == (304, b"")
    assert again.headers["ETag"] == etag


@pytest.mark.parametrize("name", ["style.css", "index.html", "..", "none.js"])
def test_nothing_else_is_served_as_a_module(name) -> None:
    response = get("home_module", file=name)
    assert response.status_code == 404
    assert "ETag" not in response.headers


def test_the_page_preloads_the_modules_that_there_are() -> None:
    named = set(re.findall(r"/api/home/([\w.]+)", PAGE))
    imported = {
        name
        for each in MODULES.values()
        for name in re.findall(r'^import .* from "\./([\w.]+)";$', each, re.M)
    }
    assert named == imported | {"page.js"} == set(MODULES)


def test_the_page_names_no_other_host() -> None:
    code = re.sub(r"/\*.*?\*/|// .*", "", PAGE + "".join(MODULES.values()))
    addresses = re.findall(r"\b(?:https?:)?//[\w.-]+", code)
    assert set(addresses) <= {"http://www.w3.org"}  # the name of SVG, which is not fetched


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (300, "5 minutes"),
        (60, "1 minute"),
        (1, "1 second"),
        (90, "90 seconds"),
        (3600, "60 minutes"),
    ],
)
def test_the_page_says_how_long_a_registry_is_open(seconds, words) -> None:
    assert f"It is open for {words}, " in document(timedelta(seconds=seconds))


def test_no_script_is_in_attributes() -> None:
    """The policy would not run it."""
    assert not re.search(r"<[^>]*(\son\w+=|javascript:|\sstyle=)", PAGE)
