"""Mixed traffic of every kind that the proxy serves: a number of clients, each of which asks one thing after another.

A client's next question is drawn by the weights of `KINDS`. What may come of a question stands there as well; anything else is
noted as a failure. Whatever came whole is remembered by its decision's id, for the audit to look for it in the journal.
"""

from __future__ import annotations

import asyncio
import collections
import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

CONVERSATIONS = 200
"""Different conversations and questions in all."""

PATIENCE = 60.0
"""Seconds after which an answer counts as one that never comes."""

CHAT = "/v1/chat/completions"
TOOL = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
RESPONDED = (b"event: response.completed", b"event: response.incomplete")
"""How a response ends that is whole, and one that came to the limit that it was given."""

Ends = bytes | tuple[bytes, ...]
BUSY = frozenset({"limit.reached", "limit.queue-full", "limit.queue-timeout", "budget.exhausted"})
WEAK = frozenset({"upstream.failed", "upstream.overloaded", "upstream.disconnected", "upstream.cut"})


@dataclass(frozen=True, slots=True)
class Answered:
    """What a client saw: the status, the code of `x-routebook-error`, the decision, and whether the answer came whole."""

    status: int
    code: str
    decision: str | None
    whole: bool


Ask = Callable[["Traffic", random.Random], Awaitable[Answered | None]]
"""Asks one thing; None where the client left by itself."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of question: how often it is asked, and which statuses and codes are in order beside a whole answer."""

    ask: Ask
    weight: int
    statuses: frozenset[int] = frozenset()
    codes: frozenset[str] = frozenset()
    may_break: bool = False


@dataclass(slots=True)
class Traffic:
    """The clients of a run against `urls`, drawn from for each question (one address, or several behind each other's back).

    `forgiving`: whoever answers may be killed, so that lost connections and 502 to 504 are no failures.
    """

    urls: list[str]
    clients: int
    pause: float
    seed: int
    forgiving: bool = False
    asked: collections.Counter[str] = field(default_factory=collections.Counter)
    whole: collections.Counter[str] = field(default_factory=collections.Counter)
    outcomes: collections.Counter[str] = field(default_factory=collections.Counter)
    decisions: set[str] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)
    lost: int = 0
    seconds: list[float] = field(default_factory=list)
    _session: aiohttp.ClientSession | None = None
    _ending: bool = False

    @property
    def session(self) -> aiohttp.ClientSession:
        """The connections of all clients."""
        assert self._session is not None
        return self._session

    def url(self, dice: random.Random) -> str:
        """Where the next question goes."""
        return dice.choice(self.urls)

    @asynccontextmanager
    async def running(self) -> Any:
        """Keep it up while the block runs, then let every client finish what it began."""
        limits = aiohttp.ClientTimeout(total=PATIENCE)
        connector = aiohttp.TCPConnector(limit=0, force_close=self.forgiving)
        async with aiohttp.ClientSession(connector=connector, timeout=limits) as self._session:
            tasks = [asyncio.create_task(self._client(random.Random(f"{self.seed}/{n}"))) for n in range(self.clients)]
            try:
                yield self
            finally:
                self._ending = True
                await asyncio.gather(*tasks)

    async def _client(self, dice: random.Random) -> None:
        names, weights = list(KINDS), [kind.weight for kind in KINDS.values()]
        while not self._ending:
            [name] = dice.choices(names, weights)
            await self._once(name, dice)
            await asyncio.sleep(dice.uniform(0, 2 * self.pause))

    async def _once(self, name: str, dice: random.Random) -> None:
        kind = KINDS[name]
        self.asked[name] += 1
        began = time.monotonic()
        try:
            answered = await kind.ask(self, dice)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            return self._lost(name, kind, error)
        if answered is not None:
            self.seconds.append(time.monotonic() - began)
            self._judge(name, kind, answered)

    def _lost(self, name: str, kind: Kind, error: Exception) -> None:
        if self.forgiving and not isinstance(error, TimeoutError):
            self.lost += 1
        elif not kind.may_break:
            self.failures.append(f"{name}: {type(error).__name__}: {error}")

    def _judge(self, name: str, kind: Kind, answered: Answered) -> None:
        self.outcomes[f"{answered.status} {answered.code}".strip()] += 1
        if answered.status in (200, 101) and answered.whole:
            self.whole[name] += 1
            if answered.decision is not None:
                self.decisions.add(answered.decision)
        elif answered.status == 200:
            if not kind.may_break and not self.forgiving:
                self.failures.append(f"{name}: an answer ended early: {answered.code}")
        elif self.forgiving and (answered.status in (502, 503, 504) or answered.code in ("", "gateway.draining")):
            self.lost += 1
        elif answered.status not in kind.statuses and answered.code not in kind.codes:
            self.failures.append(f"{name}: {answered.status} {answered.code}")


