"""Rules about the close of a registry: when, by whom, and that it is sent."""

from datetime import datetime, timedelta

from tests.support.promises.history import History, RegistryHistory, Shown, clock
from tests.support.promises.terms import Checks, Limits, Violation, expect


def stays_closed(registry: RegistryHistory, history: History, limits: Limits) -> Checks:
    """A registry that was shown as closed is never shown as open or different later."""
    closed = [shown for shown in registry.shown if shown.is_closed]
    for shown in closed[1:]:
        yield expect(
            shown.content == closed[0].content,
            _difference(closed[0], shown),
            closed[0].source,
            shown.source,
        )
    if registry.seen_closed:
        first, source = registry.seen_closed[0]
        opens = [
            shown.source for shown in registry.shown if not shown.is_closed and shown.sent > first
        ]
        opens += [
            each
            for each in registry.calls("process", 409)
            if each.problem == "registry-open" and each.sent > first
        ]
        line = f"it was shown to be closed at {clock(first.at)}, and to be open later"
        yield expect(not opens, line, source, *opens[:1])


def _difference(before: Shown, after: Shown) -> str:
    late = [text for text in after.items if text not in before.items]
    gone = [text for text in before.items if text not in after.items]
    when = f"closed at {clock(before.answered.at)} and differs at {clock(after.answered.at)}: "
    if late or gone:
        return when + ", ".join(
            [*(f"{text!r} came later" for text in late), *(f"{text!r} went" for text in gone)]
        )
    how = [f"closedBy {each.closed_by} at {clock(each.closed_at)}" for each in (before, after)]
    return (
        when + " became ".join(how)
        if how[0] != how[1]
        else when + "openedAt, closesAt or the order of items changed"
    )


def not_early(registry: RegistryHistory, history: History, limits: Limits) -> Checks:
    """It is not shown as closed before `closesAt`, unless somebody had asked to finish it."""
    if registry.closes_at is None:
        return
    finishes = registry.calls("finish")
    for seen_at, source in registry.seen_closed:
        finished = any(finish.sent < seen_at for finish in finishes)
        line = f"it was shown to be closed at {clock(seen_at.at)}, before its end, "
        line += "and nobody had finished it"
        yield expect(finished or seen_at.at >= registry.closes_at - limits.tolerance, line, source)


def close_is_explained(registry: RegistryHistory, history: History, limits: Limits) -> Checks:
    """`closedBy` and `closedAt` name the end of its time, or a finish that somebody sent."""
    for shown in registry.shown:
        if not shown.is_closed:
            continue
        wrong = f"it was shown as closed by {shown.closed_by} at {clock(shown.closed_at)}"
        finishes = [each for each in registry.calls("finish") if each.sent < shown.answered]
        early, late = shown.closes_at - limits.tolerance, shown.answered.at + limits.tolerance
        if shown.closed_at is None or shown.closed_by not in ("user", "timeout"):
            yield Violation(wrong, (shown.source,))
        elif shown.closed_by == "timeout":
            yield expect(
                early <= shown.closed_at <= late, f"{wrong}, which is not its end", shown.source
            )
        else:
            since = min((finish.sent.at for finish in finishes), default=late) - limits.tolerance
            ok = bool(finishes) and since <= shown.closed_at <= late
            yield expect(ok, f"{wrong}, and no finish is the cause", *finishes, shown.source)


def closes(registry: RegistryHistory, history: History, limits: Limits) -> Checks:
    """It is shown as closed in the end, and in every answer after the time that is allowed."""
    if registry.closes_at is None or registry.final is None:
        yield Violation("it was answered 201, and was never shown", (registry.opened,))
        return
    for shown in registry.shown:
        due = _due(registry.closes_at, shown.sent.at, history, limits)
        if shown is registry.final or shown.sent.at > due:
            line = f"it closes at {clock(registry.closes_at)}, "
            line += f"and is {shown.status} at {clock(shown.answered.at)}"
            yield expect(shown.is_closed, line, shown.source)


def sent_in_time(registry: RegistryHistory, history: History, limits: Limits) -> Checks:
    """Its first delivery comes in time. One that is not to be sent is empty."""
    if registry.closes_at is None or registry.final is None:
        return
    if registry.final.processing == "off":
        yield expect(
            not registry.final.items, "it is not to be sent, and has items", registry.final.source
        )
    elif registry.deliveries:
        first = registry.deliveries[0]
        due = _due(registry.closes_at, first.received.at, history, limits)
        late = f"its first delivery came at {clock(first.received.at)}, "
        late += _after(registry.closes_at, first.received.at)
        yield expect(first.received.at <= due, f"{late}; {_allowed(limits)}", first)
    else:
        looked = registry.final.answered.at
        line = f"it was never sent, {_after(registry.closes_at, looked)}; {_allowed(limits)}"
        yield expect(
            looked <= _due(registry.closes_at, looked, history, limits), line, registry.final.source
        )


def sent_as_closed(registry: RegistryHistory, history: History, limits: Limits) -> Checks:
    """Deliveries show the closed registry under one webhook-id; `delivered` if one succeeded."""
    for delivery in registry.deliveries:
        shown = Shown.of(delivery)
        line = f"the delivery at {clock(delivery.received.at)} does not show a closed registry"
        yield expect(shown is not None and shown.is_closed, line, delivery)
        first = registry.deliveries[0]
        line = f"it was sent as webhook-id {first.webhook_id} and as {delivery.webhook_id}"
        yield expect(delivery.webhook_id == first.webhook_id, line, first, delivery)
    if registry.final and registry.final.is_closed and registry.final.processing != "off":
        accepted = any(200 <= delivery.status < 300 for delivery in registry.deliveries)
        line = f"its processing is {registry.final.processing} in the end, and "
        line += "a delivery was accepted" if accepted else "no delivery was accepted"
        yield expect(
            (registry.final.processing == "delivered") == accepted,
            line,
            *registry.deliveries,
            registry.final.source,
        )


def _due(closes_at: datetime, looked: datetime, history: History, limits: Limits) -> datetime:
    return history.last_start(looked, otherwise=closes_at) + timedelta(seconds=limits.close_within)


def _after(closes_at: datetime, at: datetime) -> str:
    return f"{(at - closes_at).total_seconds():.1f} s after closesAt"


def _allowed(limits: Limits) -> str:
    return f"{limits.close_within:g} s are allowed"
