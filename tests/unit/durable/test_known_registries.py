from datetime import timedelta

import pytest

from registry.durable.known_registries import MAX_KNOWN, Change, KnownRegistries, LruCache
from registry.durable.messages import AddItem, RemoveItem
from tests.support.fake_hub import ID
from tests.support.registries import END, make_terms, open_registry

ADD = Change(ID, AddItem.operation, "k1")


@pytest.fixture
def known(clock) -> KnownRegistries:
    return KnownRegistries()


def test_the_value_that_was_used_last_stays() -> None:
    cache: LruCache[str, int] = LruCache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert [cache.get(key) for key in "abc"] == [1, None, 3]
    cache.drop("a")
    cache.drop("b")
    assert cache.get("a") is None


def test_ten_thousand_registries_are_known(known) -> None:
    for number in range(MAX_KNOWN + 1):
        known.opened(make_terms(f"{number:032x}"))
    assert MAX_KNOWN == len(known._open._values) == 10_000


def test_a_registry_that_was_read_open_takes_a_change(known) -> None:
    """Not before: it may be closed, or never have been opened."""
    assert not known.takes(ADD)
    known.read(ID, open_registry())
    assert known.takes(ADD._replace(key="k2"))
    assert known.terms_of(ID) == make_terms()


def test_a_change_is_sent_unread_once(known) -> None:
    """The second time a read may show that it is decided. A removal is another change."""
    known.read(ID, open_registry())
    assert [known.takes(ADD) for _ in range(3)] == [True, False, False]
    assert known.takes(ADD._replace(operation=RemoveItem.operation))


def test_a_registry_that_was_opened_takes_changes_after_a_second(known, clock) -> None:
    """Its list may not be open before. Nobody has seen that it is, so a close could overtake it."""
    known.opened(make_terms())
    clock.advance(seconds=0.9)
    assert not known.takes(ADD)
    clock.advance(seconds=0.1)
    assert known.takes(ADD._replace(key="k2"))
    assert known.terms_of(ID) is None


@pytest.mark.parametrize("closed", [True, False])
def test_one_that_is_closed_or_gone_is_known_no_more(known, closed) -> None:
    known.read(ID, open_registry())
    registry = open_registry()
    registry.close("user", END - timedelta(seconds=1))
    known.read(ID, registry if closed else None)
    assert known.terms_of(ID) is None
    assert not known.takes(ADD)


def test_one_whose_time_is_up_is_read_first(known, clock) -> None:
    known.read(ID, open_registry())
    clock.advance(minutes=5, milliseconds=-1)
    assert known.terms_of(ID)
    clock.advance(milliseconds=1)
    assert known.terms_of(ID) is None
    assert not known.takes(ADD)
