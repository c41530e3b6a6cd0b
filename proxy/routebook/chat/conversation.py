"""A request to a model, in nobody's dialect.

The normal form, which every reader makes and every writer takes: system prompts at the beginning are `system`, later
ones are messages. Results of tools stand in messages of their own role, neighbours together; everything else that a
user says stands in messages of the user. No message of a user, an assistant or a tool is without parts unless it came so.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator

from msgspec import field

from routebook.chat.parts import CacheMark, Json, Part, Text, ToolCall, ToolKind, Value


class Role(enum.Enum):
    """Who speaks. `SYSTEM` stands only in the middle of a conversation."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class Message(Value, frozen=True, gc=False):
    """What one of them said; `name` tells speakers of one role apart."""

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None


class Tool(Value, frozen=True, gc=False):
    """What a model may call. `parameters` is a JSON Schema; a custom tool has a `grammar` instead, or nothing."""

    name: str
    description: str | None = None
    parameters: Json | None = None
    strict: bool | None = None
    kind: ToolKind = ToolKind.FUNCTION
    grammar: Json | None = None
    cache: CacheMark | None = None


class ForeignTool(Value, frozen=True, gc=False):
    """A tool that runs at the provider (`web_search`), as it was declared; only its own dialect knows it."""

    dialect: str
    kind: str
    json: Json


class Calling(enum.Enum):
    """Whether tools are to be called."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"


class ToolChoice(Value, frozen=True, gc=False):
    """Whether tools are to be called; where there are `names`, these and no others."""

    calling: Calling
    names: tuple[str, ...] = ()


class AnyJson(Value, frozen=True, gc=False):
    """The answer is to be a JSON object, whichever."""


class JsonSchema(Value, frozen=True, gc=False):
    """The answer is to be JSON after this schema."""

    schema: Json
    name: str | None = None
    description: str | None = None
    strict: bool | None = None


class Sampling(Value, frozen=True, gc=False):
    """How the next token is chosen; None is the provider's default. `logit_bias` is by token, in the model's numbers."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    logit_bias: dict[str, float] | None = None


class Effort(enum.Enum):
    """How much a model is to think; `NONE` is not at all."""

    NONE = "none"
    MINIMAL = "minimal"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"
    MAX = "max"


class ReasoningWish(Value, frozen=True, gc=False):
    """How a model is to think; without `effort` and `budget` (tokens) as it likes.

    `summary` is how its thoughts are shown, in the dialects' words (`auto`, `concise`, `detailed`, `none`).
    """

    effort: Effort | None = None
    budget: int | None = None
    summary: str | None = None


class AudioWish(Value, frozen=True, gc=False):
    """The answer is to be spoken: by whom, in which format (`wav`, `pcm16`, `mp3`)."""

    voice: str | None = None
    format: str | None = None


class Extra(Value, frozen=True, gc=False):
    """A field of a request that only its own dialect knows. Where it `matters`, a request without it means something
    else (`previous_response_id`); otherwise it is a hint."""

    dialect: str
    field: str
    json: Json
    matters: bool = False


class ChatRequest(Value, frozen=True, gc=False):
    """Everything that a client asks of a model. None, and what is empty, is what it does not say.

    `logprobs` is how many alternatives to each token are wanted beside its own probability; None wants none at all.
    `modalities` is what the answer may consist of (`text`, `audio`, `image`), where the client says so.
    """

    model: str
    messages: tuple[Message, ...] = ()
    system: tuple[Text, ...] = ()
    tools: tuple[Tool | ForeignTool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    format: AnyJson | JsonSchema | None = None
    max_output: int | None = None
    sampling: Sampling = Sampling()
    stop: tuple[str, ...] = ()
    choices: int | None = None
    logprobs: int | None = None
    reasoning: ReasoningWish | None = None
    modalities: tuple[str, ...] = ()
    audio: AudioWish | None = None
    user: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    tier: str | None = None
    store: bool | None = None
    cache_key: str | None = None
    verbosity: str | None = None
    extras: tuple[Extra, ...] = ()

    def calls(self) -> Iterator[ToolCall]:
        """Every call of a tool in the conversation, in order: what a result's `call_id` refers to."""
        for message in self.messages:
            for part in message.parts:
                if isinstance(part, ToolCall):
                    yield part

    def tool_names(self) -> dict[str, str]:
        """The names of the tools that were called, by the call's id."""
        return {call.id: call.name for call in self.calls()}
