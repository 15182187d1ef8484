"""The management API over HTTP: turns a request into one for the API, and the answer back."""

from urllib.parse import parse_qsl

from devhost.http.heads import Head
from devhost.http.requests import Request
from devhost.http.responses import Response
from devhost.http.targets import encode_path
from devhost.management.api import ManagementApi
from devhost.management.lists import CONTINUATION
from devhost.management.messages import ManagementRequest, ManagementResponse, error, store_error
from devhost.management.urls import PREFIX
from devhost.storage.store import StoreError

JSON = "application/json"
LARGEST_BODY = 2**20
"""Bytes of a request to the host itself."""
TOO_LARGE = Response(
    413, [("Content-Type", "text/plain")], b"The body has more than 1 MiB.\n", closes=True
)


class ManagementEndpoint:
    """Answers requests to `/runtime/webhooks/durabletask`."""

    serves_while_draining = True  # functions that are still running need it

    def __init__(self, api: ManagementApi, origin: str) -> None:
        """`origin` is the address of this host, as http://host:port."""
        self._api = api
        self._origin = origin

    def answers(self, path: str) -> bool:
        """Whether a path, in lower case, belongs to the API."""
        return path.startswith(PREFIX)

    async def answer(self, request: Request) -> Response:
        """Answer a request to the API."""
        if request.head.length > LARGEST_BODY:
            return TOO_LARGE
        return _to_http(await self._answer(request.head, await request.read()))

    async def _answer(self, head: Head, body: bytes) -> ManagementResponse:
        content_type, _, charset = head.headers.get("content-type", "").lower().partition(";")
        try:
            text = body.decode(charset.partition("charset=")[2].strip(' "') or "utf-8")
        except (ValueError, LookupError):
            return error(400, "The body is not text in the charset that it names.")

        request = ManagementRequest(
            method=head.method,
            path=_path(head)[len(PREFIX) :],
            origin=self._origin,
            query=_joined(parse_qsl(head.query[1:], keep_blank_values=True)),
            body=text,
            is_json=content_type.strip() == JSON,
            continuation=head.headers.get(CONTINUATION, ""),
        )
        try:
            return await self._api.answer(request)
        except StoreError as failure:
            return store_error(failure)


def _path(head: Head) -> str:
    """The path as it was sent, unless it only leads to the API once it is decoded."""
    return head.target if head.target.lower().startswith(PREFIX) else encode_path(head.path)


def _joined(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Join the values of one name with commas."""
    values: dict[str, str] = {}
    for name, value in pairs:
        values[name] = f"{values[name]},{value}" if name in values else value
    return values


def _to_http(response: ManagementResponse) -> Response:
    headers = list(response.headers.items())
    if response.body:
        headers.append(("Content-Type", f"{JSON}; charset=utf-8"))
    return Response(response.status, headers, response.body.encode())
