"""Answers, as JSON, as plain text, or as problems (RFC 9457)."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from azure.functions import HttpResponse

from registry.domain.problems import ProblemError, ProblemType


def answer(status: int, body: Any, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """An answer in JSON."""
    return _response(status, body, "application/json", headers)


def plain(status: int, text: str, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """An answer in plain text."""
    return _response(status, text, "text/plain; charset=utf-8", headers)


def lines(items: Iterable[str]) -> HttpResponse:
    """Items in plain text, each on a line of its own: breaks within one are spaces."""
    return plain(200, "".join(f"{' '.join(item.splitlines())}\n" for item in items))


def problem_body(type: ProblemType, detail: str) -> dict[str, Any]:
    """An error as RFC 9457 has it; its detail ends with what to do next."""
    return {
        "type": type.uri,
        "title": type.title,
        "status": type.status,
        "detail": f"{detail} {type.advice}",
    }


def problem(error: ProblemError, members: Mapping[str, Any]) -> HttpResponse:
    """A refusal as an answer; `members` are added to the standard ones."""
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after is not None else {}
    body = problem_body(error.type, error.detail) | dict(members)
    return _response(error.type.status, body, "application/problem+json", headers)


def _response(
    status: int, body: Any, content_type: str, headers: Mapping[str, str] | None
) -> HttpResponse:
    always = {"Content-Type": content_type, "Cache-Control": "no-store"}
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False) + "\n"
    return HttpResponse(text, status_code=status, headers=always | dict(headers or {}))
