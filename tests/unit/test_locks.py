"""Each requirements.txt is the lock of the requirements.in beside it, on every Python that is
supported.
"""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.environment import TESTED

ROOT = Path(__file__).parent.parent.parent
SOURCES = (
    "requirements.in",
    "devhost/requirements.in",
    "requirements-dev.in",
    "infra/requirements.in",
)
APP, DEVHOST, DEV, INFRA = (ROOT / name for name in SOURCES)
each_source = pytest.mark.parametrize("source", [APP, DEVHOST, DEV, INFRA], ids=SOURCES)
each_python = pytest.mark.parametrize("python", TESTED)


def ranges(source: Path) -> list[Requirement]:
    """What a source asks for itself, without what it includes."""
    lines = (line.partition("#")[0].strip() for line in source.read_text().splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-r")]


def with_included(source: Path) -> list[Path]:
    """A source, and those that it includes."""
    included = re.findall(r"^-r (\S+)", source.read_text(), re.MULTILINE)
    return [source] + [
        each for name in included for each in with_included((source.parent / name).resolve())
    ]


def blocks(source: Path) -> list[str]:
    """The pins of its lock, each with its hashes and with who asked for it."""
    return re.findall(
        r"^[^\s#].*\n(?:[ ].*\n)*", source.with_suffix(".txt").read_text(), re.MULTILINE
    )


def pin(block: str) -> Requirement:
    return Requirement(block.split("\\")[0])


def pins(source: Path, python: str) -> dict[str, str]:
    """The versions that its lock installs on a Python for Linux, by name. Two of one name fail."""
    on = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    here = [
        each for each in map(pin, blocks(source)) if not each.marker or each.marker.evaluate(on)
    ]
    assert len({each.name for each in here}) == len(here)
    return {each.name: str(each.specifier).removeprefix("==") for each in here}


@each_source
def test_everything_is_pinned_with_hashes(source) -> None:
    """To one version, with hashes of SHA-256; and nothing else is in the lock, such as the address
    of an index.
    """
    for block in blocks(source):
        first, *others = block.splitlines()
        assert re.fullmatch(r"[a-z0-9-]+==[\w.]+( ; .+)? \\", first), first
        assert re.fullmatch(
            r"( +--hash=sha256:[0-9a-f]{64}( \\)?\n)+ +# via [^\n]+", "\n".join(others)
        ), first
    comments = [
        line for line in source.with_suffix(".txt").read_text().splitlines() if line.startswith("#")
    ]
    assert len(comments) == 2
    assert comments[1].split() == ["#", "make", "lock"]
    assert "".join(blocks(source)).count("\n") + 2 == len(
        source.with_suffix(".txt").read_text().splitlines()
    )


@each_source
@each_python
def test_every_range_is_met(source, python) -> None:
    """By the version that is installed on this Python; a range that was changed needs `make lock`."""
    locked = pins(source, python)
    for wanted in (each for part in with_included(source) for each in ranges(part)):
        if wanted.marker and not wanted.marker.evaluate({"python_version": python}):
            continue
        version = locked.get(canonicalize_name(wanted.name))
        assert version, f"{wanted} is not in the lock: run make lock"
        assert wanted.specifier.contains(version), f"{wanted} is locked to {version}: run make lock"


@each_source
def test_nothing_is_locked_that_is_not_asked_for(source) -> None:
    """What the source asked for at the last `make lock` is what it asks for now."""
    for part in with_included(source):
        tag = re.compile(
            rf"# via .*-r (?:devhost/\.\./)?{re.escape(str(part.relative_to(ROOT)))}(,|$)",
            re.MULTILINE,
        )
        locked = {pin(block).name for block in blocks(source) if tag.search(block)}
        assert locked == {canonicalize_name(each.name) for each in ranges(part)}, "run make lock"


@pytest.mark.parametrize(
    ("part", "whole"), [(APP, DEVHOST), (DEVHOST, DEV)], ids=["app", "devhost"]
)
def test_what_is_deployed_is_what_is_tested(part, whole) -> None:
    """A smaller lock is a part of the larger one, hashes included: who has installed that needs no
    other.
    """

    def without_comments(source: Path) -> set[str]:
        return {re.sub(r" +# via .*\n", "", block) for block in blocks(source)}

    assert without_comments(part) <= without_comments(whole)
