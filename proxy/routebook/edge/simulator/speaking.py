"""One response of the simulated Realtime: what it consists of, as the events of the API, in their order.

The words are those of a simulated chat; spoken, each lasts a tenth of a second of a tone.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from routebook.chat.conversation import Calling, ChatRequest, Message, Role, Tool, ToolChoice
from routebook.chat.events import ArgumentsDelta, TextDelta, ToolCallStarted
from routebook.chat.parts import Json, Text, ToolResult
from routebook.edge.simulator.answers import Question, count_tokens, events_of, prompt_tokens
from routebook.edge.simulator.sound import BYTES_PER_MS, tone

WORD_MS: Final = 100
SPOKEN_TOKEN_MS: Final = 50
HEARD_TOKEN_MS: Final = 100

Event = dict[str, Any]

_ROLES: Final = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM}
_CALLINGS: Final = {"none": Calling.NONE, "auto": Calling.AUTO, "required": Calling.REQUIRED}


@dataclass(slots=True)
class Response:
    """A response in the making, with what of it was made: `words`, milliseconds of sound, items."""

    id: str
    speaks: bool
    words: int = 0
    sound_ms: int = 0
    items: list[Event] = field(default_factory=list)

    def usage(self, chat: ChatRequest, heard_bytes: int) -> Event:
        """What it used so far, in OpenAI's words."""
        text, heard = prompt_tokens(chat), -(-heard_bytes // (HEARD_TOKEN_MS * BYTES_PER_MS))
        spoken = -(-self.sound_ms // SPOKEN_TOKEN_MS)
        return {
            "total_tokens": text + heard + self.words + spoken,
            "input_tokens": text + heard,
            "output_tokens": self.words + spoken,
            "input_token_details": {
                "text_tokens": text,
                "audio_tokens": heard,
                "image_tokens": 0,
                "cached_tokens": 0,
                "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0},
            },
            "output_token_details": {"text_tokens": self.words, "audio_tokens": spoken},
        }


def chat_of(model: str, session: Mapping[str, Any], wishes: Mapping[str, Any], items: list[Event]) -> ChatRequest:
    """The conversation so far as a chat; sound stands for its length."""
    choice = wishes.get("tool_choice", session.get("tool_choice", "auto"))
    tools = wishes.get("tools", session.get("tools")) or []
    instructions = wishes.get("instructions", session.get("instructions"))
    return ChatRequest(
        model,
        tuple(message for item in items if (message := _message(item)) is not None) or (_nothing(),),
        (Text(instructions),) if instructions else (),
        tuple(_tool(each) for each in tools if each.get("type", "function") == "function"),
        ToolChoice(_CALLINGS[choice]) if choice in _CALLINGS else None,
    )


def say(response: Response, question: Question) -> Iterator[Event]:
    """The events between `response.created` and `response.done`; each is a moment of its own."""
    texts, calls = said_and_called(question)
    if texts:
        yield from _message_events(response, texts)
    for identity, name, arguments in calls:
        yield from _call_events(response, identity, name, arguments)


def said_and_called(question: Question) -> tuple[list[str], list[list[str]]]:
    """The words of an answer, and the calls in it: id, name, arguments."""
    texts: list[str] = []
    calls: list[list[str]] = []
    for event in events_of(question):
        match event:
            case TextDelta(text):
                texts.append(text)
            case ToolCallStarted(id=identity, name=name):
                calls.append([identity, name, ""])
            case ArgumentsDelta(text):
                calls[-1][2] += text
    return texts, calls


def _message_events(response: Response, texts: list[str]) -> Iterator[Event]:
    kind = "output_audio" if response.speaks else "output_text"
    item: Event = {
        "id": f"item_{response.id}",
        "object": "realtime.item",
        "type": "message",
        "role": "assistant",
        "status": "in_progress",
        "content": [],
    }
    at = {"response_id": response.id, "item_id": item["id"], "output_index": 0, "content_index": 0}
    part: Event = {"type": kind, "transcript" if response.speaks else "text": ""}
    yield from _added(response, item)
    yield {"type": "response.content_part.added", **at, "part": part}
    for text in texts:
        response.words += 1
        if response.speaks:
            sound = base64.b64encode(tone(response.sound_ms, WORD_MS)).decode()
            response.sound_ms += WORD_MS
            yield {"type": "response.output_audio_transcript.delta", **at, "delta": text}
            yield {"type": "response.output_audio.delta", **at, "delta": sound}
        else:
            yield {"type": "response.output_text.delta", **at, "delta": text}
    whole = "".join(texts)
    part = {**part, "transcript" if response.speaks else "text": whole}
    if response.speaks:
        yield {"type": "response.output_audio.done", **at}
        yield {"type": "response.output_audio_transcript.done", **at, "transcript": whole}
    else:
        yield {"type": "response.output_text.done", **at, "text": whole}
    yield {"type": "response.content_part.done", **at, "part": part}
    item.update(status="completed", content=[part])
    yield from _done(response, item, 0)


def _call_events(response: Response, identity: str, name: str, arguments: str) -> Iterator[Event]:
    index = len(response.items)
    item: Event = {
        "id": f"item_{identity}",
        "object": "realtime.item",
        "type": "function_call",
        "status": "in_progress",
        "call_id": identity,
        "name": name,
        "arguments": "",
    }
    at = {"response_id": response.id, "item_id": item["id"], "output_index": index, "call_id": identity}
    yield from _added(response, item)
    response.words += count_tokens(arguments)
    yield {"type": "response.function_call_arguments.delta", **at, "delta": arguments}
    yield {"type": "response.function_call_arguments.done", **at, "name": name, "arguments": arguments}
    item.update(status="completed", arguments=arguments)
    yield from _done(response, item, index)


def _added(response: Response, item: Event) -> Iterator[Event]:
    index = len(response.items)
    response.items.append(item)
    yield {"type": "response.output_item.added", "response_id": response.id, "output_index": index, "item": dict(item)}
    yield {"type": "conversation.item.added", "previous_item_id": None, "item": dict(item)}


def _done(response: Response, item: Event, index: int) -> Iterator[Event]:
    yield {"type": "conversation.item.done", "previous_item_id": None, "item": dict(item)}
    yield {"type": "response.output_item.done", "response_id": response.id, "output_index": index, "item": dict(item)}


def _message(item: Event) -> Message | None:
    match item.get("type"):
        case "message":
            texts = [
                str(part.get("text") or part.get("transcript") or "some sound") for part in item.get("content", ())
            ]
            return Message(_ROLES.get(item.get("role", "user"), Role.USER), (Text(" ".join(texts) or "nothing"),))
        case "function_call_output":
            result = ToolResult(str(item.get("call_id", "")), (Text(str(item.get("output", ""))),))
            return Message(Role.TOOL, (result,))
    return None


def _nothing() -> Message:
    return Message(Role.USER, (Text("nothing"),))


def _tool(tool: Mapping[str, Any]) -> Tool:
    parameters = tool.get("parameters")
    return Tool(
        str(tool.get("name", "")), tool.get("description"), None if parameters is None else Json(json.dumps(parameters))
    )
