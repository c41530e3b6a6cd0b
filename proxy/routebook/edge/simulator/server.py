"""A simulated upstream: speaks every registered dialect at a realistic pace, needs no key, and fails on demand.

A request is read by its dialect's client side and the answer written by it, as strictly as the dialect says that its
vendor is; nothing here knows a dialect. It serves every model that it is asked for. See `edge.simulator.faults` for what
can go wrong, and how to ask for it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import re
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from aiohttp import web

from routebook.chat.assembling import assemble
from routebook.chat.events import Event, Failed
from routebook.chat.faults import Fault as Told
from routebook.chat.features import Telling
from routebook.edge.askers import known_among
from routebook.edge.simulator.answers import CREATED, Question, check_seals, events_of, identity_of, prompt_tokens
from routebook.edge.simulator.faults import Fault, UnknownFault, fault_of
from routebook.edge.simulator.live import PATH as LIVE
from routebook.edge.simulator.live import Remembered, serve_live
from routebook.edge.simulator.realtime import serve_session
from routebook.edge.simulator.sound import tone
from routebook.edge.simulator.vectors import completion, vectors_for
from routebook.edge.simulator.writing_down import check_form, whole_of
from routebook.edge.simulator.writing_down import events_of as transcript_events
from routebook.protocols.carrying import Way
from routebook.protocols.codec import EVENTS, ClientSide, Dialect, Operation, ReplyTo
from routebook.protocols.dialects import DIALECTS
from routebook.protocols.errors import ProtocolError, Side
from routebook.protocols.form import FormReader, boundary_of
from routebook.protocols.paths import Found, Paths
from routebook.sound.wav import wav_head

PACE: Final = 0.02
"""Seconds between two tokens: fifty a second, as hosted models of middle size have it."""

SPOKEN_MS: Final = 100
"""Milliseconds of sound in a piece of speech."""

FIRST_TOKEN: Final = 10
"""The first token takes as long as this many others."""

MAX_BODY: Final = 64 * 1024 * 1024

MOST_KEPT: Final = 10_000
"""Answers that later requests can go on from; the oldest are forgotten first."""

MODELS: Final = ("simulated-large", "simulated-small")

IDENTITY: Final = "req_simulated"

_VERSION: Final = re.compile(r"/v\d\w*(?=/)")
"""How base URLs end, after which a dialect's own path begins; some have none."""


def _as_called(dialect: Dialect) -> Dialect:
    """The dialect with its operations at the paths at which upstreams are called."""
    paths = {each.upstream_path.partition("?")[0]: each for each in reversed(dialect.operations)}
    return replace(dialect, operations=tuple(replace(each, path=path) for path, each in paths.items()))


PATHS: Final = Paths(_as_called(each) for each in DIALECTS.values() if each.client is not None)
"""What is simulated at which path below a base URL."""


@dataclass(frozen=True, slots=True)
class Simulator:
    """A running simulator. `address` is the base URL for a provider, ending in `/v1`."""

    address: str
    _runner: web.AppRunner

    async def close(self) -> None:
        """Stop, and cut what is being answered."""
        await self._runner.cleanup()


async def start_simulator(sock: socket.socket, pace: float = PACE, seed: int = 0) -> Simulator:
    """Serve on a bound socket from the running loop; `pace` in seconds a token, `seed` decides chances."""
    behaviour = _Behaviour(pace, random.Random(seed), seed)
    application = web.Application(client_max_size=MAX_BODY)

    async def serve(request: web.Request) -> web.StreamResponse:
        return await _serve(request, behaviour)

    application.router.add_route("*", "/{path:.*}", serve)
    runner = web.AppRunner(
        application, handle_signals=False, access_log=None, handler_cancellation=True, shutdown_timeout=0.1
    )
    await runner.setup()
    await web.SockSite(runner, sock, backlog=1024).start()
    host, port = sock.getsockname()[:2]
    return Simulator(f"http://{f'[{host}]' if ':' in host else host}:{port}/v1", runner)


