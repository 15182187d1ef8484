"""States and messages as version 1.0 stores and sends them: recorded from its own code.

A task hub stays when the code is replaced, so these are read as before, and written alike.
"""

from typing import Any

Json = dict[str, Any]

ID, OFF_ID, OPEN_ID, PENDING_ID = "0123456789abcdef" * 2, "a" * 32, "b" * 32, "c" * 32
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def terms(id: str, is_sent: bool) -> Json:
    """What is fixed when a registry is opened."""
    return {
        "id": id,
        "opened_at": "2026-12-24T18:00:00.000Z",
        "closes_at": "2026-12-24T18:05:00.000Z",
        "max_items": 3,
        "is_sent": is_sent,
        "backoff": [5, 3600, 86400],
    }


OPEN_LIST: Json = {
    "v": 1,
    "birth": terms(ID, is_sent=True),
    "items": [],
    "removed": [],
    "is_full": False,
    "closed_at": None,
    "closed_by": None,
    "processing": "pending",
    "previous": None,
    "sends": 1,
    "asked_at": None,
    "revision": 1,
}
FULL_LIST = OPEN_LIST | {
    "items": [["k1", "Fahrrad für Zoë"], ["k3", "x"], ["k4", "x"]],
    "removed": ["k2"],
    "is_full": True,
    "revision": 7,
}
PENDING_LIST = FULL_LIST | {
    "closed_at": "2026-12-24T18:00:10.000Z",
    "closed_by": "user",
    "revision": 8,
}
REDELIVERED_LIST = PENDING_LIST | {
    "processing": "delivered",
    "previous": "failed",
    "sends": 2,
    "asked_at": "2026-12-24T18:01:30.000Z",
    "revision": 11,
}
UNDELIVERED_LIST = OPEN_LIST | {
    "birth": terms(OFF_ID, is_sent=False),
    "closed_at": "2026-12-24T18:05:00.000Z",
    "closed_by": "timeout",
    "processing": "off",
    "revision": 2,
}
LISTS = {
    "open": OPEN_LIST,
    "full": FULL_LIST,
    "pending": PENDING_LIST,
    "redelivered": REDELIVERED_LIST,
    "undelivered": UNDELIVERED_LIST,
}

OPEN_SNAPSHOT: Json = {
    "revision": 0,
    "items": 0,
    "phase": "open",
    "due": "2026-12-24T18:05:00.000Z",
    "birth": terms(OPEN_ID, is_sent=False),
    "closed_at": None,
    "previous": None,
}
PENDING_SNAPSHOT: Json = {
    "revision": 4,
    "items": 0,
    "phase": "pending",
    "due": "2026-12-24T18:02:00.000Z",
    "birth": terms(PENDING_ID, is_sent=True),
    "closed_at": "2026-12-24T18:00:00.000Z",
    "previous": "failed",
}
DELIVERED_SNAPSHOT: Json = {
    "revision": 11,
    "items": 3,
    "phase": "delivered",
    "due": "2026-12-24T19:01:31.000Z",
    "birth": None,
    "closed_at": "2026-12-24T18:00:10.000Z",
    "previous": "failed",
}
SNAPSHOTS = {
    "open": OPEN_SNAPSHOT,
    "pending": PENDING_SNAPSHOT,
    "delivered": DELIVERED_SNAPSHOT,
}
SHARD: Json = {
    "v": 1,
    "items": 3,
    "phases": {"delivered": 1, "open": 1, "pending": 1},
    "standings": [
        [ID, DELIVERED_SNAPSHOT],
        [OPEN_ID, OPEN_SNAPSHOT],
        [PENDING_ID, PENDING_SNAPSHOT],
    ],
}
EMPTY_SHARD: Json = {"v": 1, "items": 0, "phases": {}, "standings": []}

ENVELOPE: Json = {"v": 1, "trace": TRACE, "sent_at": "2026-12-24T18:00:00.000Z"}
DELIVERY_INPUT = ENVELOPE | {
    "id": ID,
    "number": 1,
    "backoff": [5, 3600, 86400],
    "began": None,
    "failures": 0,
}
MESSAGES: dict[str, Json] = {
    "OpenRegistry": ENVELOPE | {"birth": terms(ID, is_sent=True)},
    "CloseRegistry": ENVELOPE | {"birth": terms(ID, is_sent=True), "by": "user"},
    "AddItem": ENVELOPE | {"key": "k1", "text": "Fahrrad für Zoë"},
    "RemoveItem": ENVELOPE | {"key": "k1"},
    "RequestDelivery": ENVELOPE | {"number": 2},
    "RecordDelivery": ENVELOPE | {"number": 1, "outcome": "failed"},
    "RecordSnapshot": ENVELOPE | {"id": PENDING_ID, "standing": PENDING_SNAPSHOT},
    "RegistryFinished": ENVELOPE,
    "DeliverRegistry": DELIVERY_INPUT | {"began": "2026-12-24T18:00:00.000Z", "failures": 50},
    "AttemptDelivery": DELIVERY_INPUT | {"pause": 5.0},
}
"""By the class that reads each today."""
OPERATIONS = {
    "OpenRegistry": "open",
    "CloseRegistry": "close",
    "AddItem": "add",
    "RemoveItem": "remove",
    "RequestDelivery": "send_again",
    "RecordDelivery": "delivered",
    "RecordSnapshot": "observe",
}
"""What each signal is called in the task hub."""
