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
        "registry/durable/service.py",
        'return await self._closed(registry.birth, "timeout")',
        'return replace(registry, closed_at=registry.birth.closes_at, closed_by="timeout")',
        ("stays closed", "refused is out"),
    ),
    "trust the reply of a close": Break(
        "registry/durable/service.py",
        "return await self.until(birth.id, send, lambda registry: registry.is_closed, unknown)",
        "return await self.until(birth.id, send, lambda registry: True, unknown)",
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
        """            registry = await self._closed(birth, by)
        if registry.processing""",
        """            await self._signal(birth.id, "close", birth=dump(birth), by=by)
            registry = replace(registry or Registry.announced(birth), closed_at=birth.closes_at)
            registry.revision += 1
        if registry.processing""",
        ("stats in the end", "sent in time", "closes"),
    ),
    "a close by time at any time": Break(
        "registry/domain/registry.py",
        'if not self.is_closed and (by == "user" or not in_time):',
        "if not self.is_closed:",
        ("not early", "close is explained"),
    ),
    "reconcile off": Break(
        "registry/durable/maintenance.py",
        "late = lives + sorted(sent, key=lambda id: standings[id].due)[:DELIVERIES_A_RUN]",
        "late: list[str] = []",
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