@dataclass(frozen=True, slots=True)
class _Behaviour:
    """How all requests are answered; `kept` are the ids of answers that were asked to be kept, `sessions` what sessions
    can be gone on from, by handle; oldest first."""

    pace: float
    dice: random.Random
    seed: int
    kept: dict[str, None] = field(default_factory=dict)
    sessions: dict[str, Remembered] = field(default_factory=dict)

    def keep(self, identity: str | None) -> None:
        if identity is not None:
            self.kept[identity] = None
            if len(self.kept) > MOST_KEPT:
                del self.kept[next(iter(self.kept))]


@dataclass(frozen=True, slots=True)
class _Call:
    """One request: how it came, what was read of it, and what is to go wrong with its answer."""

    request: web.Request
    dialect: Dialect
    client: ClientSide
    asked: Any
    fault: Fault
    behaviour: _Behaviour
    operation: Operation

    @property
    def pace(self) -> float:
        return self.behaviour.pace if self.fault.pace is None else self.fault.pace

    @property
    def headers(self) -> dict[str, str]:
        return {self.client.request_id: IDENTITY}


async def _serve(request: web.Request, behaviour: _Behaviour) -> web.StreamResponse:
    path = _VERSION.sub("", request.raw_path.partition("?")[0], count=1)
    if request.headers.get("Upgrade", "").lower() == "websocket":
        if path == "/realtime":
            return await _serve_session(request, behaviour)
        if LIVE.fullmatch(path):
            return await _serve_live(request, behaviour)
    if request.method == "GET":
        return _models(request, path)
    found = PATHS.find(path, request.query_string)
    dialect = known_among(list(DIALECTS.values()), request.headers) if found is None else found.dialect
    try:
        if found is None or request.method != "POST":
            raise ProtocolError(Side.CLIENT, "there is nothing at this path", status=404)
        return await _answer(request, found, behaviour)
    except ProtocolError as error:
        return _error(dialect, error.status, error.message, error.code, error.param)


async def _serve_session(request: web.Request, behaviour: _Behaviour) -> web.StreamResponse:
    """A session of Realtime; a fault with a status refuses it at the upgrade."""
    model = request.query.get("model", MODELS[0])
    fault = await _before_upgrade(request, behaviour, DIALECTS["openai-chat"], model)
    if isinstance(fault, web.Response):
        return fault
    served: web.StreamResponse = await serve_session(
        request, model.partition("@")[0], fault, behaviour.pace, behaviour.dice
    )
    return served


async def _serve_live(request: web.Request, behaviour: _Behaviour) -> web.StreamResponse:
    """A session of Live. Its model stands in its first frame, so a fault in the model's name comes after the upgrade."""
    fault = await _before_upgrade(request, behaviour, DIALECTS["gemini"], "")
    if isinstance(fault, web.Response):
        return fault
    return await serve_live(request, fault, behaviour.pace, behaviour.dice, behaviour.sessions)


async def _before_upgrade(
    request: web.Request, behaviour: _Behaviour, dialect: Dialect, model: str
) -> Fault | web.Response:
    """What is to go wrong in a session, or the answer that refuses it."""
    try:
        fault = fault_of(model, request.headers.get("x-simulate"), {})
    except UnknownFault as error:
        return _error(dialect, 400, str(error), "unknown_fault")
    if fault.chance < 1 and behaviour.dice.random() >= fault.chance:
        fault = Fault()
    await asyncio.sleep(fault.slow)
    if fault.hang:
        await asyncio.Event().wait()
    return fault if fault.status is None else _refusal(dialect, fault)


async def _answer(request: web.Request, found: Found, behaviour: _Behaviour) -> web.StreamResponse:
    """What every call has in common: the body is read, faults that need no answer are committed."""
    asked = await _read(request, found)
    fault = _fault(request, asked)
    if fault.chance < 1 and behaviour.dice.random() >= fault.chance:
        fault = Fault()
    await asyncio.sleep(fault.slow)
    if fault.hang:
        await asyncio.Event().wait()
    if fault.status is not None:
        return _refusal(found.dialect, fault)
    assert found.dialect.client is not None
    if found.operation.demands is not None:
        found.operation.demands(asked, request.headers, behaviour.kept.__contains__)
    call = _Call(request, found.dialect, found.dialect.client, asked, fault, behaviour, found.operation)
    return await _ANSWERS[found.operation.name](call)


