"""Registries to test with."""

from datetime import datetime, timedelta
from typing import Any

from registry.domain.registry import Item, Registry, RegistryTerms
from tests.clock import START

ID = "0123456789abcdef0123456789abcdef"
END = START + timedelta(minutes=5)
BIKE, BOOK, BALL = Item("k1", "Bike"), Item("k2", "Book"), Item("k3", "Ball")


def make_terms(id: str = ID, **changes: Any) -> RegistryTerms:
    """Terms of a registry that is open from START to END."""
    members = {"id": id, "opened_at": START, "closes_at": END, "max_items": 3}
    return RegistryTerms(**members | changes)


def open_registry(*items: Item, **terms: Any) -> Registry:
    """An open registry with these items."""
    registry = Registry.new(make_terms(**terms))
    registry.open()
    for item in items:
        registry.add(item, START)
    return registry


def closed_registry(*items: Item, at: datetime = START, **terms: Any) -> Registry:
    """A registry that was finished, and whose delivery is pending."""
    registry = open_registry(*items, **{"has_webhook": True} | terms)
    registry.close("user", at)
    return registry
