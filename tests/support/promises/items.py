"""Rules about items: each is in the registry or not, as its client saw."""

from collections import Counter

from tests.support.promises.history import UNKNOWN, History, RegistryHistory, Shown, clock
from tests.support.promises.terms import Checks, Limits, Violation, expect


def kept(registry: RegistryHistory, history: History, limits: Limits) -> Checks:
    """An item that was acknowledged is in the closed registry, unless it was removed."""
    if registry.final is None:
        return
    end = registry.final.answered
    for add in registry.acknowledged(end):
        if not registry.may_be_removed(add.text, end):
            line = f"{add.text!r} was acknowledged at {clock(add.answered.at)}, "
            line += "and is not in the registry in the end"
            yield expect(
                add.text in registry.final.items,
                line,
                *registry.adds[add.text],
                registry.final.source,
            )


def once(registry: RegistryHistory, history: History, limits: Limits) -> Checks:
    """Whatever is shown was sent before, word for word, and is there once."""
    for shown in registry.shown:
        for text, count in Counter(shown.items).items():
            adds = [add for add in registry.adds.get(text, []) if add.sent < shown.answered]
            line = f"{text!r} is in the registry, and nobody sent it"
            if adds:
                line = f"{text!r} is in the registry {count} times, and is one item"
            yield expect(bool(adds) and count == 1, line, *adds, shown.source)


def grows(registry: RegistryHistory, history: History, limits: Limits) -> Checks:
    """What was acknowledged or shown stays, in its order; what is new comes after it."""
    for shown in registry.shown:
        for add in registry.acknowledged(shown.sent):
            if not registry.may_be_removed(add.text, shown.answered):
                line = f"{add.text!r} was acknowledged at {clock(add.answered.at)}, "
                line += f"and not shown at {clock(shown.answered.at)}"
                yield expect(add.text in shown.items, line, add, shown.source)
        earlier = [each for each in registry.shown if each.answered < shown.sent]
        if earlier:
            yield _follows(registry, earlier[-1], shown)


def _follows(registry: RegistryHistory, before: Shown, after: Shown) -> Violation | None:
    lost = [
        text
        for text in before.items
        if text not in after.items and not registry.may_be_removed(text, after.answered)
    ]
    if lost:
        return Violation(
            f"{lost[0]!r} was shown, and was gone later", (before.source, after.source)
        )
    stayed = tuple(text for text in before.items if text in after.items)
    return expect(
        after.items[: len(stayed)] == stayed,
        "the items changed their order",
        before.source,
        after.source,
    )


def counted_in_answers(registry: RegistryHistory, history: History, limits: Limits) -> Checks:
    """`itemsCount` is neither below what was acknowledged nor above what was sent."""
    for exchange in [*registry.calls("add", 200), *registry.calls("remove", 200)]:
        count = exchange.body.get("itemsCount") if isinstance(exchange.body, dict) else None
        sure = {
            add.text
            for add in registry.acknowledged(exchange.sent)
            if not registry.may_be_removed(add.text, exchange.answered)
        }
        most = {
            text
            for text, adds in registry.adds.items()
            if min(add.sent for add in adds) < exchange.answered
        }
        if exchange.call == "remove":
            most.discard(exchange.text)
        elif not registry.may_be_removed(exchange.text, exchange.answered):
            sure.add(exchange.text)
        line = f"itemsCount is {count!r}, and must be from {len(sure)} to {len(most)}"
        yield expect(isinstance(count, int) and len(sure) <= count <= len(most), line, exchange)


def refused_is_out(registry: RegistryHistory, history: History, limits: Limits) -> Checks:
    """An item that was refused is never shown or acknowledged afterwards."""
    for text, adds in registry.adds.items():
        refusals = [add for add in adds if add.status == 409]
        if refusals:
            refusal = refusals[0]
            later = [
                each.source
                for each in registry.shown_with(text)
                if each.answered > refusal.answered
            ]
            later += [add for add in adds if add.status == 200 and add.sent > refusal.answered]
            line = f"{text!r} was refused ({refusal.problem}) at {clock(refusal.answered.at)}, "
            line += "and is in the registry"
            yield expect(not later, line, *adds, *later[:1], *later[-1:])


def full_for_good(registry: RegistryHistory, history: History, limits: Limits) -> Checks:
    """A registry is not full too early, and takes no item that was first sent after that."""
    refusals = [add for add in registry.calls("add", 409) if add.problem == "registry-full"]
    for refusal in refusals[:1]:
        sent = [
            text
            for text, adds in registry.adds.items()
            if any(add.sent < refusal.answered for add in adds)
        ]
        line = f"it was full for {limits.max_items} items when {len(sent)} had been sent"
        yield expect(limits.max_items is None or len(sent) > limits.max_items, line, refusal)
        for text, adds in registry.adds.items():
            first = min(add.sent for add in adds)
            if first > refusal.answered:
                line = f"{text!r} was first sent after the registry was full, and taken"
                yield expect(not any(add.status == 200 for add in adds), line, refusal, *adds)


def removed_is_out(registry: RegistryHistory, history: History, limits: Limits) -> Checks:
    """An item whose removal was acknowledged is never shown or acknowledged afterwards."""
    for text, removes in registry.removes.items():
        if removed := [each for each in removes if each.status == 200]:
            first = removed[0]
            later = [
                each.source for each in registry.shown_with(text) if each.sent > first.answered
            ]
            later += [
                add
                for add in registry.adds.get(text, [])
                if add.status == 200 and add.sent > first.answered
            ]
            line = f"{text!r} was removed at {clock(first.answered.at)}, "
            line += "and is in the registry later"
            yield expect(not later, line, *registry.adds.get(text, []), first, *later[:1])


def removals_are_asked_for(registry: RegistryHistory, history: History, limits: Limits) -> Checks:
    """An item is refused as removed only if its removal was asked for, and stays if that fails."""
    for add in registry.calls("add", 409):
        if add.problem == "gift-removed":
            asked = registry.may_be_removed(add.text, add.answered)
            yield expect(
                asked, f"{add.text!r} was refused as removed, and nobody had asked for it", add
            )
    for remove in registry.calls("remove", 409):
        if remove.problem == "registry-closed" and registry.final:
            line = f"{remove.text!r} could not be removed at {clock(remove.answered.at)}, "
            line += "and is not in the registry"
            yield expect(remove.text in registry.final.items, line, remove, registry.final.source)


def takes_items(registry: RegistryHistory, history: History, limits: Limits) -> Checks:
    """While it is open, what is asked of an item is done or refused in time."""
    if registry.opened is None or registry.closes_at is None:
        return
    for text, asked in [*registry.adds.items(), *registry.removes.items()]:
        decided = [each for each in asked if each.status not in UNKNOWN]
        known = decided[0] if decided else asked[-1]
        until = min(known.answered.at, registry.closes_at - limits.tolerance)
        first_sent = min(each.sent.at for each in asked)
        since = history.last_start(until, otherwise=max(first_sent, registry.opened.answered.at))
        waited = (until - since).total_seconds()
        if until >= since and (decided or waited > limits.take_within):
            line = f"{text!r} was neither taken nor refused for {waited:.1f} s "
            line += "while the registry was open"
            if known.call == "remove":
                line = f"{text!r} was not removed for {waited:.1f} s while the registry was open"
            yield expect(
                waited <= limits.take_within,
                f"{line}; {limits.take_within:g} s are allowed",
                *asked,
            )
