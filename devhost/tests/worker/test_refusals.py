"""What devhost refuses or takes when it loads an app, the worker refuses or takes too."""

import asyncio
import sys

import pytest

from devhost.testing.azure_worker import Worker, WorkerError
from tests.refused_apps import ACCEPTED, IN_ERROR, REFUSED, app


@pytest.fixture
def load(monkeypatch, tmp_path):
    """Loads an app with this code on a worker; returns the names of its functions."""

    def load(code: str) -> list[str]:
        (tmp_path / "function_app.py").write_text(code)
        monkeypatch.syspath_prepend(tmp_path)
        # The app that other tests have imported comes back after this one.
        monkeypatch.setitem(sys.modules, "function_app", None)
        del sys.modules["function_app"]
        worker = Worker()
        asyncio.run(worker.load(tmp_path))
        return list(worker.functions)

    return load


@pytest.mark.parametrize("refused", REFUSED.values(), ids=list(REFUSED))
def test_what_devhost_refuses_is_refused(load, refused) -> None:
    """In the same words, unless the worker takes it and only the host refuses it, or its process
    ends.
    """
    if refused.by == "host":
        assert load(refused.code)
    elif refused.by == "death":
        with pytest.raises(SystemExit):
            load(refused.code)
    else:
        with pytest.raises(WorkerError) as error:
            load(refused.code)
        assert refused.words in str(error.value)


@pytest.mark.parametrize("code", ACCEPTED.values(), ids=list(ACCEPTED))
def test_what_devhost_takes_is_taken(load, code) -> None:
    """It gets its functions."""
    assert load(code)


@pytest.mark.parametrize("code", [code for code, _ in IN_ERROR.values()], ids=list(IN_ERROR))
def test_what_is_in_error_alone_is_taken(load, code) -> None:
    """Only the host leaves it out."""
    assert load(app(code))


def test_a_folder_without_an_app_has_no_functions(monkeypatch, tmp_path) -> None:
    """That is not a failure."""
    worker = Worker()
    asyncio.run(worker.load(tmp_path))
    assert worker.functions == {}
