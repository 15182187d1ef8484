"""The modules of an app: imported anew, as a new worker process does."""

import os
import sys
from collections.abc import Callable
from functools import lru_cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

from devhost.functions.app import App
from devhost.functions.loading import load
from devhost.settings.files import HostJson

OWN = {"devhost", "__main__"}
"""Packages that are never an app's, though they may lie in its folder."""


class AppModules:
    """Imports an app from its folder as a new worker process does: nothing is left of before.

    While its modules are in use, those that a test has imported under the same names are set aside.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._path = list(sys.path)
        sources = [each for each in self._folder.iterdir() if each.is_dir() or each.suffix == ".py"]
        self._names = {each.stem for each in sources} - OWN
        self._imported: set[str] = set()
        self._set_aside: dict[str, ModuleType] = {}

    def load(self, config: HostJson) -> tuple[App, list[ModuleType]]:
        """Import the app anew; returns it, and its modules. Raises AppError."""
        sys.path[:] = self._path
        self._forget_imported()
        self._set_aside |= self._pop(self._may_be_of_the_app)
        try:
            with patch.object(SourceFileLoader, "source_to_code", _compiled):
                app = load(self._folder, config)
        finally:
            self._imported |= {
                _package(name) for name in list(sys.modules) if self._may_be_of_the_app(name)
            }
            self._put_back(lambda name: _package(name) not in self._imported)

        modules = [module for name, module in sys.modules.items() if self._is_imported(name)]
        return app, modules

    def restore(self) -> None:
        """Put everything back as it was before the first import."""
        self._forget_imported()
        self._put_back(lambda name: True)
        sys.path[:] = self._path

    def _may_be_of_the_app(self, name: str) -> bool:
        """Whether a module has a name that is in the folder, or is itself in it."""
        if _package(name) in OWN:
            return False
        file = getattr(sys.modules[name], "__file__", None) or ""
        is_in_folder = file.startswith(f"{self._folder}{os.sep}") and "site-packages" not in file
        return is_in_folder or _package(name) in self._names

    def _is_imported(self, name: str) -> bool:
        return _package(name) in self._imported

    def _forget_imported(self) -> None:
        self._pop(self._is_imported)

    def _pop(self, matches: Callable[[str], bool]) -> dict[str, ModuleType]:
        names = [name for name in list(sys.modules) if matches(name)]
        return {name: sys.modules.pop(name) for name in names}

    def _put_back(self, matches: Callable[[str], bool]) -> None:
        for name in [each for each in self._set_aside if matches(each)]:
            sys.modules[name] = self._set_aside.pop(name)


def _package(name: str) -> str:
    """The package or module at the top, to which a module belongs."""
    return name.partition(".")[0]


def _compiled(loader: SourceFileLoader, data: bytes, path: str, **options: Any) -> Any:
    return _compile(bytes(data), path)


@lru_cache(maxsize=1000)
def _compile(data: bytes, path: str) -> Any:
    """Compile a module once, however often it is imported."""
    return compile(data, path, "exec", dont_inherit=True)
