"""Looks along in a session of OpenAI's Live API: how many seconds of it were used, and what its backend used besides.

There are no turns: both sides may speak all the time, and the session is paid from its start to its end. The upstream
says now and then how many seconds that is in all (`session.usage.updated`, and once more in `session.closed`); what lies between two of
them is a response here. What a model behind it used for a task that was delegated comes in the events of Responses, each
in a `response.event`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from routebook.chat.usage import Usage
from routebook.protocols.responses_usage import WireUsage, usage_of
from routebook.protocols.sessions import NOTHING, Began, Erred, Finished, Happening, Heard, Unfinished, Wish

LONGEST: Final = 100
"""Characters of an upstream's word that are kept: it goes into the record."""

MOST_SECONDS: Final = 10_000_000
"""More than any session has; whoever says more is not believed."""

BASE64_PER_MS: Final = 64
"""Characters of a millisecond of 16-bit samples at 24 kHz, the densest format there is: so no estimate is too high."""

_RAW: Final = msgspec.Raw(b"")
_UNREAD: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


class _Used(msgspec.Struct, gc=False):
    seconds: float | None = None


class _Session(msgspec.Struct, gc=False):
    model: str | None = None


class _Error(msgspec.Struct, gc=False):
    code: str | None = None
    message: str | None = None


class _Response(msgspec.Struct, gc=False):
    model: str | None = None
    usage: WireUsage | None = None


class _Inner(msgspec.Struct, gc=False):
    type: str = ""
    response: msgspec.Raw = _RAW


class _Frame(msgspec.Struct, gc=False):
    type: str = ""
    audio: msgspec.Raw = _RAW
    delta: msgspec.Raw = _RAW
    usage: msgspec.Raw = _RAW
    session: msgspec.Raw = _RAW
    error: msgspec.Raw = _RAW
    event: msgspec.Raw = _RAW
    reason: msgspec.Raw = _RAW


_FRAME: Final = msgspec.json.Decoder(_Frame)
_USED: Final = msgspec.json.Decoder(_Used)
_SESSION: Final = msgspec.json.Decoder(_Session)
_ERROR: Final = msgspec.json.Decoder(_Error)
_RESPONSE: Final = msgspec.json.Decoder(_Response)
_INNER: Final = msgspec.json.Decoder(_Inner)
_TEXT: Final = msgspec.json.Decoder(str)

_OVER: Final = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled"})
"""Events of Responses after which nothing more is used."""


class LiveReader:
    """Looks along in one session (`protocols.sessions.SessionReader`)."""

    def __init__(self, asked: str = "", served: str = "") -> None:
        self.model: str | None = None
        self.transcriber: str | None = None
        self._number = 0
        self._runs = False
        self._booked_ms = 0
        self._heard = 0
        self._spoken = 0
        self._text = 0

    def __repr__(self) -> str:
        return f"<LiveReader of {self.model}, {self._booked_ms} ms>"

    @property
    def most_input(self) -> int:
        """What was told in words; limits of tokens alone ask for it."""
        return self._text

    def sent(self, frame: bytes) -> Wish:
        """A frame of the client. None of them asks for a response: the upstream speaks when it likes."""
        try:
            read = _FRAME.decode(frame)
        except _UNREAD:
            return Wish()
        if read.type == "session.input_audio.append":
            self._heard += len(read.audio)
        else:
            self._text += len(frame)
        return Wish()

    def came(self, frame: bytes) -> Sequence[Happening]:
        """A frame of the upstream."""
        try:
            read = _FRAME.decode(frame)
            match read.type:
                case "session.output_audio.delta":
                    self._spoken += len(read.delta)
                case "session.started":
                    return self._started(read)
                case "session.usage.updated":
                    return self._used(read)
                case "session.closed":
                    return self._closed(read)
                case "response.event":
                    return _delegated(read)
                case "error":
                    said = _ERROR.decode(read.error)
                    return (Erred(said.code and said.code[:LONGEST], (said.message or "")[:LONGEST]),)
        except _UNREAD:
            pass
        return NOTHING

    def unfinished(self) -> Sequence[Unfinished]:
        """What was heard or spoken since the upstream last said what was used; both go on at the same time."""
        usage = self._estimate()
        return [Unfinished(self._identity, usage)] if self._runs and usage.heard_ms else []

    def broke(self) -> Sequence[Finished]:
        """Sessions of this dialect do not go on over another connection."""
        return ()

    @property
    def _identity(self) -> str:
        return f"seconds_{self._number}"

    def _estimate(self) -> Usage:
        return Usage(heard_ms=max(self._heard, self._spoken) // BASE64_PER_MS)

    def _started(self, read: _Frame) -> Sequence[Happening]:
        if self._runs:
            return NOTHING
        try:
            said = _SESSION.decode(read.session).model
            self.model = said and said[:LONGEST]
        except _UNREAD:
            pass  # it runs all the same
        self._runs = True
        return (Began(self._identity),)

    def _used(self, read: _Frame) -> Sequence[Happening]:
        """What it has used since it last said so; from now on, something else runs."""
        found = self._until_now(read, "completed", None)
        if not found or not self._runs:
            return found
        self._number += 1
        return *found, Began(self._identity)

    def _closed(self, read: _Frame) -> Sequence[Happening]:
        try:
            reason = _TEXT.decode(read.reason)[:LONGEST]
        except _UNREAD:
            reason = None
        found = self._until_now(read, "closed", reason)
        self._runs = False
        return found

    def _until_now(self, read: _Frame, status: str, reason: str | None) -> Sequence[Happening]:
        seconds = _USED.decode(read.usage).seconds
        if seconds is None or not 0 <= seconds <= MOST_SECONDS:
            return NOTHING
        fresh = max(0, round(seconds * 1000) - self._booked_ms)
        if not fresh and status != "closed":
            return NOTHING
        estimate = self._estimate()
        self._booked_ms += fresh
        self._heard = self._spoken = 0
        return (Finished(self._identity, status, reason, Usage(heard_ms=fresh), estimate),)


def _delegated(read: _Frame) -> Sequence[Happening]:
    """What a model behind the session used for a task, once it is through."""
    inner = _INNER.decode(read.event)
    if inner.type not in _OVER:
        return NOTHING
    response = _RESPONSE.decode(inner.response)
    usage = None if response.usage is None else usage_of(response.usage)
    return (Heard(usage, by=response.model and response.model[:LONGEST], what="delegation"),)
