"""An upstream that does exactly what a test says, byte by byte, and tells what was done to it.

It speaks raw TCP, so it can also do what no honest server does: cut a body short, reset a connection, send nonsense,
fall silent. A *play* is what it does with one request: a sequence of steps. Plays are queued with `will`; a request
that finds none gets what `otherwise` says.

    async with Upstream() as upstream:
        upstream.will(stream(["Hel", "lo"]), cut=40)
        ...
        assert upstream.requests[0].json()["model"] == "gpt-small"
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

# ---- steps ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Say:
    """Send these bytes, in pieces of `piece` bytes (0: at once) with `pause` seconds after each."""

    data: bytes
    piece: int = 0
    pause: float = 0.0


@dataclass(frozen=True, slots=True)
class Pause:
    """Send nothing for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Until:
    """Send nothing until the test sets this event."""

    event: asyncio.Event


@dataclass(frozen=True, slots=True)
class Reset:
    """Abort the connection: the peer reads ECONNRESET."""


@dataclass(frozen=True, slots=True)
class Close:
    """End the connection in an orderly way (FIN), whatever was promised."""


@dataclass(frozen=True, slots=True)
class Hang:
    """Say nothing more and keep the connection until the peer leaves."""


Step = Say | Pause | Until | Reset | Close | Hang
Play = Sequence[Step]

# ---- what to say ---------------------------------------------------------------------------------------------------


def head(status: int = 200, headers: Iterable[tuple[str, str]] = (), reason: str = "Scripted") -> bytes:
    """A status line and header lines, with the empty line that ends them."""
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape")


def chunk(data: bytes) -> bytes:
    """One piece of a chunked body; an empty one ends the body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(value: object) -> bytes:
    """One server-sent event; text as it stands, everything else as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"data: {text}\n\n".encode()


def reply(body: object, status: int = 200, headers: Iterable[tuple[str, str]] = ()) -> list[Step]:
    """A whole answer with a length: bytes as they stand, everything else as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    given = [("Content-Type", "application/json"), ("Content-Length", str(len(data))), *headers]
    return [Say(head(status, given) + data)]


def failure(
    status: int, message: str = "scripted failure", code: str = "scripted", *, headers: Iterable[tuple[str, str]] = ()
) -> list[Step]:
    """An error in the shape of the OpenAI API."""
    kind = "rate_limit_error" if status == 429 else "server_error" if status >= 500 else "invalid_request_error"
    return reply({"error": {"message": message, "type": kind, "param": None, "code": code}}, status, headers)


def completion(
    text: str = "Hello.", model: str = "scripted-1", prompt_tokens: int = 7, completion_tokens: int = 2, **more: object
) -> dict[str, Any]:
    """A chat completion; `more` fields are laid over it."""
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 1_760_000_000,
        "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
        **more,
    }


def chunks(
    texts: Sequence[str] = ("Hel", "lo", "."),
    model: str = "scripted-1",
    usage: dict[str, object] | None = None,
    **more: object,
) -> list[bytes]:
    """The events of a streamed completion: role, texts, finish, usage where given, `[DONE]`."""
    frame = {"id": "chatcmpl-scripted", "object": "chat.completion.chunk", "created": 1_760_000_000, "model": model}
    deltas: list[dict[str, object]] = [{"role": "assistant", "content": ""}, *({"content": text} for text in texts)]
    shown = [
        event({**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": None}], **more}) for delta in deltas
    ]
    shown.append(event({**frame, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], **more}))
    if usage is not None:
        shown.append(event({**frame, "choices": [], "usage": usage}))
    return [*shown, event("[DONE]")]


def stream(
    events: Sequence[bytes] | None = None,
    *,
    pause: float = 0.0,
    piece: int = 0,
    ends: bool = True,
    headers: Iterable[tuple[str, str]] = (),
) -> list[Step]:
    """A chunked answer of server-sent events, one HTTP chunk each; without `ends` the body is never finished."""
    given = [("Content-Type", "text/event-stream; charset=utf-8"), ("Transfer-Encoding", "chunked"), *headers]
    steps: list[Step] = [Say(head(200, given))]
    for data in chunks() if events is None else events:
        steps.append(Say(chunk(data), piece))
        if pause:
            steps.append(Pause(pause))
    if ends:
        steps.append(Say(chunk(b"")))
    return steps


def answer_politely(request: Received) -> Play:
    """What an honest upstream says: a stream where one is asked for (usage where asked for), else a whole answer."""
    asked = request.json() if request.body else {}
    if request.target.endswith("/embeddings"):
        return reply(
            {
                "object": "list",
                "model": asked.get("model"),
                "usage": {"prompt_tokens": 3, "total_tokens": 3},
                "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5]}],
            }
        )
    model = asked.get("model", "scripted-1")
    if not asked.get("stream"):
        return reply(completion(model=model))
    wants_usage = (asked.get("stream_options") or {}).get("include_usage")
    usage = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9} if wants_usage else None
    return stream(chunks(model=model, usage=usage))


# ---- what happened -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it arrived. `at` is `time.monotonic()` when it was whole."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    at: float

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        """The first header of this name, whatever its case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclass(slots=True, eq=False)
class Exchange:
    """One request and what became of the answer to it."""

    request: Received
    said: int = 0
    """Bytes handed to the kernel."""
    finished: bool = False
    """Whether the play was played to its end."""
    gone_at: float | None = None
    """`time.monotonic()` when the peer left before the end, or None."""
    _gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def gone(self, timeout: float = 5.0) -> float:
        """Wait until the peer has left; returns when (`time.monotonic()`)."""
        await asyncio.wait_for(self._gone.wait(), timeout)
        assert self.gone_at is not None
        return self.gone_at

    def mark_gone(self) -> None:
        """The peer has left; what counts is the first time."""
        if self.gone_at is None and not self.finished:
            self.gone_at = time.monotonic()
            self._gone.set()


