import asyncio
import base64
import hashlib
import re
from datetime import timedelta

import pytest
from azure.functions import HttpRequest

from registry.web import api
from registry.web.page import HEADERS, document

PAGE = document(timedelta(minutes=5))


def test_it_is_served_with_its_policy() -> None:
    """As HTML."""
    response = asyncio.run(api.home(HttpRequest("GET", "http://x/api/home", body=b"")))
    assert response.get_body().decode() == PAGE
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]


def test_the_policy_names_the_script_and_the_style() -> None:
    """By their hashes, and nothing that would let others in."""
    policy = dict(rule.split(" ", 1) for rule in HEADERS["Content-Security-Policy"].split("; "))
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", PAGE, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert policy[rule] == f"'sha256-{digest}'"
    assert policy["default-src"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert policy["connect-src"] == "'self'"


def test_the_page_names_no_other_host() -> None:
    """It works where only the app can be reached."""
    addresses = re.findall(r"\b(?:https?:)?//[\w.-]+", re.sub(r"/\*.*?\*/|// .*", "", PAGE, flags=re.DOTALL))
    assert set(addresses) <= {"http://www.w3.org"}  # the name of SVG, which is not fetched


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(300, "5 minutes"), (60, "1 minute"), (1, "1 second"), (90, "90 seconds"), (3600, "60 minutes")],
)
def test_the_page_says_how_long_a_registry_lives(seconds, words) -> None:
    """As the settings have it."""
    assert f"It lives {words}:" in document(timedelta(seconds=seconds))


def test_the_sources_hold_no_script_in_attributes() -> None:
    """Which the policy would not run."""
    assert not re.search(r"<[^>]*(\son\w+=|javascript:|\sstyle=)", PAGE)
