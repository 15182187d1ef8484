"""Rules about the form of answers, and about the stats."""

from collections import Counter

from tests.support.promises.history import Exchange, History, Moment, RegistryHistory, Shown
from tests.support.promises.terms import Checks, Limits, Violation, expect


def stays_known(registry: RegistryHistory, history: History, limits: Limits) -> Checks:
    """A registry whose open was answered 201 is never unknown."""
    if registry.opened is None:
        return
    for each in registry.exchanges:
        if each.sent > registry.opened.answered and not is_missing_route(each):
            yield expect(
                each.status != 404,
                "its open was answered 201, and it was unknown later",
                registry.opened,
                each,
            )


ALLOWED: dict[str, dict[int, tuple[str, ...]]] = {
    "open": {201: ()},
    "add": {200: (), 202: (), 409: ("registry-closed", "registry-full", "gift-removed")},
    "remove": {
        200: (),
        202: (),
        409: ("registry-closed", "registry-full"),
        404: ("unknown-registry", ""),
    },
    "peek": {200: ()},
    "finish": {200: (), 202: ()},
    "process": {202: (), 409: ("registry-open",), 429: ()},
    "stats": {200: ()},
}
"""The answers that a client can get, and the problems that they may name.

404 is checked by `stays_known`.
"""


def answers_as_agreed(history: History, limits: Limits) -> Checks:
    """Each answer has a status and a form that the contract allows for the call."""
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
        return (
            shown is not None and shown.id == each.id and (shown.is_closed or each.call == "peek")
        )
    if each.status == 200 and each.call == "add":
        return isinstance(each.body, dict) and (
            each.body.get("item"),
            each.body.get("itemKey"),
        ) == (
            each.text,
            each.key,
        )
    return isinstance(each.body, dict)


def stats_in_bounds(history: History, limits: Limits) -> Checks:
    """The stats add up, never exceed what was sent, and never count fewer registries again."""
    opens = [(each.sent, each) for each in history.exchanges if each.call == "open"]
    first_adds: dict[tuple[str, str], Moment] = {}
    for each in sorted(history.calls("add"), key=lambda each: each.sent):
        first_adds.setdefault((each.id, each.text), each.sent)
    looks = history.calls("stats", 200)
    base = counts_of(looks[0])
    for stats in looks[1:]:
        counts = counts_of(stats)
        if base is None or counts is None:
            yield Violation("the stats are not of the form that the contract names", (stats,))
            continue
        registries = sum(sent < stats.answered for sent, _ in opens) + base["registryCount"]
        items = sum(sent < stats.answered for sent in first_adds.values()) + base["itemsCount"]
        line = f"stats count {counts['registryCount']} registries of {registries}, "
        line += f"{counts['itemsCount']} items of {items}"
        yield expect(
            counts["registryCount"] <= registries and counts["itemsCount"] <= items, line, stats
        )
        sums = counts["openCount"] + counts["closedCount"] == counts["registryCount"]
        sums = (
            sums
            and counts["off"] + counts["pending"] + counts["delivered"] + counts["failed"]
            == counts["closedCount"]
        )
        yield expect(
            sums and min(counts.values()) >= 0, f"stats do not add up: {stats.body}", stats
        )
        earlier = [each for each in looks if each.answered < stats.sent]
        before = counts_of(earlier[-1]) if earlier else None
        if before:
            line = f"stats counted {before['registryCount']} registries, "
            line += f"and {counts['registryCount']} later"
            yield expect(
                counts["registryCount"] >= before["registryCount"], line, earlier[-1], stats
            )


def stats_in_the_end(history: History, limits: Limits) -> Checks:
    """When all is closed, the stats count each registry and item once, and all deliveries.

    An open that was not answered 201 counts if the registry exists. If nobody knows its id, it has
    no items.
    """
    looks = history.calls("stats", 200)
    base, last = counts_of(looks[0]), counts_of(looks[-1])
    if len(looks) == 1 or base is None or last is None:
        return
    finals = [registry.final for registry in history.registries() if registry.final]
    answered = {each.id for each in history.calls("open", 201)}
    found = sum(registry.id not in answered for registry in history.registries())
    lost = len([each for each in history.calls("open") if each.status != 201]) - found
    known = {
        "registryCount": len(finals),
        "itemsCount": sum(len(final.items) for final in finals),
        "openCount": 0,
        "closedCount": len(finals),
    }
    known |= Counter(final.processing for final in finals if final.is_closed)
    unsure = (
        "registryCount",
        "closedCount",
        "off",
        *(() if limits.webhook else ("pending", "delivered", "failed")),
    )
    wrong = []
    for name, after in last.items():
        low, count = known.get(name, 0), after - base[name]
        high = low + (lost if name in unsure else 0)
        if not low <= count <= high:
            wrong.append(f"{name} {count} instead of {low}" + (f" to {high}" if high > low else ""))
    yield expect(not wrong, "in the end stats have " + ", ".join(wrong), looks[-1])


def counts_of(stats: Exchange) -> dict[str, int] | None:
    """The counts of an answer, by name, or None if it has another form."""
    try:
        counts = {
            name: stats.body[name]
            for name in ("registryCount", "itemsCount", "openCount", "closedCount")
        }
        counts |= {
            name: stats.body["processing"][name]
            for name in ("off", "pending", "delivered", "failed")
        }
    except (KeyError, TypeError):
        return None
    return counts if all(isinstance(count, int) for count in counts.values()) else None


def is_missing_route(each: Exchange) -> bool:
    """Whether the host answered that the app has no such route."""
    return each.call == "remove" and each.status == 404 and not each.problem
