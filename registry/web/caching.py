"""How an answer travels: not at all where the client has it already, and in gzip where the client
takes that.
"""

import gzip
import hashlib
from functools import lru_cache

from azure.functions import HttpRequest, HttpResponse
from werkzeug.http import parse_accept_header, parse_etags

SHORTEST = 1024
"""Bytes from which on gzip is worth its while: what is shorter fits into one packet as it is."""
REVALIDATE = "private, no-cache"
"""The client may keep the answer, but asks each time whether it still holds. With `no-store` it
would have nothing to ask about. Caches that many share keep nothing, as who knows the address may
use the registry.
"""
VARY = "Accept, Accept-Encoding"
"""What an answer depends on beside its address."""


def unless_known(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """The answer with an ETag; 304 where the request names that.

    It is a weak one, as it is the same with and without gzip:
    https://www.rfc-editor.org/rfc/rfc9110#section-8.8.1. A 304 has no body, with which the real
    host would close the connection.
    """
    tag = hashlib.sha256(response.get_body()).hexdigest()[:32]
    response.headers["ETag"] = f'W/"{tag}"'
    response.headers["Cache-Control"] = REVALIDATE
    response.headers["Vary"] = VARY
    if parse_etags(request.headers.get("If-None-Match")).contains_weak(tag):
        return HttpResponse(status_code=304, headers=dict(response.headers))
    return response


def compressed(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """The answer in gzip, where it is long and the client takes that: the real host compresses
    nothing.
    """
    body = response.get_body()
    if len(body) < SHORTEST:
        return response
    response.headers.setdefault("Vary", "Accept-Encoding")
    if not parse_accept_header(request.headers.get("Accept-Encoding")).quality("gzip"):
        return response
    headers = dict(response.headers) | {"Content-Encoding": "gzip"}
    return HttpResponse(_gzip(body), status_code=response.status_code, headers=headers)


@lru_cache(maxsize=64)
def _gzip(body: bytes) -> bytes:
    """Once for all who ask for the page, or poll one registry."""
    return gzip.compress(body, mtime=0)
