"""The management API of one entity: its state is read, and it is signalled."""

import json

from devhost.engine.client import DurableClient
from devhost.management.calls import Call, Reply, error
from devhost.replay.json_text import rewritten
from devhost.replay.lenient_json import InvalidJson, read

FORBIDDEN = set("/\\#?")
FORBIDDEN_KEY = (
    "entityKey (Parameter 'Entity keys must not contain /, \\, #, ?, or control characters.')"
)


def read_state(client: DurableClient, name: str, key: str) -> Reply:
    """The state of an entity, null where it has none."""
    state = client.store.entity(_entity_id(name, key))
    return Reply(404) if state is None else Reply(200, rewritten(state))


def signal(client: DurableClient, call: Call, name: str, key: str) -> Reply:
    """Send an entity an operation; DELETE is one as any other."""
    if FORBIDDEN.intersection(key) or any(ord(character) < 32 for character in key):
        return error(400, FORBIDDEN_KEY)
    try:
        input = _input(call)
    except InvalidJson as invalid:
        return error(400, f"Could not parse JSON content: {invalid}")
    if name.casefold() not in client.functions.entities:
        return error(400, str(client.functions.unknown(name, "entity")))
    operation = "delete" if call.method == "DELETE" else call.query.get("op", "")
    client.signal(_entity_id(name, key), operation, input)
    return Reply(202)


def _input(call: Call) -> str | None:
    """The body as JSON: what is not sent as that is text."""
    if not call.body:
        return None
    return read(call.body) if call.is_json else json.dumps(call.body)


def _entity_id(name: str, key: str) -> str:
    return f"@{name.lower()}@{key}"
