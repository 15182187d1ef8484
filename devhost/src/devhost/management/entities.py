"""One entity in the management API: reads its state, and signals it."""

import json

from devhost.engine.client import DurableClient
from devhost.management.messages import ManagementRequest, ManagementResponse, error
from devhost.replay.json_text import rewritten
from devhost.replay.lenient_json import InvalidJson, read

FORBIDDEN = set("/\\#?")
FORBIDDEN_KEY = (
    "entityKey (Parameter 'Entity keys must not contain /, \\, #, ?, or control characters.')"
)


def read_state(client: DurableClient, name: str, key: str) -> ManagementResponse:
    """Read the state of an entity; null if it has none."""
    state = client.store.entity(_entity_id(name, key))
    return ManagementResponse(404) if state is None else ManagementResponse(200, rewritten(state))


def signal(
    client: DurableClient, request: ManagementRequest, name: str, key: str
) -> ManagementResponse:
    """Send an entity an operation; DELETE stands for the operation `delete`."""
    if FORBIDDEN.intersection(key) or any(ord(character) < 32 for character in key):
        return error(400, FORBIDDEN_KEY)
    try:
        input = _input(request)
    except InvalidJson as invalid:
        return error(400, f"Could not parse JSON content: {invalid}")
    if name.casefold() not in client.functions.entities:
        return error(400, str(client.functions.unknown(name, "entity")))
    operation = "delete" if request.method == "DELETE" else request.query.get("op", "")
    client.signal(_entity_id(name, key), operation, input)
    return ManagementResponse(202)


def _input(request: ManagementRequest) -> str | None:
    """The body as JSON; a body of another content type is a string."""
    if not request.body:
        return None
    return read(request.body) if request.is_json else json.dumps(request.body)


def _entity_id(name: str, key: str) -> str:
    return f"@{name.lower()}@{key}"
