import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from azure.durable_functions import DurableOrchestrationClient
from azure.functions import HttpRequest, HttpResponse

from registry import __version__, telemetry
from registry.domain.registry import Birth, Item, Registry
from registry.durable.entities import OPERATIONS
from registry.durable.management import Instance
from registry.durable.messages import dump, stored
from registry.durable.names import list_entity, stats_entity
from registry.durable.webhook import Webhook
from registry.settings import Settings
from registry.web import functions as api
from tests.clock import START, FakeClock

ID = "0123456789abcdef0123456789abcdef"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SETTINGS = Settings(max_items=3, max_item_length=20, webhook=Webhook("http://127.0.0.1:9", "", 1))
URL = "https://gifts.example/api/"
END = START + timedelta(minutes=5)
BIRTH = Birth(ID, START, END, 3, is_sent=True)
BIKE = {"item": "Bike"}


class Hub:
    """A mocked Durable client, behind which one list does what it is told; a test may have messages
    lost.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.client = AsyncMock(spec=DurableOrchestrationClient)
        self.client.read_entity_state.side_effect = self._read
        self.client.signal_entity.side_effect = self._signal
        self.clock = clock
        self.registry: Registry | None = Registry.announced(BIRTH)
        self.registry.open()
        self.shards: dict[str, Any] = {}
        self.lost: set[str] = set()
        self.observer = Mock()
        self.instance = AsyncMock(return_value=None)

    async def _read(self, entity: Any) -> Any:
        state = self.shards.get(entity.key)
        if entity == list_entity(ID) and self.registry is not None:
            state = json.loads(json.dumps(stored(self.registry)))
        return SimpleNamespace(entity_exists=state is not None, entity_state=state)

    async def _signal(self, entity: Any, operation: str, message: Any) -> None:
        if self.registry is not None and operation in OPERATIONS.keys() - self.lost:
            OPERATIONS[operation](self.registry, message, self.clock.now)

    def signals(self, operation: str) -> list[Any]:
        """Messages for an operation, so far."""
        return [
            call.args[2]
            for call in self.client.signal_entity.await_args_list
            if call.args[1] == operation
        ]

    def close(self, processing: str = "pending") -> None:
        """Have the registry finished, and its delivery come to this."""
        self.registry.close("user", self.clock.now)
        self.registry.processing = processing

    def break_down(self) -> None:
        """Have every call fail from now on."""
        for name in ("read_entity_state", "signal_entity", "start_new", "raise_event"):
            getattr(self.client, name).side_effect = Exception("connection refused by 10.0.0.1")


@pytest.fixture
def hub(clock, monkeypatch) -> Hub:
    """A hub with an open, empty registry."""
    hub = Hub(clock)
    monkeypatch.setattr("registry.settings.current", lambda: SETTINGS)
    monkeypatch.setattr("registry.durable.management.instance", hub.instance)
    monkeypatch.setattr("registry.durable.service.observer", hub.observer)
    return hub


def trigger(function: Any) -> Callable[..., Awaitable[HttpResponse]]:
    """The function itself, as it is below the SDK's client middleware."""
    user_function = function._function.get_user_function()
    return getattr(user_function, "client_function", user_function)


def call(
    function,
    hub,
    *,
    id=ID,
    body=b"",
    params=None,
    trace=f"00-{TRACE}-00f067aa0ba902b7-01",
    **headers,
) -> Any:
    """Call a trigger; header names are given with _ for -."""
    name = function._function.get_function_name()
    request = HttpRequest(
        "POST",
        URL + (name if name in ("open", "stats") else f"{name}/{id}"),
        headers={key.replace("_", "-"): value for key, value in headers.items()},
        params=params or {},
        route_params={"id": id},
        body=body,
    )
    context = SimpleNamespace(trace_context=SimpleNamespace(trace_parent=trace))
    return asyncio.run(trigger(function)(request, hub.client, context))


