"""The dialects of sessions, and what stands at which path. A further one is a line here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from routebook.protocols.gemini.live import GEMINI_LIVE
from routebook.protocols.openai_live.dialect import OPENAI_LIVE
from routebook.protocols.openai_realtime.dialect import OPENAI_REALTIME
from routebook.protocols.sessions import SessionDialect

SESSIONS: Final[Mapping[str, SessionDialect]] = {
    each.name: each for each in (OPENAI_REALTIME, OPENAI_LIVE, GEMINI_LIVE)
}
"""Every dialect of sessions by the name that facts and records use."""

_BY_PATH: Final = {path: each for each in SESSIONS.values() for path in each.paths}
_SLASHES: Final = re.compile(r"//+")


def session_at(path: str) -> SessionDialect | None:
    """What may be upgraded at this path, its query cut off; slashes that follow each other count as one."""
    return _BY_PATH.get(path) or _BY_PATH.get(_SLASHES.sub("/", path))
