"""Breaks of one line in the app, by which the checker is tried: it is only worth what it finds."""

import shutil
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
APP = ("function_app.py", "host.json", "registry")


@dataclass(frozen=True)
class Break:
    """A text in a file of the app, once there, what to put in its place, and which rules have to see what follows."""

    file: str
    old: str
    new: str
    rules: tuple[str, ...]


BREAKS = {
    "no memory of keys": Break(
        "registry/model.py", "if known.key == item.key:", "if known is item:", ("once", "takes gifts")
    ),
    "a clock that is three seconds fast": Break(
        "registry/model.py",
        "if self.is_closed or now < self.closes_at:",
        "if self.is_closed or now < self.closes_at - timedelta(seconds=3):",
        ("not early", "stays closed"),
    ),
    "a close that counts no gifts": Break(
        "registry/model.py", "self.closed_items += count", "self.closed_items += 0", ("stats in the end",)
    ),
}


def broken_app(name: str, folder: Path) -> Path:
    """Copy the app into a folder, with that break in it. Raises LookupError where its text is not there just once."""
    chosen = BREAKS[name]
    for each in APP:
        source = ROOT / each
        if source.is_dir():
            shutil.copytree(source, folder / each, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / each)
    path = folder / chosen.file
    text = path.read_text()
    if text.count(chosen.old) != 1:
        raise LookupError(f"{chosen.file} has {chosen.old!r} {text.count(chosen.old)} times")
    path.write_text(text.replace(chosen.old, chosen.new))
    return folder
