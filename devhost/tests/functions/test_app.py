from devhost.functions.indexing import index
from tests.sample_app import make_app


def test_durable_functions_are_found_by_their_names() -> None:
    """In any letter case; the name in the trigger wins over the function's."""
    durable = index(make_app()).durable
    assert "counter" in durable.entities
    assert "fan_out" in durable.orchestrators
    assert durable.activities == {"square", "halve"}
