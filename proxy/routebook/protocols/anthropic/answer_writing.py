"""A whole answer, written for Anthropic's clients; and the words that it shares with the stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Raw

from routebook.chat.answer import ChatAnswer, Choice
from routebook.chat.events import Finish
from routebook.chat.loss import Done, Loss
from routebook.chat.parts import Audio, Citation, Foreign, Image, Part, Reasoning, Refusal, Text, ToolCall, UrlCitation
from routebook.chat.usage import Usage
from routebook.protocols.anthropic.carries import DIALECT
from routebook.protocols.anthropic.finishes import WORDS
from routebook.protocols.anthropic.message_writing import input_of
from routebook.protocols.anthropic.usage import TIERS, write_usage
from routebook.protocols.codec import ReplyTo, Written

_TIERS: Final = {neutral: word for word, neutral in TIERS.items()}

NOT_HERE: Final = "this dialect has no place for it"


def write_message(answer: ChatAnswer, reply: ReplyTo) -> Written:
    """The answer as one body."""
    losses = [
        Loss("choices", f"choices[{number}]", Done.DROPPED, "there is one answer")
        for number in range(1, len(answer.choices))
    ]
    choice = answer.choices[0] if answer.choices else Choice()
    if choice.logprobs is not None or choice.refusal_logprobs is not None:
        losses.append(Loss("logprobs", "choices[0].logprobs", Done.DROPPED, NOT_HERE))
    blocks = [
        block
        for number, part in enumerate(choice.parts)
        for block in _blocks(part, f"choices[0].parts[{number}]", losses)
    ]
    refusal = "".join(part.text for part in choice.parts if isinstance(part, Refusal))
    calls = any(isinstance(part, ToolCall) for part in choice.parts)
    body = message_of(reply, answer.id, answer.model, blocks)
    body |= stop_of(choice.finish, choice.stop_sequence, calls, refusal)
    body["usage"] = usage_of(answer.usage, answer.tier)
    return Written(msgspec.json.encode(body), tuple(losses))


def write_count(tokens: int) -> bytes:
    """The answer to a client that has tokens counted."""
    return msgspec.json.encode({"input_tokens": tokens})


def message_of(reply: ReplyTo, identity: str | None, served: str | None, blocks: list[Any]) -> dict[str, Any]:
    """A message without its end."""
    return {
        "id": identity or f"msg_{reply.id}",
        "type": "message",
        "role": "assistant",
        "model": reply.model or served or reply.asked.model,
        "content": blocks,
    }


def stop_of(finish: Finish | None, sequence: str | None, calls: bool, refusal: str) -> dict[str, Any]:
    """Why it ended. A client that sees calls waits for the word that says so; a refusal is one, however it is called."""
    finish = Finish.STOP if finish is None else finish
    if calls and finish is Finish.STOP:
        finish = Finish.TOOL_CALLS
    elif refusal and finish is Finish.STOP:
        finish = Finish.REFUSED
    details = {"type": "refusal", "category": None, "explanation": refusal} if refusal else None
    return {"stop_reason": WORDS[finish], "stop_sequence": sequence, "stop_details": details}


def usage_of(usage: Usage | None, tier: str | None) -> dict[str, Any]:
    """The usage, which no message lacks."""
    written = write_usage(usage or Usage())
    return written if tier is None else {**written, "service_tier": _TIERS.get(tier, tier)}


def citation_of(citation: Citation) -> dict[str, Any] | Raw | None:
    """A citation in a text; None where it cannot be said. What its vendor would recognise it by is left empty."""
    if isinstance(citation, UrlCitation):
        return {
            "type": "web_search_result_location",
            "url": citation.url,
            "title": citation.title,
            "cited_text": citation.quote or "",
            "encrypted_index": "",
        }
    return Raw(citation.json.encode("utf-8")) if citation.dialect == DIALECT else None


def lost(feature: str, path: str, why: str = NOT_HERE) -> Loss:
    """Something of an answer that is not told."""
    return Loss(feature, path, Done.DROPPED, why)


def _blocks(part: Part, at: str, losses: list[Loss]) -> Iterator[Any]:
    """The block that says the part, where there is one."""
    match part:
        case Text():
            yield _text(part, at, losses)
        case Reasoning():
            yield from _thought(part, at, losses)
        case Refusal(text):
            yield {"type": "text", "text": text}
        case ToolCall():
            yield {"type": "tool_use", "id": part.id, "name": part.name, "input": input_of(part.arguments, part.kind)}
        case Audio():
            losses.append(lost("audio", at))
            if part.transcript:
                yield {"type": "text", "text": part.transcript}
        case Image():
            losses.append(lost("image", at))
        case Foreign():
            if part.dialect == DIALECT:
                yield Raw(part.json.encode("utf-8"))
            else:
                losses.append(lost("foreign", at, f"it belongs to `{part.dialect}`"))
    if isinstance(part, Text | ToolCall) and part.signature is not None:
        losses.append(lost("signature", at))


def _text(text: Text, at: str, losses: list[Loss]) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "text", "text": text.text}
    citations = [written for each in text.citations if (written := citation_of(each)) is not None]
    if len(citations) < len(text.citations):
        losses.append(lost("citation", at, "it is of a kind that only its own dialect has"))
    if citations:
        block["citations"] = citations
    return block


def _thought(thought: Reasoning, at: str, losses: list[Loss]) -> Iterator[dict[str, Any]]:
    seal = thought.signature
    if seal is not None and seal.dialect != DIALECT:
        losses.append(lost("signature", at, f"it belongs to `{seal.dialect}`"))
        seal = None
    if thought.is_redacted:
        if seal is not None:
            yield {"type": "redacted_thinking", "data": seal.data}
    elif thought.text or seal is not None:
        yield {"type": "thinking", "thinking": thought.text, "signature": "" if seal is None else seal.data}
