"""What the simulated upstream answers: made up from the request, the same for the same request, never a model's.

An answer is the events of its stream, in nobody's dialect: one token a piece, calls in fragments. Every dialect writes it
for its clients by itself.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from routebook.chat.conversation import AnyJson, Calling, ChatRequest, Effort, JsonSchema, Role, Tool
from routebook.chat.events import (
    ArgumentsDelta,
    AudioDelta,
    AudioSeen,
    Event,
    Finish,
    Finished,
    ReasoningDelta,
    SignatureSeen,
    Started,
    TextDelta,
    ToolCallEnded,
    ToolCallStarted,
    TranscriptDelta,
    UsageSeen,
)
from routebook.chat.parts import (
    Audio,
    Document,
    Image,
    Inline,
    Part,
    Plain,
    Reasoning,
    Signature,
    Text,
    ToolCall,
    ToolResult,
)
from routebook.chat.usage import Usage
from routebook.edge.simulator.sound import tone
from routebook.protocols.errors import ProtocolError, Side
from routebook.sound.forms import PCM16, Samples, Wav, form_of, media_type_of
from routebook.sound.wav import SoundError, read_wav

CREATED: Final = 1_760_000_000
"""The moment at which every simulated answer says it was made, so that equal requests have equal answers."""

CHARACTERS_PER_SECOND: Final = 15
"""How fast simulated voices speak."""

MS_PER_SPOKEN_TOKEN: Final = 50
MS_PER_HEARD_TOKEN: Final = 100
"""Milliseconds of sound to a token, as OpenAI counts what the assistant and what the user says."""

CODED_BYTES: Final = 4_000
"""Bytes of a second of coded sound, where nobody decodes it: 32 kbit/s."""

_FILLER: Final = (
    "Every word of it is made up, at the pace of a real one, so that a policy can be tried without a key. "
    "The same question always gets the same answer."
)
_THOUGHT: Final = "A question was asked, so a simulated thought precedes the simulated answer."


@dataclass(frozen=True, slots=True)
class Question:
    """A request to make up an answer to. `seals` is the dialect that signs thoughts and calls, where it does."""

    chat: ChatRequest
    model: str
    length: int | None
    seals: str | None


def count_tokens(text: str) -> int:
    """A rule of thumb that is the same everywhere: four bytes a token, at least one."""
    return max(1, math.ceil(len(text.encode("utf-8", "replace")) / 4))


def prompt_tokens(chat: ChatRequest) -> int:
    """What a request is counted as, tools included."""
    texts = [text.text for text in chat.system] + [text_of(message.parts) for message in chat.messages]
    tools = [tool.name + (tool.description or "") + (tool.parameters or "") for tool in _tools(chat).values()]
    return sum(count_tokens(text) + 4 for text in texts) + sum(map(count_tokens, tools))


def identity_of(body: bytes, seed: int) -> str:
    """An id that is the same for the same request."""
    return hashlib.sha256(f"{seed}".encode() + body).hexdigest()[:24]


def events_of(asked: Question) -> Iterator[Event]:
    """The answer to a request, as it is streamed."""
    chat = asked.chat
    question = next((text_of(each.parts) for each in reversed(chat.messages) if each.role is Role.USER), "")
    calls = _calls(chat, question)
    thoughts = _pieces(_THOUGHT, None) if _thinks(chat) else ()
    pieces = () if calls else _pieces(_speech(chat, asked.model, question), asked.length)
    shown, finish = _limited(pieces, chat, Finish.TOOL_CALLS if calls else Finish.STOP)
    choices = chat.choices or 1
    yield Started(None, asked.model, CREATED)
    for choice in range(choices):
        yield from _choice(asked, choice, thoughts, shown, calls)
        yield finish if choice == finish.choice else Finished(finish.finish, choice, finish.stop_sequence)
    said = sum(count_tokens(call[2]) + 4 for call in calls)
    spoken = -(-length_ms(shown) // MS_PER_SPOKEN_TOKEN) if speaks(chat) else 0
    yield UsageSeen(
        Usage(
            input=prompt_tokens(chat),
            output=choices * len(shown) + said,
            reasoning=choices * len(thoughts),
            audio_input=heard_tokens(chat),
            audio_output=choices * spoken,
        )
    )


def speaks(chat: ChatRequest) -> bool:
    """Whether the answer is to be sound."""
    return "audio" in chat.modalities


def length_ms(pieces: Sequence[str]) -> int:
    """How long saying this takes, in milliseconds of whole pieces."""
    return sum(map(_ms, pieces))


def heard_tokens(chat: ChatRequest) -> int:
    """What the sound of a request counts for: by its length where it is a WAV file, else by its bytes. Raises
    ProtocolError for what is none."""
    tokens = 0
    for at, message in enumerate(chat.messages):
        for number, part in enumerate(message.parts):
            if isinstance(part, Audio) and isinstance(part.source, Inline):
                tokens += _heard(part.source, f"messages[{at}].content[{number}]")
    return tokens


def _heard(source: Inline, where: str) -> int:
    data = base64.b64decode(source.base64)
    form = form_of(source.media_type, data)
    try:
        samples, sound = read_wav(data) if isinstance(form, Wav) else (form, data)
    except SoundError as error:
        raise ProtocolError(Side.CLIENT, f"{error}: `{where}`", param=where) from None
    seconds = len(sound) / (samples.bytes_per_second if isinstance(samples, Samples) else CODED_BYTES)
    return math.ceil(seconds * 1000 / MS_PER_HEARD_TOKEN)


def _spoken(pieces: Sequence[str], block: int, choice: int) -> Iterator[Event]:
    """The words and a tone that lasts as long as they take."""
    yield AudioSeen(block, choice, media_type_of(PCM16))
    at = 0
    for piece in pieces:
        yield TranscriptDelta(piece, block, choice)
        yield AudioDelta(base64.b64encode(tone(at, _ms(piece))).decode("ascii"), block, choice)
        at += _ms(piece)
    yield AudioSeen(block, choice, expires_at=CREATED + 3600)


def _ms(piece: str) -> int:
    return len(piece) * 1000 // CHARACTERS_PER_SECOND


def check_seals(chat: ChatRequest, model: str, waivers: frozenset[str] = frozenset()) -> None:
    """Refuse what was signed by another model, or by nobody here, and stands for no signature; raises ProtocolError."""
    for at, message in enumerate(chat.messages):
        for number, part in enumerate(message.parts):
            seal = part.signature if isinstance(part, Text | Reasoning | ToolCall) else None
            if seal is not None and seal.data not in {_seal(model), *waivers}:
                where = f"messages[{at}].parts[{number}].signature"
                raise ProtocolError(Side.CLIENT, f"the signature is not one of this model in `{where}`", param=where)


def text_of(parts: Sequence[Part]) -> str:
    """All text in a message."""
    return "\n".join(text for part in parts if (text := _words(part)))


def example_of(schema: Mapping[str, Any]) -> Any:
    """A small value that a JSON Schema of the usual kind allows."""
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type", "object" if "properties" in schema else "string")
    match str(kind[0] if isinstance(kind, list) else kind).lower():
        case "object":
            return {name: example_of(inner) for name, inner in (schema.get("properties") or {}).items()}
        case "array":
            return [example_of(schema.get("items") or {})]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return "simulated"


def _words(part: Part) -> str:
    match part:
        case Text(text):
            return text
        case ToolResult():
            return text_of(part.content)
        case ToolCall():
            return part.arguments
        case Document(Plain(text)):
            return text
        case _:
            return ""


def _choice(
    asked: Question, choice: int, thoughts: Sequence[str], shown: Sequence[str], calls: Sequence[tuple[str, str, str]]
) -> Iterator[Event]:
    block = 0
    seal = None if asked.seals is None else Signature(asked.seals, _seal(asked.model))
    if thoughts:
        yield from (ReasoningDelta(piece, block, choice) for piece in thoughts)
        if seal is not None:
            yield SignatureSeen(seal, block, choice)
        block += 1
    if speaks(asked.chat):
        yield from _spoken(shown, block, choice)
    else:
        yield from (TextDelta(piece, block, choice) for piece in shown)
    for number, (identity, name, arguments) in enumerate(calls, block + bool(shown)):
        yield ToolCallStarted(identity, name, number, choice)
        for start in range(0, len(arguments), 8):
            yield ArgumentsDelta(arguments[start : start + 8], number, choice)
        yield ToolCallEnded(number, choice)
        if seal is not None and number == block:
            yield SignatureSeen(seal, number, choice)


def _seal(model: str) -> str:
    return base64.b64encode(f"sealed by {model}".encode()).decode("ascii")


def _thinks(chat: ChatRequest) -> bool:
    return chat.reasoning is not None and chat.reasoning.effort is not Effort.NONE


def _speech(chat: ChatRequest, model: str, question: str) -> str:
    match chat.format:
        case AnyJson():
            return json.dumps({"answered_by": model, "asked": _quoted(question)})
        case JsonSchema(schema):
            return json.dumps(example_of(json.loads(schema)))
    images = sum(isinstance(part, Image) for message in chat.messages for part in message.parts)
    seen = f" with {images} image{'s' * (images > 1)}" if images else ""
    return f"This is a simulated answer of {model} to “{_quoted(question)}”{seen}. {_FILLER}"


def _quoted(question: str) -> str:
    words = question.split()
    return " ".join(words[:12]) + (" …" if len(words) > 12 else "")


def _pieces(text: str, length: int | None) -> tuple[str, ...]:
    """The text in words with the white space before them; repeated or cut to `length`."""
    pieces = tuple(re.findall(r"\s*\S+", text))
    if length is None:
        return pieces
    endless = itertools.chain(pieces, itertools.cycle([f" {word}" for word in _FILLER.split()]))
    return tuple(itertools.islice(endless, length))


def _limited(pieces: tuple[str, ...], chat: ChatRequest, finish: Finish) -> tuple[tuple[str, ...], Finished]:
    """The pieces up to a stop sequence and to the most that the request allows, and why they end."""
    text = "".join(pieces)
    ends = [(at, stop) for stop in chat.stop if stop and (at := text.find(stop)) >= 0]
    ended = Finished(finish)
    if ends:
        at, stop = min(ends)
        pieces, ended = _pieces(text[:at], None), Finished(Finish.STOP_SEQUENCE, stop_sequence=stop)
    most = chat.max_output
    return (pieces[:most], Finished(Finish.LENGTH)) if most is not None and len(pieces) > most else (pieces, ended)


def _tools(chat: ChatRequest) -> dict[str, Tool]:
    return {tool.name: tool for tool in chat.tools if isinstance(tool, Tool)}


def _calls(chat: ChatRequest, question: str) -> tuple[tuple[str, str, str], ...]:
    """The tools that are called: those that are demanded, or all that the question names; id, name, arguments."""
    tools, choice = _tools(chat), chat.tool_choice
    if not tools or chat.messages[-1].role is Role.TOOL or (choice and choice.calling is Calling.NONE):
        return ()
    names = [name for name in tools if name in question]
    if choice is not None and choice.names:
        names = [name for name in choice.names if name in tools]
    elif choice is not None and choice.calling is Calling.REQUIRED:
        names = list(tools)[:1]
    return tuple(
        (
            f"call_{hashlib.sha256(f'{number}{name}{question}'.encode()).hexdigest()[:20]}",
            name,
            json.dumps(example_of(json.loads(tools[name].parameters or '{"type": "object"}'))),
        )
        for number, name in enumerate(names)
    )
