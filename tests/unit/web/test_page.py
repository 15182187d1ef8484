import asyncio
import base64
import hashlib
import re
from datetime import timedelta

import pytest
from azure.functions import HttpRequest

from registry.web import functions as api
from registry.web.page import HEADERS, MODULES, document

PAGE = document(timedelta(minutes=5))


def get(function, path: str, headers=None, **params: str):
    """What a function of the page answers."""
    request = HttpRequest(
        "GET", f"https://host.example:8443{path}", headers=headers, route_params=params, body=b""
    )
    return asyncio.run(function(request))


def module(name: str, headers=None):
    """What is answered for a module."""
    return get(
        api.home_module._function.get_user_function(), f"/api/home/{name}", headers, file=name
    )


def test_it_is_served_with_its_policy() -> None:
    """As HTML."""
    response = get(api.home, "/")
    assert response.get_body().decode() == PAGE
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]


def test_the_policy_names_the_scripts_and_the_style() -> None:
    """Those of this origin, whatever a proxy calls it, and by its hash; and nothing that would let
    others in.
    """
    policy = HEADERS["Content-Security-Policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["script-src"] == rules["connect-src"] == "'self'"
    (style,) = re.findall(r"<style>(.*?)</style>", PAGE, re.DOTALL)
    assert (
        rules["style-src"]
        == f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'"
    )
    assert rules["default-src"] == rules["form-action"] == rules["frame-ancestors"] == "'none'"
    assert "unsafe" not in policy


def test_modules_are_served_with_a_tag() -> None:
    """As JavaScript, and not again to whoever has them."""
    response = module("page.js")
    assert response.get_body().decode() == MODULES["page.js"]
    assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert "no-cache" in response.headers["Cache-Control"]
    again = module("page.js", {"If-None-Match": response.headers["ETag"]})
    assert (again.status_code, again.get_body()) == (304, b"")
    assert again.headers["ETag"] == response.headers["ETag"]


@pytest.mark.parametrize("name", ["style.css", "index.html", "..", "none.js"])
def test_nothing_else_is_served_as_a_module(name) -> None:
    """There is no path into other folders."""
    assert module(name).status_code == 404


def test_the_page_loads_the_modules_that_there_are() -> None:
    """Those that it preloads, and those that they import."""
    named = set(re.findall(r"/api/home/([\w.]+)", PAGE))
    imported = {
        name
        for each in MODULES.values()
        for name in re.findall(r'^import .* from "\./([\w.]+)";$', each, re.M)
    }
    assert named == imported | {"page.js"} == set(MODULES)


def test_the_page_names_no_other_host() -> None:
    """It works where only the app can be reached."""
    addresses = re.findall(
        r"\b(?:https?:)?//[\w.-]+",
        re.sub(r"/\*.*?\*/|// .*", "", PAGE + "".join(MODULES.values())),
    )
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
def test_the_page_says_how_long_a_registry_lives(seconds, words) -> None:
    """As the settings have it."""
    assert f"It lives {words}:" in document(timedelta(seconds=seconds))


def test_the_sources_hold_no_script_in_attributes() -> None:
    """Which the policy would not run."""
    assert not re.search(r"<[^>]*(\son\w+=|javascript:|\sstyle=)", PAGE)
