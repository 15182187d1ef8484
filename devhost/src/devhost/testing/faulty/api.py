"""A faulty management API: slow, failing, with pages that are cut short."""

import asyncio
import json
from dataclasses import replace

from devhost.management.api import ManagementApi
from devhost.management.messages import ManagementRequest, ManagementResponse
from devhost.testing.faults import Faults
from devhost.testing.faulty.processes import Supervisor

ERROR = ManagementResponse(
    500, json.dumps({"Message": "Something went wrong while processing your request"})
)


class FaultyApi:
    """Wraps the management API of a host that can die."""

    def __init__(self, api: ManagementApi, faults: Faults, host: Supervisor) -> None:
        self._api = api
        self._faults = faults
        self._host = host

    async def answer(self, call: ManagementRequest) -> ManagementResponse:
        """Do what a request asks, or fail. Raises StoreError, or HostDied."""
        return await self._host.process.run(self._answer(call))

    async def _answer(self, call: ManagementRequest) -> ManagementResponse:
        fault = self._faults.request_fault(is_read=_reads_state(call))
        await asyncio.sleep(self._faults.answer_seconds())
        if fault == "before":
            return ERROR

        reply = await self._api.answer(self._with_short_page(call))
        await asyncio.sleep(self._faults.answer_seconds())
        return ERROR if fault == "after" else reply

    def _with_short_page(self, call: ManagementRequest) -> ManagementRequest:
        """Ask for fewer items than a query wants."""
        if not _is_query(call):
            return call
        size = self._faults.page_size()
        if size is None:
            return call

        asked = call.query.get("top", "")
        if asked.isdecimal():
            size = min(size, int(asked))
        return replace(call, query=call.query | {"top": str(size)})


def _reads_state(call: ManagementRequest) -> bool:
    """Whether a request reads the state of an entity."""
    parts = call.path.strip("/").split("/")
    return call.method == "GET" and parts[0] == "entities" and len(parts) > 2


def _is_query(call: ManagementRequest) -> bool:
    return call.method == "GET" and call.path.strip("/") in ("instances", "entities")
