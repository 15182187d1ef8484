"""`make bench`: measures devhost beside its baselines and under load, and prints the figures."""

import argparse
from collections.abc import Callable

from bench.adds import measure_adds, measure_full, measure_logging
from bench.closing import close_many, kill_often
from bench.fan_out import measure_fan_out
from bench.growth import measure_growth
from bench.messages import count_messages

ACTIVITIES = 1000


def main() -> None:
    """Run the scenarios."""
    options = _options()
    scenarios: dict[str, Callable[[], None]] = {
        "adds": lambda: measure_adds(options.seconds, options.rounds),
        "logging": lambda: measure_logging(options.rounds),
        "full": lambda: measure_full(options.seconds),
        "fan-out": lambda: measure_fan_out(ACTIVITIES, options.rounds),
        "messages": count_messages,
        "growth": measure_growth,
        "closing": lambda: close_many(options.registries, options.open_seconds),
        "kills": lambda: kill_often(options.kills),
    }
    unknown = set(options.only) - set(scenarios)
    if unknown:
        raise SystemExit(
            f"there is no {', '.join(sorted(unknown))}; there are {', '.join(scenarios)}"
        )
    for name in options.only or scenarios:
        scenarios[name]()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure devhost.")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME", help="only these scenarios (default: all)"
    )
    parser.add_argument(
        "--seconds", type=float, default=6, help="length of all rounds of adds (default: 6)"
    )
    parser.add_argument(
        "--rounds", type=int, default=3, help="in how many rounds servers take turns (default: 3)"
    )
    parser.add_argument(
        "--registries", type=int, default=10_000, help="how many are open at once (default: 10000)"
    )
    parser.add_argument(
        "--open-seconds", type=int, default=90, help="how long each is open (default: 90)"
    )
    parser.add_argument(
        "--kills", type=int, default=50, help="how often it is killed under load (default: 50)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
