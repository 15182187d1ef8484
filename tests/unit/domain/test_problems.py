import pytest

from registry.domain.problems import (
    HUB_UNAVAILABLE,
    ITEM_TOO_LONG,
    PROBLEM_TYPES,
    SENT_JUST_NOW,
    HubUnavailable,
    ProblemError,
)


def test_problem_types_do_not_change() -> None:
    """Callers recognise problems by their names and statuses."""
    assert sorted((each.name, each.status) for each in PROBLEM_TYPES) == [
        ("gift-removed", 409),
        ("hub-unavailable", 503),
        ("invalid-item", 400),
        ("invalid-key", 400),
        ("item-too-long", 413),
        ("key-reused", 422),
        ("misconfigured", 503),
        ("processing-off", 409),
        ("registry-closed", 409),
        ("registry-full", 409),
        ("registry-open", 409),
        ("sent-just-now", 429),
        ("unknown-registry", 404),
    ]


@pytest.mark.parametrize("type", PROBLEM_TYPES, ids=lambda type: type.name)
def test_each_problem_type_explains_itself(type) -> None:
    """It has a title, a detail, advice, and an address in the documentation."""
    assert type.title[0].isupper()
    assert type.detail.endswith(".")
    assert type.advice.endswith(".")
    assert type.uri == f"/api/docs#{type.name}"


def test_values_fill_the_detail() -> None:
    """They differ from case to case."""
    error = ProblemError(ITEM_TOO_LONG, max_length=10)
    assert str(error) == error.detail == "The item is too long: an item has at most 10 characters."


def test_a_detail_can_be_given() -> None:
    """It stands in the place of the type's own, as it is."""
    error = ProblemError(SENT_JUST_NOW, "Wait {a moment}.", retry_after=5)
    assert (error.type, error.detail, error.retry_after) == (SENT_JUST_NOW, "Wait {a moment}.", 5)


def test_an_unavailable_task_hub_can_be_tried_again_after_a_second() -> None:
    """It is a problem like any other."""
    error = HubUnavailable()
    assert (error.type, error.retry_after) == (HUB_UNAVAILABLE, 1)
    assert str(error) == "The task hub does not answer."
