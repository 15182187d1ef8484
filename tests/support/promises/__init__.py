"""The promises of the registry, as rules over a history.

A rule yields one check for each thing that it looked at. A request that was not answered, or was
answered 202, 500 or 503, may have had its effect or not.
"""

from tests.support.promises import answers, closing, items
from tests.support.promises.history import History
from tests.support.promises.terms import Limits, Rule, Violation, of_each

PROMISES = {
    0: "answers are true, and of the kinds that the contract names",
    1: "an item that was acknowledged is in the registry when it closes, once",
    2: "a registry that was shown as closed never changes, and is not closed early",
    3: "every registry closes, is counted and is sent in time",
}


def _removes(history: History, limits: Limits) -> str:
    return (
        "the app has no remove"
        if any(answers.is_missing_route(each) for each in history.calls("remove"))
        else ""
    )


def _webhook(history: History, limits: Limits) -> str:
    return "" if limits.webhook else "nobody here receives its deliveries"


def _full(history: History, limits: Limits) -> str:
    return "" if limits.max_items else "its registries hold more than is sent"


def _stats(history: History, limits: Limits) -> str:
    if limits.shared:
        return "others use the host"
    looks = history.calls("stats", 200)
    before = [
        each
        for each in looks
        if not any(opened.sent < each.answered for opened in history.calls("open"))
    ]
    counts = answers.counts_of(before[0]) if before else None
    if counts is None or counts["openCount"] or counts["pending"]:
        return "registries of others were open before"
    return ""


RULES = (
    Rule("kept", 1, of_each(items.kept)),
    Rule("once", 1, of_each(items.once)),
    Rule("grows", 1, of_each(items.grows)),
    Rule("removed is out", 1, of_each(items.removed_is_out), _removes),
    Rule("stays closed", 2, of_each(closing.stays_closed)),
    Rule("refused is out", 2, of_each(items.refused_is_out)),
    Rule("full for good", 2, of_each(items.full_for_good), _full),
    Rule("not early", 2, of_each(closing.not_early)),
    Rule("close is explained", 2, of_each(closing.close_is_explained)),
    Rule("closes", 3, of_each(closing.closes)),
    Rule("sent in time", 3, of_each(closing.sent_in_time), _webhook),
    Rule("sent as closed", 3, of_each(closing.sent_as_closed), _webhook),
    Rule("stats in the end", 3, answers.stats_in_the_end, _stats),
    Rule("takes items", 3, of_each(items.takes_items)),
    Rule("stays known", 0, of_each(answers.stays_known)),
    Rule("answers as agreed", 0, answers.answers_as_agreed),
    Rule("counted in answers", 0, of_each(items.counted_in_answers)),
    Rule("removals are asked for", 0, of_each(items.removals_are_asked_for), _removes),
    Rule("stats in bounds", 0, answers.stats_in_bounds, _stats),
)

__all__ = ["PROMISES", "RULES", "Limits", "Violation"]
