"""Wait until the app answers, and say how to open it, or what keeps it from it. `azd` runs this
after it has deployed.

It needs nothing but Python 3.11, and what `azd` knows of the deployment: FUNCTION_APP_URL,
FUNCTION_APP_NAME and AZURE_RESOURCE_GROUP in the environment.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import urlopen

PATIENCE = 600  # seconds: roles may take minutes until they hold, and a first start some more
PAUSE = 5
SILENCE = 30  # seconds after which the same answer is shown again
TIMEOUT = 30

READY = "it is ready"
NO_FUNCTIONS = "404: the app has no functions. Its package was not built, or function_app.py cannot be imported"
NO_HOST = "503 from the host, which does not start. It may lack its storage settings, or the roles on its storage"
STOPPED = "403: the app is stopped, or does not let this address in"
MISTAKE = "there is no health in what answers; is this the app?"


def main(
    environment: Mapping[str, str],
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> int:
    """Wait, and return the exit code: 0 when the app answers, 1 when it does not within PATIENCE
    seconds.
    """
    missing = {"FUNCTION_APP_URL", "FUNCTION_APP_NAME", "AZURE_RESOURCE_GROUP"} - environment.keys()
    if missing:
        return _tell(
            f"{', '.join(sorted(missing))} missing: set them, or run this as `azd hooks run postdeploy`."
        )
    url, name, group = (
        environment[key]
        for key in ("FUNCTION_APP_URL", "FUNCTION_APP_NAME", "AZURE_RESOURCE_GROUP")
    )
    print(f"Waiting until {url}/api/health answers, {PATIENCE // 60} minutes at most", flush=True)
    answer = _await(f"{url}/api/health", clock, pause)
    return _welcome(url, name, group) if answer == READY else _explain(answer, name, group)


def _await(url: str, clock: Callable[[], float], pause: Callable[[float], None]) -> str:
    """Ask until the answer is READY or PATIENCE is over, and return the last one."""
    began = shown_at = clock()
    shown = ""
    while (answer := ask(url)) != READY and clock() - began < PATIENCE:
        if answer != shown or clock() - shown_at >= SILENCE:
            print(f"  after {clock() - began:.0f} s: {answer}", flush=True)
            shown, shown_at = answer, clock()
        pause(PAUSE)
    return answer


def ask(url: str) -> str:
    """What the answer of /api/health means: READY, or why it is not."""
    try:
        with urlopen(url, timeout=TIMEOUT) as response:  # noqa: S310  # the URL of what was deployed
            return READY if _body(response.read()).get("status") == "Healthy" else MISTAKE
    except HTTPError as error:
        with error:
            return _meaning(error.code, _body(error.read()).get("detail"))
    except (OSError, HTTPException) as error:  # no such name, refused, too slow, cut off
        return f"no answer: {getattr(error, 'reason', error)}"


def _body(content: bytes) -> dict[str, str]:
    try:
        body = json.loads(content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _meaning(status: int, detail: str | None) -> str:
    if detail:  # a problem that the app itself tells: https://www.rfc-editor.org/rfc/rfc9457
        return f"{status}: {detail}"
    return {403: STOPPED, 404: NO_FUNCTIONS, 503: NO_HOST}.get(status, f"{status} without a reason")


def _welcome(url: str, name: str, group: str) -> int:
    print(f"""It runs: {url} is the page, {url}/api/docs the API. Whoever calls it needs a key:
  az functionapp keys list --name {name} --resource-group {group} --query functionKeys.default --output tsv
Open the page with it as {url}/?code=KEY""")
    return 0


def _explain(answer: str, name: str, group: str) -> int:
    return _tell(f"""The app does not come up: {answer}.
Look here, and then deploy it again (`azd deploy`); where a setting or a role is wrong, that too (`azd provision`):
  az functionapp config appsettings list --name {name} --resource-group {group} --query "[].name"
  az functionapp function list --name {name} --resource-group {group} --query "[].name"
  {name} in https://portal.azure.com, under Diagnose and solve problems, and under Logs: traces | order by timestamp""")


def _tell(what: str) -> int:
    print(what, file=sys.stderr)
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main(os.environ))
    except KeyboardInterrupt:
        sys.exit(
            "\nStopped waiting; what is deployed stays. `azd hooks run postdeploy` waits again."
        )
