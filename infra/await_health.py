"""Waits until the app answers, then says how to open it, or why it does not come up.

`azd` runs this after it has deployed. It needs Python 3.11, and FUNCTION_APP_URL, FUNCTION_APP_NAME
and AZURE_RESOURCE_GROUP in the environment: the outputs of the deployment.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import urlopen

NEEDED = ("FUNCTION_APP_URL", "FUNCTION_APP_NAME", "AZURE_RESOURCE_GROUP")

PATIENCE = 600
"""Seconds: roles may take minutes to apply, and a first start takes some more."""

PAUSE = 5
SILENCE = 30
"""Seconds after which the same answer is shown again."""

TIMEOUT = 30

READY = "it is ready"
MISTAKE = "the answer is not that of /api/health; is this the app?"
REASONS = {
    403: "403: the app is stopped, or does not let this address in",
    404: "404: the app has no functions. Its package was not built, "
    "or function_app.py cannot be imported",
    503: "503 from the host, which does not start. Its storage settings may be missing, "
    "or the roles on its storage",
}

WELCOME = """The app is running: {url} is the page, {url}/api/docs the API. Callers need a key:
  az functionapp keys list --name {name} --resource-group {group} \\
    --query functionKeys.default --output tsv
Open the page with it: {url}/?code=KEY"""

ADVICE = """The app does not come up: {answer}.
Look at its settings, its functions and its log. Then deploy again (`azd deploy`), and where a
setting or a role is wrong, provision again too (`azd provision`):
  az functionapp config appsettings list --name {name} --resource-group {group} --query "[].name"
  az functionapp function list --name {name} --resource-group {group} --query "[].name"
  {name} in https://portal.azure.com: Diagnose and solve problems; Logs, with the query `traces`"""


def main(
    environment: Mapping[str, str],
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> int:
    """Wait for at most PATIENCE seconds. Returns the exit code: 0 when the app answers, else 1."""
    if missing := set(NEEDED) - environment.keys():
        names = ", ".join(sorted(missing))
        return _fail(f"{names} missing: set them, or run this as `azd hooks run postdeploy`.")

    url, name, group = (environment[each] for each in NEEDED)
    print(f"Waiting for {url}/api/health, {PATIENCE // 60} minutes at most", flush=True)
    answer = _wait_for_answer(f"{url}/api/health", clock, pause)

    if answer != READY:
        return _fail(ADVICE.format(answer=answer, name=name, group=group))
    print(WELCOME.format(url=url, name=name, group=group))
    return 0


def _wait_for_answer(url: str, clock: Callable[[], float], pause: Callable[[float], None]) -> str:
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
    """Ask once. Returns READY, or why it is not."""
    try:
        with urlopen(url, timeout=TIMEOUT) as response:  # noqa: S310  # what was deployed
            return READY if _body(response.read()).get("status") == "Healthy" else MISTAKE
    except HTTPError as error:
        with error:
            return _reason(error.code, _body(error.read()).get("detail"))
    except (OSError, HTTPException) as error:  # no such name, refused, too slow, cut off
        return f"no answer: {getattr(error, 'reason', error)}"


def _body(content: bytes) -> dict[str, str]:
    try:
        body = json.loads(content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _reason(status: int, detail: str | None) -> str:
    """The app's own detail, where it answers with a problem (RFC 9457)."""
    if detail:
        return f"{status}: {detail}"
    return REASONS.get(status, f"{status} without a reason")


def _fail(message: str) -> int:
    print(message, file=sys.stderr)
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main(os.environ))
    except KeyboardInterrupt:
        sys.exit("\nStopped waiting; the deployment stays. `azd hooks run postdeploy` waits again.")
