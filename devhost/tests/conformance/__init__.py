"""Recorded answers of the real host: devhost gives the same, or differs for a stated reason.

Recorded on 24 November 2026 on Azure Functions host 4.1037, Python worker 4.34 and Durable
extension 3.14.1 with Azure Storage on Azurite, azure-functions-durable 1.7. `http_app.py` and
`small_apps.json` are the apps that the cases of `http.json` were asked of ("zz" is "main" with the
function `r_any_get` renamed to `zz_any_get`), `durable_app.py` that of `durable.json`. Placeholders
in the answers: {id} a GUID, {hex32}, {hex16}, {date}, {port}, {key}, {thread}; paths are {app},
{worker}, {host}.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conformance.differences import APPS, MANAGEMENT, REQUESTS

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Case:
    """A request to the real host, and its answer."""

    name: str
    real: Any
    compares: bool
    """False where the answer depends on timing or on a kill: such a case is not counted."""
    request: Any = None
    app: str = ""
    scenario: str = ""
    """What was done in a Durable case, in words."""


@dataclass
class Tally:
    """Counts how many of the cases that were run are the same."""

    name: str
    same: set[str] = field(default_factory=set)
    different: set[str] = field(default_factory=set)

    def note(self, name: str, same: bool) -> None:
        (self.same if same else self.different).add(name)

    def __str__(self) -> str:
        """Two shares: of all cases, and without those about what devhost does not have at all."""
        total = len(self.same | self.different)
        left = total - len(self.different & ABSENT)
        same = len(self.same)
        of_all = f"{self.name} cases as on the real host: {same} of {total} ({same / total:.1%})"
        if left == total:
            return of_all
        return f"{of_all}, {same / left:.1%} without keys and home page"


ABSENT = frozenset(
    name
    for differences in (REQUESTS, APPS, MANAGEMENT)
    for reason, names in differences.items()
    if reason.startswith("devhost has no ")
    for name in names
)
"""Cases about keys and the home page."""
HTTP, DURABLE = Tally("HTTP"), Tally("Durable")
"""The results of this test run, which are printed at its end."""


def http_cases() -> list[Case]:
    return [Case(**each) for each in json.loads((HERE / "http.json").read_text())]


def durable_cases() -> list[Case]:
    return [Case(**each) for each in json.loads((HERE / "durable.json").read_text())]


def results() -> dict[str, list[list[str]]]:
    """The results of this process, for another one that adds them to its own."""
    return {each.name: [sorted(each.same), sorted(each.different)] for each in (HTTP, DURABLE)}


def add(results: dict[str, list[list[str]]]) -> None:
    """Add the results of another process."""
    for tally in (HTTP, DURABLE):
        same, different = results.get(tally.name, ([], []))
        tally.same.update(same)
        tally.different.update(different)


def figures() -> list[str]:
    """The lines to print at the end of the tests."""
    return [str(tally) for tally in (HTTP, DURABLE) if tally.same or tally.different]
