"""What a provider wants back with the results of its calls, kept for clients that have no place for it.

Some providers refuse the next turn of a loop of tools where the thoughts before a call, or the call's signature, do not
come back word for word. A client of another dialect cannot send them: they are kept by the call's id, and put back when
that id returns. For how long, and how many, is the business of whoever keeps them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from routebook.chat.conversation import ChatRequest, Message, Role
from routebook.chat.events import Event, ReasoningDelta, SignatureSeen, ToolCallStarted
from routebook.chat.parts import Part, Reasoning, Signature, ToolCall, Value


class Memory(Value, frozen=True, gc=False):
    """What belongs to one call: what was thought before it, where it is the first of its answer, and its signature."""

    thoughts: tuple[Reasoning, ...] = ()
    signature: Signature | None = None


class _Choice:
    """One answer's thoughts and calls, by block."""

    def __init__(self) -> None:
        self.thoughts: dict[int, list[str]] = {}
        self.seals: dict[int, SignatureSeen] = {}
        self.calls: dict[int, str] = {}

    def memories(self) -> dict[str, Memory]:
        """What has to be kept: nothing where nothing was signed."""
        if not self.seals:
            return {}
        blocks = sorted({*self.thoughts, *self.seals} - self.calls.keys())
        thoughts = tuple(self._thought(block) for block in blocks if block in self.seals)
        kept = {}
        for number, (block, call) in enumerate(sorted(self.calls.items())):
            seal = self.seals.get(block)
            memory = Memory(thoughts if not number else (), None if seal is None else seal.signature)
            if memory != Memory():
                kept[call] = memory
        return kept

    def _thought(self, block: int) -> Reasoning:
        seal = self.seals[block]
        return Reasoning("".join(self.thoughts.get(block, ())), seal.signature, seal.is_redacted)


class Remembering:
    """Takes the events of an answer; `memories` are what has to be kept of it, by the id of a call."""

    def __init__(self) -> None:
        self._choices: dict[int, _Choice] = {}

    def __repr__(self) -> str:
        return f"<Remembering {len(self._choices)} choices>"

    def take(self, events: Iterable[Event]) -> None:
        """Some more events."""
        for event in events:
            match event:
                case ReasoningDelta(text):
                    self._of(event.choice).thoughts.setdefault(event.block, []).append(text)
                case SignatureSeen():
                    self._of(event.choice).seals[event.block] = event
                case ToolCallStarted():
                    self._of(event.choice).calls[event.block] = event.id

    def memories(self) -> dict[str, Memory]:
        """What is to be kept; empty for most answers."""
        return {call: memory for choice in self._choices.values() for call, memory in choice.memories().items()}

    def _of(self, choice: int) -> _Choice:
        return self._choices.setdefault(choice, _Choice())


def recalled(chat: ChatRequest, recall: Callable[[str], Memory | None]) -> ChatRequest:
    """The request with what was kept put back before and into the calls that it belongs to.

    Where the client did bring a call's signature, or signed thoughts, nothing is put in their place.
    """
    messages = tuple(
        _recalled(message, recall) if message.role is Role.ASSISTANT else message for message in chat.messages
    )
    return chat if messages == chat.messages else replace(chat, messages=messages)


def _recalled(message: Message, recall: Callable[[str], Memory | None]) -> Message:
    thoughts: list[Part] = []
    parts: list[Part] = []
    for part in message.parts:
        memory = recall(part.id) if isinstance(part, ToolCall) else None
        if memory is not None and isinstance(part, ToolCall):
            thoughts += memory.thoughts
            part = replace(part, signature=part.signature or memory.signature)
        parts.append(part)
    if thoughts and not any(isinstance(part, Reasoning) and part.signature is not None for part in parts):
        parts = [*thoughts, *(part for part in parts if not isinstance(part, Reasoning))]
    return replace(message, parts=tuple(parts))
