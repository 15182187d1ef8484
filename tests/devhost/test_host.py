import asyncio
import json
import os
from datetime import UTC, datetime

import pytest

from devhost import app as apps
from devhost.host import Host, route_prefix, use_local_settings
from devhost.store import Activity, Store, StoreError
from devhost.webhooks import Call
from tests.devhost.sample_app import make_app


def make_host(store: Store, runs: list[str]) -> Host:
    return Host(apps.index(make_app(runs)), store, clock=lambda: datetime.now(UTC))


def test_activities_that_had_not_completed_run_again_at_the_start(tmp_path) -> None:
    """At least once, over a crash between any two lines."""
    path = tmp_path / "hub.db"
    runs: list[str] = []

    async def begin() -> None:
        host = make_host(Store(path), runs)
        host._run_activities = lambda activities: None  # the host dies before it runs one
        host._pump._on_scheduled = host._run_activities
        host.start("http://test")
        await host.manage(Call("POST", "orchestrators/fan_out/a", "http://test", body=json.dumps("[3, 4]")))
        await host.stop()

    asyncio.run(begin())
    assert runs == []
    store = Store(path)
    outputs: list[str | None] = []

    async def again() -> None:
        host = make_host(store, runs)
        host.start("http://test")
        for _ in range(1000):
            outputs.append(store.instance("a").output)
            if outputs[-1]:
                break
            await asyncio.sleep(0.005)
        await host.stop()

    asyncio.run(again())
    assert sorted(runs) == ["square 3", "square 4"]
    assert outputs[-1] == "25"


def test_an_activity_that_is_gone_fails() -> None:
    """When the app has changed since it was scheduled."""

    async def scenario() -> None:
        store = Store(None)
        host = make_host(store, [])
        outcome = await host._outcome(None, Activity("a", "e", 0, "nothing", "1"))
        assert outcome.error == "The function 'nothing' doesn't exist any more."
        store.close()

    asyncio.run(scenario())


def test_an_outcome_waits_until_it_can_be_written(monkeypatch) -> None:
    """A full disk delays it, and loses nothing."""
    monkeypatch.setattr("devhost.host.RETRY_SECONDS", 0)

    async def scenario() -> None:
        store = Store(None)
        host = make_host(store, [])
        activity = store.schedule(Activity("a", "e", 0, "square", "3"))
        submit, failures = host._pump.submit, [StoreError("full"), StoreError("full")]

        async def failing(command):
            if failures:
                raise failures.pop()
            return await submit(command)

        monkeypatch.setattr(host._pump, "submit", failing)
        host._pump.start()
        await host._run_activity(activity)
        assert store.activities() == []
        await host.stop()

    asyncio.run(scenario())


def test_local_settings_are_put_into_the_environment(tmp_path, monkeypatch) -> None:
    """What is set already wins."""
    monkeypatch.setenv("DEVHOST_TEST_SET", "before")
    monkeypatch.setenv("DEVHOST_TEST_NEW", "")
    monkeypatch.delenv("DEVHOST_TEST_NEW")
    values = {"DEVHOST_TEST_SET": "file", "DEVHOST_TEST_NEW": "file"}
    (tmp_path / "local.settings.json").write_text(json.dumps({"Values": values}))
    use_local_settings(tmp_path)
    assert (os.environ["DEVHOST_TEST_SET"], os.environ["DEVHOST_TEST_NEW"]) == ("before", "file")
    monkeypatch.delenv("DEVHOST_TEST_NEW")


def test_local_settings_may_be_missing(tmp_path) -> None:
    """Then nothing is set."""
    use_local_settings(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "is not a settings file"), ("[]", "is not a settings file"), ('{"Values": {"A": 1}}', "value of A must be")],
)
def test_local_settings_of_another_form_are_refused(tmp_path, content, message) -> None:
    """The message names the file."""
    (tmp_path / "local.settings.json").write_text(content)
    with pytest.raises(ValueError, match=f"local.settings.json.*{message}"):
        use_local_settings(tmp_path)


def test_the_route_prefix_is_that_of_host_json(tmp_path) -> None:
    """`api` by default."""
    assert route_prefix(tmp_path) == "api"
    file = tmp_path / "host.json"
    file.write_text('{"version": "2.0"}')
    assert route_prefix(tmp_path) == "api"
    file.write_text('{"extensions": {"http": {"routePrefix": ""}}}')
    assert route_prefix(tmp_path) == ""
    file.write_text("{")
    with pytest.raises(ValueError, match=r"host\.json is not JSON"):
        route_prefix(tmp_path)
