"""How one request goes to one candidate, and how what comes back is told to its client.

Where both speak the same dialect, the client's bytes go with the smallest edit and the upstream's come back as they are.
Otherwise the request is written in the upstream's dialect, and its answer in the client's: a `Crossing` is the way back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote

import msgspec
from aiohttp import web
from multidict import CIMultiDict

from routebook.chat.answer import ChatAnswer
from routebook.chat.assembling import assemble, events_of
from routebook.chat.caps import capped
from routebook.chat.conversation import ChatRequest
from routebook.chat.loss import Done, Loss
from routebook.chat.remembering import Memory, Remembering, readable, recalled
from routebook.chat.usage import Usage
from routebook.edge.answers import in_seconds
from routebook.edge.entry import Entry
from routebook.edge.faults import CallFailed
from routebook.edge.uploads import Upload
from routebook.protocols.answered import Answered, answered
from routebook.protocols.codec import ClientSide, EventWriter, ReplyTo, Sent, UpstreamSide
from routebook.protocols.dialects import Dialect, Operation, asked_in
from routebook.protocols.errors import ProtocolError
from routebook.protocols.streams import Translated
from routebook.routing.candidates import Candidate
from routebook.routing.outcomes import Caps
from routebook.routing.translation import target_of

COUNT: Final = "count_tokens"
"""The operation that asks how many tokens a request has."""

COUNTED: Final = Answered(usage=Usage())
"""What a count says of itself: it used nothing."""

_IDS: Final = ("x-request-id", "request-id")
"""Headers in which upstreams name an exchange."""


class Job(msgspec.Struct, frozen=True):
    """What is to be done, whoever does it: the request, how its path reads and writes, the rule's caps, and for whom;
    `upload` is its form, where it is one. `collector` makes what takes the answer's events, where the client is not told them as they
    are. `chat` is the conversation as it is to be written, where that is not the client's own."""

    request: web.BaseRequest
    asked: Any
    dialect: Dialect
    operation: Operation
    caps: Caps
    client: str = "anonymous"
    upload: Upload | None = None
    collector: Callable[[], EventWriter] | None = None
    chat: ChatRequest | None = None

    @property
    def counts(self) -> bool:
        """Whether the tokens of a request are to be counted, and nothing else."""
        return self.operation.name == COUNT


@dataclass(frozen=True, slots=True)
class Told:
    """A whole answer as its client is told it. `losses` is what of it could not be said."""

    body: bytes
    answered: Answered
    losses: tuple[Loss, ...] = ()


class Errand(msgspec.Struct, frozen=True):
    """One request on its way to one candidate: in which dialect, what is sent where, and what of it is lost.

    `forwarded` are further headers of the client that may go along, `headers` ours. `crossing` is the way back where it
    is translated.
    """

    spoken: Dialect
    path: str
    body: bytes
    media_type: str
    forwarded: tuple[str, ...]
    headers: tuple[tuple[str, str], ...]
    losses: tuple[Loss, ...] = ()
    crossing: Crossing | None = None

    @property
    def refused(self) -> bool:
        """Whether something is lost that must not be: it may not be sent."""
        return bool(self.losses) and any(loss.done is Done.REFUSED for loss in self.losses)


def _spoken_to(job: Job, candidate: Candidate) -> tuple[Dialect, UpstreamSide]:
    """The dialect in which a candidate is asked, and what it is like from its side."""
    spoken = asked_in(candidate.model.provider.dialect, job.dialect.name)
    side = None if spoken is None else spoken.upstream
    assert spoken is not None and side is not None
    return spoken, side


def crossing_side(job: Job, candidate: Candidate) -> UpstreamSide | None:
    """The side for which a request is written anew; None where the client's own bytes go."""
    spoken, side = _spoken_to(job, candidate)
    is_relayed = job.collector is None and spoken is job.dialect
    return None if is_relayed and spoken.relays(job.asked, candidate.model.provider.version) else side


def errand_of(job: Job, candidate: Candidate, entry: Entry) -> Errand | None:
    """How the request goes to a candidate; None where its tokens are to be counted and the upstream cannot."""
    model = candidate.model
    access = entry.serving.access[candidate.key]
    spoken, side = _spoken_to(job, candidate)
    if crossing_side(job, candidate) is None:
        body = job.operation.edit(job.asked, model.upstream_id, model.provider.ask_usage, job.caps)
        path = job.operation.upstream_path
        if "{" in path:
            path = path.replace("{model}", quote(model.upstream_id, safe=""))
        return Errand(spoken, path, body, side.media_type, side.forwarded, access.version)
    sent = _written(job, side, candidate, entry)
    if sent is None:
        return None
    ours = {**dict(access.version), **dict(sent.headers)}
    forwarded = tuple(name for name in side.forwarded if name not in ours) if spoken is job.dialect else ()
    crossing = Crossing(job, side, entry, model.upstream_id)
    return Errand(spoken, sent.path, sent.body, side.media_type, forwarded, tuple(ours.items()), sent.losses, crossing)


