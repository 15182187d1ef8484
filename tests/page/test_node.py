"""The page's modules, tested by Node.js."""

from pathlib import Path

from tests.support.node import run_node

TESTS = sorted(Path(__file__).parent.glob("*.test.js"))


def test_the_modules_do_what_their_tests_say() -> None:
    """Those without a DOM, each by itself."""
    run_node("--test", *TESTS)
