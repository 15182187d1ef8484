"""The promises of the registry as rules over a history: pure, each yields a check for each time it looked.

A call that was not answered, or answered 202, 500 or 503, counts as either outcome.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.support.history import UNKNOWN, Evidence, Exchange, History, Life, Moment, Shown, clock

PROMISES = {
    0: "answers are true, and of the kinds that the contract names",
    1: "a gift that was acknowledged is in the registry when it closes, once",
    2: "a registry that was shown as closed never changes, and is not closed early",
    3: "every registry closes, is counted and is sent in time",
}


@dataclass(frozen=True)
class Limits:
    """What the rules allow, and what they know of the host."""

    skew: float = 0.1
    """Seconds by which any two clocks may differ: that of a client, and those of workers."""
    close_within: float = 180
    """Seconds from `closesAt`, or the last start, until the close is recorded and the first delivery came."""
    take_within: float = 5
    """Seconds in which an open registry takes, refuses or takes out a gift, however often that has to be sent."""
    webhook: bool = False
    """Whether the deliveries of the host are in the history."""
    max_items: int | None = None
    workers_die: bool = False
    """Whether the 500 with an empty body is allowed with which a host answers when its worker dies."""
    shared: bool = False
    """Whether others use the host, so that its stats tell nothing."""

    @property
    def tolerance(self) -> timedelta:
        return timedelta(seconds=self.skew)


@dataclass
class Violation:
    """What contradicts a promise, in one line, and the part of the history that shows it."""

    line: str
    evidence: tuple[Evidence | None, ...] = ()
    id: str = ""


Checks = Iterator[Violation | None]
LifeRule = Callable[[Life, History, Limits], Checks]


def expect(ok: bool, line: str, *evidence: Evidence | None) -> Violation | None:
    """A check: nothing where it is met, or the violation."""
    return None if ok else Violation(line, evidence)


def kept(life: Life, history: History, limits: Limits) -> Checks:
    """A gift that was answered 200 is in the closed registry, unless somebody asked to take it back."""
    if life.final is None:
        return
    end = life.final.told
    for add in life.acknowledged(end):
        if not life.may_be_removed(add.text, end):
            line = f"{add.text!r} was acknowledged at {clock(add.told.at)}, and is not in the registry in the end"
            yield expect(add.text in life.final.items, line, *life.gifts[add.text], life.final.source)


def once(life: Life, history: History, limits: Limits) -> Checks:
    """Whatever is shown was sent before, word for word, and is there once."""
    for shown in life.shown:
        for text, count in Counter(shown.items).items():
            adds = [add for add in life.gifts.get(text, []) if add.sent < shown.told]
            line = f"{text!r} is in the registry, and nobody sent it"
            if adds:
                line = f"{text!r} is in the registry {count} times, and is one gift"
            yield expect(bool(adds) and count == 1, line, *adds, shown.source)


def counted_in_answers(life: Life, history: History, limits: Limits) -> Checks:
    """The `itemsCount` of an answer is neither below what was acknowledged before nor above what was sent."""
    for told in [*life.calls("add", 200), *life.calls("remove", 200)]:
        count = told.body.get("itemsCount") if isinstance(told.body, dict) else None
        sure = {add.text for add in life.acknowledged(told.sent) if not life.may_be_removed(add.text, told.told)}
        most = {text for text, adds in life.gifts.items() if min(add.sent for add in adds) < told.told}
        if told.call == "remove":
            most.discard(told.text)
        elif not life.may_be_removed(told.text, told.told):
            sure.add(told.text)
        line = f"itemsCount is {count!r}, and must be from {len(sure)} to {len(most)}"
        yield expect(isinstance(count, int) and len(sure) <= count <= len(most), line, told)


def grows(life: Life, history: History, limits: Limits) -> Checks:
    """What was acknowledged or shown is in all that is shown later, in its order; what is new comes after it."""
    for shown in life.shown:
        for add in life.acknowledged(shown.sent):
            if not life.may_be_removed(add.text, shown.told):
                line = f"{add.text!r} was acknowledged at {clock(add.told.at)}, and not shown at {clock(shown.told.at)}"
                yield expect(add.text in shown.items, line, add, shown.source)
        earlier = [each for each in life.shown if each.told < shown.sent]
        if earlier:
            yield _follows(life, earlier[-1], shown)


def _follows(life: Life, before: Shown, after: Shown) -> Violation | None:
    lost = [text for text in before.items if text not in after.items and not life.may_be_removed(text, after.told)]
    if lost:
        return Violation(f"{lost[0]!r} was shown, and was gone later", (before.source, after.source))
    stayed = tuple(text for text in before.items if text in after.items)
    return expect(after.items[: len(stayed)] == stayed, "the items changed their order", before.source, after.source)


def stays_closed(life: Life, history: History, limits: Limits) -> Checks:
    """All that is shown as closed is the same, and nothing says "open" after somebody was told "closed"."""
    closed = [shown for shown in life.shown if shown.is_closed]
    for shown in closed[1:]:
        yield expect(shown.content == closed[0].content, _difference(closed[0], shown), closed[0].source, shown.source)
    if life.told_closed:
        first, source = life.told_closed[0]
        opens = [shown.source for shown in life.shown if not shown.is_closed and shown.sent > first]
        opens += [each for each in life.calls("process", 409) if each.problem == "registry-open" and each.sent > first]
        line = f"it was told to be closed at {clock(first.at)}, and to be open later"
        yield expect(not opens, line, source, *opens[:1])


def _difference(before: Shown, after: Shown) -> str:
    late = [text for text in after.items if text not in before.items]
    gone = [text for text in before.items if text not in after.items]
    when = f"closed at {clock(before.told.at)} and differs at {clock(after.told.at)}: "
    if late or gone:
        return when + ", ".join([*(f"{text!r} came later" for text in late), *(f"{text!r} went" for text in gone)])
    how = [f"closedBy {each.closed_by} at {clock(each.closed_at)}" for each in (before, after)]
    return (
        when + " became ".join(how) if how[0] != how[1] else when + "openedAt, closesAt or the order of items changed"
    )


def refused_is_out(life: Life, history: History, limits: Limits) -> Checks:
    """A gift that was refused (closed, full, or taken back) is never shown afterwards, and never acknowledged."""
    for text, adds in life.gifts.items():
        refusals = [add for add in adds if add.status == 409]
        if refusals:
            refusal = refusals[0]
            later = [each.source for each in life.shown_with(text) if each.told > refusal.told]
            later += [add for add in adds if add.status == 200 and add.sent > refusal.told]
            line = f"{text!r} was refused ({refusal.problem}) at {clock(refusal.told.at)}, and is in the registry"
            yield expect(not later, line, *adds, *later[:1], *later[-1:])


def not_early(life: Life, history: History, limits: Limits) -> Checks:
    """It is not told to be closed before `closesAt`, unless somebody had asked to finish it by then."""
    if life.closes_at is None:
        return
    finishes = life.calls("finish")
    for told, source in life.told_closed:
        finished = any(finish.sent < told for finish in finishes)
        line = f"it was told to be closed at {clock(told.at)}, before its end, and nobody had finished it"
        yield expect(finished or told.at >= life.closes_at - limits.tolerance, line, source)


def close_is_explained(life: Life, history: History, limits: Limits) -> Checks:
    """`closedBy` and `closedAt` say what happened: the end of its time, or a finish that somebody sent."""
    for shown in life.shown:
        if not shown.is_closed:
            continue
        wrong = f"it was shown as closed by {shown.closed_by} at {clock(shown.closed_at)}"
        finishes = [each for each in life.calls("finish") if each.sent < shown.told]
        early, late = shown.closes_at - limits.tolerance, shown.told.at + limits.tolerance
        if shown.closed_at is None or shown.closed_by not in ("user", "timeout"):
            yield Violation(wrong, (shown.source,))
        elif shown.closed_by == "timeout":
            yield expect(early <= shown.closed_at <= late, f"{wrong}, which is not its end", shown.source)
        else:
            since = min((finish.sent.at for finish in finishes), default=late) - limits.tolerance
            ok = bool(finishes) and since <= shown.closed_at <= late
            yield expect(ok, f"{wrong}, and no finish is the cause", *finishes, shown.source)


def removed_is_out(life: Life, history: History, limits: Limits) -> Checks:
    """A gift whose remove was answered 200 is never shown nor acknowledged by what was asked afterwards."""
    for text, removes in life.removes.items():
        if removed := [each for each in removes if each.status == 200]:
            first = removed[0]
            later = [each.source for each in life.shown_with(text) if each.sent > first.told]
            later += [add for add in life.gifts.get(text, []) if add.status == 200 and add.sent > first.told]
            line = f"{text!r} was taken back at {clock(first.told.at)}, and is in the registry later"
            yield expect(not later, line, *life.gifts.get(text, []), first, *later[:1])


def full_for_good(life: Life, history: History, limits: Limits) -> Checks:
    """A registry is not full before enough gifts were sent, and takes no gift that was sent later."""
    refusals = [add for add in life.calls("add", 409) if add.problem == "registry-full"]
    for refusal in refusals[:1]:
        sent = [text for text, adds in life.gifts.items() if any(add.sent < refusal.told for add in adds)]
        line = f"it was full for {limits.max_items} gifts when {len(sent)} had been sent"
        yield expect(limits.max_items is None or len(sent) > limits.max_items, line, refusal)
        for text, adds in life.gifts.items():
            first = min(add.sent for add in adds)
            if first > refusal.told:
                line = f"{text!r} was first sent after the registry was full, and taken"
                yield expect(not any(add.status == 200 for add in adds), line, refusal, *adds)


def closes(life: Life, history: History, limits: Limits) -> Checks:
    """It is shown as closed in the end, and by everybody who looks after the time that is allowed."""
    if life.closes_at is None or life.final is None:
        yield Violation("it was answered 201, and was never shown", (life.opened,))
        return
    for shown in life.shown:
        due = _due(life.closes_at, shown.sent.at, history, limits)
        if shown is life.final or shown.sent.at > due:
            line = f"it closes at {clock(life.closes_at)}, and is {shown.status} at {clock(shown.told.at)}"
            yield expect(shown.is_closed, line, shown.source)


def sent_in_time(life: Life, history: History, limits: Limits) -> Checks:
    """Its first delivery is attempted in time; one that is not to be sent is empty, and was never seen open."""
    if life.closes_at is None or life.final is None:
        return
    if life.final.processing == "off":
        yield expect(not life.final.items, "it is not to be sent, and has gifts", life.final.source)
    elif life.deliveries:
        first = life.deliveries[0]
        due = _due(life.closes_at, first.received.at, history, limits)
        late = f"its first delivery came at {clock(first.received.at)}, {_after(life.closes_at, first.received.at)}"
        yield expect(first.received.at <= due, f"{late}; {_allowed(limits)}", first)
    else:
        looked = life.final.told.at
        line = f"it was never sent, {_after(life.closes_at, looked)}; {_allowed(limits)}"
        yield expect(looked <= _due(life.closes_at, looked, history, limits), line, life.final.source)


def sent_as_closed(life: Life, history: History, limits: Limits) -> Checks:
    """Each delivery shows the closed registry, under one webhook-id; `delivered` is told if one was accepted."""
    for delivery in life.deliveries:
        shown = Shown.of(delivery)
        line = f"the delivery at {clock(delivery.received.at)} does not show a closed registry"
        yield expect(shown is not None and shown.is_closed, line, delivery)
        first = life.deliveries[0]
        line = f"it was sent as webhook-id {first.webhook_id} and as {delivery.webhook_id}"
        yield expect(delivery.webhook_id == first.webhook_id, line, first, delivery)
    if life.final and life.final.is_closed and life.final.processing != "off":
        accepted = any(200 <= delivery.status < 300 for delivery in life.deliveries)
        line = f"its processing is {life.final.processing} in the end, and "
        line += "a delivery was accepted" if accepted else "no delivery was accepted"
        yield expect((life.final.processing == "delivered") == accepted, line, *life.deliveries, life.final.source)


def takes_gifts(life: Life, history: History, limits: Limits) -> Checks:
    """While it is open, what is asked of a gift until its outcome is known is done or refused in time."""
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
            yield expect(waited <= limits.take_within, f"{line}; {limits.take_within:g} s are allowed", *asked)


def stays_known(life: Life, history: History, limits: Limits) -> Checks:
    """A registry whose open was answered 201 is never unknown."""
    if life.opened is None:
        return
    for each in life.exchanges:
        if each.sent > life.opened.told and not _is_missing_route(each):
            yield expect(each.status != 404, "its open was answered 201, and it was unknown later", life.opened, each)


ALLOWED: dict[str, dict[int, tuple[str, ...]]] = {
    "open": {201: ()},
    "add": {200: (), 202: (), 409: ("registry-closed", "registry-full", "gift-removed")},
    "remove": {200: (), 202: (), 409: ("registry-closed", "registry-full"), 404: ("unknown-registry", "")},
    "peek": {200: ()},
    "finish": {200: (), 202: ()},
    "process": {202: (), 409: ("registry-open",), 429: ()},
    "stats": {200: ()},
}
"""The answers that a client of the checker can get, and the problems they may name. 404 is judged by `stays_known`."""


def answers_as_agreed(history: History, limits: Limits) -> Checks:
    """An answer has a status and a form that the contract names for its call."""
    for each in history.exchanges:
        if each.status != 0:
            line = f"{each.call} was answered with {each.status} {each.problem}".strip()
            yield None if _is_agreed(each, limits) else Violation(line, (each,), each.id)


def _is_agreed(each: Exchange, limits: Limits) -> bool:
    if each.status == 404:
        return each.call not in ("open", "stats")
    if each.status == 500:
        return limits.workers_die and not each.body
    if each.status == 503:
        return each.problem == "hub-unavailable"
    if each.problem == "processing-off":
        return each.call == "process" and each.status == 409 and not limits.webhook
    problems = ALLOWED[each.call].get(each.status)
    if problems is None or (problems and each.problem not in problems):
        return False
    if each.status == 200 and each.call in ("peek", "finish"):
        shown = Shown.of(each)
        return shown is not None and shown.id == each.id and (shown.is_closed or each.call == "peek")
    if each.status == 200 and each.call == "add":
        return isinstance(each.body, dict) and (each.body.get("item"), each.body.get("itemKey")) == (
            each.text,
            each.key,
        )
    return isinstance(each.body, dict)


def removals_are_asked_for(life: Life, history: History, limits: Limits) -> Checks:
    """Only a gift that somebody asked to take back is refused as taken back; one that stays after a refusal is in."""
    for add in life.calls("add", 409):
        if add.problem == "gift-removed":
            asked = life.may_be_removed(add.text, add.told)
            yield expect(asked, f"{add.text!r} was refused as taken back, and nobody had asked for it", add)
    for remove in life.calls("remove", 409):
        if remove.problem == "registry-closed" and life.final:
            line = f"{remove.text!r} could not be taken back at {clock(remove.told.at)}, and is not in the registry"
            yield expect(remove.text in life.final.items, line, remove, life.final.source)


def stats_in_bounds(history: History, limits: Limits) -> Checks:
    """Stats never exceed what was sent, add up, and never count fewer registries than before."""
    opens = [(each.sent, each) for each in history.exchanges if each.call == "open"]
    first_adds: dict[tuple[str, str], Moment] = {}
    for each in sorted(history.calls("add"), key=lambda each: each.sent):
        first_adds.setdefault((each.id, each.text), each.sent)
    told = history.calls("stats", 200)
    base = _counts(told[0])
    for stats in told[1:]:
        counts = _counts(stats)
        if base is None or counts is None:
            yield Violation("the stats are not of the form that the contract names", (stats,))
            continue
        registries = sum(sent < stats.told for sent, _ in opens) + base["registryCount"]
        items = sum(sent < stats.told for sent in first_adds.values()) + base["itemsCount"]
        line = (
            f"stats count {counts['registryCount']} registries of {registries}, {counts['itemsCount']} items of {items}"
        )
        yield expect(counts["registryCount"] <= registries and counts["itemsCount"] <= items, line, stats)
        sums = counts["openCount"] + counts["closedCount"] == counts["registryCount"]
        sums = (
            sums and counts["off"] + counts["pending"] + counts["delivered"] + counts["failed"] == counts["closedCount"]
        )
        yield expect(sums and min(counts.values()) >= 0, f"stats do not add up: {stats.body}", stats)
        earlier = [each for each in told if each.told < stats.sent]
        before = _counts(earlier[-1]) if earlier else None
        if before:
            line = f"stats counted {before['registryCount']} registries, and {counts['registryCount']} later"
            yield expect(counts["registryCount"] >= before["registryCount"], line, earlier[-1], stats)


def stats_in_the_end(history: History, limits: Limits) -> Checks:
    """When all is closed, stats count each registry and gift once, and what became of its delivery.

    An open that was not answered 201 counts if it came to exist. Where nobody learned its id it has no gifts.
    """
    told = history.calls("stats", 200)
    base, last = _counts(told[0]), _counts(told[-1])
    if len(told) == 1 or base is None or last is None:
        return
    finals = [life.final for life in history.lives() if life.final]
    answered = {each.id for each in history.calls("open", 201)}
    found = sum(life.id not in answered for life in history.lives())
    lost = len([each for each in history.calls("open") if each.status != 201]) - found
    known = {
        "registryCount": len(finals),
        "itemsCount": sum(len(final.items) for final in finals),
        "openCount": 0,
        "closedCount": len(finals),
    }
    known |= Counter(final.processing for final in finals if final.is_closed)
    unsure = ("registryCount", "closedCount", "off", *(() if limits.webhook else ("pending", "delivered", "failed")))
    wrong = []
    for name, after in last.items():
        low, count = known.get(name, 0), after - base[name]
        high = low + (lost if name in unsure else 0)
        if not low <= count <= high:
            wrong.append(f"{name} {count} instead of {low}" + (f" to {high}" if high > low else ""))
    yield expect(not wrong, "in the end stats have " + ", ".join(wrong), told[-1])


def _counts(stats: Exchange) -> dict[str, int] | None:
    try:
        counts = {name: stats.body[name] for name in ("registryCount", "itemsCount", "openCount", "closedCount")}
        counts |= {name: stats.body["processing"][name] for name in ("off", "pending", "delivered", "failed")}
    except (KeyError, TypeError):
        return None
    return counts if all(isinstance(count, int) for count in counts.values()) else None


def _due(closes_at: datetime, looked: datetime, history: History, limits: Limits) -> datetime:
    return history.last_start(looked, otherwise=closes_at) + timedelta(seconds=limits.close_within)


def _after(closes_at: datetime, at: datetime) -> str:
    return f"{(at - closes_at).total_seconds():.1f} s after closesAt"


def _allowed(limits: Limits) -> str:
    return f"{limits.close_within:g} s are allowed"


def _is_missing_route(each: Exchange) -> bool:
    return each.call == "remove" and each.status == 404 and not each.problem


def _always(history: History, limits: Limits) -> str:
    return ""


def _removes(history: History, limits: Limits) -> str:
    removes = history.calls("remove")
    return "the app has no remove" if not removes or any(_is_missing_route(each) for each in removes) else ""


def _webhook(history: History, limits: Limits) -> str:
    return "" if limits.webhook else "nobody here receives its deliveries"


def _full(history: History, limits: Limits) -> str:
    return "" if limits.max_items else "its registries hold more than is sent"


def _stats(history: History, limits: Limits) -> str:
    if limits.shared:
        return "others use the host"
    told = history.calls("stats", 200)
    before = [each for each in told if not any(opened.sent < each.told for opened in history.calls("open"))]
    counts = _counts(before[0]) if before else None
    if counts is None or counts["openCount"] or counts["pending"]:
        return "the host was not at rest before"
    return ""


def of_each(rule: LifeRule) -> Callable[[History, Limits], Checks]:
    """The rule for each registry of a history."""

    def check(history: History, limits: Limits) -> Checks:
        for life in history.lives():
            for each in rule(life, history, limits):
                if each:
                    each.id = life.id
                    each.evidence = (life.opened, *each.evidence)
                yield each

    check.__doc__ = rule.__doc__
    return check


@dataclass(frozen=True)
class Rule:
    """A part of a promise, and why it cannot be checked on a host, if it cannot."""

    name: str
    promise: int
    check: Callable[[History, Limits], Checks]
    not_checkable: Callable[[History, Limits], str] = _always


RULES = (
    Rule("kept", 1, of_each(kept)),
    Rule("once", 1, of_each(once)),
    Rule("grows", 1, of_each(grows)),
    Rule("removed is out", 1, of_each(removed_is_out), _removes),
    Rule("stays closed", 2, of_each(stays_closed)),
    Rule("refused is out", 2, of_each(refused_is_out)),
    Rule("full for good", 2, of_each(full_for_good), _full),
    Rule("not early", 2, of_each(not_early)),
    Rule("close is explained", 2, of_each(close_is_explained)),
    Rule("closes", 3, of_each(closes)),
    Rule("sent in time", 3, of_each(sent_in_time), _webhook),
    Rule("sent as closed", 3, of_each(sent_as_closed), _webhook),
    Rule("stats in the end", 3, stats_in_the_end, _stats),
    Rule("takes gifts", 3, of_each(takes_gifts)),
    Rule("stays known", 0, of_each(stays_known)),
    Rule("answers as agreed", 0, answers_as_agreed),
    Rule("counted in answers", 0, of_each(counted_in_answers)),
    Rule("removals are asked for", 0, of_each(removals_are_asked_for), _removes),
    Rule("stats in bounds", 0, stats_in_bounds, _stats),
)
