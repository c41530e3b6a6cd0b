"""Connections that never repeat what a client sent: not in an answer, not in the log. A bad header line may hold a key.

aiohttp's own words about a bad request quote it. Both listeners are made of these connections instead.
"""

from __future__ import annotations

import logging
import traceback
from abc import abstractmethod
from typing import Any, Final

import structlog
from aiohttp import web

from routebook.edge.reading_on import ReadingOn

QUIET: Final = logging.getLogger("routebook.http")
"""A logger that hears nothing, for what aiohttp logs past the methods below."""
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False

_log = structlog.get_logger()


class DiscreetConnection(ReadingOn, web.RequestHandler):
    """A connection that tells the client, and the log, that a request was bad, but never what stood in it."""

    __slots__ = ()

    @abstractmethod
    def malformed(self, status: int) -> web.Response:
        """The answer to what is not HTTP."""

    @abstractmethod
    def bug(self) -> web.Response:
        """The answer where this program failed."""

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """The answer to what is not HTTP (400), or to a fault of ours (500); a connection that was given up gets none."""
        if isinstance(exc, ConnectionResetError) and (self.transport is None or self.transport.is_closing()):
            # an exchange ends so that has nobody left to tell: its record says why, and no fault of ours is in it. Were it
            # raised on, aiohttp's frames would keep it, and be kept by it, until the garbage collector comes
            return web.Response()
        if status < 500:
            _log.info("bad request", code="request.malformed", reason=type(exc).__name__)
            response = self.malformed(status)
        else:
            _log.error("bug", code="gateway.bug", reason=type(exc).__name__, place="" if exc is None else place_of(exc))
            response = self.bug()
        if request.writer.output_size > 0:
            raise ConnectionResetError("an answer has begun already")
        response.headers["Connection"] = "close"
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """aiohttp's own words about a connection may quote what a client sent: only the kind of fault is kept."""
        _log.warning("connection failed", reason=type(kw.get("exc_info")).__name__)

    def log_debug(self, *args: Any, **kw: Any) -> None:
        """Nothing: as `log_exception`."""


def place_of(error: BaseException) -> str:
    """Where in the source an exception came from; never its words, which may hold what a client sent."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].name}:{frames[-1].lineno}" if frames else ""
