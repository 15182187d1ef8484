"""Programs that stand in for others, on a path of the test's own."""

from pathlib import Path


class Programs:
    """A folder of shell scripts, and what they were called with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def add(self, name: str, then: str = "") -> None:
        """One that notes how it was called."""
        path = self.folder / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> "{self.folder}/.calls"\n{then}\n')
        path.chmod(0o755)

    def calls(self) -> list[str]:
        """How they were called since the last time, in order."""
        noted = self.folder / ".calls"
        lines = noted.read_text().splitlines() if noted.exists() else []
        noted.unlink(missing_ok=True)
        return lines
