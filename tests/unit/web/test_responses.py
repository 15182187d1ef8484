import json

import pytest

from registry.domain.problems import (
    REGISTRY_CLOSED,
    SENT_JUST_NOW,
    UNKNOWN_REGISTRY,
    HubUnavailable,
    ProblemError,
)
from registry.web.responses import (
    Added,
    Problem,
    json_response,
    problem_response,
    text_response,
)

ADDED = Added(id="0" * 32, item="Bike 🚲", item_key="k", items_count=1)


def test_a_body_is_json_that_nobody_keeps() -> None:
    response = json_response(201, ADDED)
    assert response.status_code == 201
    text = '{"id": "%s", "item": "Bike 🚲", "itemKey": "k", "itemsCount": 1}\n' % ("0" * 32)
    assert response.get_body() == text.encode()
    assert dict(response.headers) == {
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
    }


def test_plain_text_is_the_text_and_nothing_else() -> None:
    response = text_response(200, ADDED, "ä")
    assert response.get_body() == "ä".encode()
    assert dict(response.headers) == {
        "Content-Type": "text/plain; charset=utf-8",
        "Cache-Control": "no-store",
    }


def test_a_problem_has_the_members_of_rfc_9457() -> None:
    error = ProblemError(REGISTRY_CLOSED, "The registry closed.")
    response = problem_response(Problem.of(error, item_key="k"))
    assert response.status_code == 409
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.get_body().endswith(b"}\n")
    assert json.loads(response.get_body()) == {
        "type": "/api/docs#registry-closed",
        "title": "Registry closed",
        "status": 409,
        "detail": "The registry closed. Open another registry for further gifts.",
        "itemKey": "k",
    }


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (HubUnavailable(), "1"),
        (ProblemError(SENT_JUST_NOW, retry_after=42), "42"),
        (ProblemError(SENT_JUST_NOW, retry_after=0), "0"),
        (ProblemError(UNKNOWN_REGISTRY), None),
    ],
)
def test_a_problem_says_when_to_try_again(error, seconds) -> None:
    response = problem_response(Problem.of(error))
    assert response.headers.get("Retry-After") == seconds
