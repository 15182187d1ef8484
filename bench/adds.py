"""Adds: beside baselines, with and without a log, and to a registry that is full."""

import logging
import statistics
import timeit
from tempfile import TemporaryFile
from typing import IO

from bench.load import Figures, adds, opens
from bench.servers import Server, progress, started

REGISTRIES = 100
CLIENTS = (1, 16, 64)
SERVERS = ("devhost", "aiohttp", "fastapi")
COMPARED = 16
"""With how many clients servers are compared."""
ADDS_A_ROUND = 1000
"""With how many adds the cost of the log is compared."""
LINES = 5000
"""How many lines are logged to measure one."""
SETTINGS = {"REGISTRY_OPEN_SECONDS": 3600}


def measure_adds(seconds: float, rounds: int) -> None:
    """Measure acknowledged adds a second and their latency, beside the baselines."""
    figures: dict[tuple[str, int], list[Figures]] = {
        (name, each): [] for name in SERVERS for each in CLIENTS
    }
    with started(*SERVERS, **SETTINGS) as servers:
        ids = {clients: opened(servers["devhost"]) for clients in CLIENTS}
        for number in range(rounds):
            for name, clients in figures:
                progress(f"adds to {name} from {clients} clients, round {number + 1} of {rounds}")
                measured = adds(servers[name].url, clients, ids[clients], seconds=seconds / rounds)
                figures[name, clients].append(measured)
    length = f"{rounds} rounds of {seconds / rounds:g} s"
    print(f"\nadds over {REGISTRIES} registries, medians of {length}:")
    print(f"{'server':<10}{'clients':>8}{'adds/s':>10}", end="")
    print(f"{'median ms':>11}{'99 % ms':>10}{'devhost has':>13}")
    for (name, clients), measured in figures.items():
        middle = Figures.middle(measured)
        ratio, _ = compare(figures["devhost", clients], measured)
        print(f"{name:<10}{clients:>8}{middle.per_second:>10.0f}", end="")
        print(f"{middle.median:>11.2f}{middle.p99:>10.1f}{ratio:>12.2f}x")
    ratio, span = compare(figures["devhost", COMPARED], figures["fastapi", COMPARED])
    print(f"devhost makes {ratio:.2f} of the adds of FastAPI + SQLite ", end="")
    print(f"at {COMPARED} clients (rounds: {span})")


def measure_logging(rounds: int) -> None:
    """Measure the share of the log in an add: by its lines, as the whole would drown in noise."""
    progress("adds and the lines that they log")
    with started("devhost", **SETTINGS) as servers:
        server = servers["devhost"]
        ids, count = opened(server), ADDS_A_ROUND * rounds
        before, lines_before = server.cpu_seconds(), server.lines()
        adds(server.url, COMPARED, ids, count=count)
        an_add, lines = (
            (server.cpu_seconds() - before) / count,
            (server.lines() - lines_before) / count,
        )
    with TemporaryFile("w") as file:
        log = logging.Logger("bench")
        log.addHandler(_handler(file))
        times = timeit.repeat(
            lambda: log.info("%s %s %d", "POST", "/api/add/{id}", 200), number=LINES
        )
        a_line = min(times) / LINES
    share = lines * a_line / an_add
    print(f"\nthe log takes {share:.1%} of the processor time of an add: ", end="")
    print(f"{lines:.1f} lines of {a_line * 1e6:.0f} us, of {an_add * 1000:.2f} ms")


def _handler(file: IO[str]) -> logging.Handler:
    """Writes lines as devhost does."""
    handler = logging.StreamHandler(file)
    handler.setFormatter(logging.Formatter("[%(asctime)s.%(msecs)03dZ] %(message)s"))
    return handler


def measure_full(seconds: float) -> None:
    """Measure adds of one client to a registry that is nearly full, beside an empty one."""
    items = {"empty": [], "full": ["\N{WRAPPED PRESENT}" * 80] * 64}  # nearly 64 KiB as stored
    medians = {}
    with started("devhost", **SETTINGS, REGISTRY_MAX_ITEMS=1000) as servers:
        url = servers["devhost"].url
        for name, texts in items.items():
            progress(f"adds to {name} registries")
            ids = opens(url, 4, 60)[0]
            for text in texts:
                adds(url, COMPARED, ids, count=len(ids), item=text)
            medians[name] = adds(url, 1, ids, seconds=seconds, item="x").median
    full, empty = medians["full"], medians["empty"]
    print(f"\nadd to a full registry: {full:.1f} ms, ", end="")
    print(f"{full / empty:.2f}x of an empty one ({empty:.1f} ms)")


def opened(server: Server) -> list[str]:
    """Open registries; returns their ids. The baselines take any id."""
    return opens(server.url, 4, REGISTRIES)[0]


def compare(ours: list[Figures], theirs: list[Figures]) -> tuple[float, str]:
    """Compare our adds with theirs; returns the median ratio of the rounds, and its range."""
    ratios = [one.per_second / other.per_second for one, other in zip(ours, theirs, strict=True)]
    return statistics.median(ratios), f"{min(ratios):.2f} to {max(ratios):.2f}"
