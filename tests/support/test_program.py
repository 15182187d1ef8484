import pytest

from tests.support.bicep import run_bicep
from tests.support.node import run_node, run_tool
from tests.support.program import run

OUTCOMES = pytest.skip.Exception, pytest.fail.Exception
"""Both are caught: a skip that is not expected would else skip the test itself."""


@pytest.mark.parametrize(("ci", "outcome"), [(False, OUTCOMES[0]), (True, OUTCOMES[1])])
@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: run_node("--version"), "node did not run: install Node.js"),
        (lambda: run_tool("redocly"), "redocly did not run: install Node.js, then make setup"),
        (lambda: run_bicep("--version"), "bicep did not run: name it in BICEP, or install it"),
    ],
    ids=["node", "redocly", "bicep"],
)
def test_where_a_program_is_missing(monkeypatch, ask, said, ci, outcome) -> None:
    """One line says that it did not run, and what to do; in CI that is a failure."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("BICEP", "nowhere/bicep")
    monkeypatch.delenv("CI", raising=False)
    if ci:
        monkeypatch.setenv("CI", "1")
    with pytest.raises(OUTCOMES, match=f"^{said}$") as raised:
        ask()
    assert raised.type is outcome


def test_what_a_program_says_explains_its_failure() -> None:
    """On either of its outputs."""
    with pytest.raises(AssertionError, match="out\nerror"):
        run("/bin/sh", "", "-c", "echo out; echo error >&2; exit 1")
    assert run("/bin/sh", "", "-c", "echo out; echo error >&2") == "out\nerror\n"
