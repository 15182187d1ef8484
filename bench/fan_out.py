"""An orchestrator that waits for many activities."""

import json
import time
import urllib.request

from bench.servers import progress, started

PATIENCE = 300.0  # seconds


def measure_fan_out(activities: int, rounds: int) -> None:
    """How long `task_all` over so many activities takes."""
    seconds = []
    with started("fan_out") as servers:
        for number in range(rounds):
            progress(f"task_all over {activities} activities, round {number + 1} of {rounds}")
            seconds.append(_run(servers["fan_out"].url, activities))
    seconds.sort()
    print(f"\ntask_all over {activities} activities: {seconds[rounds // 2]:.2f} s (", end="")
    print(f"{rounds} rounds, {seconds[0]:.2f} to {seconds[-1]:.2f})")


def _run(url: str, activities: int) -> float:
    """Run the orchestrator to its end; returns the seconds from the start to when that is seen."""
    began = time.perf_counter()
    management = f"{url}/runtime/webhooks/durabletask"
    body = json.dumps(json.dumps(activities)).encode()  # as the SDK's client sends an input
    start = urllib.request.Request(
        f"{management}/orchestrators/fan_out",
        body,
        {"Content-Type": "application/json"},
        method="POST",
    )
    id = _json(start)["id"]
    while (shown := _json(f"{management}/instances/{id}?showInput=false"))["runtimeStatus"] in (
        "Pending",
        "Running",
    ):
        if time.perf_counter() - began > PATIENCE:
            raise TimeoutError(f"{activities} activities took longer than {PATIENCE:g} s")
        time.sleep(0.02)
    if shown["output"] != activities:
        raise RuntimeError(f"{activities} activities came to {shown}")
    return time.perf_counter() - began


def _json(request: str | urllib.request.Request) -> dict[str, object]:
    with urllib.request.urlopen(request) as response:
        return dict(json.load(response))
