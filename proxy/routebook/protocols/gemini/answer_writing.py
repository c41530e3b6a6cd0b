"""A whole answer, written for Google's clients; and the pieces that it shares with the stream."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import Raw

from routebook.chat.answer import ChatAnswer, Choice
from routebook.chat.events import Finish, TokenLogprob
from routebook.chat.loss import Done, Loss
from routebook.chat.parts import (
    Audio,
    Citation,
    Foreign,
    Image,
    Inline,
    Part,
    Reasoning,
    Refusal,
    Signature,
    Stored,
    Text,
    ToolCall,
    ToolKind,
    Url,
    UrlCitation,
)
from routebook.protocols.codec import ReplyTo, Written
from routebook.protocols.errors import ProtocolError, Side
from routebook.protocols.gemini.carries import DIALECT, OWNED, UNSIGNED
from routebook.protocols.gemini.errors import fault_body
from routebook.protocols.gemini.fields import raw_of
from routebook.protocols.gemini.finishes import WORDS
from routebook.protocols.gemini.message_writing import as_object
from routebook.protocols.gemini.sources import Texts
from routebook.protocols.gemini.usage import write_usage

CUT: Final = frozenset({Finish.LENGTH, Finish.CONTEXT_FULL, Finish.FILTERED, Finish.REFUSED})
"""Reasons to stop that may cut a call; half a call is then left out, and is no error."""

BROKEN: Final = "the model called a function with what is no JSON object"


def write_chat_answer(answer: ChatAnswer, reply: ReplyTo) -> Written:
    """The answer as one body. Raises ProtocolError of the upstream's side where a call is none that can be told."""
    if answer.fault is not None:
        return Written(fault_body(answer.fault))
    losses: list[Loss] = []
    candidates = [_candidate(number, choice, losses) for number, choice in enumerate(answer.choices)]
    if answer.tier is not None:
        losses.append(Loss("tier", "tier", Done.DROPPED, "answers do not name it"))
    body: dict[str, Any] = {"candidates": candidates}
    if answer.usage is not None:
        body["usageMetadata"] = write_usage(answer.usage)
    body.update(about(reply, answer.id, answer.model, answer.created))
    return Written(msgspec.json.encode(body), tuple(losses))


def about(reply: ReplyTo, identity: str | None, served: str | None, created: int | None) -> dict[str, Any]:
    """What is said of an answer as a whole."""
    said: dict[str, Any] = {"modelVersion": reply.model or served or reply.asked.model}
    said["responseId"] = identity or reply.id
    if created is not None:
        said["createTime"] = datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return said


