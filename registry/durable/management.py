"""What the SDK's client cannot do: tell "there is none" from an answer of 500, and turn the pages
of a query.

https://learn.microsoft.com/azure/azure-functions/durable/durable-functions-http-api
"""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple

import aiohttp
import azure.durable_functions as df

from registry.clock import to_text

CONTINUATION = "x-ms-continuation-token"
MEMBERS = itemgetter("instanceId", "name", "runtimeStatus", "input")
ENDED = ("Completed", "Failed", "Terminated", "Canceled")


class Instance(NamedTuple):
    """An instance of an orchestration."""

    id: str
    name: str
    status: str
    input: Any


async def instance(client: df.DurableOrchestrationClient, id: str) -> Instance | None:
    """The instance with this id, or None where there is none. Raises aiohttp.ClientError where that
    is not known.
    """
    _, found = await _get(client, f"instances/{id}", {"showInput": "true"})
    return Instance(*MEMBERS(found)) if found else None


async def ended_before(
    client: df.DurableOrchestrationClient, moment: datetime
) -> AsyncIterator[Instance]:
    """All instances that were created before a moment and have ended. Raises aiohttp.ClientError."""
    query, token = (
        {"createdTimeTo": to_text(moment), "runtimeStatus": ",".join(ENDED), "showInput": "false"},
        None,
    )
    while True:  # a page may be short, or empty, and yet not the last
        headers, page = await _get(
            client, "instances/", query, {CONTINUATION: token} if token else {}
        )
        for shown in page or []:
            yield Instance(*MEMBERS(shown))
        if not (token := headers.get(CONTINUATION)):
            return


async def _get(
    client: df.DurableOrchestrationClient,
    path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str] | None = None,
) -> tuple[Mapping[str, str], Any]:
    """The headers and the JSON of an answer, None for 404."""
    url = (
        client._orchestration_bindings.rpc_base_url + path
    )  # the SDK shows the address of its own calls nowhere else
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, params=query, headers=headers) as answer,
    ):
        if answer.status == 404:
            return answer.headers, None
        answer.raise_for_status()
        return answer.headers, await answer.json(content_type=None)