def document(response: HttpResponse, status: int, problem: str = "") -> dict:
    """The JSON of an answer that has this status, is a problem of this name, and has what every
    answer has.
    """
    assert response.status_code == status, response.get_body()
    assert response.headers["Cache-Control"] == (
        "private, no-cache" if "ETag" in response.headers else "no-store"
    )
    assert response.get_body().endswith(b"}\n")
    body = json.loads(response.get_body())
    if status >= 400:
        assert response.headers["Content-Type"] == "application/problem+json"
        assert body["type"] == f"/api/docs#{problem}"
        assert body["status"] == status
        assert body["title"]
        assert body["detail"].endswith(".")
    else:
        assert response.headers["Content-Type"] == "application/json"
        assert not problem
    return body


def test_open_answers_with_the_new_registry(hub) -> None:
    """201, Location of its peek, links on the address that was called."""
    response = call(api.open_registry, hub)
    opened = document(response, 201)
    id = opened["id"]
    assert len(id) == 32
    assert opened == {
        "id": id,
        "status": "Open",
        "openedAt": "2026-12-24T18:00:00.000Z",
        "closesAt": "2026-12-24T18:05:00.000Z",
        "links": {
            "add": f"{URL}add/{id}",
            "finish": f"{URL}finish/{id}",
            "peek": f"{URL}peek/{id}",
        },
    }
    assert response.headers["Location"] == f"{URL}peek/{id}"


def test_open_tells_stats_life_and_list(hub) -> None:
    """Each gets the birth, as of the settings, and the trace of the caller."""
    id = document(call(api.open_registry, hub), 201)["id"]
    birth = dump(replace(BIRTH, id=id))
    name, instance, started = hub.client.start_new.await_args.args
    assert (name, instance, started["birth"], started["trace"]) == (
        "RegistryOrchestration",
        id,
        birth,
        TRACE,
    )
    (told,), (opening,) = hub.signals("observe"), hub.signals("open")
    assert (told["id"], told["standing"]["birth"], told["standing"]["phase"]) == (id, birth, "open")
    assert (opening["birth"], opening["trace"]) == (birth, TRACE)
    entities = {call.args[1]: call.args[0] for call in hub.client.signal_entity.await_args_list}
    assert entities == {"observe": stats_entity(id), "open": list_entity(id)}


def test_open_where_nothing_is_sent(hub, monkeypatch) -> None:
    """Without a webhook there is nothing to send."""
    monkeypatch.setattr("registry.settings.current", Settings)
    document(call(api.open_registry, hub), 201)
    assert hub.signals("open")[0]["birth"]["is_sent"] is False


@pytest.mark.parametrize("path", ["open/", "open?x=1", "OPEN/?x=/y"])
def test_open_by_another_spelling_has_the_same_links(hub, path) -> None:
    """A slash at the end and a query do not get into them."""
    request = HttpRequest("POST", URL + path, body=b"")
    context = SimpleNamespace(trace_context=None)
    opened = document(asyncio.run(trigger(api.open_registry)(request, hub.client, context)), 201)
    assert opened["links"]["peek"] == f"{URL}peek/{opened['id']}"


def test_open_gives_each_registry_another_id(hub) -> None:
    """Ids are random."""
    assert len({document(call(api.open_registry, hub), 201)["id"] for _ in range(10)}) == 10


def test_open_in_plain_text_is_just_the_id(hub) -> None:
    """For scripts."""
    response = call(api.open_registry, hub, Accept="text/plain")
    assert response.status_code == 201
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["Location"] == f"{URL}peek/{response.get_body().decode()}"


def test_add_answers_once_the_item_is_in(hub) -> None:
    """200 with the item as it is in the registry, its key, and how many there are."""
    added = document(call(api.add_item, hub, params=BIKE, Idempotency_Key="k1"), 200)
    assert added == {"id": ID, "item": "Bike", "itemKey": "k1", "itemsCount": 1}
    assert hub.registry.items == {"k1": "Bike"}
    assert hub.signals("add")[0]["trace"] == TRACE
    hub.observer.observe.assert_called_once()


