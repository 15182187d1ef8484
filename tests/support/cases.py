"""Cases of a parametrized test, of which `make test` runs some and `make verify` the others."""

from collections.abc import Container, Iterable

import pytest
from _pytest.mark import ParameterSet


def cases(all: Iterable[object], quick: Container[object]) -> list[ParameterSet]:
    """All of them; those that are not among the quick ones are marked `verify`."""
    return [pytest.param(each, marks=[] if each in quick else [pytest.mark.verify]) for each in all]
