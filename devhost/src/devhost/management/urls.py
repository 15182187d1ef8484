"""URLs of the management API, as the real host writes them."""

import json
from urllib.parse import quote_plus

from devhost.settings.files import DEFAULTS

PREFIX = "/runtime/webhooks/durabletask/"
UNESCAPED = "!*()"
"""What .NET's WebUtility.UrlEncode leaves, besides letters, digits and `-_.`."""


def client_binding(origin: str, hub: str = DEFAULTS.hub_name) -> str:
    """The JSON for a durableClient parameter: where the SDK's client finds this API."""
    base = origin + PREFIX.rstrip("/")
    create = f"{base}/orchestrators/{{functionName}}[/{{instanceId}}]"
    binding = {
        "taskHubName": hub,
        "creationUrls": {
            "createNewInstancePostUri": f"{create}?",
            "createAndWaitOnNewInstancePostUri": (
                f"{create}?timeout={{timeoutInSeconds}}&pollingInterval={{intervalInSeconds}}&"
            ),
        },
        "managementUrls": management_urls(origin, hub, "INSTANCEID"),
        "baseUrl": base,
        "requiredQueryStringParameters": "",
        "rpcBaseUrl": f"{base}/",
    }
    return json.dumps(binding)


def management_urls(origin: str, hub: str, id: str) -> dict[str, str]:
    """The URLs for the status of an instance and for all operations on it."""
    parameters = f"taskHub={hub}&connection=Storage"
    instance = instance_url(origin, id)
    return {
        "id": id,
        "statusQueryGetUri": f"{instance}?{parameters}",
        "sendEventPostUri": f"{instance}/raiseEvent/{{eventName}}?{parameters}",
        "terminatePostUri": f"{instance}/terminate?reason={{text}}&{parameters}",
        "rewindPostUri": f"{instance}/rewind?reason={{text}}&{parameters}",
        "purgeHistoryDeleteUri": f"{instance}?{parameters}",
        "restartPostUri": f"{instance}/restart?{parameters}",
        "suspendPostUri": f"{instance}/suspend?reason={{text}}&{parameters}",
        "resumePostUri": f"{instance}/resume?reason={{text}}&{parameters}",
    }


def instance_url(origin: str, id: str) -> str:
    """The URL for the status of an instance."""
    return f"{origin}{PREFIX}instances/{quote_plus(id, safe=UNESCAPED).replace('~', '%7E')}"
