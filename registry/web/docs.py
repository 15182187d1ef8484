"""The API for people: a document in HTML, made from the description that programs read."""

import json
from collections.abc import Iterable
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

from registry.domain.problems import PROBLEM_TYPES
from registry.settings import Settings
from registry.web.openapi import Node, describe
from registry.web.page import hash_of
from registry.web.requests import FORM

_STYLE = (files("registry.web") / "docs.css").read_text("utf-8")
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": f"default-src 'none'; style-src {hash_of(_STYLE)}; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
"""It has a style of its own, and nothing else: no script, no picture, no other host."""


@cache
def document(settings: Settings) -> str:
    """The documentation of an app with these settings. Calls have their operationId as anchor,
    problems their name.
    """
    description = describe(settings)
    title, paths = escape(description["info"]["title"]), description["paths"]
    calls = [_call(description, path, operations) for path, operations in paths.items()]
    names = [next(iter(operations.values()))["operationId"] for operations in paths.values()]
    problems = [
        _problem(kind.name, description["components"]["examples"][kind.name]["value"])
        for kind in PROBLEM_TYPES
    ]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>API of {title}</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>The API of {title}</h1>
<p>{escape(description["info"]["description"])}</p>
<p><a href="/">The page for people</a> · <a href="openapi.json">The description for programs (OpenAPI)</a></p>
<nav aria-label="Calls and problems">
{_links(names)}
{_links(kind.name for kind in PROBLEM_TYPES)}
</nav>
</header>
<main>
<section aria-labelledby="calls"><h2 id="calls">Calls</h2>
{"".join(calls)}</section>
<section aria-labelledby="problems"><h2 id="problems">Problems</h2>
<p>Errors are application/problem+json (RFC 9457). Their <code>type</code> leads to one of these.</p>
{"".join(problems)}</section>
</main>
</body>
</html>
"""


def _call(description: Node, path: str, operations: Node) -> str:
    """A path with the methods it takes, of which the first is the recommended one."""
    operation = next(iter(operations.values()))
    methods = " or ".join(
        "GET or HEAD" if operations.keys() == {"get"} else method.upper() for method in operations
    )
    route = escape(description["servers"][0]["url"] + path)
    parameters = [
        _parameter(description, _resolved(description, each)) for each in operation["parameters"]
    ]
    body = operation.get("requestBody", {"description": "", "content": {}})
    answers = [_answer(status, answer) for status, answer in operation["responses"].items()]
    return (
        f'<section id="{operation["operationId"]}">'
        f'<h3><code><span class="method">{methods}</span> {route}</code></h3>\n'
        f"<p>{escape(operation['description'])}</p>\n"
        + _titled("Parameters", "dl", parameters)
        + _titled(
            "Body",
            "div",
            [f"<p>{escape(body['description'])}</p>\n"] * bool(body["content"]) + _media(body),
        )
        + _titled("Answers", "dl", answers)
        + "</section>\n"
    )


def _parameter(description: Node, parameter: Node) -> str:
    where = parameter["in"] + (", required" if parameter.get("required") else "")
    said = (
        parameter.get("description") or _resolved(description, parameter["schema"])["description"]
    )
    return f'<dt><code>{parameter["name"]}</code> <span class="hint">{where}</span></dt><dd>{escape(said)}</dd>\n'


def _answer(status: str, answer: Node) -> str:
    problems = answer.get("content", {}).get("application/problem+json", {}).get("examples", {})
    shown = f'<ul class="problems">{_items(problems)}</ul>' if problems else "".join(_media(answer))
    return f"<dt><b>{status}</b> {escape(answer['description'])}</dt><dd>{shown}</dd>\n"


def _media(of: Node) -> list[str]:
    """An example of each type that a body may have."""
    return [
        f'<span class="hint">{escape(name)}</span><pre>{escape(_text(name, media["example"]))}</pre>\n'
        for name, media in of.get("content", {}).items()
    ]


def _text(media_type: str, example: Any) -> str:
    if media_type == FORM:
        return urlencode(example)
    return (
        example if isinstance(example, str) else json.dumps(example, ensure_ascii=False, indent=2)
    )


def _problem(name: str, body: Node) -> str:
    return (
        f'<section id="{name}"><h3>{body["status"]} {escape(body["title"])}</h3>\n'
        f"<p>{escape(body['detail'])}</p>\n<p><code>{escape(body['type'])}</code></p></section>\n"
    )


def _titled(title: str, tag: str, parts: list[str]) -> str:
    return f"<h4>{title}</h4>\n<{tag}>{''.join(parts)}</{tag}>\n" if parts else ""


def _links(names: Iterable[str]) -> str:
    return f"<ul>{_items(names)}</ul>"


def _items(names: Iterable[str]) -> str:
    return "".join(f'<li><a href="#{name}">{name}</a></li>' for name in names)


def _resolved(description: Node, reference: Node) -> Node:
    """What a reference leads to."""
    group, name = reference["$ref"].split("/")[-2:]
    found: Node = description["components"][group][name]
    return found
