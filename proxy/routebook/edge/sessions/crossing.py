"""Sessions whose upstream speaks another dialect: the codecs that they take, and how a connection of theirs begins."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from routebook.chat.features import Feature
from routebook.chat.loss import Done, Loss
from routebook.chat.resampling import can_change_sound
from routebook.chat.talk import Doing
from routebook.edge.calls import Call
from routebook.edge.faults import CallFailed
from routebook.edge.sessions.entry import SessionEntry
from routebook.edge.sessions.frames import Broken, Kind
from routebook.edge.sessions.socket import Gone, Socket
from routebook.edge.translating import in_words
from routebook.protocols.errors import ProtocolError
from routebook.protocols.session_codecs import ClientCodec, UpstreamCodec
from routebook.protocols.session_crossing import Crossing
from routebook.protocols.sessions import Erred, SessionAsked, SessionDialect, SessionReader
from routebook.routing.identity import new_id

READY: Final = 10.0
"""Seconds in which an upstream must be set to what a session begins with."""

MOST_LOSSES: Final = 100
"""Losses of one session that are recorded."""


@dataclass(frozen=True, slots=True)
class Crossed:
    """What a session that crosses has besides: its codecs, what is to be done first, and how to connect anew."""

    crossing: Crossing
    first: tuple[Doing, ...]
    opened: Callable[[], Awaitable[tuple[Socket, list[Doing]]]]


def crossing_to(
    theirs: SessionDialect, asked: SessionAsked, call: Call, entry: SessionEntry, *, older: bool = False
) -> Crossing:
    """The codecs of a session; raises CallFailed where it cannot cross. `older` says that the client knows its API's events
    as they were, and not those that codecs write."""
    if not can_change_sound():
        raise _not_carried(call, "session", "the extra `voice` is not installed here", Feature.AUDIO_INLINE)
    if older:
        why = "a client of the API's beta knows other events than those that a session which crosses has"
        raise _not_carried(call, "OpenAI-Beta", why)
    if asked.purpose == "transcription":
        raise _not_carried(call, "intent", "sessions that only transcribe do not cross")
    try:
        crossing = Crossing(*_codecs(theirs, asked, call, entry), entry.policy.settings.losses)
        call.losses = tuple(crossing.begin())
    except ProtocolError as error:
        raise _not_carried(call, error.param or "setup", error.message) from None
    if any(loss.done is Done.REFUSED for loss in call.losses):
        raise CallFailed("request.not-carried", in_words(call.losses))
    return crossing


def _not_carried(call: Call, path: str, why: str, feature: Feature = Feature.EXTRA) -> CallFailed:
    """A session does not cross: its record says for which reason."""
    call.losses = (Loss(feature.word, path, Done.REFUSED, why),)
    return CallFailed("request.not-carried", why)


def _codecs(
    theirs: SessionDialect, asked: SessionAsked, call: Call, entry: SessionEntry
) -> tuple[ClientCodec, UpstreamCodec]:
    """Most processes serve no session that crosses, and need none of them."""
    from routebook.protocols.gemini.live import NAME as LIVE
    from routebook.protocols.gemini.live_client import LiveClient
    from routebook.protocols.gemini.live_upstream import LiveUpstream
    from routebook.protocols.openai_realtime.client import RealtimeClient
    from routebook.protocols.openai_realtime.upstream import RealtimeUpstream

    model = call.candidate.model.upstream_id
    if theirs.name == LIVE:
        clock = entry.gateway.clock
        seed = new_id(int(clock.now() * 1000), clock.noise())
        return RealtimeClient(seed, model, asked.model, asked.settings), LiveUpstream(model)
    return LiveClient(asked.body), RealtimeUpstream()


async def begun(socket: Socket, crossing: Crossing, reader: SessionReader) -> list[Doing]:
    """Set a fresh connection to what the session is set to; what is to be done about what came meanwhile. Raises
    CallFailed."""
    doings: list[Doing] = []
    try:
        async with asyncio.timeout(READY):
            for frame in crossing.opening():
                reader.sent(frame)
                await socket.send(Kind.TEXT, frame)
            while not crossing.is_ready:
                message = await socket.receive()
                if message.kind is Kind.CLOSE:
                    raise CallFailed("upstream.disconnected", "it closed the session before it began")
                if any(isinstance(each, Erred) for each in reader.came(message.data)):
                    raise CallFailed("upstream.error-event", "the session began with an error")
                doings += crossing.came(message.data)
    except TimeoutError:
        raise CallFailed("upstream.first-byte-timeout", f"it was not ready within {READY:g} s") from None
    except (Gone, Broken):
        raise CallFailed("upstream.disconnected", "it left before the session began") from None
    except ProtocolError as error:
        raise CallFailed("upstream.garbled", error.message) from None
    return doings
