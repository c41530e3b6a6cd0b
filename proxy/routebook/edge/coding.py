"""Encoded answers, read for their usage only. We ask for none; what comes encoded all the same passes unchanged.

gzip and deflate are Python's own; br and zstd are read where the extra `encoded` is installed (Brotli, and before
Python 3.14 backports.zstd), else they pass without being read. Codings by RFC 9110, br by RFC 7932, zstd by RFC 8878.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable

LIMIT = 64 * 1024 * 1024
"""The largest answer that is looked into: a few kilobytes may claim to be gigabytes."""

MOST_PACKED = 50
"""Times that an answer may be larger than it was on the wire: JSON packs five to twenty times, a bomb a thousand."""

LEAST = 64 * 1024
"""Bytes that any answer may have, whatever it was on the wire."""

WINDOW_LOG = 23
"""Of zstd: how far back an answer may point, as a power of two. 8 MiB are what RFC 8878 asks every reader to support; a
head of a few bytes may ask for gigabytes."""

Unpack = Callable[[bytes, int], bytes | None]
"""Unpacks at most so many bytes; None where the body goes on after them. Raises what the coding raises."""


def plain(body: bytes, coding: str, limit: int = LIMIT) -> bytes | None:
    """The body decoded; None where it is too large, damaged, or encoded in a way that is not known here."""
    unpack = _CODINGS.get(coding.strip().lower())
    if unpack is None:
        return None
    try:
        return unpack(body, min(limit, LEAST + MOST_PACKED * len(body)))
    except (_Unreadable, ImportError):
        return None


class _Unreadable(Exception):
    """The bytes are not what their coding says."""


def _zlib(window: int) -> Unpack:
    def unpack(body: bytes, most: int) -> bytes | None:
        decoder = zlib.decompressobj(window)
        try:
            decoded = decoder.decompress(body, most)
        except zlib.error:
            raise _Unreadable from None
        return decoded if decoder.eof else None

    return unpack


def _brotli(body: bytes, most: int) -> bytes | None:
    import brotli  # type: ignore[import-untyped]

    decoder = brotli.Decompressor()
    try:
        decoded: bytes = decoder.process(body, output_buffer_limit=most)
    except (brotli.error, TypeError):  # a version before 1.2 knows no limit: better not read than read without one
        raise _Unreadable from None
    return decoded if decoder.is_finished() else None


def _zstd(body: bytes, most: int) -> bytes | None:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd

    decoder = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: WINDOW_LOG})
    try:
        decoded = decoder.decompress(body, most)
    except zstd.ZstdError:
        raise _Unreadable from None
    return decoded if decoder.eof else None


_GZIP = _zlib(16 + zlib.MAX_WBITS)
_CODINGS: dict[str, Unpack] = {
    "gzip": _GZIP,
    "x-gzip": _GZIP,
    "deflate": _zlib(zlib.MAX_WBITS),
    "br": _brotli,
    "zstd": _zstd,
}