# ---- the server ----------------------------------------------------------------------------------------------------


class Upstream:
    """A scripted upstream on a free port of the loopback interface. Use as an async context manager."""

    def __init__(self, otherwise: Callable[[Received], Play] = answer_politely) -> None:
        self.otherwise = otherwise
        self.exchanges: list[Exchange] = []
        self.connections = 0
        self._plays: deque[Play] = deque()
        self._open: set[_Connection] = set()
        self._arrived = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self.port = 0

    def __repr__(self) -> str:
        return f"<Upstream :{self.port}, {len(self.exchanges)} requests, {len(self._plays)} plays left>"

    @property
    def url(self) -> str:
        """The base URL for a policy, ending in `/v1`."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def requests(self) -> list[Received]:
        """Every request so far, in the order in which they were whole."""
        return [exchange.request for exchange in self.exchanges]

    def will(self, play: Play, *, cut: int | None = None) -> None:
        """Queue a play for the next request; with `cut`, the connection is reset after so many bytes of it."""
        self._plays.append(play if cut is None else cut_short(play, cut))

    async def arrivals(self, count: int, timeout: float = 5.0) -> list[Exchange]:
        """Wait until so many requests have arrived."""
        async with self._arrived:
            await asyncio.wait_for(self._arrived.wait_for(lambda: len(self.exchanges) >= count), timeout)
        return self.exchanges

    async def close_idle(self) -> None:
        """Close every connection on which nothing is being answered, as servers do at bad moments."""
        for connection in tuple(self._open):
            connection.close_if_idle()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(lambda: _Connection(self), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for connection in tuple(self._open):
            await connection.stop()
        await self._server.wait_closed()

    def _next_play(self, request: Received) -> Play:
        return self._plays.popleft() if self._plays else self.otherwise(request)

    async def _note(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)
        async with self._arrived:
            self._arrived.notify_all()


def cut_short(play: Play, size: int) -> list[Step]:
    """The same play, reset after `size` bytes."""
    steps: list[Step] = []
    for step in play:
        if isinstance(step, Say):
            steps.append(Say(step.data[:size], step.piece, step.pause))
            size -= len(step.data)
            if size <= 0:
                break
        else:
            steps.append(step)
    # What was sent just before a reset may be thrown away by the peer's kernel: let it be read first.
    return [*steps, Pause(0.02), Reset()]


class _Connection(asyncio.Protocol):
    """One connection: bytes in, requests out, a play for each."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._buffer = bytearray()
        self._more = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._lost = False
        self._current: Exchange | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._upstream.connections += 1
        self._upstream._open.add(self)
        self._task = asyncio.ensure_future(self._serve())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._more.set()

    def eof_received(self) -> bool:
        self._leave()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._leave()
        self._upstream._open.discard(self)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def close_if_idle(self) -> None:
        if self._current is None and not self._buffer:
            self._transport.close()

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})
        self._transport.abort()

    def _leave(self) -> None:
        self._lost = True
        self._more.set()
        self._writable.set()
        if self._current is not None:
            self._current.mark_gone()

    async def _serve(self) -> None:
        try:
            while (request := await self._read_request()) is not None:
                exchange = self._current = Exchange(request)
                await self._upstream._note(exchange)
                await self._perform(exchange, self._upstream._next_play(request))
                self._current = None
        except _Left:
            self._transport.abort()

    async def _perform(self, exchange: Exchange, play: Play) -> None:
        for step in play:
            if self._lost:
                exchange.mark_gone()
                raise _Left
            match step:
                case Say():
                    await self._say(exchange, step)
                case Pause(seconds):
                    await asyncio.sleep(seconds)
                case Until(event):
                    await event.wait()
                case Hang():
                    await exchange._gone.wait()
                    raise _Left
                case Close():
                    exchange.finished = True
                    self._transport.close()
                    raise _Left
                case Reset():
                    exchange.finished = True
                    linger = struct.pack("ii", 1, 0)
                    self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    raise _Left
        exchange.finished = True

    async def _say(self, exchange: Exchange, step: Say) -> None:
        size = step.piece or max(len(step.data), 1)
        for start in range(0, len(step.data), size):
            await self._writable.wait()
            if self._lost:
                exchange.mark_gone()
                raise _Left
            piece = step.data[start : start + size]
            self._transport.write(piece)
            exchange.said += len(piece)
            if step.piece:
                await asyncio.sleep(step.pause)

    async def _read_request(self) -> Received | None:
        """The next request, or None where the peer left between two."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if not await self._wait_for_more():
                return None
        lines = self._take(end + 4)[:-4].decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        headers = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:]))
        body = await self._read_body({name.lower(): value for name, value in headers})
        return None if body is None else Received(method, target, headers, body, time.monotonic())

    async def _read_body(self, headers: dict[str, str]) -> bytes | None:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return await self._read_exactly(int(headers.get("content-length", "0")))
        body = b""
        while True:
            while (end := self._buffer.find(b"\r\n")) < 0:
                if not await self._wait_for_more():
                    return None
            size = int(self._take(end + 2).split(b";")[0], 16)
            data = await self._read_exactly(size + 2)
            if data is None or size == 0:
                return None if data is None else body
            body += data[:-2]

    async def _read_exactly(self, size: int) -> bytes | None:
        while len(self._buffer) < size:
            if not await self._wait_for_more():
                return None
        return self._take(size)

    def _take(self, size: int) -> bytes:
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    async def _wait_for_more(self) -> bool:
        """Wait for bytes; False when the peer has left."""
        self._more.clear()
        if not self._lost:
            await self._more.wait()
        return not self._lost


class _Left(Exception):
    """The connection is over, by the peer's will or by the play's."""
