"""Each requirements.txt pins what its project asks for, on every Python that is supported."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent.parent
FOLDERS = (".", "devhost", "tests", "infra")

each_lock = pytest.mark.parametrize("folder", FOLDERS)
each_python = pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])


def blocks(folder: str) -> list[str]:
    """The pins of a lock, each with its hashes and with what asked for it."""
    text = (ROOT / folder / "requirements.txt").read_text()
    return re.findall(r"^[^\s#].*\n(?:[ ].*\n)*", text, re.MULTILINE)


def pin(block: str) -> Requirement:
    return Requirement(block.split("\\")[0])


def pins(folder: str, python: str) -> dict[str, str]:
    """The version of each package that a lock installs on a Python for Linux."""
    on = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    return {
        each.name: str(each.specifier).removeprefix("==")
        for each in map(pin, blocks(folder))
        if not each.marker or each.marker.evaluate(on)
    }


def wanted(folder: str) -> Iterator[Requirement]:
    """What a project asks for."""
    if folder == "devhost":
        project = tomllib.loads((ROOT / "devhost" / "pyproject.toml").read_text())
        texts = project["project"]["dependencies"] + project["dependency-groups"]["build"]
    else:
        lines = (ROOT / folder / "requirements.in").read_text().splitlines()
        texts = [line.partition("#")[0].strip() for line in lines]

    yield from (Requirement(text) for text in texts if text and not text.startswith("-r"))

    if folder == "tests":
        yield from wanted(".")
        yield from wanted("devhost")


@each_lock
def test_everything_is_pinned_with_hashes(folder) -> None:
    """To one version each; nothing else is in the lock, such as the address of an index."""
    text = (ROOT / folder / "requirements.txt").read_text()
    header = "".join(text.splitlines(keepends=True)[:2])
    assert header.endswith("#    make lock\n")
    assert header + "".join(blocks(folder)) == text

    for block in blocks(folder):
        first, *others = block.splitlines()
        assert re.fullmatch(r"[a-z0-9-]+==[\w.]+( ; .+)? \\", first), first
        hashes = r"( +--hash=sha256:[0-9a-f]{64}( \\)?\n)+ +# via [^\n]+"
        assert re.fullmatch(hashes, "\n".join(others)), first


@each_lock
@each_python
def test_every_range_is_met(folder, python) -> None:
    """By the version that is installed on this Python; a range that was changed needs a lock."""
    locked = pins(folder, python)

    for each in wanted(folder):
        if not each.marker or each.marker.evaluate({"python_version": python}):
            version = locked.get(canonicalize_name(each.name))
            assert version, f"{each} is not in the lock: run make lock"
            assert each.specifier.contains(version), f"{each} is locked to {version}: run make lock"


@each_lock
def test_nothing_is_locked_that_is_not_asked_for(folder) -> None:
    """A line that was deleted is not in the lock as one that was asked for."""
    source = r"(-r [\w/.-]*requirements\.in|devhost \()"
    asked = {pin(block).name for block in blocks(folder) if re.search(rf"# via .*{source}", block)}
    assert asked == {canonicalize_name(each.name) for each in wanted(folder)}, "run make lock"


@pytest.mark.parametrize("part", [".", "devhost"])
def test_what_is_deployed_is_what_is_tested(part) -> None:
    """Each of the smaller locks is a part of the one of the tests, hashes included."""

    def without_comments(folder: str) -> set[str]:
        return {re.sub(r" +# via .*\n", "", block) for block in blocks(folder)}

    assert without_comments(part) <= without_comments("tests")
