"""An app whose orchestrator runs activities side by side, to measure how fast they all come to
their end.
"""

from collections.abc import Iterator
from typing import Any

import azure.durable_functions as df

app = df.DFApp()


@app.orchestration_trigger(context_name="context")
def fan_out(context: df.DurableOrchestrationContext) -> Iterator[Any]:
    """Call as many activities as the input says; returns the sum of their results."""
    results = yield context.task_all(
        [context.call_activity("one", each) for each in range(context.get_input())]
    )
    return sum(results)


@app.activity_trigger(input_name="number")
def one(number: int) -> int:
    """An activity that is done at once."""
    return 1
