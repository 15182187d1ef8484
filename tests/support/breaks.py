"""Breaks of one line in the app, to test the checker: it is only worth what it finds."""

import shutil
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
APP = ("function_app.py", "host.json", "registry")


@dataclass(frozen=True)
class Break:
    """A text that is in a file of the app once, and what to put in its place.

    The rules are those of which one has to find what follows.
    """

    file: str
    old: str
    new: str
    rules: tuple[str, ...]


BREAKS = {
    "answer from the clock": Break(
        "registry/durable/list_client.py",
        'return await self.close_and_wait(registry.terms, "timeout")',
        """return registry.model_copy(
            update={"closed_at": registry.terms.closes_at, "closed_by": "timeout"}
        )""",
        ("stays closed", "refused is out"),
    ),
    "trust the reply of a close": Break(
        "registry/durable/list_client.py",
        "lambda registry: registry.is_closed,",
        "lambda registry: True,",
        ("answers as agreed", "stays closed"),
    ),
    "no memory of removed keys": Break(
        "registry/domain/registry.py",
        "if item.key in self.removed:",
        "if item is self.removed:",
        ("removed is out",),
    ),
    "close without repeats": Break(
        "registry/durable/service.py",
        "registry = await self._lists.close_and_wait(terms, by)",
        """from registry.durable.messages import CloseRegistry

            await self._lists.signal(terms.id, CloseRegistry, terms=terms, by=by)
            registry = (registry or Registry.new(terms)).model_copy(deep=True)
            registry.closed_at = terms.closes_at
            registry.revision += 1""",
        ("stats in the end", "sent in time", "closes"),
    ),
    "a close by time at any time": Break(
        "registry/domain/registry.py",
        'if self.is_closed or (by == "timeout" and is_early):',
        "if self.is_closed:",
        ("not early", "close is explained"),
    ),
    "reconcile off": Break(
        "registry/durable/maintenance/reconcile.py",
        "(id for id, entry in entries.items() if _is_overdue(entry, now, backoff)),",
        "(),",
        ("closes", "sent in time", "stats in the end"),
    ),
}


def broken_app(name: str, folder: Path, source: Path = ROOT) -> Path:
    """Copy an app into a folder, with a break in it.

    Raises LookupError unless the text to replace is there exactly once.
    """
    chosen = BREAKS[name]
    for each in APP:
        if (source / each).is_dir():
            shutil.copytree(
                source / each, folder / each, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy(source / each, folder / each)
    path = folder / chosen.file
    text = path.read_text()
    if text.count(chosen.old) != 1:
        raise LookupError(f"{chosen.file} has {chosen.old!r} {text.count(chosen.old)} times")
    path.write_text(text.replace(chosen.old, chosen.new))
    return folder
