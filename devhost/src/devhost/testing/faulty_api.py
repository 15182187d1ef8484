"""An unkind management API: slow, failing, with pages that are cut short, all as
`devhost/unkind.py` decides.
"""

import asyncio
import json
from dataclasses import replace

from devhost.management.api import ManagementApi
from devhost.management.messages import ManagementRequest, ManagementResponse
from devhost.testing.faulty_host import UnkindHost

ERROR = ManagementResponse(
    500, json.dumps({"Message": "Something went wrong while processing your request"})
)


class UnkindManagement(ManagementApi):
    """The management API of an unkind host."""

    def __init__(self, host: UnkindHost) -> None:
        super().__init__(host)
        self._unkind_host = host
        self._unkind = host.unkind

    async def answer(self, call: ManagementRequest) -> ManagementResponse:
        """Do what a request asks, or fail. Raises StoreError, or HostDied."""
        return await self._unkind_host.while_it_lives(self._answer(call))

    async def _answer(self, call: ManagementRequest) -> ManagementResponse:
        kind = call.path.strip("/").split("/")
        trouble = self._unkind.trouble(
            is_read=call.method == "GET" and kind[0] == "entities" and len(kind) > 2
        )
        await asyncio.sleep(self._unkind.answer_seconds())
        if trouble == "before":
            return ERROR
        if call.method == "GET" and kind in (["instances"], ["entities"]):
            call = self._cut_short(call)
        reply = await super().answer(call)
        await asyncio.sleep(self._unkind.answer_seconds())
        return ERROR if trouble == "after" else reply

    def _cut_short(self, call: ManagementRequest) -> ManagementRequest:
        most, asked = self._unkind.page(), call.query.get("top", "")
        if most is None:
            return call
        if asked.isdecimal():
            most = min(most, int(asked))
        return replace(call, query=call.query | {"top": str(most)})
