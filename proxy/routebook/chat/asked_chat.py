"""What routing asks of a request, answered from its neutral form: for dialects that need no faster way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Final

from routebook.chat.conversation import ChatRequest, Role, Tool
from routebook.chat.lazily import lazily
from routebook.chat.parts import Image, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from routebook.chat.used import needs_of


class AskedChat(ABC):
    """A request as `chat.asked.Asked` wants it. A dialect's own class says what the envelope holds (`model`, `stream`,
    `body`, `prompt`) and how `chat` is read; what is dear is worked out when somebody first asks."""

    operation: str = "chat"
    dialect: str
    model: str
    stream: bool
    body: bytes
    wants_usage: bool = True
    counted_tokens: Final = 0
    form: Final[Mapping[str, str]] = {}
    heard_ms: Final = 0
    most_ms: Final = 0
    characters: Final = 0

    @lazily
    @abstractmethod
    def chat(self) -> ChatRequest:
        """The whole request in the neutral form; raises ProtocolError."""

    @property
    def prompt(self) -> bytes | memoryview:
        """The conversation as it came, for its digest; never recorded."""
        return self.body

    @property
    def body_bytes(self) -> int:
        """The size of the request's body."""
        return len(self.body)

    @property
    def max_output(self) -> int | None:
        """The most tokens the client wants back, where it says so."""
        return self.chat.max_output

    @property
    def choices(self) -> int:
        """How many answers are wanted; each is paid for."""
        return self.chat.choices or 1

    @property
    def was_read(self) -> bool:
        """Whether the neutral form has been made, so that counting costs nothing more."""
        return "chat" in self.__dict__

    @property
    def user(self) -> str | None:
        """The end user the client names, where it does."""
        return self.chat.user

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the client attached for its own bookkeeping."""
        return self.chat.metadata

    @property
    def messages(self) -> int:
        """How many messages the conversation has, the system prompt among them."""
        return len(self.chat.messages) + bool(self.chat.system)

    @property
    def images(self) -> int:
        """How many images it holds, those in results of tools among them."""
        return sum(isinstance(part, Image) for part in self._parts())

    @property
    def tools(self) -> int:
        """How many tools it offers."""
        return len(self.chat.tools)

    @property
    def tool_bytes(self) -> int:
        """About the size of what describes the tools; it is part of the prompt."""
        return sum(
            len(tool.name) + len(tool.description or "") + len(tool.parameters or "") + len(tool.grammar or "")
            if isinstance(tool, Tool)
            else len(tool.json)
            for tool in self.chat.tools
        )

    @lazily
    def needs(self) -> frozenset[str]:
        """Capabilities without which it cannot be answered."""
        return needs_of(self.chat)

    @lazily
    def text(self) -> str:
        """All text of the prompt, one after the other; never recorded."""
        return "\n".join(said for part in self._parts() if (said := _words(part)))

    @property
    def goes_on_from(self) -> str | None:
        """The earlier answer that it refers to; most dialects keep none."""
        return None

    @property
    def latest(self) -> str:
        """The text of the last message of the user that has one; never recorded."""
        for message in reversed(self.chat.messages):
            if message.role is Role.USER:
                text = "\n".join(part.text for part in message.parts if isinstance(part, Text))
                if text:
                    return text
        return ""

    @property
    def session(self) -> str | None:
        """What the client calls a conversation whose state its vendor keeps; None where it names none."""
        return None

    @property
    def opening(self) -> bytes:
        """What all requests of one conversation have in common: how it began. Never recorded."""
        begun = [part.text for part in self.chat.system]
        begun += [_words(part) for message in self.chat.messages[:1] for part in message.parts]
        return "\n".join(begun).encode("utf-8", "replace")

    def _parts(self) -> Iterator[Part]:
        yield from self.chat.system
        for message in self.chat.messages:
            for part in message.parts:
                yield part
                if isinstance(part, ToolResult):
                    yield from part.content


def _words(part: Part) -> str:
    match part:
        case Text(text) | Reasoning(text) | Refusal(text):
            return text
        case ToolCall():
            return part.arguments
        case _:
            return ""
