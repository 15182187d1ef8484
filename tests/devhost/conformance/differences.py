"""Where devhost is not as the real host: each a decision, with its reason. A case that is listed here must differ."""

REQUESTS: dict[str, list[str]] = {}
"""Of HTTP: requests, responses, routes, keys."""

APPS: dict[str, list[str]] = {}
"""Of HTTP: loading, host.json, settings, deaths of the worker."""

MANAGEMENT: dict[str, list[str]] = {}
"""Of Durable: the management API and the SDK's client."""

ORCHESTRATIONS: dict[str, list[str]] = {}
"""Of Durable: orchestrations, activities, entities, host.json."""

NOT_DRIVEN: dict[str, list[str]] = {
    "It describes the probe app, and asks nothing.": ["_probe_app"],
}
"""Of Durable: what a test in one process cannot do, or what depends on timing; not counted."""
