import asyncio

import azure.functions as func

from devhost.loading import index
from tests.devhost.sample_app import make_app


def test_durable_functions_are_found_by_their_names() -> None:
    """In any letter case; the trigger's name for it wins over the function's."""
    durable = index(make_app()).durable
    assert "counter" in durable.entities
    assert "fan_out" in durable.orchestrators
    assert durable.activities == {"square", "halve"}


def test_a_context_is_given_to_a_function_that_wants_one() -> None:
    """It names the function and the invocation."""
    app = func.FunctionApp()

    @app.route("who")
    async def who(req: func.HttpRequest, context: func.Context):
        assert context.function_directory
        assert (context.retry_context, context.thread_local_storage) == (None, None)
        return [context.function_name, context.invocation_id]

    (function,) = index(app).functions
    first, second = (asyncio.run(function.invoke(None, "")) for _ in range(2))
    assert first[0] == "who"
    assert first[1] != second[1]
