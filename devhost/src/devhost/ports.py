"""Finds the process that has taken a port."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

LISTENS = "0A"
"""The state of a listening socket; https://docs.kernel.org/networking/proc_net_tcp.html"""


def taken(port: int) -> str:
    """Explain in one line that a port is taken: by whom, if that is known, and what to do."""
    other = _command_for_port(port + 1)
    pid = holder(port)
    if pid is None:
        return f"port {port} is taken: find out by whom with `lsof -i :{port}`, or use `{other}`"
    return (
        f"port {port} is taken by process {pid} ({_command(pid)}): "
        f"end it with `kill {pid}`, or use `{other}`"
    )


def _command_for_port(port: int) -> str:
    """The command that starts devhost on another port, the way it was started."""
    if "MAKELEVEL" in os.environ:
        return f"make run PORT={port}"
    return f"python -m devhost --port {port}"


def holder(port: int, proc: Path = Path("/proc")) -> int | None:
    """The id of the process that listens on a TCP port; None if it cannot be found."""
    sockets = {f"socket:[{inode}]" for inode in _inodes(port, proc)}
    for link in proc.glob("[0-9]*/fd/*") if sockets else ():
        try:
            if str(link.readlink()) in sockets:
                return int(link.parts[-3])
        except OSError:
            continue  # the process has ended, or is another user's
    return None


def _inodes(port: int, proc: Path) -> Iterator[str]:
    for table in (proc / "net" / "tcp", proc / "net" / "tcp6"):
        for line in table.read_text().splitlines()[1:] if table.is_file() else ():
            fields = line.split()
            if fields[3] == LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _command(pid: int) -> str:
    with suppress(OSError):  # it may have ended by now
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        return " ".join(words).strip()[:80]
    return "it has just ended"