def test_add_without_a_key_makes_one(hub) -> None:
    """Each at random, so the same gift twice is two items."""
    first, second = (document(call(api.add_item, hub, params=BIKE), 200) for _ in range(2))
    assert first["itemKey"] != second["itemKey"]
    assert second["itemsCount"] == 2


def test_add_with_a_repeated_key_is_one_item(hub) -> None:
    """A retry is answered as the first time."""
    first, second = (
        document(call(api.add_item, hub, params=BIKE, Idempotency_Key="k"), 200) for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize(
    ("asked", "status", "problem"),
    [
        ({}, 400, "invalid-item"),
        ({"params": BIKE, "Idempotency_Key": ""}, 400, "invalid-key"),
        ({"params": {"item": "x" * 21}}, 413, "item-too-long"),
    ],
)
def test_add_refuses_what_is_no_item(hub, asked, status, problem) -> None:
    """And nothing reaches the task hub."""
    document(call(api.add_item, hub, **asked), status, problem)
    assert hub.client.mock_calls == []


def test_add_to_a_closed_registry(hub, clock) -> None:
    """409 with the time of the close, once that is on record, also where the timer is late."""
    clock.advance(minutes=5)
    problem = document(call(api.add_item, hub, params=BIKE), 409, "registry-closed")
    assert "The registry closed at 2026-12-24T18:05:00.000Z" in problem["detail"]
    assert hub.registry.is_closed


def test_add_to_a_full_registry(hub) -> None:
    """409 that names the limits, once the registry is full for good."""
    for _ in range(3):
        document(call(api.add_item, hub, params=BIKE), 200)
    problem = document(call(api.add_item, hub, params=BIKE), 409, "registry-full")
    assert "at most 3 items, and 64 KiB of texts and keys." in problem["detail"]
    assert hub.registry.is_full


def test_add_with_a_key_of_another_item(hub) -> None:
    """422."""
    document(call(api.add_item, hub, params=BIKE, Idempotency_Key="k"), 200)
    document(
        call(api.add_item, hub, params={"item": "Book"}, Idempotency_Key="k"), 422, "key-reused"
    )


def test_add_of_what_was_taken_back(hub) -> None:
    """409."""
    document(call(api.remove_item, hub, params={"itemKey": "k"}), 200)
    document(call(api.add_item, hub, params=BIKE, Idempotency_Key="k"), 409, "gift-removed")


def test_add_whose_outcome_is_not_known(hub) -> None:
    """202 with the key to retry with."""
    hub.lost = {"add"}
    response = call(api.add_item, hub, params=BIKE)
    unknown = document(response, 202)
    assert response.headers["Retry-After"] == "1"
    assert unknown.keys() == {"id", "item", "itemKey", "detail"}
    assert (unknown["id"], unknown["itemKey"]) == (ID, hub.signals("add")[0]["key"])
    assert "same Idempotency-Key" in unknown["detail"]


def test_add_without_a_task_hub(hub) -> None:
    """503 with the key to retry with."""
    hub.break_down()
    response = call(api.add_item, hub, params=BIKE, Idempotency_Key="k")
    problem = document(response, 503, "hub-unavailable")
    assert (problem["id"], problem["item"], problem["itemKey"]) == (ID, "Bike", "k")
    assert response.headers["Retry-After"] == "1"


@pytest.mark.parametrize("form", ["query", "json"])
def test_remove(hub, form) -> None:
    """200: no item with this key is in the registry, however often it is said."""
    document(call(api.add_item, hub, params=BIKE, Idempotency_Key="k1"), 200)
    document(call(api.add_item, hub, params=BIKE, Idempotency_Key="k2"), 200)
    asked = {"params": {"itemKey": "k1"}} if form == "query" else {"body": b'{"itemKey": "k1"}'}
    for _ in range(2):
        removed = document(call(api.remove_item, hub, **asked), 200)
        assert removed == {"id": ID, "itemKey": "k1", "itemsCount": 1}
    assert hub.registry.items == {"k2": "Bike"}
    assert hub.signals("remove")[0]["trace"] == TRACE


def test_remove_from_a_closed_registry(hub) -> None:
    """200 for a key that is not in the list, 409 for one that is."""
    document(call(api.add_item, hub, params=BIKE, Idempotency_Key="k1"), 200)
    hub.close()
    assert document(call(api.remove_item, hub, params={"itemKey": "k2"}), 200)["itemsCount"] == 1
    document(call(api.remove_item, hub, params={"itemKey": "k1"}), 409, "registry-closed")


def test_remove_without_room_to_remember_it(hub) -> None:
    """409: the registry is full."""
    hub.registry.removed = [f"{number:0128}" for number in range(500)]
    document(call(api.remove_item, hub, params={"itemKey": "k"}), 409, "registry-full")


def test_remove_without_a_key(hub) -> None:
    """400, and nothing reaches the task hub."""
    document(call(api.remove_item, hub), 400, "invalid-key")
    assert hub.client.mock_calls == []


def test_remove_whose_outcome_is_not_known(hub) -> None:
    """202."""
    hub.lost = {"remove"}
    response = call(api.remove_item, hub, params={"itemKey": "k"})
    assert document(response, 202).keys() == {"detail"}
    assert response.headers["Retry-After"] == "1"


BY_ID = [
    api.add_item,
    api.remove_item,
    api.finish_registry,
    api.peek_registry,
    api.process_registry,
]


@pytest.mark.parametrize("function", BY_ID)
@pytest.mark.parametrize(
    "id", ["", "x", ID.upper(), f"../instances/{ID}", f"{ID}?op=close", f"{ID}\n"]
)
def test_an_id_of_another_form_is_404_before_any_call(hub, function, id) -> None:
    """The SDK puts ids into URLs of the management API as they are."""
    document(
        call(function, hub, id=id, params={"item": "Bike", "itemKey": "k"}), 404, "unknown-registry"
    )
    assert hub.client.mock_calls == []


@pytest.mark.parametrize("function", BY_ID)
def test_an_unknown_id_is_404(hub, function) -> None:
    """Of the right form, but never opened."""
    hub.registry = None
    document(call(function, hub, params={"item": "Bike", "itemKey": "k"}), 404, "unknown-registry")


def test_peek_shows_an_open_registry(hub) -> None:
    """With its items, in order."""
    for item in ("Bike", "<b>"):
        document(call(api.add_item, hub, params={"item": item}), 200)
    shown = document(call(api.peek_registry, hub), 200)
    assert (shown["status"], shown["registry"]["items"]) == ("Open", ["Bike", "<b>"])


def test_peek_at_what_the_caller_has_seen(hub) -> None:
    """304 until there is something new."""
    tag = call(api.peek_registry, hub).headers["ETag"]
    assert call(api.peek_registry, hub, If_None_Match=tag).status_code == 304
    document(call(api.add_item, hub, params=BIKE), 200)
    assert document(call(api.peek_registry, hub, If_None_Match=tag), 200)["registry"]["items"] == [
        "Bike"
    ]


def test_peek_in_plain_text_is_just_the_items(hub) -> None:
    """One a line, with a tag of its own."""
    document(call(api.add_item, hub, params=BIKE), 200)
    response = call(api.peek_registry, hub, Accept="text/plain")
    assert (response.status_code, response.get_body()) == (200, b"Bike\n")
    tag = response.headers["ETag"]
    assert tag != call(api.peek_registry, hub).headers["ETag"]
    assert call(api.peek_registry, hub, Accept="text/plain", If_None_Match=tag).status_code == 304


def test_long_answers_are_compressed(hub) -> None:
    """For those who take that."""
    hub.registry.items = {str(number): "x" * 20 for number in range(100)}
    response = call(api.peek_registry, hub, Accept_Encoding="gzip")
    assert response.headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(response.get_body()))["registry"]["items"] == ["x" * 20] * 100


