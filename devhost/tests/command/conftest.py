from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.command.running import Running, small_app


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with a small app."""
    return small_app(tmp_path / "app")


@pytest.fixture
def start(folder) -> Iterator[Callable[..., Running]]:
    """Starts devhost with options. It ends with the test."""
    started = []

    def start(*options: object) -> Running:
        started.append(Running(folder, *options))
        return started[-1]

    yield start
    for running in started:
        running.process.kill()
        running.process.wait()
