"""The guard: only this machine is served, and no page of another origin. There are no keys that
would keep others out.

A page that somebody looks at in a browser here could else purge every instance with one request, or
read everything under a name of its own that it lets point to this machine (DNS rebinding).
"""

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass

from devhost.http.heads import HOST, Head

LOCAL = "localhost"
PRIVILEGED = ("/runtime", "/admin")
"""Where not even a link may lead."""


@dataclass(frozen=True)
class HostFilter:
    """Whom the host serves."""

    allowed_hosts: Collection[str] = ()
    """Names of this machine besides its own, in lower case."""

    def refusal(self, head: Head, address: str) -> int | None:
        """The status with which a request is refused that came to an address of this machine, or
        None.
        """
        if not self._is_ours(head.host, address):
            return 421
        return 403 if _is_from_elsewhere(head) and not _follows_a_link(head) else None

    def _is_ours(self, host: str, address: str) -> bool:
        found = HOST.fullmatch(host)
        name = found["name"].lower() if found else ""
        if name in self.allowed_hosts or name == LOCAL or name.endswith(f".{LOCAL}"):
            return True
        try:
            ip = ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return ip.is_loopback or str(ip) == address


def _is_from_elsewhere(head: Head) -> bool:
    """Whether a browser says that a page of another origin sends it."""
    origin = head.headers.get("origin")
    if origin is not None and origin.lower() not in (
        f"http://{head.host.lower()}",
        f"https://{head.host.lower()}",
    ):
        return True
    return head.headers.get("sec-fetch-site", "none").lower() not in ("none", "same-origin")


def _follows_a_link(head: Head) -> bool:
    """Whether a browser opens it as a page: registries, for one, are shared as links."""
    return (
        head.method in ("GET", "HEAD")
        and head.headers.get("sec-fetch-mode") == "navigate"
        and head.headers.get("sec-fetch-dest") == "document"
        and not head.path.lower().startswith(PRIVILEGED)
    )
