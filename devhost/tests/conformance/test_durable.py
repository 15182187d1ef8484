"""Each case of durable.json, asked of devhost, which serves the same app as the real host."""

from collections.abc import Iterator

import pytest

from tests import conformance
from tests.conformance import differences
from tests.conformance.cases import (
    client,
    entities,
    instances,
    lists,
    operations,
    orchestrations,
    payloads,
    starts,
)
from tests.conformance.driving import CASES, Driver, driver, same

REAL = {each.name: each for each in conformance.durable_cases() if each.compares}
SUBJECTS = [starts, instances, lists, entities, client, orchestrations, operations, payloads]
"""The modules that drive cases."""
NOT_DRIVEN = {name for names in differences.NOT_DRIVEN.values() for name in names}
DECIDED = {
    name
    for section in (differences.MANAGEMENT, differences.ORCHESTRATIONS)
    for names in section.values()
    for name in names
}


@pytest.fixture(scope="module")
def shared() -> Iterator[Driver]:
    """A devhost for all cases that leave others alone."""
    with driver() as shared:
        yield shared


def test_each_case_is_driven_or_excluded_by_name():
    """None is forgotten or made up, and none is both driven and excluded."""
    assert set(CASES) | NOT_DRIVEN == set(REAL)
    assert not set(CASES) & NOT_DRIVEN


# Before the others: the SDK has one session of its client, and one event loop for it at a time.
@pytest.mark.parametrize("name", [name for name, drive in CASES.items() if drive.alone])
def test_case_on_a_task_hub_of_its_own(name):
    """Each case is as on the real host, or differs by decision."""
    drive = CASES[name]
    with driver(drive.config) as on:
        check(name, drive.run(on), on.unique)


@pytest.mark.parametrize("name", [name for name, drive in CASES.items() if not drive.alone])
def test_case(name, shared):
    """Each case is as on the real host, or differs by decision."""
    on = Driver(shared.origin, shared.hub)
    check(name, CASES[name].run(on), on.unique)


def check(name: str, found: object, unique: str) -> None:
    is_same = same(REAL[name].real, found, unique)
    conformance.DURABLE.note(name, is_same)
    if name in DECIDED:
        assert not is_same, "this case is the same now: take it from the list of differences"
    else:
        assert is_same, found
