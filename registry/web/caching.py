"""ETags, so that a client need not fetch what it has, and gzip."""

import gzip
import hashlib
from functools import lru_cache

from azure.functions import HttpRequest, HttpResponse
from werkzeug.http import parse_accept_header, parse_etags

from registry.web.headers import preference

MIN_GZIP_BYTES = 1024
"""Shorter bodies fit into one packet as they are."""
REVALIDATE = "private, no-cache"
"""The client may keep the answer, and asks each time whether it still holds.

With `no-store` it would have nothing to ask about. Shared caches keep nothing, because who knows
the address may use the registry.
"""
VARY = "Accept, Accept-Encoding"
"""What an answer depends on, beside its address."""


def with_etag(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """The response with an ETag, or 304 where the client has it already.

    The ETag is weak, because it is the same with gzip and without:
    https://www.rfc-editor.org/rfc/rfc9110#section-8.8.1. A 304 has no body; with one, the real host
    would close the connection.
    """
    etag = hashlib.sha256(response.get_body()).hexdigest()[:32]
    response.headers["ETag"] = f'W/"{etag}"'
    response.headers["Cache-Control"] = REVALIDATE
    response.headers["Vary"] = VARY

    if parse_etags(preference(request, "If-None-Match")).contains_weak(etag):
        return HttpResponse(status_code=304, headers=dict(response.headers))
    return response


def with_gzip(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """The response in gzip, where it is long and the client accepts that.

    The real host compresses nothing.
    """
    body = response.get_body()
    if len(body) < MIN_GZIP_BYTES:
        return response

    response.headers.setdefault("Vary", "Accept-Encoding")
    if not parse_accept_header(preference(request, "Accept-Encoding")).quality("gzip"):
        return response

    headers = dict(response.headers) | {"Content-Encoding": "gzip"}
    return HttpResponse(_compress(body), status_code=response.status_code, headers=headers)


@lru_cache(maxsize=64)
def _compress(body: bytes) -> bytes:
    """Once for all who ask for the page, or poll one registry."""
    return gzip.compress(body, mtime=0)
