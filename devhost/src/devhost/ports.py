"""Ports that are taken: by whom, and how to go on."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

LISTENS = "0A"
"""A state of sockets in /proc/net/tcp; https://docs.kernel.org/networking/proc_net_tcp.html"""


def taken(port: int) -> str:
    """One line for who cannot have the port: who has it where Linux tells, and the commands to free
    or avoid it.
    """
    other = (
        f"make run PORT={port + 1}"
        if "MAKELEVEL" in os.environ
        else f"python -m devhost --port {port + 1}"
    )
    pid = holder(port)
    if pid is None:
        return (
            f"port {port} is taken: `lsof -i :{port}` shows by whom; or take another one: `{other}`"
        )
    return f"port {port} is taken by process {pid} ({_command(pid)}): end it with `kill {pid}`, or: `{other}`"


def holder(port: int, proc: Path = Path("/proc")) -> int | None:
    """The process that listens on a TCP port; None where that cannot be told."""
    sockets = {f"socket:[{inode}]" for inode in _inodes(port, proc)}
    for link in proc.glob("[0-9]*/fd/*") if sockets else ():
        try:
            if str(link.readlink()) in sockets:
                return int(link.parts[-3])
        except OSError:
            continue  # it has ended, or is not ours to see
    return None


def _inodes(port: int, proc: Path) -> Iterator[str]:
    for table in (proc / "net" / "tcp", proc / "net" / "tcp6"):
        for line in table.read_text().splitlines()[1:] if table.is_file() else ():
            fields = line.split()
            if fields[3] == LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _command(pid: int) -> str:
    with suppress(OSError):  # it may have ended meanwhile
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        return " ".join(words).strip()[:80]
    return "which has just ended"