async def _read(request: web.Request, found: Found) -> Any:
    body = await request.read()
    if not found.operation.is_form:
        return found.read(body, request.headers)
    form = FormReader(boundary_of(request.headers.get("Content-Type", "")))
    form.feed(body)
    if not form.is_whole:
        raise ProtocolError(Side.CLIENT, "the form ends before its closing boundary")
    asked = found.read_form(form, len(body), form.size)
    check_form(asked, form)
    return asked


def _fault(request: web.Request, asked: Any) -> Fault:
    try:
        return fault_of(asked.model, request.headers.get("x-simulate"), asked.metadata)
    except UnknownFault as error:
        raise ProtocolError(Side.CLIENT, str(error), code="unknown_fault") from error


async def _answer_chat(call: _Call) -> web.StreamResponse:
    asked, client = call.asked, call.client
    model = asked.model.partition("@")[0]
    check_seals(asked.chat, model, call.operation.waivers)
    seals = call.dialect.name if client.tells[Telling.SIGNATURE].way is not Way.LOST else None
    events = [*events_of(Question(asked.chat, model, call.fault.tokens, seals))]
    reply = ReplyTo(asked, identity_of(asked.body, call.behaviour.seed), CREATED)
    if not asked.stream:
        await asyncio.sleep(call.pace * (FIRST_TOKEN + len(events)))
        written = client.write_answer(assemble(events), reply).body
        _keep(call, written, call.dialect.answer)
        return await _send_whole(call, written)
    await asyncio.sleep(call.pace * FIRST_TOKEN)
    return await _send_events(call, events, reply)


def _keep(call: _Call, written: bytes, read: Callable[[bytes], Any]) -> None:
    """What was answered can be gone on from, where the vendor keeps answers and the request does not say otherwise."""
    if call.operation.keeps and call.asked.chat.store is not False:
        call.behaviour.keep(read(written).id)


async def _answer_count(call: _Call) -> web.StreamResponse:
    assert call.client.write_count is not None
    return await _send_whole(call, call.client.write_count(prompt_tokens(call.asked.chat)))


async def _answer_embeddings(call: _Call) -> web.StreamResponse:
    answer = vectors_for(json.loads(call.asked.body))
    await asyncio.sleep(call.pace)
    return await _send_whole(call, _json(answer))


async def _answer_completion(call: _Call) -> web.StreamResponse:
    body, identity = json.loads(call.asked.body), identity_of(call.asked.body, call.behaviour.seed)
    answer = completion(body, identity)
    await asyncio.sleep(call.pace * FIRST_TOKEN)
    if not call.asked.stream:
        return await _send_whole(call, _json(answer))
    usage = answer.pop("usage")
    pieces = [_json(answer), *([_json({**answer, "choices": [], "usage": usage})] if call.asked.wants_usage else [])]
    return await _send(call, EVENTS, [b"data: %b\n\n" % piece for piece in (*pieces, b"[DONE]")])


