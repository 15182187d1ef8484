from registry import settings
from registry.domain.snapshots import Snapshot
from registry.durable.webhook.waiting import without_waiting
from registry.settings import Settings
from tests.clock import START

SNAPSHOTS = {
    status * 32: Snapshot(revision=1, items=0, status=name, due=START)
    for status, name in zip("abcd", ["open", "pending", "pending", "failed"], strict=True)
}


def test_without_a_webhook_pending_deliveries_wait(monkeypatch, caplog) -> None:
    """One line says how many, and for which setting. All others are seen to."""
    monkeypatch.setattr(settings, "current", lambda: Settings())
    assert [each[0] for each in without_waiting(SNAPSHOTS)] == ["a", "d"]
    assert caplog.messages == ["event=waiting deliveries=2 setting=PROCESSING_WEBHOOK_URL"]


def test_where_nothing_waits_nothing_is_logged(monkeypatch, caplog) -> None:
    """Neither with a webhook, nor without one where nothing is pending."""
    assert without_waiting(SNAPSHOTS) == SNAPSHOTS
    monkeypatch.setattr(settings, "current", lambda: Settings())
    assert without_waiting({}) == {}
    assert caplog.messages == []
