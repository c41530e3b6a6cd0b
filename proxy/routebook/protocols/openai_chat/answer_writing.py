"""A whole answer, written for OpenAI's clients; and the words that it shares with the stream."""

from __future__ import annotations

from collections.abc import Iterable
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
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolKind,
    Url,
    UrlCitation,
)
from routebook.protocols.body import FIELDS, WORD, read_field
from routebook.protocols.codec import ReplyTo, Written
from routebook.protocols.errors import ProtocolError, Side
from routebook.protocols.media import as_url
from routebook.protocols.openai_chat.finishes import WORDS
from routebook.protocols.openai_chat.usage import write_usage
from routebook.sound.converting import converted
from routebook.sound.wav import SoundError

DIALECT: Final = "openai-chat"


def write_chat_answer(answer: ChatAnswer, reply: ReplyTo) -> Written:
    """The answer as one body."""
    losses: list[Loss] = []
    body: dict[str, Any] = {
        "id": answer.id or f"chatcmpl-{reply.id}",
        "object": "chat.completion",
        "created": reply.now if answer.created is None else answer.created,
        "model": shown_model(reply, answer.model),
        "choices": [_choice(number, choice, reply, losses) for number, choice in enumerate(answer.choices)],
    }
    if answer.usage is not None:
        body["usage"] = write_usage(answer.usage)
    if answer.tier is not None:
        body["service_tier"] = answer.tier
    return Written(msgspec.json.encode(body), tuple(losses))


def asks_for_functions(asked: Any) -> bool:
    """Whether the client speaks of `functions`, as it was done before there were tools."""
    return "functions" in asked.fields and "tools" not in asked.fields


def shown_model(reply: ReplyTo, served: str | None) -> str:
    """The name of the model that a client is told."""
    shown: str = reply.model or served or reply.asked.model
    return shown


def audio_id(reply: ReplyTo, choice: int) -> str:
    """An id for sound that has none; nobody keeps the sound under it."""
    return f"audio_{reply.id}_{choice}"


def wanted_sound(asked: Any) -> str | None:
    """The format in which a client wants sound, in its own words; None where it says nothing of sound."""
    wish = read_field(asked.fields, "audio", FIELDS)
    return None if wish is None else read_field(wish, "format", WORD)


def word_of(finish: Finish, functions: bool) -> str:
    """How a reason to stop is said."""
    return "function_call" if functions and finish is Finish.TOOL_CALLS else WORDS[finish]


def image_of(image: Image) -> dict[str, Any] | None:
    """A picture in an answer, as several who imitate the API send it; None where it is no picture but an id."""
    match image.source:
        case Inline():
            url = as_url(image.source)
        case Url(url):
            pass
        case _:
            return None
    return {"type": "image_url", "image_url": {"url": url}}


def annotation_of(citation: Citation, start: int) -> dict[str, Any] | Raw | None:
    """A citation in a text whose block begins at `start` of the whole; None where it cannot be said."""
    if isinstance(citation, UrlCitation):
        first = start + (citation.start or 0)
        last = first if citation.end is None else start + citation.end
        place = {"start_index": first, "end_index": last, "title": citation.title or "", "url": citation.url}
        return {"type": "url_citation", "url_citation": place}
    return Raw(citation.json.encode("utf-8")) if citation.dialect == DIALECT else None


def logprobs_of(tokens: Iterable[TokenLogprob]) -> list[dict[str, Any]]:
    """Probabilities of tokens."""
    return [
        {
            "token": each.token,
            "logprob": each.logprob,
            "bytes": each.bytes,
            "top_logprobs": [{"token": top.token, "logprob": top.logprob, "bytes": top.bytes} for top in each.top],
        }
        for each in tokens
    ]


def _choice(number: int, choice: Choice, reply: ReplyTo, losses: list[Loss]) -> dict[str, Any]:
    functions = asks_for_functions(reply.asked)
    if choice.finish is Finish.PAUSED:
        losses.append(Loss("pause", f"choices[{number}]", Done.DROPPED, "it is told as a stop"))
    if choice.stop_sequence is not None:
        losses.append(Loss("stop_sequence", f"choices[{number}]", Done.DROPPED, "it is a stop like any other"))
    logprobs = None
    if choice.logprobs is not None or choice.refusal_logprobs is not None:
        logprobs = {
            "content": None if choice.logprobs is None else logprobs_of(choice.logprobs),
            "refusal": None if choice.refusal_logprobs is None else logprobs_of(choice.refusal_logprobs),
        }
    return {
        "index": number,
        "message": _message(number, choice, reply, functions, losses),
        "logprobs": logprobs,
        "finish_reason": word_of(choice.finish or Finish.STOP, functions),
    }