async def _answer_speech(call: _Call) -> web.StreamResponse:
    """A tone that lasts as long as saying the text would: samples, alone or behind the head of a WAV file, or in events."""
    asked = call.asked
    if asked.format not in ("pcm", "wav"):
        raise ProtocolError(Side.CLIENT, "simulated speech is `pcm` or `wav`", param="response_format")
    pieces = [tone(at * SPOKEN_MS, SPOKEN_MS) for at in range(1 + len(asked.text) * 1000 // (15 * SPOKEN_MS))]
    if asked.format == "wav":
        pieces.insert(0, wav_head(sum(map(len, pieces))))
    await asyncio.sleep(call.pace * FIRST_TOKEN)
    if json.loads(asked.body).get("stream_format") != "sse":
        return await _send(call, "audio/wav" if asked.format == "wav" else "audio/pcm", pieces)
    usage = {"input_tokens": len(asked.text) // 4 + 1, "output_tokens": 2 * len(pieces)}
    usage["total_tokens"] = sum(usage.values())
    told = [{"type": "speech.audio.delta", "audio": base64.b64encode(piece).decode()} for piece in pieces]
    events = [*told, {"type": "speech.audio.done", "usage": usage}]
    return await _send(call, EVENTS, [b"data: %b\n\n" % _json(event) for event in events])


async def _answer_transcript(call: _Call) -> web.StreamResponse:
    await asyncio.sleep(call.pace * FIRST_TOKEN)
    if call.asked.stream and not call.asked.model.startswith("whisper"):
        return await _send(call, EVENTS, [b"data: %b\n\n" % _json(event) for event in transcript_events(call.asked)])
    media_type, body = whole_of(call.asked)
    return await _send_whole(call, body, media_type)


_ANSWERS: Final[dict[str, Callable[[_Call], Awaitable[web.StreamResponse]]]] = {
    "chat": _answer_chat,
    "count_tokens": _answer_count,
    "embeddings": _answer_embeddings,
    "completion": _answer_completion,
    "speech": _answer_speech,
    "transcription": _answer_transcript,
    "translation": _answer_transcript,
}


async def _send_whole(call: _Call, data: bytes, media_type: str = "application/json") -> web.StreamResponse:
    if call.fault.garbage:
        data = b"<html>not JSON"
    if call.fault.cut is None:
        return web.Response(body=data, content_type=media_type, headers=call.headers)
    response = web.StreamResponse(
        headers={**call.headers, "Content-Type": media_type, "Content-Length": str(len(data))}
    )
    await response.prepare(call.request)
    await response.write(data[: call.fault.cut])
    return await _drop(call.request, response)


async def _send_events(call: _Call, events: Iterable[Event], reply: ReplyTo) -> web.StreamResponse:
    """The events as the dialect streams them; `stall` and `error-event` count what it writes, not what happens."""
    media_type = call.client.media_type(call.asked)
    if call.fault.garbage:
        return await _send(call, media_type, [b"data: {not JSON\n\n" if media_type == EVENTS else b"{not JSON\n"])
    writer = call.client.writer(reply)
    frames: list[bytes] = []
    most = call.fault.error_event
    for event in events:
        if len(frames) == most:
            break
        if frame := writer.write([event]):
            frames.append(frame)
    if len(frames) == most:
        frames.append(writer.write([Failed(Told(500, "the simulated model had a simulated problem", "simulated"))]))
    elif last := writer.end():
        frames.append(last)
    _keep(call, b"".join(frames), lambda stream: _witness(call.dialect, stream))
    return await _send(call, media_type, frames)


def _witness(dialect: Dialect, stream: bytes) -> Any:
    """What a stream says of itself."""
    witness = dialect.stream(False)
    witness.feed(stream)
    return witness


async def _send(call: _Call, media_type: str, frames: list[bytes]) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={**call.headers, "Content-Type": f"{media_type}; charset=utf-8", "Cache-Control": "no-cache"}
    )
    await response.prepare(call.request)
    left = call.fault.cut
    for number, frame in enumerate(frames):
        if number == call.fault.stall:
            await asyncio.Event().wait()
        await response.write(frame if left is None else frame[:left])
        if left is not None and (left := left - len(frame)) <= 0:
            return await _drop(call.request, response)
        if number < len(frames) - 1:
            await asyncio.sleep(call.pace)
    await response.write_eof()
    return response


async def _drop(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Close the connection in the middle of a body, once what was written has left."""
    await asyncio.sleep(0.01)
    if request.transport is not None:
        request.transport.abort()
    return response


def _models(request: web.Request, path: str) -> web.Response:
    dialect = known_among(list(DIALECTS.values()), request.headers)
    if path == "/models":
        return web.Response(body=dialect.models(MODELS, CREATED), content_type="application/json")
    if path.startswith("/models/"):
        body = dialect.model(request.path.rpartition("/models/")[2], CREATED)
        return web.Response(body=body, content_type="application/json")
    return _error(dialect, 404, "there is nothing at this path")


def _refusal(dialect: Dialect, fault: Fault) -> web.Response:
    """The answer that a fault with a status asks for."""
    status = fault.status or 500
    code = "rate_limit_exceeded" if status == 429 else "simulated"
    response = _error(dialect, status, f"a simulated failure with status {status}", code)
    if fault.retry_after is not None:
        response.headers["Retry-After"] = fault.retry_after
    return response


def _error(
    dialect: Dialect, status: int, message: str, code: str | None = None, param: str | None = None
) -> web.Response:
    return web.Response(
        status=status,
        body=dialect.error_body(status, message, code=code, param=param),
        headers={} if dialect.client is None else {dialect.client.request_id: IDENTITY},
        content_type="application/json",
    )


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
