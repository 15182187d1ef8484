"""Serves each of the small apps by the devhost command, in a forked process of its own."""

import asyncio
import json
import multiprocessing
import os
import re
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devhost.__main__ import main
from tests.conformance import HERE, Case, http_cases
from tests.conformance.wire import Answer, ask_all

APPS: dict[str, dict[str, Any]] = json.loads((HERE / "small_apps.json").read_text())
AT_ONCE = 3


@dataclass(frozen=True)
class Outcome:
    """The result of serving an app."""

    answers: dict[str, Answer]
    """By case; empty if devhost did not start."""
    refusal: str
    """The last line that devhost printed if it did not start."""


def cases() -> dict[str, list[Case]]:
    """The cases of each small app."""
    found = defaultdict(list)
    for case in http_cases():
        if case.name.startswith("app/"):
            found[case.name.split("/")[1]].append(case)
    return found


def outcomes(folder: Path) -> dict[str, Outcome]:
    """Serve every app that has cases, and send it the recorded requests."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])

    def outcome(name: str, cases: list[Case]) -> Outcome:
        return _outcome(context, _written(folder / name, APPS[name]), APPS[name]["env"], cases)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(
            zip(cases(), pool.map(outcome, *zip(*cases().items(), strict=True)), strict=True)
        )


def _written(folder: Path, app: dict[str, Any]) -> Path:
    folder.mkdir()
    (folder / "function_app.py").write_text(app["code"])
    if app["hostjson"] is not None:
        (folder / "host.json").write_text(app["hostjson"], encoding="utf-8")
    os.mkfifo(folder / "printed")
    return folder


def _outcome(context: Any, folder: Path, environment: dict[str, str], cases: list[Case]) -> Outcome:
    process = context.Process(target=_serve, args=(folder, environment))
    process.start()
    try:
        with (folder / "printed").open() as printed:
            lines = []
            for line in printed:
                lines.append(line)
                if ready := re.search(r"ready on http://127\.0\.0\.1:(\d+)", line):
                    answers = ask_all(int(ready[1]), cases, {str(folder): "{app}"})
                    return Outcome(asyncio.run(answers), "")
            return Outcome({}, lines[-1] if lines else "")
    finally:
        process.kill()
        process.join()


def _serve(folder: Path, environment: dict[str, str]) -> None:
    with (folder / "printed").open("w") as printed:
        os.dup2(printed.fileno(), 1)
        os.dup2(printed.fileno(), 2)
    os.environ.update(environment)
    sys.exit(main(["--app", str(folder), "--port", "0"]))
