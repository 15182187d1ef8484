"""The function app, as it was indexed."""

from devhost.entities import log_failure
from devhost.invocation import FunctionInfo
from devhost.sdk import convert_in, convert_out, telling
from devhost.work import DurableFunctions, RawFunction


class App:
    """An indexed function app."""

    def __init__(self, functions: list[FunctionInfo]) -> None:
        self.functions = functions
        self.http = self._triggered_by("httpTrigger")
        self.timers = self._triggered_by("timerTrigger")
        self.activities = {_durable_name(each, "activity"): each for each in self._triggered_by("activityTrigger")}

    def _triggered_by(self, kind: str) -> list[FunctionInfo]:
        return [each for each in self.functions if each.trigger["type"] == kind]

    @property
    def durable(self) -> DurableFunctions:
        """The functions that the engine runs or schedules."""
        return DurableFunctions(
            orchestrators={
                _durable_name(each, "orchestration"): _raw(each) for each in self._triggered_by("orchestrationTrigger")
            },
            entities={_durable_name(each, "entityName"): _raw(each) for each in self._triggered_by("entityTrigger")},
            activities=frozenset(self.activities),
        )


def _durable_name(function: FunctionInfo, key: str) -> str:
    return (function.trigger.get(key) or function.name).casefold()


def _raw(function: FunctionInfo) -> RawFunction:
    kind, code = function.trigger["type"], function.code
    if kind == "entityTrigger":
        code = telling(code, log_failure)

    def run(payload: str) -> str:
        result: str = convert_out(kind, code(convert_in(kind, payload, "json"))).value
        return result

    return run
