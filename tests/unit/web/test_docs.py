import asyncio
import base64
import hashlib
import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from azure.functions import HttpRequest

from registry.domain.problems import KINDS
from registry.settings import Settings
from registry.web import docs
from registry.web import functions as api
from registry.web.docs import HEADERS, document
from registry.web.openapi import describe

DOCS = document(Settings())


class Reader(HTMLParser):
    """Reads anchors and links, and sees that each element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.ids += [value for name, value in attributes if name == "id"]
        self.links += [value for name, value in attributes if name == "href"]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_it_is_served_with_its_policy() -> None:
    """As HTML that runs nothing, and loads nothing."""
    documentation = api.documentation._function.get_user_function()
    response = asyncio.run(documentation(HttpRequest("GET", "http://x/api/docs", body=b"")))
    assert response.get_body().decode() == DOCS
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = dict(
        rule.split(" ", 1) for rule in response.headers["Content-Security-Policy"].split("; ")
    )
    (style,) = re.findall(r"<style>(.*?)</style>", DOCS, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.pop("style-src") == f"'sha256-{digest}'"
    assert policy == dict.fromkeys(
        ["default-src", "base-uri", "form-action", "frame-ancestors"], "'none'"
    )
    assert "<script" not in DOCS


def test_every_call_and_problem_has_an_anchor() -> None:
    """And each link leads somewhere."""
    reader = Reader(DOCS)
    assert len(reader.ids) == len(set(reader.ids))
    assert {kind.name for kind in KINDS} <= set(reader.ids)
    assert {
        next(iter(each.values()))["operationId"] for each in describe(Settings())["paths"].values()
    } <= {*reader.ids}
    assert {link.removeprefix("#") for link in reader.links} <= {*reader.ids, "/", "openapi.json"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_problem_is_explained(kind) -> None:
    """With what to do next."""
    (section,) = re.findall(rf'<section id="{kind.name}">(.*?)</section>', DOCS, re.DOTALL)
    assert f"{kind.status} {kind.title}" in section
    assert docs.escape(kind.advice) in section


def test_calls_are_shown_with_their_examples() -> None:
    """In each form that a body has."""
    (section,) = re.findall(r'<section id="addToRegistry">(.*?)</section>', DOCS, re.DOTALL)
    assert '<span class="method">POST or GET</span> /api/add/{id}' in section
    assert "<pre>item=Commodore+64</pre>" in section
    assert "<pre>Commodore 64</pre>" in section
    assert "&quot;itemsCount&quot;: 1" in section
    assert 'href="#registry-full"' in section
    (section,) = re.findall(r'<section id="peekAtRegistry">(.*?)</section>', DOCS, re.DOTALL)
    assert "GET or HEAD" in section
    assert "urlencoded" not in section


def test_everything_is_escaped(monkeypatch) -> None:
    """Whatever the description says."""
    description = describe(Settings())
    description["info"]["title"] = "<b>&"
    monkeypatch.setattr(docs, "describe", lambda settings: description)
    assert "<h1>The API of &lt;b&gt;&amp;</h1>" in document.__wrapped__(Settings())


def test_it_is_as_the_settings_have_it() -> None:
    """And small."""
    assert "lives 60 seconds" in document(Settings(open_for=timedelta(seconds=60)))
    assert len(DOCS) < 40_000
    assert HEADERS["Referrer-Policy"] == "no-referrer"
