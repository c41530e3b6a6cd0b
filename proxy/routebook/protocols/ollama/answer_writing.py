"""Answers, whole and streamed, as Ollama writes them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import Raw

from routebook.chat.answer import ChatAnswer, Choice
from routebook.chat.events import (
    ArgumentsDelta,
    AudioSeen,
    CitationSeen,
    Event,
    Failed,
    Finish,
    Finished,
    ForeignSeen,
    ImageSeen,
    LogprobsSeen,
    ReasoningDelta,
    RefusalDelta,
    SignatureSeen,
    Started,
    TextDelta,
    TokenLogprob,
    ToolCallEnded,
    ToolCallStarted,
    UsageSeen,
)
from routebook.chat.loss import Done, Loss
from routebook.chat.parts import Reasoning, Refusal, Text, ToolCall, ToolKind
from routebook.chat.usage import Usage
from routebook.protocols.codec import ReplyTo, Written
from routebook.protocols.ollama.faults import error_event

encode: Final = msgspec.json.encode

_LOST: Final[dict[type[Any], str]] = {
    AudioSeen: "audio",
    ImageSeen: "image",
    CitationSeen: "citation",
    SignatureSeen: "signature",
    ForeignSeen: "foreign_part",
}
"""What an answer may hold and this dialect cannot say: the event that shows it, and its name."""

_WHY: Final = "this dialect has no place for it"


def write_answer(answer: ChatAnswer, reply: ReplyTo) -> Written:
    """The answer as one body; of several, the first."""
    losses = [Loss("choices", f"choices[{number}]", Done.DROPPED, _WHY) for number in range(1, len(answer.choices))]
    choice = answer.choices[0] if answer.choices else Choice()
    message: dict[str, Any] = {"role": "assistant", "content": ""}
    for number, part in enumerate(choice.parts):
        match part:
            case Text(text) | Refusal(text):
                message["content"] += text
            case Reasoning(text):
                message["thinking"] = message.get("thinking", "") + text
            case ToolCall(kind=ToolKind.FUNCTION):
                message.setdefault("tool_calls", []).append(_call(part.id, part.name, part.arguments))
            case _:
                losses.append(Loss("parts", f"choices[0].parts[{number}]", Done.DROPPED, _WHY))
    body = {**_frame(reply, answer.model, answer.created), "message": message}
    if choice.logprobs is not None:
        body["logprobs"] = _logprobs(choice.logprobs)
    return Written(encode({**body, **_last(choice.finish, answer.usage)}), tuple(losses))


class OllamaWriter:
    """Writes one stream (`codec.EventWriter`): a call is one line, so it waits until it is whole."""

    def __init__(self, reply: ReplyTo) -> None:
        self._reply = reply
        self._started = Started()
        self._calls: dict[int, tuple[ToolCallStarted, list[str]]] = {}
        self._finish: Finish | None = None
        self._usage: Usage | None = None
        self._ended = False
        self.losses: list[Loss] = []

    def __repr__(self) -> str:
        return f"<OllamaWriter {'ended' if self._ended else 'open'}>"

    def write(self, events: Iterable[Event]) -> bytes:
        """The lines for some more events."""
        return b"".join(line for event in events if not self._ended and (line := self._line(event)))

    def end(self) -> bytes:
        """The line that says `done`, with the counts."""
        if self._ended:
            return b""
        written = b"".join(self._whole(block) for block in tuple(self._calls))
        self._ended = True
        return written + self._said({"content": ""}, **_last(self._finish, self._usage))

    def keep_alive(self) -> bytes:
        """There is no such thing."""
        return b""

    def _line(self, event: Event) -> bytes:
        if getattr(event, "choice", 0):
            self._lose("choices", event)
            return b""
        match event:
            case Started():
                self._started = event
            case TextDelta(text) | RefusalDelta(text):
                return self._said({"content": text})
            case ReasoningDelta(text):
                return self._said({"content": "", "thinking": text})
            case ToolCallStarted():
                self._calls[event.block] = event, []
            case ArgumentsDelta(text):
                self._calls[event.block][1].append(text)
            case ToolCallEnded(block):
                return self._whole(block)
            case LogprobsSeen(tokens):
                return self._said({"content": ""}, logprobs=_logprobs(tokens))
            case UsageSeen(usage):
                self._usage = usage
            case Finished(finish):
                self._finish = finish
            case Failed(fault):
                self._ended = True
                return error_event(fault.status, fault.message)
            case _:
                self._lose(_LOST.get(type(event), ""), event)
        return b""

    def _whole(self, block: int) -> bytes:
        call, pieces = self._calls.pop(block)
        if call.kind is ToolKind.CUSTOM:
            self._lose("custom", call)
            return b""
        return self._said({"content": "", "tool_calls": [_call(call.id, call.name, "".join(pieces))]})

    def _said(self, message: dict[str, Any], **more: Any) -> bytes:
        frame = _frame(self._reply, self._started.model, self._started.created)
        return encode({**frame, "message": {"role": "assistant", **message}, "done": False, **more}) + b"\n"

    def _lose(self, feature: str, event: Any) -> None:
        if feature:
            at = f"choices[{event.choice}]" + (f".parts[{event.block}]" if hasattr(event, "block") else "")
            self.losses.append(Loss(feature, at, Done.DROPPED, _WHY))


def _frame(reply: ReplyTo, model: str | None, created: int | None) -> dict[str, Any]:
    when = datetime.fromtimestamp(reply.now if created is None else created, UTC)
    return {"model": reply.model or model or reply.asked.model, "created_at": when.isoformat().replace("+00:00", "Z")}


def _last(finish: Finish | None, usage: Usage | None) -> dict[str, Any]:
    word = "length" if finish in (Finish.LENGTH, Finish.CONTEXT_FULL) else "stop"
    counts = {} if usage is None else {"prompt_eval_count": usage.total_input, "eval_count": usage.total_output}
    return {"done": True, "done_reason": word, **counts}


def _call(identity: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": identity, "function": {"name": name, "arguments": Raw(as_object(arguments).encode("utf-8"))}}


def as_object(arguments: str) -> str:
    """A call's arguments where they are a JSON object; an empty one otherwise."""
    try:
        return arguments if isinstance(msgspec.json.decode(arguments), dict) else "{}"
    except (ValueError, RecursionError):
        return "{}"


def _logprobs(tokens: Iterable[TokenLogprob]) -> list[dict[str, Any]]:
    return [
        {
            "token": each.token,
            "logprob": each.logprob,
            **({} if each.bytes is None else {"bytes": each.bytes}),
            "top_logprobs": _logprobs(each.top),
        }
        for each in tokens
    ]