def _written(job: Job, side: UpstreamSide, candidate: Candidate, entry: Entry) -> Sent | None:
    memories, at, model = entry.gateway.memories, entry.began, candidate.model.upstream_id

    def recall(key: str) -> Memory | None:
        return memories.recall(job.client, key, at)

    asked: ChatRequest = job.asked.chat if job.chat is None else job.chat
    chat, unreadable = readable(capped(asked, job.caps), recall, model)
    chat = recalled(chat, recall, model)
    target = target_of(candidate.model, entry.policy.settings.losses, entry.serving.transcodes)
    if not job.counts:
        sent = side.write_request(chat, target, job.asked.stream)
        return replace(sent, losses=(*sent.losses, *unreadable)) if unreadable else sent
    return None if side.write_count is None or side.read_count is None else side.write_count(chat, target)


class Crossing:
    """The way back from an upstream of one dialect to a client of another; `model` is the upstream's name of who answers."""

    def __init__(self, job: Job, side: UpstreamSide, entry: Entry, model: str) -> None:
        client = job.dialect.client
        assert client is not None
        self._job = job
        self._side = side
        self._client: ClientSide = client
        self._entry = entry
        self._model = model
        self._reply = ReplyTo(job.asked, entry.id, int(entry.now))

    def __repr__(self) -> str:
        return f"<Crossing to {self._job.dialect.name}>"

    def stream(self) -> Translated:
        """A stream on its way."""
        return Translated(self._side.reader(self._entry.id), self._writer(), self._keep, self._model)

    def counted(self, body: bytes) -> Told:
        """How many tokens the upstream counted. Raises CallFailed where it does not say."""
        assert self._side.read_count is not None
        try:
            return Told(count_body(self._job, self._side.read_count(body)), COUNTED)
        except ProtocolError:
            raise CallFailed("upstream.garbled", "the answer is not what its dialect says") from None

    def read(self, body: bytes, streamed: bool) -> ChatAnswer:
        """A whole answer; `streamed` where the upstream streamed it all the same. Raises CallFailed where it is none."""
        try:
            answer = self._streamed(body) if streamed else self._side.read_answer(body, self._entry.id)
        except ProtocolError:
            raise CallFailed("upstream.garbled", "the answer is not what its dialect says") from None
        if answer.fault is not None:
            raise CallFailed("upstream.error-event", "the answer is an error")
        return answer

    def whole(self, answer: ChatAnswer) -> Told:
        """The answer as the client is told it."""
        remembering = Remembering(self._model)
        remembering.take(events_of(answer))
        if memories := remembering.memories():
            self._keep(memories)
        if self._job.asked.stream:
            writer = self._writer()
            told = writer.write(events_of(answer)) + writer.end()
            return Told(told, answered(answer), tuple(writer.losses))
        written = self._client.write_answer(answer, self._reply)
        return Told(written.body, answered(answer), written.losses)

    def refusal(self, status: int, body: bytes, wait: float | None) -> tuple[int, bytes, float | None]:
        """What an upstream refused, as the client is told: status, body, and seconds to wait: those of its headers
        (`wait`), or of its body."""
        fault = self._side.read_fault(status, body)
        shown = self._client.statuses.get(status, status)
        wait = fault.retry_after if wait is None else wait
        words = {"code": fault.code, "param": fault.param, "retry_after": None if wait is None else in_seconds(wait)}
        return shown, self._job.dialect.error_body(shown, fault.message, **words), wait

    def headers(self, upstream: Mapping[str, str], failed: bool = False) -> CIMultiDict[str]:
        """The headers of what the client is told: the upstream's speak of other bytes, but for its id."""
        media_type = self._client.media_type(self._job.asked) if self._streams(failed) else "application/json"
        headers = CIMultiDict({"Content-Type": media_type})
        named = next((upstream[name] for name in _IDS if name in upstream), self._entry.id)
        headers[self._client.request_id] = named
        if (wait := upstream.get("Retry-After")) is not None:
            headers["Retry-After"] = wait
        return headers

    def _writer(self) -> EventWriter:
        return self._client.writer(self._reply) if self._job.collector is None else self._job.collector()

    def _streams(self, failed: bool) -> bool:
        return not failed and not self._job.counts and self._job.asked.stream

    def _streamed(self, body: bytes) -> ChatAnswer:
        reader = self._side.reader(self._entry.id)
        answer = assemble([*reader.feed(body), *reader.end()])
        if not reader.done and answer.fault is None:
            raise CallFailed("upstream.cut", "the stream ended before its end")
        return answer

    def _keep(self, memories: Mapping[str, Memory]) -> None:
        gateway = self._entry.gateway
        gateway.memories.keep(self._job.client, memories, gateway.clock.monotonic())


def count_body(job: Job, tokens: int) -> bytes:
    """The answer to the question how many tokens a request has."""
    client = job.dialect.client
    assert client is not None and client.write_count is not None
    return client.write_count(tokens)


def in_words(losses: Iterable[Loss]) -> str:
    """What must not be lost and would be, for the client."""
    refused = {f"`{loss.feature}` at `{loss.path[:100]}`: {loss.why}" for loss in losses if loss.done is Done.REFUSED}
    return "; ".join(sorted(refused)[:3])
