from registry.domain.problems import KINDS, UNAVAILABLE, HubUnavailable


def test_kinds_do_not_change() -> None:
    """Callers tell refusals by their names and statuses."""
    assert sorted((kind.name, kind.status) for kind in KINDS) == [
        ("gift-removed", 409),
        ("hub-unavailable", 503),
        ("invalid-item", 400),
        ("invalid-key", 400),
        ("item-too-long", 413),
        ("key-reused", 422),
        ("misconfigured", 503),
        ("processing-off", 409),
        ("registry-closed", 409),
        ("registry-full", 409),
        ("registry-open", 409),
        ("sent-just-now", 429),
        ("unknown-registry", 404),
    ]


def test_advice_is_a_sentence() -> None:
    """Each kind says what to do next."""
    for kind in KINDS:
        assert kind.advice.endswith(".")
        assert kind.title[0].isupper()


def test_a_task_hub_that_does_not_answer() -> None:
    """It is one kind of refusal, and a second later it may answer."""
    error = HubUnavailable()
    assert (error.kind, error.retry_after, str(error)) == (
        UNAVAILABLE,
        1,
        "The task hub does not answer.",
    )
