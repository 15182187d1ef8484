"""Animated PNG of pictures of one size: https://www.w3.org/TR/png-3/#apng-frame-based-animation."""

import struct
import zlib
from collections.abc import Iterator, Sequence
from itertools import count

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def _chunks(picture: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(picture):
        (length,) = struct.unpack_from(">I", picture, at)
        yield picture[at + 4 : at + 8], picture[at + 8 : at + 8 + length]
        at += length + 12


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def animated(frames: Sequence[tuple[bytes, int]]) -> bytes:
    """One picture of many, each shown for so many milliseconds, over and over."""
    header = dict(_chunks(frames[0][0]))[b"IHDR"]
    size, number = header[:8], count()
    parts = [
        SIGNATURE,
        _chunk(b"IHDR", header),
        _chunk(b"acTL", struct.pack(">II", len(frames), 0)),
    ]
    for picture, milliseconds in frames:
        control = size + struct.pack(">IIHHBB", 0, 0, milliseconds, 1000, 0, 0)
        parts.append(_chunk(b"fcTL", struct.pack(">I", next(number)) + control))
        data = b"".join(data for kind, data in _chunks(picture) if kind == b"IDAT")
        data = zlib.compress(zlib.decompress(data), 9)
        first = picture is frames[0][0]
        parts.append(
            _chunk(b"IDAT", data)
            if first
            else _chunk(b"fdAT", struct.pack(">I", next(number)) + data)
        )
    return b"".join([*parts, _chunk(b"IEND", b"")])
