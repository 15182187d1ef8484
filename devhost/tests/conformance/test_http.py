"""Recorded requests, sent to devhost byte for byte: responses, routes and keys."""

import asyncio
import gc
import logging
import sys
import warnings
from pathlib import Path

import pytest

from devhost.functions.loading import load
from devhost.runner import running
from devhost.storage.sqlite import open_store
from tests.conformance import HERE, HTTP, http_cases
from tests.conformance.differences import REQUESTS
from tests.conformance.wire import Answer, ask_all, same

CASES = [case for case in http_cases() if case.compares and case.app in ("main", "zz")]
DECISIONS = {name for names in REQUESTS.values() for name in names}
if sys.version_info >= (3, 13):
    DECISIONS.add("req/body: json deep")  # its json reads deeper than the recorded Python's


@pytest.fixture(scope="module")
def answers(tmp_path_factory) -> dict[str, Answer]:
    """What devhost answers to each case."""
    found: dict[str, Answer] = {}
    # a record would keep the coroutine that a case returns, which nobody awaits, here as there
    logging.disable()
    try:
        with warnings.catch_warnings(action="ignore"), pytest.MonkeyPatch.context() as imports:
            imports.setattr(sys, "path", list(sys.path))
            imports.setitem(sys.modules, "function_app", None)
            for app in ("main", "zz"):
                found.update(asyncio.run(_ask(app, tmp_path_factory.mktemp(app))))
            gc.collect()
    finally:
        logging.disable(logging.NOTSET)
    return found


async def _ask(app: str, folder: Path) -> dict[str, Answer]:
    code = (HERE / "http_app.py").read_text()
    (folder / "function_app.py").write_text(
        code.replace("r_any_get", f"{'r' if app == 'main' else 'zz'}_any_get")
    )
    cases = [case for case in CASES if case.app == app]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path])
        patch.setitem(sys.modules, "function_app", None)
        loaded = load(folder)
    async with running(loaded, open_store(), grace_period=0.1) as served:
        port = int(served.origin.rpartition(":")[2])
        return await ask_all(port, cases, {str(folder): "{app}"})


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_answers_as_the_real_host_or_differs_by_decision(case, answers):
    """Each case is as on the real host, or is listed with a reason and does differ."""
    is_same = same(case.real, answers[case.name])
    HTTP.note(case.name, is_same)
    print(f"{case.request}\n{case.real}\n{answers[case.name]}")
    assert is_same != (case.name in DECISIONS)