def _message(number: int, choice: Choice, reply: ReplyTo, functions: bool, losses: list[Loss]) -> dict[str, Any]:
    said = _Said(number, losses)
    for block, part in enumerate(choice.parts):
        said.take(part, f"choices[{number}].parts[{block}]")
    message: dict[str, Any] = {"role": "assistant", "content": "".join(said.texts) if said.texts else None}
    message["refusal"] = "".join(said.refusals) if said.refusals else None
    if said.thoughts:
        message["reasoning_content"] = "".join(said.thoughts)
    if said.annotations:
        message["annotations"] = said.annotations
    if said.images:
        message["images"] = said.images
    for audio in said.audio:
        message["audio"] = {
            "id": audio.id or audio_id(reply, number),
            "data": _sound(audio, wanted_sound(reply.asked)),
            "transcript": audio.transcript or "",
            "expires_at": audio.expires_at or 0,
        }
    if said.calls and functions:
        message["function_call"] = {"name": said.calls[0].name, "arguments": said.calls[0].arguments}
        said.lose_calls(said.calls[1:])
    elif said.calls:
        message["tool_calls"] = [_call(call) for call in said.calls]
    return message


def _sound(audio: Audio, wanted: str | None) -> str:
    """What was said, in base64. Raises ProtocolError of the upstream's side where it is not in the format that is wanted."""
    source = audio.source
    if not isinstance(source, Inline):
        return ""
    if wanted is None or not source.base64:
        return source.base64
    try:
        return converted(source.base64, source.media_type, wanted)
    except SoundError as error:
        raise ProtocolError(Side.UPSTREAM, str(error), status=502) from None


class _Said:
    """The parts of one choice, by where a message has a place for them."""

    def __init__(self, number: int, losses: list[Loss]) -> None:
        self._number = number
        self._losses = losses
        self._length = 0
        self.texts: list[str] = []
        self.thoughts: list[str] = []
        self.refusals: list[str] = []
        self.annotations: list[dict[str, Any] | Raw] = []
        self.images: list[dict[str, Any]] = []
        self.audio: list[Audio] = []
        self.calls: list[ToolCall] = []

    def take(self, part: object, path: str) -> None:
        """One more part."""
        match part:
            case Text():
                self._take_text(part, path)
            case Reasoning(text):
                self.thoughts += [text] if text else []
            case Refusal(text):
                self.refusals.append(text)
            case ToolCall():
                self.calls.append(part)
            case Audio():
                self.audio.append(part)
            case Image():
                image = image_of(part)
                if image is None:
                    self._lose("image_stored", path, "the provider keeps it")
                else:
                    self.images.append(image)
            case Foreign():
                self._lose("foreign_part", path, f"it belongs to `{part.dialect}`")
        if isinstance(part, Text | Reasoning | ToolCall) and part.signature is not None:
            self._lose("signature", path, "this dialect has no place for it")

    def lose_calls(self, calls: Iterable[ToolCall]) -> None:
        """Calls that a client of functions cannot be given."""
        for _ in calls:
            self._lose("tool_call", f"choices[{self._number}]", "a client of functions takes one call at a time")

    def _take_text(self, text: Text, path: str) -> None:
        for citation in text.citations:
            annotation = annotation_of(citation, self._length)
            if annotation is None:
                self._lose("citation", path, "it is of a kind that only its own dialect has")
                continue
            self.annotations.append(annotation)
            if isinstance(citation, UrlCitation) and citation.quote is not None:
                self._lose("citation", path, "the words that were cited have no place")
        self.texts.append(text.text)
        self._length += len(text.text)

    def _lose(self, feature: str, path: str, why: str) -> None:
        self._losses.append(Loss(feature, path, Done.DROPPED, why))


def _call(call: ToolCall) -> dict[str, Any]:
    if call.kind is ToolKind.CUSTOM:
        return {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
