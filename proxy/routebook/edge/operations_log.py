"""What the service says about itself: one JSON object a line on standard error, through structlog.

Decisions are not here: they stand in the journal. A warning of a library (asyncio, aiohttp) passes by its kind and
its place in the source only, never with its text, which may quote what a client sent.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog

LEVELS = ("debug", "info", "warning", "error")
"""How much is said, most first."""


def configure_log(level: str) -> None:
    """Say what is at least of this level, from now on."""
    structlog.configure(
        processors=[_stamp, _as_json],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_StandardError,
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_Libraries()], force=True)


def operations_log() -> Any:
    """The log of the service."""
    return structlog.get_logger()


class _StandardError:
    """Writes a line at once and whole; what cannot be written is lost, for a log must not stop the service."""

    def __init__(self, *_: object) -> None:
        pass

    def msg(self, line: bytes) -> None:
        try:
            os.write(sys.stderr.fileno(), line)
        except (OSError, ValueError):
            return

    debug = info = warning = error = critical = exception = msg


class _Libraries(logging.Handler):
    """Passes a library's warning on without its text."""

    def emit(self, record: logging.LogRecord) -> None:
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        operations_log().warning(
            "library warning",
            library=record.name,
            level_of=record.levelname.lower(),
            place=f"{record.module}:{record.lineno}",
            exception=kind,
        )


def _stamp(_: object, method: str, line: MutableMapping[str, Any]) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"time": now, "level": method, "event": line.pop("event"), **line}


def _as_json(_: object, method: str, line: MutableMapping[str, Any]) -> bytes:
    return orjson.dumps(line, default=str, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS)
