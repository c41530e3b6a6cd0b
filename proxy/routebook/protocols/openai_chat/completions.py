"""A request of OpenAI's first API for texts (`/v1/completions`): relayed to whoever speaks it, translated to nobody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from routebook.chat.caps import Caps
from routebook.chat.lazily import lazily
from routebook.protocols.body import FLAG, WORD, decode, named, read_field, read_fields, read_model, with_fields
from routebook.protocols.errors import ProtocolError, Side

Prompts = str | list[str | int | list[int]]

_PROMPTS: Final[msgspec.json.Decoder[Prompts]] = msgspec.json.Decoder(Prompts)
_COUNT: Final = msgspec.json.Decoder(int)
_OPTIONS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])

USUAL_OUTPUT: Final = 16
"""Tokens of an answer where the request does not say."""


class OpenAICompletion:
    """One request, read as far as somebody asks (`chat.asked.Asked`)."""

    operation: Final = "completion"
    dialect: Final = "openai-chat"
    images: Final = 0
    tools: Final = 0
    tool_bytes: Final = 0
    needs: Final[frozenset[str]] = frozenset()
    metadata: Final[Mapping[str, str]] = {}
    was_read: Final = True
    opening: Final = b""
    goes_on_from: Final = None
    session: Final = None

    def __init__(self, body: bytes, model: str | None = None) -> None:
        fields = read_fields(body)
        if model is not None:
            body = named(body, fields, model)
        self.model = read_model(fields)
        if "prompt" not in fields:
            raise ProtocolError(Side.CLIENT, "`prompt` is missing", param="prompt")
        self.stream = read_field(fields, "stream", FLAG) is True
        self.body = body
        self.fields = fields
        self.body_bytes = len(body)

    def __repr__(self) -> str:
        return f"<OpenAICompletion {self.model} {self.body_bytes} bytes{', streamed' if self.stream else ''}>"

    @lazily
    def wants_usage(self) -> bool:
        """Whether the client asked for the chunk with usage at the end of its stream."""
        options = read_field(self.fields, "stream_options", _OPTIONS)
        return options is not None and read_field(options, "include_usage", FLAG) is True

    @property
    def max_output(self) -> int | None:
        """The most tokens that one answer may have."""
        said = read_field(self.fields, "max_tokens", _COUNT)
        return USUAL_OUTPUT if said is None else max(0, said)

    @property
    def choices(self) -> int:
        """How many answers are paid for: as many as are wanted for each prompt, or are made to choose from."""
        said = [read_field(self.fields, name, _COUNT) or 1 for name in ("n", "best_of")]
        return max(1, *said) * max(1, self.messages)

    @property
    def prompt(self) -> memoryview:
        """What is to be completed, as it came."""
        return memoryview(self.fields["prompt"])

    @property
    def messages(self) -> int:
        """How many prompts it holds."""
        prompts = self._prompts
        return 1 if isinstance(prompts, str) or self._is_tokens else len(prompts)

    @lazily
    def text(self) -> str:
        """All prompts, one after the other; none where the client sent tokens."""
        prompts = self._prompts
        return prompts if isinstance(prompts, str) else "\n".join(each for each in prompts if isinstance(each, str))

    @property
    def latest(self) -> str:
        """All of it."""
        return self.text

    @lazily
    def counted_tokens(self) -> int:
        """Tokens that the client counted itself, by sending them as numbers."""
        prompts = self._prompts
        if isinstance(prompts, str):
            return 0
        return sum(1 if isinstance(each, int) else len(each) if isinstance(each, list) else 0 for each in prompts)

    @property
    def user(self) -> str | None:
        """The end user whom the client names."""
        return read_field(self.fields, "user", WORD)

    @property
    def _is_tokens(self) -> bool:
        return isinstance(self._prompts, list) and bool(self._prompts) and isinstance(self._prompts[0], int)

    @lazily
    def _prompts(self) -> Prompts:
        return decode(_PROMPTS, self.fields["prompt"], "prompt")


def edited_completion(asked: OpenAICompletion, model: str, ask_usage: bool, caps: Caps | None = None) -> bytes:
    """The body to send to an upstream that calls the model `model`: the client's own bytes but for that name, usage asked
    for in a stream, and what `caps` sets."""
    changes: dict[str, Any] = {} if model == asked.model else {"model": model}
    if ask_usage and asked.stream and not asked.wants_usage:
        options = read_field(asked.fields, "stream_options", _OPTIONS) or {}
        changes["stream_options"] = {**options, "include_usage": True}
    most = None if caps is None else caps.max_output
    if most is not None and (asked.max_output or 0) > most:
        changes["max_tokens"] = most
    if caps is not None and caps.temperature is not None and "temperature" not in asked.fields:
        changes["temperature"] = caps.temperature
    return with_fields(asked.body, asked.fields, changes)