def test_peek_right_after_open(hub) -> None:
    """A registry whose life has begun, but whose list is not open yet, is open and empty."""
    hub.registry = None
    life = json.dumps({"v": 1, "birth": dump(BIRTH)})
    hub.instance.return_value = Instance(ID, "RegistryOrchestration", "Pending", life)
    shown = document(call(api.peek_registry, hub), 200)
    assert (shown["status"], shown["registry"]["items"]) == ("Open", [])


def test_peek_closes_what_is_due(hub, clock) -> None:
    """From closesAt on, even if the timer is late, it is asked to close, and shown as it was
    closed.
    """
    clock.advance(minutes=5)
    shown = document(call(api.peek_registry, hub), 200)
    assert shown["status"] == "Closed"
    assert shown["registry"]["closedAt"] == "2026-12-24T18:05:00.000Z"
    assert shown["registry"]["closedBy"] == "timeout"


def test_peek_where_the_close_is_not_recorded_in_time(hub, clock) -> None:
    """Nothing is told by the clock: it is neither open nor closed."""
    clock.advance(minutes=5)
    hub.lost = {"close"}
    shown = document(call(api.peek_registry, hub), 200)
    assert (shown["status"], shown["registry"]["closedAt"]) == ("Closing", None)


def test_finish_shows_the_registry_as_peek_does(hub) -> None:
    """And twice is 200 again."""
    finished = document(call(api.finish_registry, hub), 200)
    assert (finished["status"], finished["registry"]["closedBy"]) == ("Closed", "user")
    assert document(call(api.finish_registry, hub), 200) == finished
    assert document(call(api.peek_registry, hub), 200) == finished
    instance, event, message = hub.client.raise_event.await_args.args
    assert (instance, event, message["trace"]) == (ID, "finish", TRACE)


