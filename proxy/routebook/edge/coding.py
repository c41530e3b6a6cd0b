"""Encoded answers, read for their usage only. We ask for none; what comes encoded all the same passes unchanged."""

from __future__ import annotations

import zlib

LIMIT = 64 * 1024 * 1024
"""The largest answer that is looked into: a few kilobytes may claim to be gigabytes."""

MOST_PACKED = 50
"""Times that an answer may be larger than it was on the wire: JSON packs five to twenty times, a bomb a thousand."""

LEAST = 64 * 1024
"""Bytes that any answer may have, whatever it was on the wire."""

_WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


def plain(body: bytes, coding: str, limit: int = LIMIT) -> bytes | None:
    """The body decoded; None where it is too large, damaged, or encoded in a way that is not known here."""
    window = _WINDOWS.get(coding.strip().lower())
    if window is None:
        return None
    decoder = zlib.decompressobj(window)
    try:
        decoded = decoder.decompress(body, min(limit, LEAST + MOST_PACKED * len(body)))
    except zlib.error:
        return None
    return decoded if decoder.eof else None
