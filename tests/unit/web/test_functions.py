from unittest.mock import AsyncMock

import pytest

from registry import __version__
from registry.domain import problems
from registry.domain.problems import HubUnavailable, OutcomeUnknown, ProblemError
from registry.domain.registry import Item
from registry.domain.stats import Stats
from registry.settings import Settings
from tests.clock import START
from tests.unit.web.conftest import ID, SETTINGS, URL, call, ok, problem

BIKE = {"item": "Bike"}


def test_open_answers_with_the_new_registry(service) -> None:
    response = call("open")
    opened = ok(response, 201)
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


def test_open_takes_the_terms_from_the_settings(service) -> None:
    id = ok(call("open"), 201)["id"]
    (terms,) = service.open.await_args.args
    assert terms.id == id
    assert terms.closes_at - terms.opened_at == SETTINGS.open_for
    assert (terms.max_items, terms.has_webhook, terms.backoff) == (3, True, SETTINGS.backoff)


def test_open_without_a_webhook(service, monkeypatch) -> None:
    monkeypatch.setattr("registry.settings.current", Settings)
    call("open")
    assert service.open.await_args.args[0].has_webhook is False


@pytest.mark.parametrize("path", ["open/", "open?x=1", "OPEN/?x=/y"])
def test_links_of_another_spelling_are_the_same(service, path) -> None:
    opened = ok(call("open", path=path), 201)
    assert opened["links"]["peek"] == f"{URL}peek/{opened['id']}"


def test_ids_are_random(service) -> None:
    assert len({ok(call("open"), 201)["id"] for _ in range(10)}) == 10


def test_open_in_plain_text_is_the_id(service) -> None:
    response = call("open", Accept="text/plain")
    assert response.status_code == 201
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["Location"] == f"{URL}peek/{response.get_body().decode()}"


def test_add_answers_once_the_item_is_in(service) -> None:
    service.add.return_value = 2
    added = ok(call("add", params=BIKE, Idempotency_Key="k1"))
    assert added == {"id": ID, "item": "Bike", "itemKey": "k1", "itemsCount": 2}
    service.add.assert_awaited_once_with(ID, Item("k1", "Bike"))


def test_add_whose_outcome_is_unknown_has_the_key_to_retry_with(service) -> None:
    service.add.side_effect = OutcomeUnknown("Retry.")
    response = call("add", params=BIKE)
    item = service.add.await_args.args[1]
    assert ok(response, 202) == {
        "detail": "Retry.",
        "id": ID,
        "item": "Bike",
        "itemKey": item.key,
    }
    assert response.headers["Retry-After"] == "1"


def test_add_without_a_task_hub_has_the_key_to_retry_with(service) -> None:
    service.add.side_effect = HubUnavailable
    response = call("add", params=BIKE, Idempotency_Key="k")
    body = problem(response, 503, "hub-unavailable")
    assert (body["id"], body["item"], body["itemKey"]) == (ID, "Bike", "k")
    assert response.headers["Retry-After"] == "1"


def test_remove_answers_once_the_item_is_out(service) -> None:
    service.remove.return_value = 1
    removed = ok(call("remove", params={"itemKey": "k1"}))
    assert removed == {"id": ID, "itemKey": "k1", "itemsCount": 1}
    service.remove.assert_awaited_once_with(ID, "k1")


def test_peek_shows_the_registry(service, registry) -> None:
    service.peek.return_value = registry
    assert ok(call("peek")) == {
        "status": "Open",
        "registry": {
            "id": ID,
            "items": ["Bike"],
            "openedAt": "2026-12-24T18:00:00.000Z",
            "closesAt": "2026-12-24T18:05:00.000Z",
            "closedAt": None,
            "closedBy": None,
            "processing": "pending",
        },
    }
    service.peek.assert_awaited_once_with(ID)


def test_peek_in_plain_text_is_an_item_a_line(service, registry) -> None:
    registry.items = {"1": "Bike", "2": "two\r\nlines", "3": "a\u2028b\x85c", "4": " x\n"}
    service.peek.return_value = registry
    response = call("peek", Accept="text/plain")
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.get_body().decode() == "Bike\ntwo lines\na b c\n x\n"


@pytest.mark.parametrize("accept", ["application/json", "text/plain"])
def test_peek_at_what_the_client_has(service, registry, accept) -> None:
    service.peek.return_value = registry
    etag = call("peek", Accept=accept).headers["ETag"]
    assert call("peek", Accept=accept, If_None_Match=etag).status_code == 304
    registry.items["2"] = "Book"
    assert call("peek", Accept=accept, If_None_Match=etag).status_code == 200


def test_finish_shows_the_closed_registry(service, registry) -> None:
    registry.close("user", START)
    service.finish.return_value = registry
    finished = ok(call("finish"))
    assert (finished["status"], finished["registry"]["closedBy"]) == ("Closed", "user")
    service.finish.assert_awaited_once_with(ID)


def test_process_shows_the_registry_that_is_sent_again(service, registry) -> None:
    registry.close("user", START)
    service.redeliver.return_value = registry
    assert ok(call("process"), 202)["registry"]["processing"] == "pending"
    service.redeliver.assert_awaited_once_with(ID)


def test_process_without_a_webhook(service, monkeypatch) -> None:
    monkeypatch.setattr("registry.settings.current", Settings)
    problem(call("process"), 409, "processing-off")
    service.redeliver.assert_not_awaited()


def test_process_too_soon_says_when_to_come_back(service) -> None:
    service.redeliver.side_effect = ProblemError(problems.SENT_JUST_NOW, retry_after=40)
    response = call("process")
    problem(response, 429, "sent-just-now")
    assert response.headers["Retry-After"] == "40"


def test_stats_count_registries_and_items(service) -> None:
    stats = Stats(items=12)
    stats.counts.update({"open": 3, "off": 1, "pending": 1, "delivered": 3, "failed": 1})
    service.stats.return_value = stats
    assert ok(call("stats")) == {
        "registryCount": 9,
        "itemsCount": 12,
        "openCount": 3,
        "closedCount": 6,
        "processing": {"off": 1, "pending": 1, "delivered": 3, "failed": 1},
    }


def test_health_while_the_task_hub_answers(service) -> None:
    assert ok(call("health")) == {"status": "Healthy", "version": __version__}


def test_health_without_a_task_hub_has_the_version_too(service) -> None:
    service.ping.side_effect = HubUnavailable
    assert problem(call("health"), 503, "hub-unavailable")["version"] == __version__


def test_requests_that_are_not_valid_never_reach_the_service(service: AsyncMock) -> None:
    problem(call("add"), 400, "invalid-item")
    problem(call("add", params={"item": "x" * 21}), 413, "item-too-long")
    problem(call("remove"), 400, "invalid-key")
    for name in ("add", "remove", "finish", "process", "peek"):
        asked = BIKE | {"itemKey": "k"}
        problem(call(name, id=f"../instances/{ID}", params=asked), 404, "unknown-registry")
    assert service.mock_calls == []
