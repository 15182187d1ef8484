"""The page's modules, tested and type-checked by Node. Where that is missing these are skipped, but not in CI."""

from pathlib import Path

from tests.support.node import run_node, run_tool

TESTS = sorted(Path(__file__).parent.glob("*.test.js"))


def test_the_modules_do_what_their_tests_say() -> None:
    """Those without a DOM, each by itself."""
    run_node("--test", *TESTS)


def test_the_modules_are_typed() -> None:
    """By JSDoc, strictly."""
    run_tool("tsc", "--project", "tsconfig.json")
