"""Calls of upstreams. What can go wrong on a wire arrives here in aiohttp's words and leaves as a `CallFailed`."""

from __future__ import annotations

import asyncio
import ssl
from contextvars import ContextVar
from typing import Any, Final

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict
from yarl import URL

from routebook.edge.faults import CallFailed

ANSWER_BYTES: Final = 64 * 1024 * 1024
"""The largest answer that is held whole; a stream is never held."""

IDLE_CONNECTION: Final = 15.0
"""Seconds an unused connection to an upstream is kept: shorter than vendors keep theirs, so that theirs rarely closes
under a request that was just sent."""

LINGER: Final = 1.0
"""Seconds that an upstream has, after the last event of a stream, to finish its body, so that its connection can be
used again."""


_FOREIGN: Final = (aiohttp.ClientError, HttpProcessingError, OSError)
"""What aiohttp raises when something is wrong with a wire; a time-out is an OSError."""

_FRESH: Final = ContextVar("the connection of this call is new", default=True)


class _Connector(aiohttp.TCPConnector):
    """Tells, within the task of a call, whether its connection was opened for it."""

    async def _create_connection(self, *args: Any, **options: Any) -> Any:
        _FRESH.set(True)
        return await super()._create_connection(*args, **options)


def open_session() -> aiohttp.ClientSession:
    """A client that adds nothing of its own: no cookies, no proxies from the environment, no decoding, no limits."""
    return aiohttp.ClientSession(
        connector=_Connector(limit=0, keepalive_timeout=IDLE_CONNECTION),
        cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, trust_env=False,
        timeout=aiohttp.ClientTimeout(total=None), skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"))


def connect_limit(seconds: float) -> aiohttp.ClientTimeout:
    """The limit that aiohttp keeps itself: until a connection stands, names resolved and TLS spoken."""
    return aiohttp.ClientTimeout(total=None, connect=seconds)


async def call(session: aiohttp.ClientSession, url: URL, headers: CIMultiDict[str], body: bytes,
               limit: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
    """Send a request and wait for the head of its answer, whatever its status; raises CallFailed.

    A connection that was kept may be closed by the upstream at the moment a request is on its way. No head comes back
    then, and the request is sent again, until that happens to a connection that was opened for it.
    """
    while True:
        _FRESH.set(False)
        try:
            return await session.request("POST", url, headers=headers, data=body, timeout=limit, allow_redirects=False)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            if _FRESH.get():
                raise _in_our_words(error, "upstream.disconnected") from None
        except _FOREIGN as error:
            raise _in_our_words(error, "upstream.disconnected") from None


async def next_bytes(reply: aiohttp.ClientResponse) -> bytes:
    """What has arrived of an answer, as soon as there is something; empty at its end. Raises CallFailed."""
    try:
        return await reply.content.readany()
    except _FOREIGN as error:
        raise _in_our_words(error, "upstream.cut") from None


async def whole(reply: aiohttp.ClientResponse, limit: int = ANSWER_BYTES) -> bytes:
    """All of an answer; raises CallFailed where it is cut or larger than `limit`."""
    first = await next_bytes(reply)
    if reply.content.at_eof():
        return first
    parts = [first]
    size = len(first)
    while part := await next_bytes(reply):
        parts.append(part)
        size += len(part)
        if size > limit:
            raise CallFailed("upstream.too-large", f"the answer is larger than {limit} bytes")
    return b"".join(parts)


async def finish(reply: aiohttp.ClientResponse) -> None:
    """Give an upstream a moment to finish a body of which everything that matters is known; then let go of it."""
    try:
        async with asyncio.timeout(LINGER):
            while await reply.content.readany():
                pass
    except _FOREIGN:
        pass
    finally:
        reply.close()


def _in_our_words(error: Exception, when_cut: str) -> CallFailed:
    """A foreign exception as a CallFailed."""
    match error:
        case aiohttp.ConnectionTimeoutError() | asyncio.TimeoutError():
            return CallFailed("upstream.connect-timeout", "no connection within the time allowed")
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError() | ssl.SSLError():
            return CallFailed("upstream.unreachable", "no connection that can be trusted")
        case aiohttp.ClientConnectorError():
            return CallFailed("upstream.unreachable", "no connection")
        case aiohttp.ClientPayloadError():
            return CallFailed("upstream.cut", "the answer was cut")
        case aiohttp.ClientResponseError() | HttpProcessingError():
            return CallFailed("upstream.garbled", "the answer is not HTTP")
        case aiohttp.ClientConnectionError() | OSError():
            return CallFailed(when_cut, "the connection was lost")
    return CallFailed("upstream.unreachable", "it cannot be called")
