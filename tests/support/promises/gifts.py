"""Rules about what becomes of a gift: it is in the registry or not, as its client was told."""

from collections import Counter

from tests.support.history import UNKNOWN, History, Life, Shown, clock
from tests.support.promises.terms import Checks, Limits, Violation, expect


def kept(life: Life, history: History, limits: Limits) -> Checks:
    """A gift that was answered 200 is in the closed registry, unless somebody asked to take it
    back.
    """
    if life.final is None:
        return
    end = life.final.told
    for add in life.acknowledged(end):
        if not life.may_be_removed(add.text, end):
            line = f"{add.text!r} was acknowledged at {clock(add.told.at)}, and is not in the registry in the end"
            yield expect(
                add.text in life.final.items, line, *life.gifts[add.text], life.final.source
            )


def once(life: Life, history: History, limits: Limits) -> Checks:
    """Whatever is shown was sent before, word for word, and is there once."""
    for shown in life.shown:
        for text, count in Counter(shown.items).items():
            adds = [add for add in life.gifts.get(text, []) if add.sent < shown.told]
            line = f"{text!r} is in the registry, and nobody sent it"
            if adds:
                line = f"{text!r} is in the registry {count} times, and is one gift"
            yield expect(bool(adds) and count == 1, line, *adds, shown.source)


def grows(life: Life, history: History, limits: Limits) -> Checks:
    """What was acknowledged or shown is in all that is shown later, in its order; what is new comes
    after it.
    """
    for shown in life.shown:
        for add in life.acknowledged(shown.sent):
            if not life.may_be_removed(add.text, shown.told):
                line = f"{add.text!r} was acknowledged at {clock(add.told.at)}, and not shown at {clock(shown.told.at)}"
                yield expect(add.text in shown.items, line, add, shown.source)
        earlier = [each for each in life.shown if each.told < shown.sent]
        if earlier:
            yield _follows(life, earlier[-1], shown)


def _follows(life: Life, before: Shown, after: Shown) -> Violation | None:
    lost = [
        text
        for text in before.items
        if text not in after.items and not life.may_be_removed(text, after.told)
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


def counted_in_answers(life: Life, history: History, limits: Limits) -> Checks:
    """The `itemsCount` of an answer is neither below what was acknowledged before nor above what
    was sent.
    """
    for told in [*life.calls("add", 200), *life.calls("remove", 200)]:
        count = told.body.get("itemsCount") if isinstance(told.body, dict) else None
        sure = {
            add.text
            for add in life.acknowledged(told.sent)
            if not life.may_be_removed(add.text, told.told)
        }
        most = {
            text for text, adds in life.gifts.items() if min(add.sent for add in adds) < told.told
        }
        if told.call == "remove":
            most.discard(told.text)
        elif not life.may_be_removed(told.text, told.told):
            sure.add(told.text)
        line = f"itemsCount is {count!r}, and must be from {len(sure)} to {len(most)}"
        yield expect(isinstance(count, int) and len(sure) <= count <= len(most), line, told)


def refused_is_out(life: Life, history: History, limits: Limits) -> Checks:
    """A gift that was refused (closed, full, or taken back) is never shown afterwards, and never
    acknowledged.
    """
    for text, adds in life.gifts.items():
        refusals = [add for add in adds if add.status == 409]
        if refusals:
            refusal = refusals[0]
            later = [each.source for each in life.shown_with(text) if each.told > refusal.told]
            later += [add for add in adds if add.status == 200 and add.sent > refusal.told]
            line = f"{text!r} was refused ({refusal.problem}) at {clock(refusal.told.at)}, and is in the registry"
            yield expect(not later, line, *adds, *later[:1], *later[-1:])


def full_for_good(life: Life, history: History, limits: Limits) -> Checks:
    """A registry is not full before enough gifts were sent, and takes no gift that was sent later."""
    refusals = [add for add in life.calls("add", 409) if add.problem == "registry-full"]
    for refusal in refusals[:1]:
        sent = [
            text
            for text, adds in life.gifts.items()
            if any(add.sent < refusal.told for add in adds)
        ]
        line = f"it was full for {limits.max_items} gifts when {len(sent)} had been sent"
        yield expect(limits.max_items is None or len(sent) > limits.max_items, line, refusal)
        for text, adds in life.gifts.items():
            first = min(add.sent for add in adds)
            if first > refusal.told:
                line = f"{text!r} was first sent after the registry was full, and taken"
                yield expect(not any(add.status == 200 for add in adds), line, refusal, *adds)


def removed_is_out(life: Life, history: History, limits: Limits) -> Checks:
    """A gift whose remove was answered 200 is never shown nor acknowledged by what was asked
    afterwards.
    """
    for text, removes in life.removes.items():
        if removed := [each for each in removes if each.status == 200]:
            first = removed[0]
            later = [each.source for each in life.shown_with(text) if each.sent > first.told]
            later += [
                add
                for add in life.gifts.get(text, [])
                if add.status == 200 and add.sent > first.told
            ]
            line = (
                f"{text!r} was taken back at {clock(first.told.at)}, and is in the registry later"
            )
            yield expect(not later, line, *life.gifts.get(text, []), first, *later[:1])


def removals_are_asked_for(life: Life, history: History, limits: Limits) -> Checks:
    """Only a gift that somebody asked to take back is refused as taken back; one that stays after a
    refusal is in.
    """
    for add in life.calls("add", 409):
        if add.problem == "gift-removed":
            asked = life.may_be_removed(add.text, add.told)
            yield expect(
                asked, f"{add.text!r} was refused as taken back, and nobody had asked for it", add
            )
    for remove in life.calls("remove", 409):
        if remove.problem == "registry-closed" and life.final:
            line = f"{remove.text!r} could not be taken back at {clock(remove.told.at)}, and is not in the registry"
            yield expect(remove.text in life.final.items, line, remove, life.final.source)


def takes_gifts(life: Life, history: History, limits: Limits) -> Checks:
    """While it is open, what is asked of a gift until its outcome is known is done or refused in
    time.
    """
    if life.opened is None or life.closes_at is None:
        return
    for text, asked in [*life.gifts.items(), *life.removes.items()]:
        decided = [each for each in asked if each.status not in UNKNOWN]
        known = decided[0] if decided else asked[-1]
        until = min(known.told.at, life.closes_at - limits.tolerance)
        first_sent = min(each.sent.at for each in asked)
        since = history.last_start(until, otherwise=max(first_sent, life.opened.told.at))
        waited = (until - since).total_seconds()
        if until >= since and (decided or waited > limits.take_within):
            line = f"{text!r} was neither taken nor refused for {waited:.1f} s while the registry was open"
            if known.call == "remove":
                line = f"{text!r} was not taken back for {waited:.1f} s while the registry was open"
            yield expect(
                waited <= limits.take_within,
                f"{line}; {limits.take_within:g} s are allowed",
                *asked,
            )
