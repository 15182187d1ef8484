"""Which versions run on a host, and what instances know of theirs."""

import json
from dataclasses import replace

import pytest

from devhost.management.messages import ManagementRequest
from devhost.settings.files import DEFAULTS
from devhost.settings.versions import MISMATCH, runs
from tests.sample_host import ORIGIN, SampleHost

SECOND = replace(DEFAULTS, default_version="2.0")


@pytest.mark.parametrize(
    ("version", "match", "is_run"),
    [
        (None, "CurrentOrOlder", True),
        ("1.0", "CurrentOrOlder", True),
        ("1.10", "CurrentOrOlder", True),
        ("2.0", "CurrentOrOlder", True),
        ("2.0.1", "CurrentOrOlder", False),
        ("10.0", "CurrentOrOlder", False),
        ("beta", "CurrentOrOlder", False),
        ("1.0", "Strict", False),
        ("2.0", "Strict", True),
        ("3.0", "None", True),
    ],
)
def test_which_versions_run(version, match, is_run) -> None:
    """By numbers, part by part; what is no number is newer."""
    assert runs(version, replace(SECOND, version_match=match)) is is_run


def test_a_host_without_a_version_runs_what_has_none() -> None:
    """And nothing else."""
    assert runs(None, DEFAULTS)
    assert not runs("1.0", DEFAULTS)


def start(host: SampleHost, name: str, version: str | None = None) -> str:
    query = {"version": version} if version else {}
    return json.loads(
        host.manage(ManagementRequest("POST", f"orchestrators/{name}", ORIGIN, query=query)).body
    )["id"]


def finish(host: SampleHost, id: str) -> dict:
    host.complete("1")
    host.complete("4")
    return host.status(id)[1]


@pytest.mark.parametrize(
    ("name", "version", "known"),
    [
        ("about", None, "2.0"),
        ("about", "1.0", "1.0"),
        ("unversioned_parent", None, "2.0"),
        ("versioned_parent", None, "1.5"),
    ],
)
def test_an_instance_knows_its_version(name, version, known) -> None:
    """The one it was started with, or that of host.json."""
    with SampleHost(config=SECOND) as host:
        assert finish(host, start(host, name, version))["version"] == known


def test_an_instance_may_have_no_version(host) -> None:
    """None, not an empty one."""
    assert finish(host, start(host, "about"))["version"] is None


def test_an_instance_of_another_version_waits() -> None:
    """For a host that runs it."""
    with SampleHost() as host:
        id = start(host, "about", "1.0")
        host.advance(minutes=5)
        assert host.status(id) == ("Pending", None)
        host.use(SECOND)
        host.advance(minutes=5)
        assert finish(host, id)["version"] == "1.0"


def test_an_instance_of_another_version_may_fail() -> None:
    """Where host.json says so; also one that has begun."""
    with SampleHost(config=replace(SECOND, version_failure="Fail")) as host:
        begun = start(host, "two_events")
        assert host.status(start(host, "about", "3.0")) == ("Failed", MISMATCH)
        host.use(replace(host.client.config, default_version="1.0"))
        host.raise_event(begun, "go")
        assert host.status(begun) == ("Failed", MISMATCH)


def test_continue_as_new_keeps_the_version() -> None:
    """Whatever that of host.json is by then."""
    with SampleHost(config=SECOND) as host:
        id = start(host, "eternal", "1.0")
        host.raise_event(id, "go")
        assert '"Version": "1.0"' in host.store.history(id)[0]
