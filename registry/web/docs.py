"""The API for people: its OpenAPI document as a page of HTML."""

import json
from collections.abc import Iterable
from html import escape
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

from registry.web.bodies import FORM
from registry.web.page import hash_of
from registry.web.schemas import Node

_STYLE = (files("registry.web") / "docs.css").read_text("utf-8")
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": f"default-src 'none'; style-src {hash_of(_STYLE)}; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
"""The page has a style of its own and loads nothing else."""


def render(description: Node) -> str:
    """The page. Calls have their operationId as anchor, problems their name."""
    title = escape(description["info"]["title"])
    paths = description["paths"]
    problems = description["components"]["examples"]
    base = description["servers"][0]["url"]

    calls = [_call(base + path, operations) for path, operations in paths.items()]
    call_names = [_recommended(operations)["operationId"] for operations in paths.values()]
    problem_sections = [_problem(name, each["value"]) for name, each in problems.items()]
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
<p><a href="/">The page for people</a> ·
<a href="openapi.json">The description for programs (OpenAPI)</a></p>
<nav aria-label="Calls and problems">
{_links(call_names)}
{_links(problems)}
</nav>
</header>
<main>
<section aria-labelledby="calls"><h2 id="calls">Calls</h2>
{"".join(calls)}</section>
<section aria-labelledby="problems"><h2 id="problems">Problems</h2>
<p>Errors are application/problem+json (RFC 9457). Their <code>type</code> leads to one of these.
</p>
{"".join(problem_sections)}</section>
</main>
</body>
</html>
"""


def _recommended(operations: Node) -> Node:
    """Of the methods that a path takes, the first."""
    operation: Node = next(iter(operations.values()))
    return operation


def _call(route: str, operations: Node) -> str:
    """The section of a path."""
    operation = _recommended(operations)
    is_read = operations.keys() == {"get"}
    methods = "GET or HEAD" if is_read else " or ".join(each.upper() for each in operations)

    body = []
    if "requestBody" in operation:
        given = operation["requestBody"]
        body = [f"<p>{escape(given['description'])}</p>\n", *_media(given)]
    answers = [_answer(status, answer) for status, answer in operation["responses"].items()]
    return (
        f'<section id="{operation["operationId"]}">'
        f'<h3><code><span class="method">{methods}</span> {escape(route)}</code></h3>\n'
        f"<p>{escape(operation['description'])}</p>\n"
        + _titled("Parameters", "dl", [_parameter(each) for each in operation["parameters"]])
        + _titled("Body", "div", body)
        + _titled("Answers", "dl", answers)
        + "</section>\n"
    )


def _parameter(parameter: Node) -> str:
    where = parameter["in"] + (", required" if parameter.get("required") else "")
    return (
        f'<dt><code>{parameter["name"]}</code> <span class="hint">{where}</span></dt>'
        f"<dd>{escape(parameter['description'])}</dd>\n"
    )


def _answer(status: str, answer: Node) -> str:
    problems = answer.get("content", {}).get("application/problem+json", {}).get("examples", {})
    links = f'<ul class="problems">{_items(problems)}</ul>'
    shown = links if problems else "".join(_media(answer))
    return f"<dt><b>{status}</b> {escape(answer['description'])}</dt><dd>{shown}</dd>\n"


def _media(of: Node) -> list[str]:
    """An example of each type that a body may have."""
    return [
        f'<span class="hint">{escape(name)}</span>'
        f"<pre>{escape(_text(name, media['example']))}</pre>\n"
        for name, media in of.get("content", {}).items()
    ]


def _text(media_type: str, example: Any) -> str:
    if media_type == FORM:
        return urlencode(example)
    if isinstance(example, str):
        return example
    return json.dumps(example, ensure_ascii=False, indent=2)


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
