import os
import re
import socket

import pytest

from devhost.ports import holder, taken

HEADING = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt"
    "   uid  timeout inode\n"
)


@pytest.fixture
def port():
    """A port on which this process listens."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def test_the_process_that_listens_is_found(port) -> None:
    """Not one that is only connected."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        assert holder(port) == os.getpid()
        assert holder(client.getsockname()[1]) is None


def test_a_process_of_another_user_is_not_found(tmp_path) -> None:
    """Nor any where there is no /proc."""
    (tmp_path / "net").mkdir()
    line = (
        "   0: 0100007F:1BA0 00000000:0000 0A 00000000:00000000 00:00000000 00000000"
        "     0        0 4711 1\n"
    )
    (tmp_path / "net" / "tcp").write_text(HEADING + line)
    (tmp_path / "7" / "fd").mkdir(parents=True)
    (tmp_path / "7" / "fd" / "0").write_text("no link")
    assert holder(0x1BA0, tmp_path) is None
    assert holder(0x1BA0, tmp_path / "nothing") is None
    (tmp_path / "7" / "fd" / "1").symlink_to("socket:[4711]")
    assert holder(0x1BA0, tmp_path) == 7


def test_one_line_says_who_has_the_port_and_what_to_do(port, monkeypatch) -> None:
    monkeypatch.delenv("MAKELEVEL", raising=False)
    assert re.fullmatch(
        rf"port {port} is taken by process {os.getpid()} \(.+\): end it with `kill {os.getpid()}`, "
        rf"or use `python -m devhost --port {port + 1}`",
        taken(port),
    )
    monkeypatch.setenv("MAKELEVEL", "1")
    assert taken(port).endswith(f"or use `make run PORT={port + 1}`")


def test_a_command_is_suggested_where_no_process_is_found(monkeypatch) -> None:
    monkeypatch.setattr("devhost.ports.holder", lambda port: None)
    monkeypatch.delenv("MAKELEVEL", raising=False)
    assert taken(7071) == (
        "port 7071 is taken: find out by whom with `lsof -i :7071`, "
        "or use `python -m devhost --port 7072`"
    )


def test_a_process_that_has_just_ended_has_no_command(port, monkeypatch) -> None:
    monkeypatch.setattr("devhost.ports.holder", lambda port: 2**22 + 1)
    assert f"port {port} is taken by process {2**22 + 1} (it has just ended): " in taken(port)
