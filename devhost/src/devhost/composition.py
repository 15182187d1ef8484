"""The composition of a host: an app and its task hub, with the management API."""

from typing import Protocol

from devhost.engine.dispatcher import Clock, MakeWorkers
from devhost.engine.workers import Workers
from devhost.functions.app import App
from devhost.host import Host
from devhost.management.api import ManagementApi
from devhost.settings.files import HostJson
from devhost.storage.store import Store


class BuildHost(Protocol):
    """Builds a host for an app, and the management API of its task hub."""

    def __call__(
        self,
        app: App,
        store: Store,
        config: HostJson,
        clock: Clock,
        workers: MakeWorkers = Workers,
    ) -> tuple[Host, ManagementApi]: ...


def build_host(
    app: App,
    store: Store,
    config: HostJson,
    clock: Clock,
    workers: MakeWorkers = Workers,
) -> tuple[Host, ManagementApi]:
    """Build the usual host. `devhost.testing.faulty.host` has a builder of faulty ones."""
    host = Host(app, store, clock, config, workers=workers)
    return host, ManagementApi(host)
