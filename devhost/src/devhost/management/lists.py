"""Lists of instances and entities, page by page, and the purge of all that a filter matches."""

import base64
import json
from datetime import datetime
from typing import Any, get_args

from devhost.engine.client import DurableClient
from devhost.management.instances import shown_instance
from devhost.management.messages import ManagementRequest, ManagementResponse, storage_error
from devhost.replay.json_text import written
from devhost.replay.protocol import timestamp
from devhost.storage.rows import ENDED, Query, RuntimeStatus

PAGE = 100
"""The size of a page, unless the request asks for another one."""
LARGEST_PAGE = 1000
CONTINUATION = "x-ms-continuation-token"


def instances(
    client: DurableClient, request: ManagementRequest, now: datetime, _: str
) -> ManagementResponse:
    """List the instances that match, including entities, by id."""
    query = _query(request, request.query.get("instanceIdPrefix", ""))
    if query is None:
        return storage_error()

    with_input = request.flag("showInput", default=True)
    return _page(
        query, [(each.id, shown_instance(each, with_input)) for each in client.store.targets(query)]
    )


def entities(client: DurableClient, request: ManagementRequest, name: str) -> ManagementResponse:
    """List the entities of one name, or of all, by id."""
    query = _query(request, f"@{name.lower()}@" if name else "@")
    if query is None:
        return storage_error()
    with_state = request.flag("fetchState")
    listed = []
    for entity in client.store.entities(query):
        _, name, key = entity.id.split("@", 2)
        shown = {
            "entityId": {"name": name, "key": key},
            "lastOperationTime": f"{entity.updated[:-1]}0Z",  # .NET has seven digits
            "state": json.loads(entity.state) if with_state else None,
        }
        listed.append((entity.id, shown))
    return _page(query, listed)


def purge(
    client: DurableClient, request: ManagementRequest, now: datetime, _: str
) -> ManagementResponse:
    """Delete the instances that match, including entities.

    As on the real host, only statuses of ended instances count. A request that names none of them
    deletes everything, whatever its status.
    """
    since = request.moment("createdTimeFrom")
    if since is None:
        return ManagementResponse(
            400, written("Please provide value for 'createdTimeFrom' parameter.")
        )
    until = request.moment("createdTimeTo") or timestamp(now)
    ends = tuple(each for each in _statuses(request) if each in ENDED)
    query = Query(created_from=since, created_to=until, statuses=ends, limit=LARGEST_PAGE)
    deleted = 0
    while page := client.store.targets(query):
        for each in page:
            client.store.purge(each.id)
        deleted += len(page)
    client.store.reclaim_space()
    return (
        ManagementResponse(200, written({"instancesDeleted": deleted}))
        if deleted
        else ManagementResponse(404)
    )


def _query(request: ManagementRequest, prefix: str) -> Query | None:
    """The query for a page, and for one more, which begins the next page.

    None where Azure Storage refuses the request.
    """
    top = _top(request)
    if top < 0:
        return None
    return Query(
        prefix=prefix,
        created_from=request.moment("createdTimeFrom")
        or request.moment("lastOperationTimeFrom")
        or "",
        created_to=request.moment("createdTimeTo") or request.moment("lastOperationTimeTo") or "~",
        statuses=_statuses(request),
        first=_first(request),
        limit=top + 1,
    )


def _statuses(request: ManagementRequest) -> tuple[str, ...]:
    named = {each.strip() for each in request.query.get("runtimeStatus", "").split(",")}
    return tuple(each for each in get_args(RuntimeStatus) if each in named)


def _top(request: ManagementRequest) -> int:
    try:
        return min(int(request.query.get("top", PAGE)), LARGEST_PAGE)
    except ValueError:
        return PAGE


def _first(request: ManagementRequest) -> str:
    """The id that the page begins with; an invalid token leads past the end."""
    try:
        return base64.b64decode(request.continuation.strip(), validate=True).decode()
    except ValueError:
        return "\U0010ffff"


def _page(query: Query, found: list[tuple[str, dict[str, Any]]]) -> ManagementResponse:
    top = query.limit - 1
    body = written([shown for _, shown in found[:top]])
    if len(found) <= top:
        return ManagementResponse(200, body)
    token = base64.b64encode(found[top][0].encode()).decode()
    return ManagementResponse(200, body, {CONTINUATION: f"{token} "})
