import json

import pytest

from registry.domain.problems import CLOSED, SENT_JUST_NOW, UNKNOWN, HubUnavailable, Refusal
from registry.web.responses import answer, lines, plain, problem, problem_body


def test_an_answer_is_json_that_nobody_keeps() -> None:
    """Texts are as they are, in UTF-8, and the body ends with a newline."""
    response = answer(201, {"item": "Bike 🚲"}, {"Location": "/x"})
    assert response.status_code == 201
    assert response.get_body() == '{"item": "Bike 🚲"}\n'.encode()
    assert dict(response.headers) == {
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
        "Location": "/x",
    }


def test_an_answer_in_plain_text() -> None:
    """It is the text and nothing else."""
    response = plain(200, "ä", {"Location": "/x"})
    assert response.get_body() == "ä".encode()
    assert dict(response.headers) == {
        "Content-Type": "text/plain; charset=utf-8",
        "Cache-Control": "no-store",
        "Location": "/x",
    }


def test_a_line_for_each_item() -> None:
    """Whatever breaks there are within one: they become spaces."""
    response = lines(["Bike", "two\r\nlines", "a\u2028b\x85c", " x\n"])
    assert response.get_body().decode() == "Bike\ntwo lines\na b c\n x\n"
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert lines([]).get_body() == b""


def test_a_problem_has_the_members_of_rfc_9457() -> None:
    """The detail says what is wrong and what to do next; members of the caller's are added."""
    response = problem(Refusal(CLOSED, "The registry closed."), {"itemKey": "k"})
    assert response.status_code == 409
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"
    body = response.get_body().decode()
    assert body.endswith("}\n")
    assert json.loads(body) == {
        "type": "/api/docs#registry-closed",
        "title": "Registry closed",
        "status": 409,
        "detail": "The registry closed. Open another registry for further gifts.",
        "itemKey": "k",
    }
    assert problem_body(CLOSED, "The registry closed.") == {
        name: value for name, value in json.loads(body).items() if name != "itemKey"
    }


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (HubUnavailable(), "1"),
        (Refusal(SENT_JUST_NOW, "Just now.", retry_after=42), "42"),
        (Refusal(SENT_JUST_NOW, "Just now.", retry_after=0), "0"),
        (Refusal(UNKNOWN, "None."), None),
    ],
)
def test_when_to_try_again(error, seconds) -> None:
    """Retry-After is there where it helps to wait."""
    assert problem(error, {}).headers.get("Retry-After") == seconds
