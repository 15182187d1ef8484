"""The HTTP server: decides who answers a request, the host itself or a function of the app."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from devhost.http.functions import FunctionEndpoint
from devhost.http.heads import HOST, Head
from devhost.http.host_filter import HostFilter
from devhost.http.requests import Request
from devhost.http.responses import Response

LARGEST_PORT = 2**16 - 1
TEXT = ("Content-Type", "text/plain")
MISDIRECTED = Response(
    421,
    [TEXT],
    b"devhost serves only this machine: "
    b"start it with --allow-host NAME to be reached by another name.\n",
)
FOREIGN = Response(403, [TEXT], b"devhost serves no page of another origin.\n")
STOPPING = Response(503, [("Retry-After", "1")], closes=True)
HOST_FILTER = HostFilter()


class Endpoint(Protocol):
    """A part of the host that answers some paths itself."""

    serves_while_draining: bool
    """Whether it still answers while the host waits for running functions to end."""

    def answers(self, path: str) -> bool:
        """Whether a path, in lower case, belongs to this endpoint."""

    async def answer(self, request: Request) -> Response:
        """Answer a request for a path of this endpoint."""


class HttpServer:
    """Answers all requests: the first endpoint that has the path, or else a function."""

    def __init__(
        self,
        functions: FunctionEndpoint,
        endpoints: Sequence[Endpoint] = (),
        host_filter: HostFilter = HOST_FILTER,
        custom_headers: Mapping[str, str] = {},
    ) -> None:
        """`custom_headers` are added to every response that does not have them."""
        self._functions = functions
        self._endpoints: tuple[Endpoint, ...] = (*endpoints, functions)
        self._host_filter = host_filter
        self._custom_headers = custom_headers
        self._draining = False

    async def drain(self, seconds: float) -> None:
        """Take no more requests for functions, and wait for those that are running."""
        self._draining = True
        await self._functions.wait_until_idle(seconds)

    async def __call__(self, request: Request) -> Response:
        """Answer a request."""
        response = self._refusal(request) or await self._answer(request)
        return response.with_headers(self._custom_headers) if self._custom_headers else response

    def _refusal(self, request: Request) -> Response | None:
        """The response to a request that is served to nobody, or not to this client."""
        if not _has_valid_host(request.head):
            return Response(500)
        match self._host_filter.refusal(request.head, request.address):
            case 421:
                return MISDIRECTED
            case 403:
                return FOREIGN
        return None

    async def _answer(self, request: Request) -> Response:
        path = request.head.path.lower()
        endpoint = next(each for each in self._endpoints if each.answers(path))
        if self._draining and not endpoint.serves_while_draining:
            return STOPPING
        return await endpoint.answer(request)


def _has_valid_host(head: Head) -> bool:
    """Whether a URL can be built from the Host header."""
    found = HOST.fullmatch(head.host)
    if found is None or not found["name"]:
        return False
    return int(found["port"] or 0) <= LARGEST_PORT
