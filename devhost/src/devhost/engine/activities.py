"""Activities: runs their functions, a limited number at once."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from devhost.engine.durable_http import send
from devhost.engine.failure_details import FailureDetails, activity_failure, http_failure
from devhost.engine.work_items import ActivityOutcome
from devhost.functions.invocation import FunctionInfo, log_failure
from devhost.functions.sdk import convert_in, convert_out
from devhost.replay.json_text import rewritten
from devhost.replay.protocol import HTTP_ACTIVITY
from devhost.storage.rows import Activity


class ActivityRunner:
    """Runs the activities of an app."""

    def __init__(
        self,
        functions: Mapping[str, FunctionInfo],
        invoke: Callable[[FunctionInfo, Any], Awaitable[Any]],
        limit: int,
    ) -> None:
        """`functions` has their names in lower case. At most `limit` of them run at once."""
        self._functions = functions
        self._invoke = invoke
        self._slots = asyncio.Semaphore(limit)

    async def run(self, activity: Activity) -> ActivityOutcome:
        """Run one activity. The requests of call_http take no slot."""
        if activity.name == HTTP_ACTIVITY:
            return await self._send_request(activity)
        async with self._slots:
            return await self._call_function(activity)

    async def _call_function(self, activity: Activity) -> ActivityOutcome:
        function = self._functions.get(activity.name.casefold())
        if function is None:
            reason = f"The function '{activity.name}' doesn't exist any more."
            return ActivityOutcome(failure=FailureDetails(reason))

        try:
            argument = convert_in("activityTrigger", activity.input, "json")
            result = await self._invoke(function, argument)
            return ActivityOutcome(rewritten(convert_out("activityTrigger", result).value))
        except Exception as error:
            log_failure(activity.name, error)
            return ActivityOutcome(failure=activity_failure(activity.name, error))

    async def _send_request(self, activity: Activity) -> ActivityOutcome:
        request = json.loads(activity.input or "")
        try:
            return ActivityOutcome(await send(request))
        except Exception as error:
            return ActivityOutcome(failure=http_failure(request["uri"], error))
