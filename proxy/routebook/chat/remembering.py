"""What a provider wants back with the results of its calls, kept for clients that have no place for it.

Some providers refuse the next turn of a loop of tools where the thoughts before a call, or the call's signature, do not
come back word for word. A client of another dialect cannot send them: they are kept by the call's id, and put back when
that id returns. For how long, and how many, is the business of whoever keeps them.

What one model signed another cannot read, and some refuse it. So whose a signature is, is kept as well, also for clients
that bring it themselves: where another model is to go on, it is left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from msgspec.structs import replace

from routebook.chat.conversation import ChatRequest, Message, Role
from routebook.chat.events import Event, ReasoningDelta, SignatureSeen, ToolCallStarted
from routebook.chat.features import Feature
from routebook.chat.loss import Done, Loss
from routebook.chat.parts import Part, Reasoning, Signature, Text, ToolCall, Value


class Memory(Value, frozen=True, gc=False):
    """What belongs to one call: what was thought before it, where it is the first of its answer, and its signature.

    `model` is whose they are, in its provider's words; empty where nobody said. Under the key of a signature
    (`key_of`) it is all that is kept.
    """

    thoughts: tuple[Reasoning, ...] = ()
    signature: Signature | None = None
    model: str = ""


Recall = Callable[[str], Memory | None]
"""What is kept under the id of a call or the key of a signature."""


def key_of(signature: Signature) -> str:
    """The key under which is kept whose a signature is; no provider's call has such an id."""
    return f"seal:{hashlib.blake2b(signature.data.encode('utf-8', 'replace'), digest_size=16).hexdigest()}"


class _Choice:
    """One answer's thoughts and calls, by block."""

    def __init__(self) -> None:
        self.thoughts: dict[int, list[str]] = {}
        self.seals: dict[int, SignatureSeen] = {}
        self.calls: dict[int, str] = {}

    def memories(self, model: str) -> dict[str, Memory]:
        """What has to be kept: nothing where nothing was signed."""
        if not self.seals:
            return {}
        blocks = sorted({*self.thoughts, *self.seals} - self.calls.keys())
        thoughts = tuple(self._thought(block) for block in blocks if block in self.seals)
        kept = {key_of(seal.signature): Memory(model=model) for seal in self.seals.values()} if model else {}
        for number, (block, call) in enumerate(sorted(self.calls.items())):
            seal = self.seals.get(block)
            memory = Memory(thoughts if not number else (), None if seal is None else seal.signature, model)
            if memory != Memory(model=model):
                kept[call] = memory
        return kept

    def _thought(self, block: int) -> Reasoning:
        seal = self.seals[block]
        return Reasoning("".join(self.thoughts.get(block, ())), seal.signature, seal.is_redacted)


class Remembering:
    """Takes the events of an answer of a model; `memories` are what has to be kept of it, by the id of a call or the key
    of a signature."""

    def __init__(self, model: str = "") -> None:
        self._model = model
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
        found = (choice.memories(self._model) for choice in self._choices.values())
        return {key: memory for memories in found for key, memory in memories.items()}

    def _of(self, choice: int) -> _Choice:
        return self._choices.setdefault(choice, _Choice())


def recalled(chat: ChatRequest, recall: Recall, model: str = "") -> ChatRequest:
    """The request with what was kept of `model` put back before and into the calls that it belongs to.

    Where the client did bring a call's signature, or signed thoughts, nothing is put in their place.
    """
    messages = tuple(
        _recalled(message, recall, model) if message.role is Role.ASSISTANT else message for message in chat.messages
    )
    return chat if messages == chat.messages else replace(chat, messages=messages)


def _recalled(message: Message, recall: Recall, model: str) -> Message:
    thoughts: list[Part] = []
    parts: list[Part] = []
    for part in message.parts:
        memory = recall(part.id) if isinstance(part, ToolCall) else None
        if memory is not None and isinstance(part, ToolCall) and _is_of(memory, model):
            thoughts += memory.thoughts
            part = replace(part, signature=part.signature or memory.signature)
        parts.append(part)
    if thoughts and not any(isinstance(part, Reasoning) and part.signature is not None for part in parts):
        parts = [*thoughts, *(part for part in parts if not isinstance(part, Reasoning))]
    return replace(message, parts=tuple(parts))


def readable(chat: ChatRequest, recall: Recall, model: str) -> tuple[ChatRequest, tuple[Loss, ...]]:
    """The request without signatures that are known to be of another model than `model`, and what was so lost.

    A thought that is nothing but its signature goes with it.
    """
    losses: list[Loss] = []
    messages = list(chat.messages)
    for at, message in enumerate(messages):
        kept: list[Part] = []
        for number, part in enumerate(message.parts):
            seal = _seal_on(part)
            memory = None if seal is None else recall(key_of(seal))
            if memory is None or _is_of(memory, model):
                kept.append(part)
                continue
            where = f"messages[{at}].parts[{number}].signature"
            losses.append(Loss(Feature.SIGNATURE.word, where, Done.DROPPED, "another model signed it"))
            if not (isinstance(part, Reasoning) and part.is_redacted):
                kept.append(replace(part, signature=None))
        if tuple(kept) != message.parts:
            messages[at] = replace(message, parts=tuple(kept))
    return (replace(chat, messages=tuple(messages)), tuple(losses)) if losses else (chat, ())


def _seal_on(part: Part) -> Signature | None:
    return part.signature if isinstance(part, Text | Reasoning | ToolCall) else None


def _is_of(memory: Memory, model: str) -> bool:
    return not memory.model or not model or memory.model == model
