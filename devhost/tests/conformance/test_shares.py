"""The shares of recorded cases that are not listed as differences."""

from tests.conformance import ABSENT, Case, durable_cases, http_cases
from tests.conformance.differences import APPS, MANAGEMENT, NOT_DRIVEN, ORCHESTRATIONS, REQUESTS


def listed(*differences: dict[str, list[str]]) -> set[str]:
    return {name for each in differences for names in each.values() for name in names}


def counted(cases: list[Case]) -> set[str]:
    return {case.name for case in cases if case.compares} - listed(NOT_DRIVEN)


def test_of_the_http_cases_95_percent_are_as_on_the_real_host() -> None:
    """Without those about keys and the home page, which devhost does not have."""
    cases, different = counted(http_cases()) - ABSENT, listed(REQUESTS, APPS) - ABSENT
    assert different <= cases
    assert 1 - len(different) / len(cases) >= 0.95


def test_of_the_durable_cases_90_percent_are_as_on_the_real_host() -> None:
    """Without those that depend on timing or on a kill."""
    cases, different = counted(durable_cases()), listed(MANAGEMENT, ORCHESTRATIONS)
    assert different <= cases
    assert 1 - len(different) / len(cases) >= 0.9
