"""Looks along in a session of Gemini's Live API: what is asked, what is answered, what was used.

Its responses have no ids, so they are numbered as turns. A turn begins with the first of its content, and is over with
`turnComplete`; its usage may come with that, or in a frame of its own after it. Google's Python client writes some keys
in snake case beside others in camel case, so both are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from routebook.chat.usage import Usage
from routebook.protocols.gemini.usage import WireCount, WireUsage, usage_of
from routebook.protocols.sessions import NOTHING, Began, Erred, Finished, Happening, Sounded, Spoke, Unfinished, Wish

BASE64_PER_SPOKEN_TOKEN: Final = 2560
"""Characters of a spoken token: 40 ms (25 tokens a second) of 16-bit samples at 24 kHz, in base64."""

BYTES_PER_TOKEN: Final = 4

SHORTEST_HEARD_TOKEN: Final = 1700
"""Characters of a token heard: 40 ms of 16-bit samples at 16 kHz, in base64."""

_RAW: Final = msgspec.Raw(b"")
_UNREAD: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


class LiveUsage(msgspec.Struct, gc=False, rename="camel"):
    """`usageMetadata` of Live."""

    prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    response_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    total_token_count: int | None = None
    prompt_tokens_details: list[WireCount] | None = None
    cache_tokens_details: list[WireCount] | None = None
    response_tokens_details: list[WireCount] | None = None


class _Content(msgspec.Struct, gc=False, rename="camel"):
    model_turn: msgspec.Raw = _RAW
    output_transcription: msgspec.Raw = _RAW
    turn_complete: bool = False
    interrupted: bool = False


class _Blob(msgspec.Struct, gc=False, rename="camel"):
    mime_type: str = ""


class _Part(msgspec.Struct, gc=False, rename="camel"):
    inline_data: _Blob | None = None


class _Turn(msgspec.Struct, gc=False):
    parts: list[_Part] = []


class _Server(msgspec.Struct, gc=False, rename="camel"):
    server_content: _Content | None = None
    tool_call: msgspec.Raw = _RAW
    usage_metadata: LiveUsage | None = None
    code: Any = None
    message: str | None = None


class _Client(msgspec.Struct, gc=False):
    realtime_input: msgspec.Raw = msgspec.field(name="realtimeInput", default=_RAW)
    snake_input: msgspec.Raw = msgspec.field(name="realtime_input", default=_RAW)
    content: dict[str, msgspec.Raw] | None = msgspec.field(name="clientContent", default=None)
    snake_content: dict[str, msgspec.Raw] | None = msgspec.field(name="client_content", default=None)
    tool_response: msgspec.Raw = msgspec.field(name="toolResponse", default=_RAW)
    snake_response: msgspec.Raw = msgspec.field(name="tool_response", default=_RAW)


_SERVER: Final = msgspec.json.Decoder(_Server, strict=False)
_TURN: Final = msgspec.json.Decoder(_Turn)
_CLIENT: Final = msgspec.json.Decoder(_Client)


def _is_heard(turn: msgspec.Raw) -> bool:
    """Whether a piece of a model's turn has sound in it; what it says of sound in words is none."""
    if b"inlineData" not in bytes(turn):
        return False
    try:
        parts = _TURN.decode(turn).parts
    except _UNREAD:
        return False
    return any(each.inline_data is not None and each.inline_data.mime_type.startswith("audio/") for each in parts)


def read_live_usage(wire: LiveUsage) -> Usage | None:
    """The kinds apart, as in an answer over HTTP; of what was cached, sound too."""
    usage = usage_of(
        WireUsage(
            wire.prompt_token_count,
            wire.cached_content_token_count,
            wire.response_token_count,
            wire.thoughts_token_count,
            wire.tool_use_prompt_token_count,
            wire.total_token_count,
            wire.prompt_tokens_details,
            wire.cache_tokens_details,
            wire.response_tokens_details,
        )
    )
    if usage is None:
        return None
    sound = sum(each.token_count or 0 for each in wire.cache_tokens_details or () if each.modality == "AUDIO")
    sound = min(sound, usage.cached_input)
    return replace(usage, cached_input=usage.cached_input - sound, cached_audio_input=sound)


