"""A conversation as some dialects want it: a user and an assistant in turn, results of tools at the front of the user's."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from routebook.chat.conversation import ChatRequest, Message, Role
from routebook.chat.parts import Part, Text, ToolResult


def in_turns(chat: ChatRequest, mark: str = "system: ") -> tuple[Message, ...]:
    """The messages with neighbours of one side put together; only `USER` and `ASSISTANT` speak.

    A system prompt in the middle becomes a user's text that begins with `mark`: whoever calls this reports it. Names of
    speakers are kept where all neighbours have the same.
    """
    turns: list[Message] = []
    for message in chat.messages:
        role = Role.ASSISTANT if message.role is Role.ASSISTANT else Role.USER
        parts = tuple(_marked(message.parts, mark)) if message.role is Role.SYSTEM else message.parts
        last = turns[-1] if turns else None
        if last is not None and last.role is role:
            name = last.name if last.name == message.name else None
            turns[-1] = Message(role, (*last.parts, *parts), name)
        else:
            turns.append(Message(role, parts, message.name))
    return tuple(replace(turn, parts=_results_first(turn.parts)) for turn in turns if turn.parts)


def _marked(parts: tuple[Part, ...], mark: str) -> Iterator[Part]:
    for part in parts:
        yield replace(part, text=mark + part.text) if isinstance(part, Text) else part


def _results_first(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    results = tuple(part for part in parts if isinstance(part, ToolResult))
    return parts if not results else (*results, *(part for part in parts if not isinstance(part, ToolResult)))
