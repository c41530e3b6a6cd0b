"""The way there: one candidate after the other is asked for a session, until one takes it.

The client's own upgrade is not answered before, so whatever goes wrong here, the next candidate may mend it, and what
cannot be mended is told as an HTTP status.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from multidict import CIMultiDict

from routebook.chat.talk import Doing
from routebook.edge.answers import Failure
from routebook.edge.attempting import nobody_answered
from routebook.edge.calls import Call
from routebook.edge.deadlines import Deadlines
from routebook.edge.faults import CallFailed
from routebook.edge.headers import retry_after, upgrade_head
from routebook.edge.securing import another_call
from routebook.edge.sessions.crossing import Crossed, begun, crossing_to
from routebook.edge.sessions.entry import SessionEntry
from routebook.edge.sessions.frames import Broken, Kind, Message
from routebook.edge.sessions.socket import Gone, Socket
from routebook.edge.sessions.upstream import asking, upgraded
from routebook.edge.upstream import Answer, whole
from routebook.protocols.dialects import DIALECTS
from routebook.protocols.session_dialects import SESSIONS
from routebook.protocols.sessions import Erred, SessionAsked, SessionDialect, SessionReader
from routebook.protocols.spoken import asked_in
from routebook.routing.attempts import AttemptOutcome, Meaning

GREETING: Final = 2.0
"""Seconds in which an upstream that took a session may still say that it will not serve it; then the client is let in."""

REFUSAL_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Line:
    """A session that an upstream has taken: its socket, what it said first (None: nothing yet), and who looks along.
    `crossed` is there where the upstream speaks another dialect than the client."""

    call: Call
    socket: Socket
    greeting: Message | None
    reader: SessionReader
    crossed: Crossed | None = None


async def reach(
    dialect: SessionDialect, asked: SessionAsked, client: Mapping[str, str], entry: SessionEntry, first: Call
) -> Line:
    """Ask candidates in the plan's order; raises Failure where none takes the session. `client` are its headers."""
    call: Call | None = first
    while call is not None:
        entry.calls(call)
        found: Line | AttemptOutcome
        told = Failure("upstream.failed", "")
        try:
            found = await _ask(dialect, asked, client, entry, call)
        except CallFailed as failed:
            found = AttemptOutcome(failed.code)
        except Refusal as refused:
            found, told = refused.outcome, refused.failure
        if isinstance(found, Line):
            entry.called(call, AttemptOutcome(status=101))
            entry.passes_on(call)
            entry.attempts.commit()
            return found
        entry.called(call, found)
        entry.passes_over(call)
        if found.meaning is Meaning.ANSWER:
            raise told
        call = await another_call(entry)
    raise nobody_answered(entry.attempts)


class Refusal(Exception):
    """An upstream's own refusal, and what the client hears of it where nobody else is asked."""

    def __init__(self, outcome: AttemptOutcome, failure: Failure) -> None:
        super().__init__(outcome.failure)
        self.outcome = outcome
        self.failure = failure


async def _ask(
    dialect: SessionDialect, asked: SessionAsked, client: Mapping[str, str], entry: SessionEntry, call: Call
) -> Line:
    """One candidate; raises CallFailed or Refusal."""
    spoken = asked_in(call.candidate.model.provider.dialect, dialect.name)
    theirs = SESSIONS[spoken or dialect.name]
    if theirs is not dialect:
        return await _cross(dialect, theirs, asked, client, entry, call)
    found = await _connected(dialect, asked, client, entry, call)
    try:
        model = call.candidate.model.upstream_id
        if dialect.first:
            await _open(found, dialect.opening(asked, model))
        greeting = await _greeting(found, dialect.reader(asked.model, model)) if dialect.greets else None
        if asked.settings and dialect.settle is not None:
            await _open(found, dialect.settle(asked.settings))
    except BaseException:
        found.abort()
        raise
    return Line(call, found, greeting, dialect.reader(asked.model, model))


async def _connected(
    dialect: SessionDialect, asked: SessionAsked, client: Mapping[str, str], entry: SessionEntry, call: Call
) -> Socket:
    """A session at one candidate, in which nothing was said; raises CallFailed or Refusal."""
    candidate = call.candidate
    access = entry.serving.access[candidate.key]
    model = candidate.model.upstream_id
    key, how = asking()
    begun = access.heads.once(dialect.path(asked, model), model, how, dialect.rooted)
    if dialect.older is not None and dialect.older.is_said(client):
        client = CIMultiDict(client)
        client[dialect.older.header] = dialect.older.value  # a browser can set no header
    head = upgrade_head(begun, client, access.simulated, dialect.forwarded, entry.trace.headers)
    with Deadlines(access.limits) as deadlines:
        found = await upgraded(
            entry.gateway.connections, access.origin, head, key, deadlines, entry.policy.settings.max_body
        )
        if isinstance(found, Answer):
            call.http = found
            raise _refusal(dialect, found, await whole(found, REFUSAL_BYTES), access.key, entry.now)
    return found.socket


async def _cross(
    dialect: SessionDialect,
    theirs: SessionDialect,
    asked: SessionAsked,
    client: Mapping[str, str],
    entry: SessionEntry,
    call: Call,
) -> Line:
    """One candidate that speaks another dialect; raises CallFailed or Refusal."""
    older = dialect.older is not None and dialect.older.is_said(client)
    crossing = crossing_to(theirs, asked, call, entry, older=older)
    model = call.candidate.model.upstream_id
    reader = theirs.reader(model, model)
    there = replace(asked, dialect=theirs.name, purpose=theirs.purpose, settings=b"")
    named = CIMultiDict(client)
    for name in dialect.forwarded:
        named.popall(name, None)

    async def opened() -> tuple[Socket, list[Doing]]:
        socket = await _connected(theirs, there, named, entry, call)
        try:
            return socket, await begun(socket, crossing, reader)
        except BaseException:
            socket.abort()
            raise

    socket, first = await opened()
    return Line(call, socket, None, reader, Crossed(crossing, tuple(first), opened))


def _refusal(dialect: SessionDialect, answer: Answer, body: bytes, key: str | None, now: float) -> Refusal:
    side = DIALECTS[dialect.refuses_as].upstream
    assert side is not None
    if answer.status < 300:
        raise CallFailed("upstream.garbled", "it answered where it was asked to change the protocol")
    fault = side.read_fault(answer.status, body)
    outcome = AttemptOutcome(None, answer.status, retry_after(answer.headers, now), fault.code)
    message = fault.message if key is None else fault.message.replace(key, "***")
    failure = Failure("upstream.rejected", message, status=answer.status, shown_code=fault.code, param=fault.param)
    return Refusal(outcome, failure)


async def _open(socket: Socket, frame: bytes) -> None:
    try:
        await socket.send(Kind.TEXT, frame)
    except Gone:
        raise CallFailed("upstream.disconnected", "it left before it was told anything") from None


async def _greeting(socket: Socket, reader: SessionReader) -> Message | None:
    """What the upstream says first. Some take every session, and refuse it in the first frame; raises CallFailed. The reader
    is for this alone: the session's own sees it when it is passed on."""
    try:
        async with asyncio.timeout(GREETING):
            message = await socket.receive()
    except TimeoutError:
        return None
    except (Gone, Broken):
        raise CallFailed("upstream.disconnected", "it left before it said anything") from None
    if message.kind is Kind.CLOSE:
        raise CallFailed("upstream.disconnected", "it closed the session before it began")
    if any(isinstance(each, Erred) for each in reader.came(message.data)):
        raise CallFailed("upstream.error-event", "the session began with an error")
    return message