async def post(traffic: Traffic, dice: random.Random, path: str, body: object, end: Ends, tags: str = "") -> Answered:
    """Ask, and read to the end; whole is what holds one of `end`."""
    headers = {"x-routebook-tags": tags} if tags else {}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers["content-type"] = "application/json"
    headers["anthropic-version"] = "2023-06-01"
    async with traffic.session.post(traffic.url(dice) + path, data=data, headers=headers) as answer:
        fields = answer.headers
        code = fields.get("x-routebook-error", "")
        try:
            said = await answer.read()
            whole = any(each in said for each in ((end,) if isinstance(end, bytes) else end))
        except aiohttp.ClientPayloadError:
            whole = False
        return Answered(answer.status, code, fields.get("x-routebook-decision"), whole)


def _messages(dice: random.Random) -> list[dict[str, str]]:
    number = dice.randrange(CONVERSATIONS)
    return [{"role": "user", "content": f"question {number}: " + "why? " * (number % 60)}]


def chats(model: str, end: bytes = b"[DONE]", tags: str = "", **more: object) -> Ask:
    """A chat in OpenAI's own dialect, streamed unless `stream` says otherwise."""

    async def ask(traffic: Traffic, dice: random.Random) -> Answered:
        body = {"model": model, "stream": True, "max_tokens": 32, "messages": _messages(dice), **more}
        return await post(traffic, dice, CHAT, body, end, tags)

    return ask


async def _messages_api(traffic: Traffic, dice: random.Random) -> Answered:
    model = dice.choice(("fast", "careful", "wide"))
    body = {"model": model, "stream": True, "max_tokens": 32, "messages": _messages(dice)}
    return await post(traffic, dice, "/v1/messages", body, b"message_stop")


async def _responses(traffic: Traffic, dice: random.Random) -> Answered:
    body = {"model": dice.choice(("fast", "careful")), "stream": True, "max_output_tokens": 32, "input": "Why?"}
    return await post(traffic, dice, "/v1/responses", body, RESPONDED)


async def _gemini(traffic: Traffic, dice: random.Random) -> Answered:
    model = dice.choice(("fast", "wide"))
    body = {"contents": [{"role": "user", "parts": [{"text": "Why?"}]}], "generationConfig": {"maxOutputTokens": 32}}
    return await post(traffic, dice, f"/v1beta/models/{model}:streamGenerateContent?alt=sse", body, b"finishReason")


async def _embeds(traffic: Traffic, dice: random.Random) -> Answered:
    body = {"model": "vectors", "input": f"text {dice.randrange(CONVERSATIONS)}"}
    return await post(traffic, dice, "/v1/embeddings", body, b'"embedding"')


async def _asks_again(traffic: Traffic, dice: random.Random) -> Answered:
    """One of few questions whose answers are kept."""
    body = {"model": "fast", "max_tokens": 32, "messages": [{"role": "user", "content": f"FAQ {dice.randrange(8)}"}]}
    return await post(traffic, dice, CHAT, body, b'"finish_reason"', "faq")


