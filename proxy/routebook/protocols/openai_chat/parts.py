"""What messages are made of: texts, images, audio, documents, counted without keeping any of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Raw

NOTHING = Raw(b"null")
USER = b'"user"'


class Message(msgspec.Struct, gc=False):
    """One message as it came: who wrote it, its content, and what was spoken."""

    role: Raw = NOTHING
    content: Raw = NOTHING
    audio: Raw = NOTHING


class _Part(msgspec.Struct, gc=False):
    type: str = ""
    text: str | None = None
    refusal: str | None = None


class _Function(msgspec.Struct, gc=False):
    arguments: str | None = None
    input: str | None = None


class _Call(msgspec.Struct, gc=False):
    function: _Function | None = None
    custom: _Function | None = None


Content = str | list[_Part] | None
"""What a message holds."""


class Said(msgspec.Struct, gc=False):
    """One message, as far as anybody looks into it: what it holds and calls, and what was spoken."""

    content: Content = None
    tool_calls: list[_Call] | None = None
    audio: Raw = NOTHING


BRACKETS = 32
"""How many brackets in texts are looked at before the messages are simply read."""

NEED_OF_PART = {"image_url": "vision", "input_audio": "audio_in", "file": "documents"}
"""The capability that a part of a message asks for, by its type."""


class Contents(msgspec.Struct, frozen=True, gc=False):
    """What all messages of a conversation hold together."""

    texts: tuple[str, ...]
    images: int
    needs: frozenset[str]


def contents_of(messages: Iterable[Said]) -> Contents:
    """Everything in the messages."""
    texts: list[str] = []
    images = 0
    needs: set[str] = set()
    for message in messages:
        if message.tool_calls:
            texts.extend(_arguments(message.tool_calls))
        content = message.content
        if not content:
            continue
        if isinstance(content, str):
            texts.append(content)
            continue
        for part in content:
            if part.text:
                texts.append(part.text)
            elif part.refusal:
                texts.append(part.refusal)
            if part.type in NEED_OF_PART:
                needs.add(NEED_OF_PART[part.type])
                images += part.type == "image_url"
    return Contents(tuple(texts), images, frozenset(needs))


def has_parts(messages: Raw) -> bool:
    """Whether any message may hold more than plain text; cheap, and wrong only in saying yes.

    A list as the value of a key has a colon or white space before its bracket; a bracket after anything else stands
    in a text. Texts full of brackets are not searched to their end.
    """
    data = bytes(messages)
    position = data.find(b"[", 1)
    for _ in range(BRACKETS):
        if position < 0:
            return False
        if data[position - 1] in b": \t\r\n":
            return True
        position = data.find(b"[", position + 1)
    return True


def _arguments(calls: Iterable[_Call]) -> Iterator[str]:
    """What the model wrote into its calls of tools, as it comes back with the conversation."""
    for call in calls:
        for function in (call.function, call.custom):
            said = None if function is None else function.arguments or function.input
            if said:
                yield said