class LiveReader:
    """Looks along in one session (`protocols.sessions.SessionReader`)."""

    model: str | None = None
    transcriber: str | None = None

    def __init__(self, asked: str = "", served: str = "") -> None:
        """Its models are named in the first frame alone."""
        self._turns = 0
        self._is_running = False
        self._has_sounded = False
        self._is_owed = False
        self._status = "completed"
        self._said = 0
        self._counted: Usage | None = None
        self._known = Usage()
        self._text = 0
        self._sound = 0

    def __repr__(self) -> str:
        return f"<LiveReader {self._turns} turns, {'one running' if self._is_running else 'none running'}>"

    @property
    def most_input(self) -> int:
        """All that was read and said before, and a token for every byte told since; sound by its shortest token."""
        known = self._known.total_input + self._known.total_output
        return known + self._text + -(-self._sound // SHORTEST_HEARD_TOKEN)

    def sent(self, frame: bytes) -> Wish:
        """A frame of the client. The upstream answers what it hears by itself."""
        try:
            read = _CLIENT.decode(frame)
        except _UNREAD:
            self._text += len(frame)
            return Wish()
        heard = len(read.realtime_input) + len(read.snake_input)
        if heard:
            self._sound += heard
            return Wish(speaks=True)
        self._text += len(frame)
        content = read.content or read.snake_content
        if content is not None:
            complete = content.get("turnComplete", content.get("turn_complete", _RAW))
            return Wish(asks=bytes(complete) == b"true")
        return Wish(asks=bool(len(read.tool_response) or len(read.snake_response)))

    def came(self, frame: bytes) -> Sequence[Happening]:
        """A frame of the upstream; any of its parts may stand beside any other."""
        try:
            read = _SERVER.decode(frame)
        except _UNREAD:
            return NOTHING
        happenings: list[Happening] = []
        if isinstance(read.code, int) and read.message is not None:
            happenings.append(Erred(str(read.code), read.message[:100]))
        content = read.server_content
        made = len(read.tool_call)
        if content is not None:
            made += len(content.model_turn) + len(content.output_transcription)
            if content.interrupted:
                self._status = "cancelled"
        if made:
            self._makes(made, happenings)
        if content is not None and not self._has_sounded and _is_heard(content.model_turn):
            self._has_sounded = True
            happenings.append(Sounded(self._identity))
        if read.usage_metadata is not None:
            self._counted = read_live_usage(read.usage_metadata) or self._counted
        if self._is_owed and self._counted is not None:
            happenings.append(self._over())
        elif content is not None and content.turn_complete and self._is_running:
            self._is_owed = True
            if self._counted is not None:
                happenings.append(self._over())
        return happenings

    def unfinished(self) -> Sequence[Unfinished]:
        """The turn that is running, or of which no usage has come."""
        return [Unfinished(self._identity, self._estimate)] if self._is_running else ()

    def broke(self) -> Sequence[Finished]:
        """The turn that was running, by what passed of it."""
        if not self._is_running:
            return ()
        self._status = "failed"
        return (self._over(),)

    @property
    def _identity(self) -> str:
        return f"turn_{self._turns}"

    @property
    def _estimate(self) -> Usage:
        known = self._known
        return Usage(
            input=known.input + known.cached_input + known.output + -(-self._text // BYTES_PER_TOKEN),
            audio_input=known.audio_input + known.cached_audio_input + known.audio_output + self._sound // 1700,
            audio_output=-(-self._said // BASE64_PER_SPOKEN_TOKEN),
        )

    def _makes(self, size: int, happenings: list[Happening]) -> None:
        """Content of a turn: the first of it begins one, after the end of one whose usage never came."""
        if self._is_owed:
            happenings.append(self._over())
        if not self._is_running:
            self._turns += 1
            self._is_running, self._status, self._said = True, "completed", 0
            self._has_sounded = False
            happenings += (Began(self._identity), Spoke(self._identity))
        self._said += size

    def _over(self) -> Finished:
        usage, estimate = self._counted, self._estimate
        done = Finished(self._identity, self._status, None, usage, estimate)
        self._known = usage or estimate
        self._is_running = self._is_owed = False
        self._counted = None
        self._text = self._sound = 0
        return done
