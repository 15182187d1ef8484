import base64
import copy
import hashlib
import re
from html.parser import HTMLParser

import pytest

from registry.domain.problems import PROBLEM_TYPES
from registry.settings import Settings
from registry.web import docs
from registry.web.pages import describe
from tests.unit.web.conftest import get

DESCRIPTION = describe(Settings())
DOCS = docs.render(DESCRIPTION)


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


def section(name: str) -> str:
    """The section with this anchor."""
    (section,) = re.findall(rf'<section id="{name}">(.*?)</section>', DOCS, re.DOTALL)
    return section


def test_it_is_served_as_html_that_loads_nothing() -> None:
    response = get("docs")
    assert response.get_body().decode() == DOCS
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["Referrer-Policy"] == "no-referrer"

    policy = dict(
        rule.split(" ", 1) for rule in response.headers["Content-Security-Policy"].split("; ")
    )
    (style,) = re.findall(r"<style>(.*?)</style>", DOCS, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.pop("style-src") == f"'sha256-{digest}'"
    rules = ["default-src", "base-uri", "form-action", "frame-ancestors"]
    assert policy == dict.fromkeys(rules, "'none'")
    assert "<script" not in DOCS


def test_every_call_and_problem_has_an_anchor_and_each_link_leads_somewhere() -> None:
    reader = Reader(DOCS)
    assert len(reader.ids) == len(set(reader.ids))
    assert {each.name for each in PROBLEM_TYPES} <= set(reader.ids)
    calls = {next(iter(each.values()))["operationId"] for each in DESCRIPTION["paths"].values()}
    assert calls <= set(reader.ids)
    assert {link.removeprefix("#") for link in reader.links} <= {*reader.ids, "/", "openapi.json"}


@pytest.mark.parametrize("type", PROBLEM_TYPES, ids=lambda type: type.name)
def test_a_problem_is_explained_with_what_to_do_next(type) -> None:
    assert f"{type.status} {type.title}" in section(type.name)
    assert docs.escape(type.advice) in section(type.name)


def test_a_call_is_shown_with_an_example_of_each_body() -> None:
    add = section("addToRegistry")
    assert '<span class="method">POST or GET</span> /api/add/{id}' in add
    assert "<pre>item=Commodore+64</pre>" in add
    assert "<pre>Commodore 64</pre>" in add
    assert "&quot;itemsCount&quot;: 1" in add
    assert 'href="#registry-full"' in add

    peek = section("peekAtRegistry")
    assert "GET or HEAD" in peek
    assert "urlencoded" not in peek


def test_everything_is_escaped() -> None:
    description = copy.deepcopy(DESCRIPTION)
    description["info"]["title"] = "<b>&"
    assert "<h1>The API of &lt;b&gt;&amp;</h1>" in docs.render(description)


def test_it_is_small() -> None:
    assert len(DOCS) < 40_000
