"""Lists of instances and entities in the management API, page by page, and the purge of what a
filter matches.
"""

import base64
import json
from datetime import datetime
from typing import Any, get_args

from devhost.engine.client import DurableClient
from devhost.management.calls import Call, Reply, storage_error
from devhost.management.instances import shown_instance
from devhost.replay.json_text import written
from devhost.replay.protocol import timestamp
from devhost.storage.rows import ENDED, Query, RuntimeStatus

PAGE = 100
"""Instances or entities that a list shows at once, if the request names no other number."""
LARGEST_PAGE = 1000
CONTINUATION = "x-ms-continuation-token"


def instances(client: DurableClient, call: Call, now: datetime, _: str) -> Reply:
    """Instances that match, entities among them, by id."""
    query = _query(call, call.query.get("instanceIdPrefix", ""))
    if query is None:
        return storage_error()
    with_input = call.flag("showInput", default=True)
    return _page(
        query, [(each.id, shown_instance(each, with_input)) for each in client.store.targets(query)]
    )


def entities(client: DurableClient, call: Call, name: str) -> Reply:
    """Entities, all or those of one name, by id."""
    query = _query(call, f"@{name.lower()}@" if name else "@")
    if query is None:
        return storage_error()
    with_state = call.flag("fetchState")
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


def purge(client: DurableClient, call: Call, now: datetime, _: str) -> Reply:
    """Delete what matches. Only ends count as statuses: without one of them all goes, whatever its
    state.
    """
    since = call.moment("createdTimeFrom")
    if since is None:
        return Reply(400, written("Please provide value for 'createdTimeFrom' parameter."))
    until = call.moment("createdTimeTo") or timestamp(now)
    ends = tuple(each for each in _statuses(call) if each in ENDED)
    query = Query(created_from=since, created_to=until, statuses=ends, limit=LARGEST_PAGE)
    deleted = 0
    while page := client.store.targets(query):
        for each in page:
            client.store.purge(each.id)
        deleted += len(page)
    client.store.reclaim_space()
    return Reply(200, written({"instancesDeleted": deleted})) if deleted else Reply(404)


def _query(call: Call, prefix: str) -> Query | None:
    """What a list asks for, and one more, with which the next page begins. None where Azure Storage
    refuses it.
    """
    top = _top(call)
    if top < 0:
        return None
    return Query(
        prefix=prefix,
        created_from=call.moment("createdTimeFrom") or call.moment("lastOperationTimeFrom") or "",
        created_to=call.moment("createdTimeTo") or call.moment("lastOperationTimeTo") or "~",
        statuses=_statuses(call),
        first=_first(call),
        limit=top + 1,
    )


def _statuses(call: Call) -> tuple[str, ...]:
    named = {each.strip() for each in call.query.get("runtimeStatus", "").split(",")}
    return tuple(each for each in get_args(RuntimeStatus) if each in named)


def _top(call: Call) -> int:
    try:
        return min(int(call.query.get("top", PAGE)), LARGEST_PAGE)
    except ValueError:
        return PAGE


def _first(call: Call) -> str:
    """The id with which the page begins. A token that is none leads behind the end."""
    try:
        return base64.b64decode(call.continuation.strip(), validate=True).decode()
    except ValueError:
        return "\U0010ffff"


def _page(query: Query, found: list[tuple[str, dict[str, Any]]]) -> Reply:
    top = query.limit - 1
    body = written([shown for _, shown in found[:top]])
    if len(found) <= top:
        return Reply(200, body)
    token = base64.b64encode(found[top][0].encode()).decode()
    return Reply(200, body, {CONTINUATION: f"{token} "})
