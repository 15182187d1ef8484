"""A management API that is slow, fails, and cuts pages short."""

from datetime import timedelta

import pytest

from devhost.management.lists import CONTINUATION
from devhost.testing import (
    START,
    virtual_time,
)


@pytest.mark.parametrize(
    ("rate", "expected"), [("error_before_effect", None), ("error_after_effect", ["a"])]
)
@virtual_time
async def test_the_management_api_answers_500(sample, rate, expected) -> None:
    """Before the effect, or after it."""
    async with sample.on(**{rate: 1}):
        assert await sample.put("a") == 500
        await sample.host.run_until_idle()
        assert sample.bag() == expected


@virtual_time
async def test_reads_of_state_fail(sample) -> None:
    """And nothing else does."""
    async with sample.on(read_fails=1):
        assert await sample.put("a") == 202
        assert (await sample.manage("GET", "entities/Bag/a")).status == 500
        assert (await sample.manage("GET", "entities/Bag")).status == 200


@pytest.mark.parametrize(
    "rates", [{"page_short": 1}, {"page_empty": 0.5}, {"page_short": 0.5, "page_empty": 0.5}]
)
@virtual_time
async def test_pages_are_cut_short(sample, rates) -> None:
    """With a token that leads on: whoever follows it until there is none gets everything, once."""
    async with sample.on(**rates):
        for number in range(20):
            await sample.start("waits", id=f"i{number:02}")
        pages: list[list[str]] = []
        token = ""
        while not pages or token:
            page = await sample.manage("GET", "instances", headers={CONTINUATION: token})
            assert page.status == 200
            pages.append([instance["instanceId"] for instance in page.json()])
            token = page.headers.get(CONTINUATION, "")
        assert [id for page in pages for id in page] == [f"i{number:02}" for number in range(20)]
        assert len(pages) > 1
        assert not rates.get("page_empty") or [] in pages


@virtual_time
async def test_a_page_that_is_cut_short_is_not_longer_than_it_was_to_be(sample) -> None:
    """The number that a request asks for is the most that it gets."""
    async with sample.on(page_short=1):
        for number in range(20):
            await sample.start("waits", id=f"i{number:02}")
        for _ in range(10):
            assert len((await sample.manage("GET", "instances?top=1")).json()) == 1


@virtual_time
async def test_answers_take_time(sample) -> None:
    """A request to the management API is under way both ways."""
    async with sample.on(answer_delayed=1):
        await sample.put("a")
        assert timedelta(milliseconds=2) <= sample.host.now() - START <= timedelta(milliseconds=40)
