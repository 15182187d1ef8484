"""What each call asks of the task hub."""

from collections.abc import Awaitable, Callable

from devhost.testing import run
from tests.support.registry_host import RegistryHost


def count_messages() -> None:
    """Print what a call asks of the task hub, up to its answer and for a second after it."""
    print("\nasked of the task hub:")
    run(_count())


async def _count() -> None:
    async with RegistryHost(timers=False) as host:
        id = await host.open()
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "open": host.open,
            "add": lambda: host.add(id, "Bike"),
            "peek": lambda: host.peek(id),
            "finish": lambda: host.finish(id),
            "stats": host.stats,
        }
        for name, call in calls.items():
            await host.advance(seconds=2)
            with host.counting() as costs:
                await call()
                await host.advance(seconds=1)
            print(f"  {name}: {costs.messages} messages, {costs.reads} reads", flush=True)
