"""What devhost changes in the SDK."""

from devhost.functions.sdk import telling


def test_an_entity_that_the_sdk_has_not_made_stays_as_it_is() -> None:
    """As one that hands what it gets to a worker."""

    def batch(payload: str) -> str:
        return payload

    assert telling(batch, lambda *failure: None) is batch
