"""Each rule of the checker on histories written by hand; the bad ones are what the real host
showed, where it did.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from devhost.testing import NoResponse, Response
from tests.support.promises import RULES
from tests.support.promises.checker import Limits, Plan, Receiver, Report, check
from tests.support.promises.clients import Client
from tests.support.promises.history import Delivery, Exchange, History, Moment, Name, clock

START = datetime(2026, 12, 24, 18, 0, tzinfo=UTC)
ID = "25d6c52f" + 24 * "0"
END = 10
"""Seconds after the open at which registries here close."""
LIMITS = Limits(webhook=True, max_items=4, workers_die=True)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def moment(seconds: float) -> Moment:
    return Moment(round(seconds * 1000), at(seconds))


def text_of(seconds: float | None) -> str | None:
    return None if seconds is None else at(seconds).isoformat()


def registry(
    items: list[str],
    status: str = "Open",
    by: str | None = None,
    closed: float | None = None,
    processing: str = "pending",
) -> dict[str, Any]:
    """A registry as it is shown."""
    members = {
        "id": ID,
        "items": items,
        "openedAt": text_of(0),
        "closesAt": text_of(END),
        "closedAt": text_of(closed),
        "closedBy": by,
        "processing": processing,
    }
    return {"status": status, "registry": members}


def closed(
    items: list[str], by: str = "timeout", closed: float = END, processing: str = "pending"
) -> dict[str, Any]:
    return registry(items, "Closed", by, closed, processing)


def counts(registries: int, items: int, open: int, **processing: int) -> dict[str, Any]:
    states = {"off": 0, "pending": 0, "delivered": 0, "failed": 0} | processing
    return {
        "registryCount": registries,
        "itemsCount": items,
        "openCount": open,
        "closedCount": registries - open,
        "processing": states,
    }


class Story(History):
    """A history, written in seconds after the open of its one registry."""

    def note(
        self,
        call: Name,
        sent: float,
        answered: float,
        status: int = 0,
        body: Any = None,
        text: str = "",
        id: str = ID,
    ) -> "Story":
        key = f"key-{text}" if text else ""
        exchange = Exchange("c1", call, moment(sent), moment(answered), status, body, id, key, text)
        self.exchanges.append(exchange)
        return self

    def open(self) -> "Story":
        body = {"id": ID, "openedAt": text_of(0), "closesAt": text_of(END)}
        return self.stats(-2, counts(0, 0, 0)).note("open", -0.1, 0.1, 201, body)

    def add(
        self, text: str, sent: float, answered: float, status: int, count: int = 1, type: str = ""
    ) -> "Story":
        body: Any = {"id": ID, "item": text, "itemKey": f"key-{text}", "itemsCount": count}
        if status == 409:
            body = {"type": f"/api/docs#{type}"}
        return self.note("add", sent, answered, status, body, text)

    def remove(
        self, text: str, sent: float, answered: float, status: int, count: int = 0, type: str = ""
    ) -> "Story":
        body = (
            {"id": ID, "itemKey": f"key-{text}", "itemsCount": count}
            if status == 200
            else {"type": f"/#/{type}"}
        )
        return self.note("remove", sent, answered, status, body, text)

    def peek(self, sent: float, body: Any, status: int = 200) -> "Story":
        return self.note("peek", sent, sent + 0.05, status, body)

    def finish(self, sent: float, answered: float, status: int, body: Any = None) -> "Story":
        return self.note("finish", sent, answered, status, body)

    def stats(self, sent: float, body: Any) -> "Story":
        return self.note("stats", sent, sent + 0.05, 200, body, id="")

    def deliver(
        self, received: float, body: Any, webhook_id: str = ID, status: int = 204
    ) -> "Story":
        self.deliveries.append(Delivery(webhook_id, body, moment(received), status))
        return self

    def start(self, seconds: float) -> "Story":
        self.starts.append(at(seconds))
        return self


def good() -> Story:
    """A registry with four items, one removed, and two refused: it was full, then closed."""
    story = Story().open()
    story.add("g1", 0.2, 0.4, 200, 1).add("g2", 0.5, 0.7, 200, 2).add("g3", 0.8, 1.1, 202).add(
        "g3", 1.2, 1.3, 200, 3
    )
    story.add("g3", 1.4, 1.5, 200, 3).peek(1.6, registry(["g1", "g2", "g3"]))
    story.remove("g2", 2, 2.2, 200, 2).add("g2", 2.3, 2.4, 409, type="gift-removed")
    story.add("g4", 3, 3.2, 200, 3).add("g5", 3.3, 3.5, 200, 4).add(
        "g6", 4, 4.1, 409, type="registry-full"
    )
    story.add("g7", 4.2, 4.3, 409, type="registry-full").stats(5, counts(1, 4, 1))
    story.note("finish", 5.5, 6, 0).finish(
        8.9, 9.3, 200, closed(["g1", "g3", "g4", "g5"], "user", 9)
    )
    story.peek(9.4, closed(["g1", "g3", "g4", "g5"], "user", 9)).deliver(
        9.5, closed(["g1", "g3", "g4", "g5"], "user", 9)
    )
    story.add("g8", 9.6, 9.7, 409, type="registry-closed").remove(
        "g1", 9.8, 9.9, 409, type="registry-closed"
    )
    story.peek(30, closed(["g1", "g3", "g4", "g5"], "user", 9, "delivered")).stats(
        31, counts(1, 4, 0, delivered=1)
    )
    return story


def test_what_keeps_every_promise_is_found_good() -> None:
    """And each rule has looked."""
    report = check(good(), LIMITS)
    assert [str(found) for found in report.found] == []
    assert report.unchecked == []
    assert report.not_checkable == {}
    assert report.is_good


def test_a_call_without_an_answer_counts_as_either_outcome() -> None:
    """A call that was not answered has had its effect, or has it later, or never."""
    for status in (0, 202, 500, 503):
        body = {0: None, 202: {}, 500: "", 503: {"type": "/#hub-unavailable"}}[status]
        for items in (["g1"], ["g1", "g2"], ["g2"], []):
            story = (
                Story().open().add("g1", 0.2, 0.4, 200).note("remove", 0.5, 0.6, status, body, "g1")
            )
            story.note("add", 0.7, 0.9, status, body, "g2").note("finish", 1, 1.5, status, body)
            story.peek(20, closed(items, "user", 1.2, "delivered")).deliver(
                20.5, closed(items, "user", 1.2)
            )
            assert [str(found) for found in check(story, LIMITS).found] == []


def test_an_open_that_was_not_answered_may_exist() -> None:
    """It may be counted, or not; where it was delivered it is judged like the others."""
    for opens in (0, 1):
        story = Story().open().note("open", 0.3, 2, 0, id="")
        story.peek(20, closed([], processing="delivered")).deliver(10.5, closed([]))
        story.stats(21, counts(1 + opens, 0, 0, delivered=1, off=opens))
        assert [str(found) for found in check(story, LIMITS).found] == []
    story = (
        Story().stats(-2, counts(0, 0, 0)).note("open", -0.1, 2, 0, id="").deliver(700, closed([]))
    )
    story.peek(701, closed([], processing="delivered")).stats(702, counts(1, 0, 0, delivered=1))
    assert [found.rule for found in check(story, LIMITS).found] == ["sent in time"]


CLOSED = closed(["g0"])
LATE = closed(["g0", "g1"])


@dataclass
class Bad:
    """A history that breaks a promise, the rule that has to see it, and a part of its complaint."""

    rule: str
    line: str
    story: Story
    limits: Limits = field(default_factory=lambda: LIMITS)


def opened() -> Story:
    return Story().open().add("g0", 0.2, 0.4, 200)


def ended(story: Story, items: list[str], by: str = "timeout", at: float = END) -> Story:
    """The story, with the closed registry delivered and shown in the end."""
    story.deliver(END + 1, closed(items, by, at))
    return story.peek(30, closed(items, by, at, "delivered"))


BAD = {
    "an acknowledged item is lost": Bad(
        "kept",
        "'g1' was acknowledged at 18:00:00.700",
        ended(opened().add("g1", 0.5, 0.7, 200, 2), ["g0"]),
    ),
    "an item comes twice": Bad(
        "once", "'g0' is in the registry 2 times", ended(opened(), ["g0", "g0"])
    ),
    "an item nobody sent": Bad(
        "once", "'other' is in the registry, and nobody sent it", ended(opened(), ["g0", "other"])
    ),
    "a text is not verbatim": Bad(
        "once", "nobody sent it", ended(Story().open().add("ü", 1, 1.1, 200), ["u"])
    ),
    "an acknowledged item is not shown": Bad(
        "grows", "and not shown", ended(opened().peek(1, registry([])), ["g0"])
    ),
    "an item that was shown goes": Bad(
        "grows",
        "'g1' was shown, and was gone later",
        ended(
            opened()
            .add("g1", 0.5, 5, 202)
            .peek(1, registry(["g0", "g1"]))
            .peek(2, registry(["g0"])),
            ["g0"],
        ),
    ),
    "an item comes before others": Bad(
        "grows",
        "order",
        ended(opened().peek(1, registry(["g0"])).add("g1", 2, 2.1, 200, 2), ["g1", "g0"]),
    ),
    "V1: a peek says closed before the list's commit": Bad(
        "stays closed",
        "differs at 18:00:10.850: 'g1' came later",
        ended(
            opened().add("g1", 9.5, 11.6, 200, 2).peek(10.1, CLOSED).peek(10.8, LATE), ["g0", "g1"]
        ),
    ),
    "V1: an item that was refused is in": Bad(
        "refused is out",
        "'g1' was refused (registry-closed) at 18:00:10.900, and is in the registry",
        ended(
            opened()
            .add("g1", 8.4, 14.8, 200, 2)
            .add("g1", 10.8, 10.9, 409, type="registry-closed"),
            ["g0", "g1"],
        ),
    ),
    "V1: a finish shows another closer": Bad(
        "stays closed",
        "closedBy timeout at 18:00:10.000 became closedBy user at 18:00:09.800",
        ended(opened().finish(9.7, 10.1, 200, CLOSED), ["g0"], "user", 9.8),
    ),
    "open after closed": Bad(
        "stays closed",
        "to be open later",
        ended(opened().peek(10.1, CLOSED).peek(10.5, registry(["g0"])), ["g0"]),
    ),
    "open after a refusal": Bad(
        "stays closed",
        "to be open later",
        ended(
            opened().add("g1", 9.9, 10, 409, type="registry-closed").peek(10.1, registry(["g0"])),
            ["g0"],
        ),
    ),
    "process says open after closed": Bad(
        "stays closed",
        "to be open later",
        ended(
            opened().peek(10.1, CLOSED).note("process", 10.3, 10.4, 202, registry(["g0"])), ["g0"]
        ),
    ),
    "process is refused as open after closed": Bad(
        "stays closed",
        "to be open later",
        ended(
            opened()
            .peek(10.1, CLOSED)
            .note("process", 10.3, 10.4, 409, {"type": "/#registry-open"}),
            ["g0"],
        ),
    ),
    "a delivery differs": Bad(
        "stays closed", "'g0' came later", opened().deliver(11, closed([])).peek(30, CLOSED)
    ),
    "refused as full, and in": Bad(
        "refused is out",
        "'g1' was refused (registry-full)",
        ended(opened().add("g1", 0.5, 0.6, 409, type="registry-full"), ["g0", "g1"]),
    ),
    "full too early": Bad(
        "full for good",
        "full for 4 items when 2 had been sent",
        ended(opened().add("g1", 0.5, 0.6, 409, type="registry-full"), ["g0"]),
    ),
    "a full registry takes an item": Bad(
        "full for good",
        "'g2' was first sent after",
        ended(
            opened().add("g1", 0.5, 0.6, 409, type="registry-full").add("g2", 1, 2, 200, 2),
            ["g0", "g2"],
        ),
        replace(LIMITS, max_items=1),
    ),
    "V2: refused as closed long before its end": Bad(
        "not early",
        "it was shown to be closed at 18:00:00.300, before its end",
        ended(Story().open().add("g1", 0.2, 0.3, 409, type="registry-closed"), []),
    ),
    "V2: closed by nobody": Bad(
        "close is explained",
        "closed by None at 18:00:00.000",
        opened().peek(11, registry(["g0"], "Closed", None, 0)),
    ),
    "closed by a user, and nobody finished it": Bad(
        "close is explained", "no finish is the cause", ended(opened(), ["g0"], "user", 5)
    ),
    "closed by a user before the finish": Bad(
        "close is explained",
        "no finish is the cause",
        ended(opened().finish(6, 6.5, 200, closed(["g0"], "user", 5)), ["g0"], "user", 5),
    ),
    "timed out before its end": Bad(
        "close is explained", "which is not its end", ended(opened(), ["g0"], at=9)
    ),
    "removed, and shown": Bad(
        "removed is out",
        "'g0' was removed at 18:00:01.100",
        ended(opened().remove("g0", 1, 1.1, 200).peek(2, registry(["g0"])), ["g0"]),
    ),
    "removed, and a late add is acknowledged": Bad(
        "removed is out",
        "removed",
        ended(opened().remove("g1", 1, 1.1, 200, 1).add("g1", 2, 2.5, 200, 2), ["g0"]),
    ),
    "V3: it never closes": Bad(
        "closes", "it closes at 18:00:10.000, and is Open", opened().peek(500, registry(["g0"]))
    ),
    "it was answered 201, and nobody ever saw it": Bad("closes", "was never shown", opened()),
    "it is open when it is too late": Bad(
        "closes", "is Open at 18:03:11.050", ended(opened().peek(191, registry(["g0"])), ["g0"])
    ),
    "V3: it is never sent": Bad(
        "sent in time",
        "it was never sent, 490.1 s after closesAt; 180 s",
        opened().peek(500, CLOSED),
    ),
    "V5: it is sent late": Bad(
        "sent in time",
        "its first delivery came at 18:05:11.000, 301.0 s after closesAt",
        opened().deliver(311, CLOSED).peek(500, closed(["g0"], processing="delivered")),
    ),
    "it is not to be sent": Bad(
        "sent in time", "has items", opened().peek(500, closed(["g0"], processing="off"))
    ),
    "it is sent while it is open": Bad(
        "sent as closed",
        "does not show a closed registry",
        ended(opened().deliver(9, registry(["g0"])), ["g0"]),
    ),
    "it is sent under two ids": Bad(
        "sent as closed",
        "and as other",
        ended(opened().deliver(10.5, CLOSED).deliver(11, CLOSED, "other"), ["g0"]),
    ),
    "it is delivered, and nobody accepted it": Bad(
        "sent as closed",
        "no delivery was accepted",
        opened().deliver(11, CLOSED, status=500).peek(30, closed(["g0"], processing="delivered")),
    ),
    "an accepted delivery is not recorded": Bad(
        "sent as closed", "pending in the end", opened().deliver(11, CLOSED).peek(500, CLOSED)
    ),
    "V3: the stats count it as open for ever": Bad(
        "stats in the end",
        "openCount 1 instead of 0",
        ended(opened(), ["g0"]).stats(400, counts(1, 1, 1)),
    ),
    "V4: the stats count what a lost close answered": Bad(
        "stats in the end",
        "itemsCount 1 instead of 2",
        ended(opened().add("g1", 0.5, 0.6, 200, 2), ["g0", "g1"]).stats(
            400, counts(1, 1, 0, delivered=1)
        ),
    ),
    "the stats never knew it": Bad(
        "stats in the end", "registryCount 0", ended(opened(), ["g0"]).stats(400, counts(0, 0, 0))
    ),
    "V5: it takes nothing": Bad(
        "takes items",
        "'g1' was neither taken nor refused for 9.5 s",
        ended(opened().add("g1", 0.4, 6, 202).add("g1", 6.2, 12, 202), ["g0"]),
    ),
    "it takes nothing back": Bad(
        "takes items",
        "'g0' was not removed for 9.4 s",
        ended(opened().note("remove", 0.5, 11, 202, {}, "g0"), ["g0"]),
    ),
    "it decides late": Bad(
        "takes items", "for 8.0 s", ended(opened().add("g1", 0.5, 8.5, 200, 2), ["g0", "g1"])
    ),
    "V6: it is unknown for a moment": Bad(
        "stays known",
        "and it was unknown later",
        ended(opened().peek(1, {"type": "/#unknown-registry"}, 404), ["g0"]),
    ),
    "an answer of the host's": Bad(
        "answers as agreed", "answered with 500", ended(opened().peek(1, "Error", 500), ["g0"])
    ),
    "a worker died, and none was killed": Bad(
        "answers as agreed",
        "answered with 500",
        ended(opened().peek(1, "", 500), ["g0"]),
        replace(LIMITS, workers_die=False),
    ),
    "a 503 of somebody else": Bad(
        "answers as agreed", "with 503", ended(opened().peek(1, "Busy", 503), ["g0"])
    ),
    "a peek of another form": Bad(
        "answers as agreed",
        "peek was answered",
        ended(opened().peek(1, {"status": "Open"}), ["g0"]),
    ),
    "a refusal without a reason": Bad(
        "answers as agreed",
        "add was answered with 409",
        ended(opened().add("g1", 1, 1.1, 409, type="odd"), ["g0"]),
    ),
    "nothing is sent here, and there is a webhook": Bad(
        "answers as agreed",
        "process was answered with 409 processing-off",
        ended(opened().note("process", 11, 12, 409, {"type": "/#processing-off"}), ["g0"]),
    ),
    "a finish that shows an open registry": Bad(
        "answers as agreed",
        "finish was answered",
        ended(opened().finish(1, 2, 200, registry(["g0"])), ["g0"]),
    ),
    "an add that names another item": Bad(
        "answers as agreed",
        "add was answered",
        ended(opened().note("add", 1, 2, 200, {"itemsCount": 1}, "g0"), ["g0"]),
    ),
    "a count below what is known": Bad(
        "counted in answers",
        "itemsCount is 1",
        ended(opened().add("g1", 1, 2, 200, 1), ["g0", "g1"]),
    ),
    "a count above what was sent": Bad(
        "counted in answers",
        "itemsCount is 3",
        ended(opened().add("g1", 1, 2, 200, 3), ["g0", "g1"]),
    ),
    "a count with what was removed": Bad(
        "counted in answers", "from 0 to 0", ended(opened().remove("g0", 1, 2, 200, 1), [])
    ),
    "removed by nobody": Bad(
        "removals are asked for",
        "nobody had asked",
        ended(
            opened().add("g1", 1, 2, 409, type="gift-removed").remove("g9", 9, 9.1, 200, 1), ["g0"]
        ),
    ),
    "not removed as closed, and not in": Bad(
        "removals are asked for",
        "could not be removed",
        ended(opened().remove("g5", 11, 12, 409, type="registry-closed"), ["g0"]),
    ),
    "stats above the truth": Bad(
        "stats in bounds",
        "1 registries of 1, 2 items of 1",
        ended(opened().stats(1, counts(1, 2, 1)), ["g0"]),
    ),
    "V3: stats below zero": Bad(
        "stats in bounds",
        "do not add up",
        ended(opened().stats(1, counts(1, 1, 0, delivered=2, pending=-1)), ["g0"]),
    ),
    "stats forget": Bad(
        "stats in bounds",
        "counted 1 registries, and 0 later",
        ended(opened().stats(1, counts(1, 1, 1)).stats(2, counts(0, 0, 0)), ["g0"]),
    ),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_broken_promise_is_found(bad: Bad) -> None:
    """The rule says so in a line, and shows the part of the history where it is to be seen."""
    bad.story.exchanges.sort(key=lambda exchange: exchange.answered)
    found = [found for found in check(bad.story, bad.limits).found if found.rule == bad.rule]
    assert any(bad.line in str(each) for each in found), [str(each) for each in found]
    assert all(each.excerpt() for each in found)


def test_every_rule_finds_something() -> None:
    """None is there for show."""
    assert {bad.rule for bad in BAD.values()} == {rule.name for rule in RULES}


def test_a_start_of_the_app_puts_the_end_off() -> None:
    """A host that is down closes nothing: then three minutes count from its last start."""
    story = (
        opened()
        .add("g1", 1, 9.5, 202)
        .add("g1", 9.6, 12, 202)
        .start(6)
        .start(200)
        .deliver(311, CLOSED)
    )
    story.peek(210, registry(["g0"])).peek(500, closed(["g0"], processing="delivered"))
    assert [str(found) for found in check(story, LIMITS).found] == []


def test_clocks_may_differ_by_what_is_stated() -> None:
    """Within the skew a close may come early, and beyond it not."""
    story = ended(Story().open().add("g1", 8.8, 9, 409, type="registry-closed"), [], at=9)
    assert check(story, replace(LIMITS, skew=1.1)).found == []
    assert {found.rule for found in check(story, replace(LIMITS, skew=0.9)).found} == {
        "not early",
        "close is explained",
    }


def test_what_cannot_be_checked_is_named() -> None:
    """And what was not checked without a reason is a failure."""
    story = opened().note("remove", 1, 2, 404, "", "g0").peek(30, CLOSED)
    report = check(story, Limits(shared=True))
    assert report.not_checkable == {
        "removed is out": "the app has no remove",
        "removals are asked for": "the app has no remove",
        "full for good": "its registries hold more than is sent",
        "sent in time": "nobody here receives its deliveries",
        "sent as closed": "nobody here receives its deliveries",
        "stats in the end": "others use the host",
        "stats in bounds": "others use the host",
    }
    assert report.found == []
    assert report.unchecked == ["refused is out"]
    assert not report.is_good
    table = "\n".join(report.table())
    assert "refused is out           NOT CHECKED" in table
    assert "removed is out           not checkable: the app has no remove" in table
    assert "never checked: refused is out" in report.complaints()


def test_an_app_that_has_a_remove_is_to_be_asked_for_it() -> None:
    """That no client took anything back is no excuse."""
    report = check(opened().peek(30, CLOSED), LIMITS)
    assert report.not_checkable == {}
    assert {"removed is out", "removals are asked for"} <= set(report.unchecked)


def test_reports_add_up() -> None:
    """What one run could not check another one may have."""
    whole = check(good(), LIMITS) + check(opened().peek(30, CLOSED), Limits())
    assert whole.registries == 2
    assert whole.is_good
    assert whole.checks["kept"] == check(good(), LIMITS).checks["kept"] + 1
    assert "2 registries" in whole.summary


def test_a_violation_reads_like_a_log() -> None:
    """One line says what is wrong, those below it what was sent and answered."""
    bad = BAD["V1: a peek says closed before the list's commit"]
    complaints = check(bad.story, LIMITS).complaints()
    assert complaints[0].startswith("never checked: ")
    begin = next(number for number, line in enumerate(complaints) if line.startswith("promise 2"))
    assert complaints[begin : begin + 4] == [
        "promise 2, stays closed: registry 25d6c52f: "
        "closed at 18:00:10.150 and differs at 18:00:10.850: 'g1' came later (and 2 times more)",
        "    17:59:59.900 .. 18:00:00.100  c1       open                           "
        "-> 201 2026-12-24T18:00:10+00:00",
        "    18:00:10.100 .. 18:00:10.150  c1       peek                           "
        "-> 200 Closed by timeout at 18:00:10.000, pending, 1 items: 'g0'",
        "    18:00:10.800 .. 18:00:10.850  c1       peek                           "
        "-> 200 Closed by timeout at 18:00:10.000, pending, 2 items: 'g0' 'g1'",
    ]


def test_many_violations_are_cut_short() -> None:
    """The first ten are printed, and how many there are more."""
    story = opened()
    for second in range(20):
        story.peek(11 + second, {})
    report = check(story, LIMITS)
    assert str(report.found[1]) == (
        "contract, answers as agreed: registry 25d6c52f: "
        "peek was answered with 200 (and 19 times more)"
    )
    assert len(report.found) == 2
    together = sum([report] * 6, Report())
    assert together.complaints()[-1] == "... and 2 more violations"


class Echo:
    """A Target that answers everything alike, and knows what it was asked last."""

    def __init__(self) -> None:
        self.time = 0.0
        self.refuses = 0

    def now(self) -> datetime:
        return at(self.time)

    async def sleep(self, seconds: float) -> None:
        self.time += seconds
        await asyncio.sleep(0)

    async def call(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Response:
        self.time += 0.01
        if self.refuses:
            self.refuses -= 1
            raise NoResponse
        self.last = (method, path, dict(headers or {}), body)
        return Response(200, {}, json.dumps({"itemKey": "made"}).encode())


def test_a_client_notes_what_it_sent_and_received() -> None:
    """An answer with its time and value, and that there was none."""
    target, history = Echo(), History()
    client = Client(target, history, Plan(), "c1")
    target.refuses = 1

    async def ask() -> None:
        await client.ask("add", ID, "Bike")
        await client.ask("add", ID, "Bike")

    asyncio.run(ask())
    lost, repeated = history.exchanges
    assert (lost.status, lost.key, repeated.status, repeated.key) == (0, "", 200, "made")
    assert lost.answered < repeated.sent
    assert repeated.answered.at - repeated.sent.at == timedelta(seconds=0.01)
    assert clock(repeated.sent.at) == "18:00:00.010"


def test_a_gift_is_sent_in_every_way_that_the_api_takes() -> None:
    """As a query, as JSON and as text, with its key as a header."""
    target = Echo()
    client = Client(target, History(), Plan(), "c1")
    ways = set()
    for _ in range(50):
        asyncio.run(client.ask("add", ID, "Zoë", "key"))
        method, path, headers, body = target.last
        assert headers.pop("Idempotency-Key") == "key"
        ways.add((method, path.partition("?")[2], headers.get("Content-Type", ""), body))
    assert ways == {
        ("GET", "item=Zo%C3%AB", "", b""),
        ("POST", "item=Zo%C3%AB", "", b""),
        ("POST", "", "application/json", b'{"item": "Zo\\u00eb"}'),
        ("POST", "", "text/plain; charset=utf-8", "Zoë".encode()),
    }


def test_the_receiver_refuses_some_deliveries() -> None:
    """Which ones follows from the seed."""

    def statuses(seed: int) -> list[int]:
        receiver = Receiver(History(), lambda: START, seed)
        return [receiver.receive(ID, {}) for _ in range(100)]

    assert statuses(1) == statuses(1) != statuses(2)
    assert 1 < statuses(1).count(500) < 25
