"""The promises of the registry as rules over a history: pure, each yields a check for each time it
looked.

A call that was not answered, or answered 202, 500 or 503, counts as either outcome.
"""

from tests.support.history import History
from tests.support.promises import answers, closing, gifts
from tests.support.promises.terms import Limits, Rule, Violation, of_each

PROMISES = {
    0: "answers are true, and of the kinds that the contract names",
    1: "a gift that was acknowledged is in the registry when it closes, once",
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
    told = history.calls("stats", 200)
    before = [
        each
        for each in told
        if not any(opened.sent < each.told for opened in history.calls("open"))
    ]
    counts = answers.counts_of(before[0]) if before else None
    if counts is None or counts["openCount"] or counts["pending"]:
        return "the host was not at rest before"
    return ""


RULES = (
    Rule("kept", 1, of_each(gifts.kept)),
    Rule("once", 1, of_each(gifts.once)),
    Rule("grows", 1, of_each(gifts.grows)),
    Rule("removed is out", 1, of_each(gifts.removed_is_out), _removes),
    Rule("stays closed", 2, of_each(closing.stays_closed)),
    Rule("refused is out", 2, of_each(gifts.refused_is_out)),
    Rule("full for good", 2, of_each(gifts.full_for_good), _full),
    Rule("not early", 2, of_each(closing.not_early)),
    Rule("close is explained", 2, of_each(closing.close_is_explained)),
    Rule("closes", 3, of_each(closing.closes)),
    Rule("sent in time", 3, of_each(closing.sent_in_time), _webhook),
    Rule("sent as closed", 3, of_each(closing.sent_as_closed), _webhook),
    Rule("stats in the end", 3, answers.stats_in_the_end, _stats),
    Rule("takes gifts", 3, of_each(gifts.takes_gifts)),
    Rule("stays known", 0, of_each(answers.stays_known)),
    Rule("answers as agreed", 0, answers.answers_as_agreed),
    Rule("counted in answers", 0, of_each(gifts.counted_in_answers)),
    Rule("removals are asked for", 0, of_each(gifts.removals_are_asked_for), _removes),
    Rule("stats in bounds", 0, answers.stats_in_bounds, _stats),
)

__all__ = ["PROMISES", "RULES", "Limits", "Violation"]
