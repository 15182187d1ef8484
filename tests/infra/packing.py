"""Which files of a folder are packed by its .funcignore, as each tool reads it."""

import os
import re
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path


def by_git(folder: Path) -> set[str]:
    """What git would not ignore."""
    subprocess.run(["git", "init", "--quiet", folder], check=True)

    files = "\0".join(_files(folder))
    rules = ["-c", f"core.excludesFile={folder / '.funcignore'}"]
    command = ["git", *rules, "check-ignore", "--no-index", "--stdin", "-z"]
    done = subprocess.run(command, cwd=folder, input=files, capture_output=True, text=True)

    return set(files.split("\0")) - set(done.stdout.split("\0"))


def by_core_tools(folder: Path) -> set[str]:
    """What `func azure functionapp publish` takes, as of 4.14.

    A rule matches the beginning of a path, up to the end of a word. The order does not count: what
    a rule with ! matches is taken, whatever others say.

    https://github.com/Azure/azure-functions-core-tools/blob/main/src/Cli/func/Common/GitIgnoreParser.cs
    https://github.com/Azure/azure-functions-core-tools/blob/main/src/Cli/func/Common/FileSystemHelpers.cs
    """
    never = {".funcignore", ".gitignore", "local.settings.json", "project.lock.json"}
    kept, dropped = [], []
    for rule in _rules(folder):
        path = rule.removeprefix("!").removeprefix("/")
        (kept if rule.startswith("!") else dropped).append(_beginning(path))
    return {
        file
        for file in _files(folder, never_in={".git", ".vscode"})
        if file.rpartition("/")[2].lower() not in never
        if any(rule.match(file) for rule in kept) or not any(rule.match(file) for rule in dropped)
    }


def _beginning(path: str) -> re.Pattern[str]:
    wild = {"**": ".+", "*": "[^/]+"}
    parts = re.split(r"(\*\*|\*)", path)
    return re.compile(
        "".join(wild.get(part) or re.escape(part) for part in parts) + r"\b", re.ASCII
    )


def by_azd(folder: Path) -> set[str]:
    """What `azd deploy` takes, as of 1.31; before 1.23.13 it took a rule with ! for one without.

    The last rule that matches wins, and what is in a folder that is left out is not looked at.

    https://github.com/Azure/azure-dev/blob/main/cli/azd/pkg/project/project_utils.go
    https://github.com/denormal/go-gitignore/blob/master/pattern.go
    """
    rules = [(rule.removeprefix("!"), rule.startswith("!")) for rule in _rules(folder)]

    def is_taken(path: str, is_folder: bool) -> bool:
        if path.rpartition("/")[2] in (
            (".azure",) if is_folder else (".funcignore", "local.settings.json")
        ):
            return False
        matching = [keeps for rule, keeps in rules if _matches(rule, path, is_folder)]
        return not matching or matching[-1]

    return {
        file
        for file in _files(folder)
        if is_taken(file, False)
        and all(is_taken(str(each), True) for each in list(Path(file).parents)[:-1])
    }


def _matches(rule: str, path: str, is_folder: bool) -> bool:
    """A rule without a slash inside is for a name at any depth, unless it begins with one."""
    if rule.endswith("/") and not is_folder:
        return False
    parts, whole = rule.strip("/").split("/"), path.split("/")
    if len(parts) == 1 and not rule.startswith("/"):
        return fnmatchcase(whole[-1], parts[0])
    return _leads_to(parts, whole)


def _leads_to(parts: list[str], path: list[str]) -> bool:
    """Compare part by part; ** stands for any number of parts, also for none."""
    if not parts:
        return not path
    if parts[0] == "**":
        return _leads_to(parts[1:], path) or (bool(path) and _leads_to(parts, path[1:]))
    return bool(path) and fnmatchcase(path[0], parts[0]) and _leads_to(parts[1:], path[1:])


def _rules(folder: Path) -> list[str]:
    lines = map(str.strip, (folder / ".funcignore").read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _files(folder: Path, never_in: set[str] = frozenset({".git"})) -> Iterator[str]:
    """The files below a folder, except for those in folders of these names."""
    for at, folders, names in os.walk(folder):
        folders[:] = [each for each in folders if each.lower() not in never_in]
        yield from ((Path(at) / name).relative_to(folder).as_posix() for name in names)
