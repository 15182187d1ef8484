import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep these tests on one worker: Bicep evaluates each set of parameters once a process."""
    for item in items:
        if item.nodeid.startswith("tests/infra/"):
            item.add_marker(pytest.mark.xdist_group("infra"))
