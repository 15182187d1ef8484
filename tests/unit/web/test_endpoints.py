import gzip
import json
from unittest.mock import AsyncMock

import pytest

from registry.domain import problems
from registry.domain.problems import HubUnavailable, OutcomeUnknown, ProblemError
from registry.durable.service import RegistryService
from registry.web.functions import blueprint
from tests.unit.web.conftest import FUNCTIONS, ID, call, ok, problem

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_the_service_works_on_the_bound_client_with_the_caller_s_trace(monkeypatch) -> None:
    hubs = []
    monkeypatch.setattr(
        "registry.web.endpoints.RegistryService",
        lambda hub: hubs.append(hub) or AsyncMock(spec=RegistryService),
    )
    call("health", trace=f"00-{TRACE}-00f067aa0ba902b7-01")
    assert [(hub.client, hub.trace) for hub in hubs] == [("the client", TRACE)]


def test_what_the_service_refuses_is_a_problem(service) -> None:
    service.remove.side_effect = ProblemError(problems.UNKNOWN_REGISTRY)
    body = problem(call("remove", params={"itemKey": "k"}), 404, "unknown-registry")
    assert body["detail"].startswith("There is no registry with this id.")


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("open", "open"),
        ("remove", "remove"),
        ("finish", "finish"),
        ("process", "redeliver"),
        ("peek", "peek"),
        ("stats", "stats"),
    ],
)
def test_without_a_task_hub_every_call_says_when_to_come_back(service, name, method) -> None:
    getattr(service, method).side_effect = HubUnavailable
    response = call(name, params={"itemKey": "k"})
    problem(response, 503, "hub-unavailable")
    assert response.headers["Retry-After"] == "1"


@pytest.mark.parametrize(
    ("name", "method"), [("remove", "remove"), ("finish", "finish"), ("process", "redeliver")]
)
def test_an_unknown_outcome_is_accepted(service, name, method) -> None:
    getattr(service, method).side_effect = OutcomeUnknown("Peek at it.")
    response = call(name, params={"itemKey": "k"})
    assert ok(response, 202) == {"detail": "Peek at it."}
    assert response.headers["Retry-After"] == "1"


def test_long_answers_are_in_gzip(service, registry) -> None:
    registry.items = {str(number): "x" * 20 for number in range(100)}
    service.peek.return_value = registry
    response = call("peek", Accept_Encoding="gzip")
    assert response.headers["Content-Encoding"] == "gzip"
    items = json.loads(gzip.decompress(response.get_body()))["registry"]["items"]
    assert items == ["x" * 20] * 100


def test_an_operation_is_named_after_its_function() -> None:
    names = [each.id for each in blueprint.operations]
    assert names[:2] == ["openRegistry", "addToRegistry"]
    assert {each.route.partition("/")[0] for each in blueprint.operations} < set(FUNCTIONS)


def test_ids_and_items_do_not_get_into_the_log(service, registry, caplog) -> None:
    caplog.set_level("DEBUG")
    service.peek.return_value = registry
    service.add.side_effect = HubUnavailable
    for name in ("peek", "add", "remove"):
        call(name, params={"item": "secret", "itemKey": "a secret"})
    assert not any(private in caplog.text for private in (ID, "secret"))
