"""The functions of an app, by trigger."""

from devhost.functions.durable import DurableFunctions, RawFunction
from devhost.functions.errors import log_operation_failure
from devhost.functions.invocation import FunctionInfo
from devhost.functions.sdk import convert_in, convert_out, report_errors


class App:
    """The functions of an app that the host runs."""

    def __init__(self, functions: list[FunctionInfo]) -> None:
        self.functions = functions
        self.http = self._triggered_by("httpTrigger")
        self.timers = self._triggered_by("timerTrigger")
        self.activities = {
            name.casefold(): each
            for name, each in self._named("activityTrigger", "activity").items()
        }

    def _triggered_by(self, kind: str) -> list[FunctionInfo]:
        return [each for each in self.functions if each.trigger["type"] == kind]

    @property
    def durable(self) -> DurableFunctions:
        """The functions that the engine runs or schedules."""
        orchestrators = self._named("orchestrationTrigger", "orchestration")
        entities = self._named("entityTrigger", "entityName")
        names = {
            "orchestrator": orchestrators,
            "entity": entities,
            "activity": self._named("activityTrigger", "activity"),
        }
        return DurableFunctions(
            orchestrators={name.casefold(): _raw(each) for name, each in orchestrators.items()},
            entities={name.casefold(): _raw(each) for name, each in entities.items()},
            activities=frozenset(self.activities),
            names={kind: tuple(functions) for kind, functions in names.items()},
        )

    def _named(self, trigger: str, key: str) -> dict[str, FunctionInfo]:
        """Durable functions by the names under which they are called."""
        return {each.trigger.get(key) or each.name: each for each in self._triggered_by(trigger)}


def _raw(function: FunctionInfo) -> RawFunction:
    kind, code = function.trigger["type"], function.code
    if kind == "entityTrigger":
        code = report_errors(code, log_operation_failure)

    def run(payload: str) -> str:
        result: str = convert_out(kind, code(convert_in(kind, payload, "json"))).value
        return result

    return run
