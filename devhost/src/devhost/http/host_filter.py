"""Serves only this machine, and no page of another origin: there are no keys to keep others out.

Otherwise any page open in a browser on this machine could purge every instance with one request, or
read everything through a name of its own that it points at this machine (DNS rebinding).
"""

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass

from devhost.http.heads import HOST, Head

LOCAL = "localhost"
PRIVILEGED = ("/runtime", "/admin")
"""Paths that not even a link may lead to."""


@dataclass(frozen=True)
class HostFilter:
    """Decides by its Host, Origin and Sec-Fetch headers whether a request is served."""

    allowed_hosts: Collection[str] = ()
    """More names of this machine, in lower case."""

    def refusal(self, head: Head, address: str) -> int | None:
        """The status that refuses a request, or None.

        `address` is the one of this machine's addresses that the client connected to.
        """
        if not self._is_this_machine(head.host, address):
            return 421
        if _is_cross_origin(head) and not _follows_a_link(head):
            return 403
        return None

    def _is_this_machine(self, host: str, address: str) -> bool:
        found = HOST.fullmatch(host)
        name = found["name"].lower() if found else ""
        if name in self.allowed_hosts or name == LOCAL or name.endswith(f".{LOCAL}"):
            return True
        try:
            ip = ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return ip.is_loopback or str(ip) == address


def _is_cross_origin(head: Head) -> bool:
    """Whether a browser says that a page of another origin sent the request."""
    host = head.host.lower()
    origin = head.headers.get("origin")
    if origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}"):
        return True
    return head.headers.get("sec-fetch-site", "none").lower() not in ("none", "same-origin")


def _follows_a_link(head: Head) -> bool:
    """Whether a browser opens the URL as a page: people share links to pages of the app."""
    return (
        head.method in ("GET", "HEAD")
        and head.headers.get("sec-fetch-mode") == "navigate"
        and head.headers.get("sec-fetch-dest") == "document"
        and not head.path.lower().startswith(PRIVILEGED)
    )
