import pytest

from registry.domain.problems import HubUnavailable
from registry.durable.names import stats_entities
from registry.durable.service import PING_SECONDS
from tests.support.fake_hub import FAILS, NO_ANSWER, OK
from tests.support.registries import make_terms
from tests.unit import stored_by_1_0


def test_all_shards_are_read_at_once_and_added(client, caller, clock) -> None:
    """Sixteen reads."""
    for number in range(20):
        caller.open(make_terms(f"{number:08x}" + "0" * 24))
    clock.advance(seconds=1)
    client.calls.clear()
    assert caller.stats().counts == {"open": 20}
    assert client.count("read stats") == 16
    assert set(client.times("read stats")) == {1}


def test_there_are_no_counts_where_a_shard_does_not_answer(client, caller) -> None:
    """They would be too low."""
    client.fault = lambda call: FAILS if call.target == "7" else OK
    with pytest.raises(HubUnavailable):
        caller.stats()


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (5, "value: model_type"),
        ({"standings": None}, "standings: list_type"),
        ({"items": "Bike"}, "items: int_parsing"),
    ],
)
def test_a_shard_that_cannot_be_read_stops_no_other(client, caller, caplog, state, reason) -> None:
    """It is logged, without its values, and left as it is."""
    client.entity(stats_entities()[3]).store(state)
    client.entity(stats_entities()[5]).store(stored_by_1_0.SHARD)
    stats = caller.stats()
    assert (stats.items, stats.counts.total()) == (3, 3)
    assert caplog.messages == [f"RegistryStats 3: its stored state is invalid: {reason}"]
    assert client.entity(stats_entities()[3]).read() == state


def test_a_snapshot_that_cannot_be_read_stops_no_other(client, caller, caplog) -> None:
    """Reconcile logs it, not every call for the stats."""
    entries = [["e" * 32, {}], *stored_by_1_0.SHARD["standings"]]
    client.entity(stats_entities()[3]).store(stored_by_1_0.SHARD | {"standings": entries})
    stats = caller.stats()
    assert len(stats.snapshots) == 3
    assert [each.id for each in stats.invalid_entries] == ["e" * 32]
    assert caplog.messages == []


def test_a_ping_reads_one_shard_and_waits_less_than_a_request(client, caller, clock) -> None:
    """A healthy task hub answers soon."""
    caller.ping()
    assert [call.what for call in client.calls] == ["read stats"]
    client.fault = lambda call: NO_ANSWER
    with pytest.raises(HubUnavailable):
        caller.ping()
    assert clock.monotonic() == pytest.approx(PING_SECONDS, abs=0.01)
