"""What devhost changes in the SDK."""

from devhost.functions.sdk import report_errors


def test_an_entity_that_was_not_made_by_the_sdk_is_not_wrapped() -> None:
    """Such as one that passes its payload on to a worker."""

    def batch(payload: str) -> str:
        return payload

    assert report_errors(batch, lambda *failure: None) is batch
