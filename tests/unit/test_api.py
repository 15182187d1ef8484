import asyncio
import json
import sys
from datetime import timedelta
from types import SimpleNamespace

import pytest
from azure.durable_functions import OrchestrationRuntimeStatus
from azure.functions import HttpRequest, HttpResponse
from registry.http import NOT_BLANK

from registry import __version__, api
from registry.model import Item, Registry
from registry.settings import BACKOFF, Settings
from registry.webhook import Webhook
from tests.clock import START
from tests.unit.fake_client import ID, FakeClient, Status

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CONTEXT = SimpleNamespace(trace_context=SimpleNamespace(trace_parent=f"00-{TRACE}-00f067aa0ba902b7-01"))
SETTINGS = Settings(max_items=3, max_item_length=20, webhook=Webhook("http://127.0.0.1:9", "", 1))
URL = "https://gifts.example/api/"
END = START + timedelta(minutes=5)


@pytest.fixture
def client(clock, monkeypatch) -> FakeClient:
    """A client of an open, empty registry that takes adds at once."""
    monkeypatch.setattr("registry.settings.current", lambda: SETTINGS)
    client = FakeClient()
    client.registry = Registry(START, END, 3)
    client.takes_adds(clock)
    return client


def call(function, client, *, id=ID, body=b"", params=None, **headers) -> HttpResponse:
    """Call a trigger as the SDK does, below its client middleware; header names are given with _ for -."""
    name = function._function.get_function_name()
    request = HttpRequest(
        "POST",
        URL + (name if name in ("open", "stats") else f"{name}/{id}"),
        headers={key.replace("_", "-"): value for key, value in headers.items()},
        params=params or {},
        route_params={"id": id},
        body=body,
    )
    return asyncio.run(trigger(function)(request, client.mock, CONTEXT))


def trigger(function):
    """The trigger itself, as it is written."""
    return function._function.get_user_function().client_function


def add(client, **request) -> HttpResponse:
    return call(api.add_item, client, **request)


def document(response: HttpResponse, status: int) -> dict:
    """The JSON of an answer that has this status, and what every answer has."""
    assert response.status_code == status, response.get_body()
    assert response.headers["Cache-Control"] == "no-store"
    body = json.loads(response.get_body())
    if status >= 400:
        assert response.headers["Content-Type"] == "application/problem+json"
        assert body["status"] == status
        assert body["type"].startswith("/api/openapi.json#/components/examples/")
        assert body["title"]
        assert body["detail"].endswith(".")
    else:
        assert response.headers["Content-Type"] == "application/json"
    return body


def test_open_answers_with_the_new_registry(client) -> None:
    """201, Location of its peek, links on the address that was called."""
    response = call(api.open_registry, client)
    opened = document(response, 201)
    id = opened["id"]
    assert len(id) == 32
    assert opened == {
        "id": id,
        "status": "Open",
        "openedAt": "2026-12-24T18:00:00.000Z",
        "closesAt": "2026-12-24T18:05:00.000Z",
        "links": {"add": f"{URL}add/{id}", "finish": f"{URL}finish/{id}", "peek": f"{URL}peek/{id}"},
    }
    assert response.headers["Location"] == f"{URL}peek/{id}"
    started = client.mock.start_new.await_args.args
    assert started == (
        "RegistryOrchestration",
        id,
        Registry(START, END, 3, processing="pending").to_state() | {"backoff": BACKOFF, "trace": TRACE},
    )


@pytest.mark.parametrize("path", ["open/", "open?x=1", "OPEN/?x=/y"])
def test_open_by_another_spelling_has_the_same_links(client, path) -> None:
    """A slash at the end and a query do not get into them."""
    request = HttpRequest("POST", URL + path, body=b"")
    opened = document(asyncio.run(trigger(api.open_registry)(request, client.mock, CONTEXT)), 201)
    assert opened["links"]["peek"] == f"{URL}peek/{opened['id']}"


def test_open_gives_each_registry_another_id(client) -> None:
    """Ids are random."""
    ids = {document(call(api.open_registry, client), 201)["id"] for _ in range(10)}
    assert len(ids) == 10


