"""Rules about the close of a registry and what follows: when, by whom, and that it is sent."""

from datetime import datetime, timedelta

from tests.support.history import History, Life, Shown, clock
from tests.support.promises.terms import Checks, Limits, Violation, expect


def stays_closed(life: Life, history: History, limits: Limits) -> Checks:
    """All that is shown as closed is the same, and nothing says "open" after somebody was told
    "closed".
    """
    closed = [shown for shown in life.shown if shown.is_closed]
    for shown in closed[1:]:
        yield expect(
            shown.content == closed[0].content,
            _difference(closed[0], shown),
            closed[0].source,
            shown.source,
        )
    if life.told_closed:
        first, source = life.told_closed[0]
        opens = [shown.source for shown in life.shown if not shown.is_closed and shown.sent > first]
        opens += [
            each
            for each in life.calls("process", 409)
            if each.problem == "registry-open" and each.sent > first
        ]
        line = f"it was told to be closed at {clock(first.at)}, and to be open later"
        yield expect(not opens, line, source, *opens[:1])


def _difference(before: Shown, after: Shown) -> str:
    late = [text for text in after.items if text not in before.items]
    gone = [text for text in before.items if text not in after.items]
    when = f"closed at {clock(before.told.at)} and differs at {clock(after.told.at)}: "
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


def not_early(life: Life, history: History, limits: Limits) -> Checks:
    """It is not told to be closed before `closesAt`, unless somebody had asked to finish it by
    then.
    """
    if life.closes_at is None:
        return
    finishes = life.calls("finish")
    for told, source in life.told_closed:
        finished = any(finish.sent < told for finish in finishes)
        line = f"it was told to be closed at {clock(told.at)}, before its end, and nobody had finished it"
        yield expect(finished or told.at >= life.closes_at - limits.tolerance, line, source)


def close_is_explained(life: Life, history: History, limits: Limits) -> Checks:
    """`closedBy` and `closedAt` say what happened: the end of its time, or a finish that somebody
    sent.
    """
    for shown in life.shown:
        if not shown.is_closed:
            continue
        wrong = f"it was shown as closed by {shown.closed_by} at {clock(shown.closed_at)}"
        finishes = [each for each in life.calls("finish") if each.sent < shown.told]
        early, late = shown.closes_at - limits.tolerance, shown.told.at + limits.tolerance
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
    """Its first delivery is attempted in time; one that is not to be sent is empty, and was never
    seen open.
    """
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
        yield expect(
            looked <= _due(life.closes_at, looked, history, limits), line, life.final.source
        )


def sent_as_closed(life: Life, history: History, limits: Limits) -> Checks:
    """Each delivery shows the closed registry, under one webhook-id; `delivered` is told if one was
    accepted.
    """
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
        yield expect(
            (life.final.processing == "delivered") == accepted,
            line,
            *life.deliveries,
            life.final.source,
        )


def _due(closes_at: datetime, looked: datetime, history: History, limits: Limits) -> datetime:
    return history.last_start(looked, otherwise=closes_at) + timedelta(seconds=limits.close_within)


def _after(closes_at: datetime, at: datetime) -> str:
    return f"{(at - closes_at).total_seconds():.1f} s after closesAt"


def _allowed(limits: Limits) -> str:
    return f"{limits.close_within:g} s are allowed"
