"""Recorded apps, some of which do not load: devhost serves or refuses the same ones."""

import re

import pytest

from tests.conformance import HTTP, Case
from tests.conformance.apps import Outcome, cases, outcomes
from tests.conformance.differences import APPS
from tests.conformance.wire import same

CASES = [case for each in cases().values() for case in each]
DECISIONS = {name for names in APPS.values() for name in names}
NOT_OF_THE_APP = ("/", "/admin/host/ping")
"""What the real host serves even where it has no function."""


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> dict[str, Outcome]:
    """The outcome of each app."""
    return outcomes(tmp_path_factory.mktemp("apps"))


def is_served(app: str) -> bool:
    """Whether the real host serves a function of the app."""
    return any(
        re.search(r" (?!404|503)\d\d\d ", case.real["status"] or "")
        and case.request["raw"].split(" ")[1] not in NOT_OF_THE_APP
        for case in cases()[app]
    )


def is_as_on_the_real_host(case: Case, served: dict[str, Outcome]) -> bool:
    """Refusing an app, with the cause, is the same as serving none of its functions."""
    app = case.name.split("/")[1]
    return (
        same(case.real, served[app].answers[case.name])
        if served[app].answers
        else not is_served(app)
    )


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_answers_as_the_real_host_or_differs_by_decision(case, served) -> None:
    """Each case is as on the real host, or is listed with a reason and does differ."""
    is_same = is_as_on_the_real_host(case, served)
    HTTP.note(case.name, is_same)
    assert is_same != (case.name in DECISIONS), f"{case}\n{served[case.name.split('/')[1]]}"


@pytest.mark.parametrize("app", list(cases()))
def test_a_refusal_names_its_cause(app, served) -> None:
    """The last line has the file, the function or the setting."""
    if not served[app].answers:
        assert re.match(
            r"devhost: .*"
            r"(function_app\.py|host\.json|the \S+ function|function \S+|'Host\.Functions\.)",
            served[app].refusal,
        )