@pytest.mark.parametrize("accept", ["text/plain", "text/plain, application/json;q=0.5", "text/plain;q=0.9, */*;q=0.1"])
def test_open_in_plain_text_is_just_the_id(client, accept) -> None:
    """For scripts."""
    response = call(api.open_registry, client, Accept=accept)
    assert response.status_code == 201
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Location"] == f"{URL}peek/{response.get_body().decode()}"


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html,*/*;q=0.8", "nonsense", ""])
def test_open_in_json_is_the_default(client, accept) -> None:
    """Only a preference for plain text gets it."""
    document(call(api.open_registry, client, Accept=accept), 201)


@pytest.mark.parametrize(
    "request_",
    [
        {"params": {"item": "Zork 🎁"}},
        {"body": '{"item": "Zork 🎁"}'.encode(), "Content_Type": "application/json"},
        {"body": b'{"item": "Zork \\ud83c\\udf81"}', "Content_Type": "application/json; charset=utf-8"},
        {"body": "Zork 🎁".encode(), "Content_Type": "text/plain"},
        {"body": "Zork 🎁".encode("utf-16"), "Content_Type": "text/plain; charset=utf-16"},
        {"params": {"item": "Zork 🎁"}, "body": b'{"item": "other"}', "Content_Type": "application/json"},
    ],
)
def test_add_takes_the_item_from_query_json_or_text(client, request_) -> None:
    """The query wins over the body; the charset of the body counts."""
    added = document(add(client, **request_, Idempotency_Key="key-1"), 200)
    assert added == {"id": ID, "item": "Zork 🎁", "itemKey": "key-1", "itemsCount": 1}
    assert client.registry.items == [Item("key-1", "Zork 🎁")]


def test_add_without_a_key_makes_one(client) -> None:
    """Each at random, so the same gift twice is two items."""
    first = document(add(client, params={"item": "Bike"}), 200)
    second = document(add(client, params={"item": "Bike"}), 200)
    assert first["itemKey"] != second["itemKey"]
    assert second["itemsCount"] == 2


@pytest.mark.parametrize("key", ["!", "~" * 128])
def test_add_with_a_repeated_key_is_one_item(client, key) -> None:
    """A retry is answered as the first time."""
    first = document(add(client, params={"item": "Bike"}, Idempotency_Key=key), 200)
    assert document(add(client, params={"item": "Bike"}, Idempotency_Key=key), 200) == first


@pytest.mark.parametrize(
    ("request_", "detail"),
    [
        ({}, "The item is missing."),
        ({"params": {"item": " \t\n"}}, "The item is blank."),
        ({"params": {"item": ""}}, "The item is blank."),
        ({"body": b'{"item": 1}', "Content_Type": "application/json"}, '"item" is a string'),
        ({"body": b"[]", "Content_Type": "application/json"}, '"item" is a string'),
        ({"body": b"{}", "Content_Type": "application/json"}, '"item" is a string'),
        ({"body": b'{"item": "x"', "Content_Type": "application/json"}, "not valid JSON"),
        ({"body": b"[" * 1200, "Content_Type": "application/json"}, "not valid JSON"),
        ({"body": b'{"item": "\\ud800"}', "Content_Type": "application/json"}, "surrogate"),
        ({"body": b"\xff", "Content_Type": "text/plain"}, "UTF-8"),
        ({"body": b"x", "Content_Type": "text/plain; charset=klingon"}, "charset"),
        ({"body": b"x", "Content_Type": "text/plain; charset=hex"}, "charset"),
        (
            {"body": b"item=x", "Content_Type": "application/x-www-form-urlencoded"},
            "must be application/json",
        ),
        ({"body": b"x"}, "must be application/json"),
        ({"body": b"x", "Content_Type": "json"}, "must be application/json"),
        ({"body": b"\\x41", "Content_Type": "text/plain; charset=unicode_escape"}, "charset"),
        ({"params": {"item": "x"}, "Idempotency_Key": ""}, "1 to 128 visible ASCII"),
        ({"params": {"item": "x"}, "Idempotency_Key": "a b"}, "1 to 128 visible ASCII"),
        ({"params": {"item": "x"}, "Idempotency_Key": "ä"}, "1 to 128 visible ASCII"),
        ({"params": {"item": "x"}, "Idempotency_Key": "k" * 129}, "1 to 128 visible ASCII"),
    ],
)
def test_add_refuses_what_is_no_item(client, request_, detail) -> None:
    """400 says what is wrong, and nothing reaches the task hub."""
    assert detail in document(add(client, **request_), 400)["detail"]
    assert client.mock.mock_calls == []


@pytest.mark.parametrize(
    "request_",
    [
        {"params": {"item": "x" * 21}},
        {"body": b"x" * 21, "Content_Type": "text/plain"},
        {"body": b"x" * 5000, "Content_Type": "application/json"},
    ],
)
def test_add_refuses_what_is_too_long(client, request_) -> None:
    """413 names the limit; a huge body is not even parsed."""
    assert document(add(client, **request_), 413)["detail"] == (
        "The item is too long: an item has at most 20 characters. Shorten it, or add it in parts."
    )


def test_the_limit_counts_characters(client) -> None:
    """Twenty characters outside of the basic plane, escaped in JSON, are twenty."""
    body = json.dumps({"item": "🎁" * 20}).encode()
    document(add(client, body=body, Content_Type="application/json"), 200)


def test_add_to_a_closed_registry(client, clock) -> None:
    """409, from closesAt on."""
    clock.advance(minutes=5)
    assert "takes no more items" in document(add(client, params={"item": "Bike"}), 409)["detail"]


def test_add_to_a_full_registry(client) -> None:
    """409 that names the limit."""
    for _ in range(3):
        document(add(client, params={"item": "Bike"}), 200)
    assert "3 items" in document(add(client, params={"item": "Bike"}), 409)["detail"]


def test_add_with_a_key_of_another_item(client) -> None:
    """422."""
    document(add(client, params={"item": "Bike"}, Idempotency_Key="k"), 200)
    document(add(client, params={"item": "Book"}, Idempotency_Key="k"), 422)


def test_add_whose_outcome_is_not_known(client) -> None:
    """202 with the key to retry with."""
    client.on_add = lambda item: None
    response = add(client, params={"item": "Bike"})
    unknown = document(response, 202)
    assert response.headers["Retry-After"] == "1"
    assert unknown["id"] == ID
    assert unknown["itemKey"] == client.signals()[0][1][0]
    assert "same Idempotency-Key" in unknown["detail"]


def test_add_without_a_task_hub(client) -> None:
    """503 with the key to retry with: the signal may have arrived."""
    client.mock.signal_entity.side_effect = Exception("connection lost")
    response = add(client, params={"item": "Bike"}, Idempotency_Key="k")
    assert document(response, 503)["itemKey"] == "k"
    assert response.headers["Retry-After"] == "1"


@pytest.mark.parametrize("function", [api.add_item, api.finish_registry, api.peek_registry, api.process_registry])
@pytest.mark.parametrize(
    "id",
    [
        "",
        "x",
        ID.upper(),
        ID[:-1],
        ID + "0",
        ID[:-1] + "g",
        ID[:-1] + "\n",
        ID + "\n",
        ID[:-1] + "\N{ARABIC-INDIC DIGIT ONE}",
        f"../instances/{ID}",
        f"{ID}?op=close",
    ],
)
def test_an_id_of_another_form_is_404_before_any_call(client, function, id) -> None:
    """The SDK puts ids into URLs of the management API as they are."""
    document(call(function, client, id=id, params={"item": "Bike"}), 404)
    assert client.mock.mock_calls == []


@pytest.mark.parametrize("function", [api.add_item, api.finish_registry, api.peek_registry, api.process_registry])
def test_an_unknown_id_is_404(client, function) -> None:
    """Of the right form, but never opened."""
    client.registry = None
    document(call(function, client, params={"item": "Bike"}), 404)


def test_peek_shows_an_open_registry(client) -> None:
    """Items are their texts, in order."""
    document(add(client, params={"item": "Bike"}), 200)
    document(add(client, params={"item": "<b>"}), 200)
    assert document(call(api.peek_registry, client), 200) == {
        "status": "Open",
        "registry": {
            "id": ID,
            "items": ["Bike", "<b>"],
            "openedAt": "2026-12-24T18:00:00.000Z",
            "closesAt": "2026-12-24T18:05:00.000Z",
            "closedAt": None,
            "closedBy": None,
            "processing": "off",
        },
    }


def test_peek_shows_a_closed_registry(client, clock) -> None:
    """From closesAt on, even if the timer is late."""
    clock.advance(minutes=5)
    shown = document(call(api.peek_registry, client), 200)
    assert shown["status"] == "Closed"
    assert shown["registry"]["closedAt"] == "2026-12-24T18:05:00.000Z"
    assert shown["registry"]["closedBy"] == "timeout"


def test_finish_shows_the_registry_as_peek_does(client, clock) -> None:
    """And twice is 200 again."""
    client.mock.raise_event.side_effect = lambda *args: client.registry.close("user", clock.now)
    finished = document(call(api.finish_registry, client), 200)
    assert finished["registry"]["closedBy"] == "user"
    assert document(call(api.finish_registry, client), 200) == finished
    assert document(call(api.peek_registry, client), 200) == finished


def test_finish_whose_outcome_is_not_known(client) -> None:
    """202, never 500."""
    response = call(api.finish_registry, client)
    assert "Finish it again" in document(response, 202)["detail"]
    assert response.headers["Retry-After"] == "1"


def test_stats_count_registries_and_items(client) -> None:
    """Open and closed ones."""
    client.shards = {
        "3": {
            "registries": 6,
            "closedItems": 5,
            "open": {"a": 1, "b": 2},
            "pending": ["c"],
            "processing": {"off": 1, "delivered": 1, "failed": 1},
        }
    }
    assert document(call(api.global_stats, client), 200) == {
        "registryCount": 6,
        "itemsCount": 8,
        "openCount": 2,
        "closedCount": 4,
        "processing": {"off": 1, "pending": 1, "delivered": 1, "failed": 1},
    }


@pytest.mark.parametrize("function", [api.open_registry, api.peek_registry, api.finish_registry, api.global_stats])
def test_without_a_task_hub_every_call_is_503(client, function) -> None:
    """A clear answer, and when to come back."""
    client.mock.start_new.side_effect = Exception("connection refused")
    client.mock.read_entity_state.side_effect = Exception("connection refused")
    response = call(function, client)
    assert "Try again later" in document(response, 503)["detail"]
    assert "refused" not in response.get_body().decode()
    assert response.headers["Retry-After"] == "1"


def test_health(client) -> None:
    """200 with the version while the task hub answers."""
    assert document(call(api.health, client), 200) == {"status": "Healthy", "version": __version__}


def test_health_without_a_task_hub(client) -> None:
    """503, with the version too."""
    client.mock.read_entity_state.side_effect = Exception("connection refused")
    assert document(call(api.health, client), 503)["version"] == __version__


def test_process_that_is_accepted_and_not_begun_in_time(client, clock) -> None:
    """202, and peek shows what comes of it."""
    client.registry.close("user", clock.now)
    client.mock.get_status.return_value = Status(runtime_status=OrchestrationRuntimeStatus.Pending)
    assert "Peek at it" in document(call(api.process_registry, client), 202)["detail"]


def test_process_that_is_over_at_once(client, clock) -> None:
    """202 with what came of it."""
    client.registry.close("user", clock.now)
    client.registry.processing = "failed"
    assert document(call(api.process_registry, client), 202)["registry"]["processing"] == "failed"


def test_blank_is_what_python_takes_for_white_space() -> None:
    """Character by character."""
    for character in map(chr, range(sys.maxunicode + 1)):
        assert bool(NOT_BLANK.search(character)) is bool(character.strip())