def test_finish_whose_outcome_is_not_known(hub) -> None:
    """202, never 500."""
    hub.lost = {"close"}
    response = call(api.finish_registry, hub)
    assert "Repeat this" in document(response, 202)["detail"]
    assert response.headers["Retry-After"] == "1"


def test_process_sends_again(hub) -> None:
    """202 with the registry as it stands once that has begun."""
    hub.close("failed")
    hub.client.start_new.side_effect = lambda name, id, order: hub.registry.send_again(
        order["number"], hub.clock.now
    )
    assert document(call(api.process_registry, hub), 202)["registry"]["processing"] == "pending"
    name, instance, order = hub.client.start_new.await_args.args
    assert (name, instance) == ("DeliveryOrchestration", f"{ID}-delivery")
    assert (order["id"], order["number"], order["trace"]) == (ID, 2, TRACE)


def test_process_of_what_is_being_sent(hub) -> None:
    """202: the delivery that is under way is it."""
    hub.close()
    assert document(call(api.process_registry, hub), 202)["registry"]["processing"] == "pending"
    assert hub.client.start_new.await_args.args[2]["number"] == 1


def test_process_that_is_accepted_and_not_begun_in_time(hub) -> None:
    """202, and peek shows what comes of it."""
    hub.close("failed")
    response = call(api.process_registry, hub)
    assert "Peek at it" in document(response, 202)["detail"]
    assert response.headers["Retry-After"] == "1"


def test_process_twice_within_a_minute(hub, clock) -> None:
    """429 with the seconds that are left."""
    hub.close("failed")
    hub.registry.send_again(2, clock.now)
    hub.registry.delivered(2, "failed")
    clock.advance(seconds=20.5)
    response = call(api.process_registry, hub)
    document(response, 429, "sent-just-now")
    assert response.headers["Retry-After"] == "40"
    hub.client.start_new.assert_not_awaited()


