from contextlib import ExitStack, suppress

from registry.durable.webhook.bulkhead import Bulkhead


def test_five_attempts_at_once_may_take_long() -> None:
    """Each further one has ten seconds, until one of them has ended, however it ends."""
    bulkhead = Bulkhead()
    with ExitStack() as stack:
        for _ in range(4):
            assert stack.enter_context(bulkhead.attempt(60)) == 60
        with suppress(TimeoutError), bulkhead.attempt(60) as fifth:
            with bulkhead.attempt(60) as sixth:
                assert (fifth, sixth) == (60, 10)
            raise TimeoutError
        assert stack.enter_context(bulkhead.attempt(60)) == 60


def test_a_time_out_that_is_short_stays_as_it_is() -> None:
    """However many attempts are under way."""
    bulkhead = Bulkhead()
    with ExitStack() as stack:
        assert [stack.enter_context(bulkhead.attempt(3)) for _ in range(10)] == [3] * 10