class Sealing:
    """Parts that can be told to Google's clients, and losses for what cannot."""

    def __init__(self, choice: int, losses: list[Loss]) -> None:
        self._choice = choice
        self._losses = losses
        self._calls = 0

    def lose(self, feature: str, block: int | None, why: str) -> None:
        """Something is not said."""
        at = f"choices[{self._choice}]" + ("" if block is None else f".parts[{block}]")
        self._losses.append(Loss(feature, at, Done.DROPPED, why))

    def sealed(self, part: dict[str, Any], signature: Signature | None, block: int) -> dict[str, Any]:
        """The part with its signature, where that is one of this dialect."""
        if signature is not None and signature.dialect in OWNED:
            part["thoughtSignature"] = signature.data
        elif signature is not None:
            self.lose("signature", block, f"it belongs to `{signature.dialect}`")
        return part

    def call(self, call: ToolCall, block: int) -> dict[str, Any] | None:
        """A call, whole; None where its arguments are no object. The first one comes back from the client with a
        signature, or its vendor refuses the turn: where there is none, what is documented for that stands there."""
        args = {"input": call.arguments} if call.kind is ToolKind.CUSTOM else as_object(call.arguments)
        if args is None:
            return None
        written = {"id": call.id, "name": call.name, "args": args}
        part = self.sealed({"functionCall": written}, call.signature, block)
        self._calls += 1
        return {**part, "thoughtSignature": part.get("thoughtSignature", UNSIGNED)} if self._calls == 1 else part

    def image(self, image: Image, block: int) -> dict[str, Any] | None:
        """A picture; None where it is not one but an id of somebody else's."""
        match image.source:
            case Inline(kind, data):
                return self.sealed({"inlineData": {"mimeType": kind, "data": data}}, image.signature, block)
            case Url(url, kind):
                return {"fileData": {"mimeType": kind or "image/*", "fileUri": url}}
            case Stored(dialect, _):
                self.lose("image_stored", block, f"`{dialect}` keeps it")
                return None

    def foreign(self, part: Foreign, block: int) -> Raw | None:
        """A part of this dialect alone; None where it is of another."""
        if part.dialect == DIALECT:
            return raw_of(part.json)
        self.lose("foreign_part", block, f"it belongs to `{part.dialect}`")
        return None

    def citation(self, citation: Citation, block: int, texts: Texts) -> dict[str, Any] | None:
        """A source; None where it is of a kind that only its own dialect has."""
        if not isinstance(citation, UrlCitation):
            self.lose("citation", block, f"it belongs to `{citation.dialect}`")
            return None
        if citation.quote is not None:
            self.lose("citation", block, "the words that were cited have no place")
        written: dict[str, Any] = {}
        if citation.start is not None:
            written["startIndex"] = texts.byte(block, citation.start)
        if citation.end is not None:
            written["endIndex"] = texts.byte(block, citation.end)
        written["uri"] = citation.url
        if citation.title is not None:
            written["title"] = citation.title
        return written

    def word(self, finish: Finish, sequence: str | None) -> str:
        """How a reason to stop is said."""
        if finish is Finish.PAUSED:
            self.lose("pause", None, "it is told as a stop")
        if sequence is not None:
            self.lose("stop_sequence", None, "it is a stop like any other")
        return WORDS[finish]


def logprobs_of(tokens: Iterable[TokenLogprob]) -> dict[str, Any]:
    """Probabilities of tokens."""
    listed = list(tokens)
    written: dict[str, Any] = {"chosenCandidates": [_token(each) for each in listed]}
    if any(each.top for each in listed):
        written["topCandidates"] = [{"candidates": [_token(top) for top in each.top]} for each in listed]
    return written


def _token(token: TokenLogprob) -> dict[str, Any]:
    return {"token": token.token, "logProbability": token.logprob}


def _candidate(number: int, choice: Choice, losses: list[Loss]) -> dict[str, Any]:
    sealing, texts = Sealing(number, losses), Texts()
    parts: list[Any] = []
    citations: list[dict[str, Any]] = []
    for block, part in enumerate(choice.parts):
        if isinstance(part, Text):
            texts.add(block, part.text)
        written = _part(part, block, sealing)
        if written is not None:
            parts.append(written)
        elif isinstance(part, ToolCall):
            if choice.finish not in CUT:
                raise ProtocolError(Side.UPSTREAM, BROKEN, status=502)
            sealing.lose("tool_call", block, "the answer was cut in it")
        if isinstance(part, Text):
            citations += [
                cited for each in part.citations if (cited := sealing.citation(each, block, texts)) is not None
            ]
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}}
    candidate["finishReason"] = sealing.word(choice.finish or Finish.STOP, choice.stop_sequence)
    if citations:
        candidate["citationMetadata"] = {"citationSources": citations}
    if choice.logprobs is not None:
        candidate["logprobsResult"] = logprobs_of(choice.logprobs)
    candidate["index"] = number
    return candidate


def _part(part: Part, block: int, sealing: Sealing) -> Any:
    match part:
        case Text(text):
            return sealing.sealed({"text": text}, part.signature, block)
        case Reasoning(text):
            written = sealing.sealed({"text": text, "thought": True}, part.signature, block)
            return written if text or "thoughtSignature" in written else None
        case Refusal(text):
            return {"text": text}
        case ToolCall():
            return sealing.call(part, block)
        case Image():
            return sealing.image(part, block)
        case Audio(Inline(kind, data)):
            if part.transcript is not None:
                sealing.lose("audio", block, "its transcript has no place")
            return {"inlineData": {"mimeType": kind, "data": data}}
        case Foreign():
            return sealing.foreign(part, block)
        case _:
            return None
