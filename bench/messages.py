"""What each call asks of the task hub."""

from collections.abc import Callable

from devhost.testing.virtual_host import VirtualHost


def count_messages() -> None:
    """What a call asks of the task hub, up to its answer and for a second after it."""
    print("\nasked of the task hub:")
    with VirtualHost(timers=False) as host:
        id = host.open()
        calls: dict[str, Callable[[], object]] = {
            "open": host.open,
            "add": lambda: host.add(id, "Bike"),
            "peek": lambda: host.get(f"/api/peek/{id}"),
            "finish": lambda: host.post(f"/api/finish/{id}"),
            "stats": lambda: host.get("/api/stats"),
        }
        for name, call in calls.items():
            host.advance(seconds=2)
            with host.counting() as costs:
                call()
                host.advance(seconds=1)
            print(f"  {name}: {costs.messages} messages, {costs.reads} reads", flush=True)
