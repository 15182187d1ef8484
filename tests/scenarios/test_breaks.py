"""The checker finds what one wrong line in the app does."""

from pathlib import Path
from unittest.mock import patch

import pytest

from tests.support.breaks import BREAKS, Break, broken_app
from tests.support.cases import cases
from tests.support.torture import run_seed

SEEDS = range(1, 21)
QUICK = ("answer from the clock", "no memory of removed keys")


@pytest.mark.parametrize("name", cases(BREAKS, QUICK))
def test_a_break_of_one_line_is_found(name: str, tmp_path: Path) -> None:
    """Within twenty seeds, by a rule that is about it."""
    app = broken_app(name, tmp_path)
    seen: set[str] = set()
    for seed in SEEDS:
        seen |= {found.rule for found in run_seed(seed, app).report.found}
        if seen & set(BREAKS[name].rules):
            return
    raise AssertionError(f"{name}: twenty seeds found {sorted(seen)}")


def test_a_break_that_breaks_nothing_is_refused(tmp_path: Path) -> None:
    """Otherwise a test with it would prove nothing."""
    nowhere = Break("function_app.py", "no such line", "", ())
    with (
        patch.dict(BREAKS, nowhere=nowhere),
        pytest.raises(LookupError, match=r"function_app\.py has 'no such line' 0 times"),
    ):
        broken_app("nowhere", tmp_path)