def test_process_of_an_open_registry(hub) -> None:
    """409 with the time when it closes."""
    problem = document(call(api.process_registry, hub), 409, "registry-open")
    assert "2026-12-24T18:05:00.000Z" in problem["detail"]


def test_process_where_nothing_is_sent(hub, monkeypatch) -> None:
    """409 before any call."""
    monkeypatch.setattr("registry.settings.current", Settings)
    document(call(api.process_registry, hub), 409, "processing-off")
    assert hub.client.mock_calls == []


def test_stats_count_registries_and_items(hub) -> None:
    """Open and closed ones, over all shards, of older versions too."""
    old = {"registries": 6, "closedItems": 5, "open": {"a": 1, "b": 2}, "pending": ["c"]}
    new = {"v": 1, "items": 4, "phases": {"open": 1, "off": 0, "delivered": 2}, "standings": []}
    hub.shards = {"3": old | {"processing": {"off": 1, "delivered": 1, "failed": 1}}, "15": new}
    assert document(call(api.global_stats, hub), 200) == {
        "registryCount": 9,
        "itemsCount": 12,
        "openCount": 3,
        "closedCount": 6,
        "processing": {"off": 1, "pending": 1, "delivered": 3, "failed": 1},
    }


@pytest.mark.parametrize("function", [api.open_registry, *BY_ID[1:], api.global_stats])
def test_without_a_task_hub_every_call_is_503(hub, function) -> None:
    """A clear answer, and when to come back; what went wrong behind it is not told."""
    hub.break_down()
    response = call(function, hub, params={"itemKey": "k"})
    assert "Try again later" in document(response, 503, "hub-unavailable")["detail"]
    assert "refused" not in response.get_body().decode()
    assert response.headers["Retry-After"] == "1"


def test_health(hub) -> None:
    """200 with the version while the task hub answers."""
    assert document(call(api.health, hub), 200) == {"status": "Healthy", "version": __version__}


def test_health_without_a_task_hub(hub, clock) -> None:
    """503 within some seconds, with the version too."""
    hub.break_down()
    assert document(call(api.health, hub), 503, "hub-unavailable")["version"] == __version__
    assert clock.now - START <= timedelta(seconds=3.5)


@contextmanager
def quiet(caplog) -> Iterator[None]:
    """What is done here leaves no line with a whole id, an item, a key, or a line of somebody
    else's.
    """
    caplog.set_level("DEBUG", logger="registry")
    yield
    assert caplog.messages
    for message in caplog.messages:
        for private in (ID, "secret", "\n", "forged"):
            assert private not in message


def test_no_line_holds_what_came_from_outside(hub, caplog) -> None:
    """No whole id, item, key or line break gets into the log, whatever is asked, and however it
    ends.
    """
    trace = f"00-{TRACE}\nevent=forged-00f067aa0ba902b7-01"
    asked = {"params": {"item": "secret\nforged", "itemKey": "secret"}, "trace": trace}
    with quiet(caplog):
        for function in BY_ID:
            call(function, hub, **asked)
            call(function, hub, id=f"{ID}\nforged", **asked)
        hub.break_down()
        for function in BY_ID:
            call(function, hub, **asked)
        telemetry.record("added", ID, hub.signals("add")[0]["trace"], items=1)


@pytest.mark.parametrize(
    "asked", [{"params": BIKE, "Idempotency_Key": "k"}, {"params": {"itemKey": "x"}}]
)
def test_what_is_repeated_after_the_close_is_no_news(hub, clock, asked) -> None:
    """The stats, which may have forgotten a registry that was sent again, do not hear of it once
    more.
    """
    hub.registry.add(Item("k", "Bike"), START)
    hub.close("failed")
    clock.advance(days=1)
    hub.registry.send_again(2, clock.now)
    hub.registry.delivered(2, "delivered")
    clock.advance(hours=2)
    document(
        call(api.add_item if "Idempotency_Key" in asked else api.remove_item, hub, **asked), 200
    )
    hub.observer.observe.assert_not_called()