async def _garbage(traffic: Traffic, dice: random.Random) -> Answered:
    body = dice.choice((b"{", b"[]", b'{"model": 7}', b"\xff\xfe", b'{"model": "fast", "messages": "no"}'))
    return await post(traffic, dice, CHAT, body, b"\0")


async def _leaves(traffic: Traffic, dice: random.Random) -> Answered | None:
    """Reads a little of a stream and goes."""
    body = {"model": "fast", "stream": True, "max_tokens": 64, "messages": _messages(dice)}
    async with traffic.session.post(traffic.url(dice) + CHAT, json=body) as answer:
        await answer.content.readany()
        answer.close()
    return None


async def _talks(traffic: Traffic, dice: random.Random) -> Answered | None:
    """A session of voice: one or two responses by text; now and then the client is gone in the middle of one."""
    url = traffic.url(dice).replace("http://", "ws://") + "/v1/realtime?model=voice"
    whole = 0
    wanted = dice.choice((1, 2))
    async with traffic.session.ws_connect(url, max_msg_size=0) as socket:
        await _until(socket, "session.created")
        for _ in range(wanted):
            content = [{"type": "input_text", "text": "Say something."}]
            item = {"type": "message", "role": "user", "content": content}
            await socket.send_json({"type": "conversation.item.create", "item": item})
            await socket.send_json({"type": "response.create", "response": {"output_modalities": ["text"]}})
            if dice.random() < 0.1:
                await _until(socket, "response.created")
                return None
            whole += await _until(socket, "response.done")
        decision = socket._response.headers.get("x-routebook-decision")
    return Answered(101, "", decision, whole == wanted)


async def _until(socket: Any, kind: str) -> bool:
    """Read until such an event; ValueError where the session ends before it, or says that something is wrong."""
    async for message in socket:
        if message.type is not aiohttp.WSMsgType.TEXT:
            break
        event = json.loads(message.data)
        if event["type"] == kind:
            return True
        if event["type"] == "error":
            raise ValueError(f"a session said {event['error'].get('code')}: {event['error'].get('message')}")
    raise aiohttp.ClientConnectionError(f"a session ended before {kind}")


KINDS: Mapping[str, Kind] = {
    "whole": Kind(chats("fast", b'"finish_reason"', stream=False), 10),
    "stream": Kind(chats("fast"), 14),
    "tools": Kind(chats("fast", tools=[TOOL], tool_choice="required"), 6),
    "crossing": Kind(chats("careful", tools=[TOOL]), 6),
    "messages": Kind(_messages_api, 8),
    "responses": Kind(_responses, 6),
    "gemini": Kind(_gemini, 6),
    "embeddings": Kind(_embeds, 4),
    "kept": Kind(_asks_again, 4),
    "conversation": Kind(chats("fast", tags="talk"), 6),
    "falls back": Kind(chats("failing"), 6, frozenset({502, 503}), WEAK),
    "breaks": Kind(chats("breaking"), 5, frozenset({502, 503}), WEAK, may_break=True),
    "poor": Kind(chats("careful", tags="poor"), 3, codes=BUSY),
    "crowd": Kind(chats("fast", tags="crowd"), 5, codes=BUSY),
    "garbage": Kind(_garbage, 2, frozenset({400, 404, 422})),
    "leaves": Kind(_leaves, 5, may_break=True),
    "voice": Kind(_talks, 5, codes=BUSY),
}
"""What is asked, by name."""

NEVER_WHOLE = frozenset({"garbage", "leaves"})
"""Kinds that no whole answer is expected of."""


async def quiet(task: asyncio.Task[Any]) -> None:
    """End a task that runs for ever; what went wrong in it before is raised."""
    if not task.done():
        task.cancel()
    with suppress(asyncio.CancelledError):
        await task
