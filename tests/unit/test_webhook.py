from datetime import UTC, datetime

import pytest
import standardwebhooks

from registry.webhook import Webhook, verdict
from tests.receiver import SECRET

NOW = datetime(2026, 12, 24, 18, 5, tzinfo=UTC)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "http://no-such-host.invalid/", "http://127.0.0.1:9\\@x:y/"])
def test_what_cannot_be_reached_is_tried_again(url) -> None:
    """And told without the URL, which may hold a token."""
    outcome, reason = Webhook(url, SECRET, 1).post("id", "{}", NOW)
    assert outcome == "again"
    assert "127.0.0.1" not in reason
    assert "invalid" not in reason


@pytest.mark.parametrize(
    ("status", "expected"),
    [(200, "delivered"), (299, "delivered"), (300, "again"), (399, "again"), (400, "failed"), (404, "failed")]
    + [(status, "again") for status in (408, 409, 425, 429, 500, 599, 600, 100, 0)]
    + [(410, "failed"), (418, "failed"), (499, "failed")],
)
def test_what_a_status_means(status, expected) -> None:
    """Success, client errors that pass, other client errors, and all the rest."""
    assert verdict(status) == expected


def test_the_timestamp_is_that_of_the_attempt(monkeypatch) -> None:
    """A receiver refuses old ones, so a repeat is signed anew; time-outs are set, redirects are not followed."""
    sent: list[tuple] = []

    def post(url, **given):
        sent.append((url, given))
        raise OSError

    monkeypatch.setattr("requests.post", post)
    assert Webhook("https://example.org/x", SECRET, 7).post("the-id", "{}", NOW) == ("again", "OSError")
    ((url, given),) = sent
    assert url == "https://example.org/x"
    assert given["headers"] == {
        "Content-Type": "application/json",
        "webhook-id": "the-id",
        "webhook-timestamp": str(int(NOW.timestamp())),
        "webhook-signature": standardwebhooks.Webhook(SECRET).sign("the-id", NOW, "{}"),
    }
    assert (given["timeout"], given["allow_redirects"], given["stream"]) == ((7, 7), False, True)
