"""A request of OpenAI's first API for texts (`/v1/completions`): relayed to whoever speaks it, translated to nobody."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from routebook.chat.caps import Caps
from routebook.chat.lazily import lazily
from routebook.protocols.body import FIELDS, FLAG, read_field, with_fields
from routebook.protocols.errors import ProtocolError, Side
from routebook.protocols.openai_chat.texts import AskedTexts

_COUNT: Final = msgspec.json.Decoder(int)

USUAL_OUTPUT: Final = 16
"""Tokens of an answer where the request does not say."""


class OpenAICompletion(AskedTexts):
    """One request for texts that go on from prompts."""

    operation: Final = "completion"
    field = "prompt"

    def __init__(self, body: bytes, model: str | None = None) -> None:
        super().__init__(body, model)
        self.stream = read_field(self.fields, "stream", FLAG) is True

    def _check(self, texts: Raw | None) -> None:
        if texts is None:
            raise ProtocolError(Side.CLIENT, "`prompt` is missing", param="prompt")

    @lazily
    def wants_usage(self) -> bool:
        """Whether the client asked for the chunk with usage at the end of its stream."""
        options = read_field(self.fields, "stream_options", FIELDS)
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


def edited_completion(asked: OpenAICompletion, model: str, ask_usage: bool, caps: Caps | None = None) -> bytes:
    """The body to send to an upstream that calls the model `model`: the client's own bytes but for that name, usage asked
    for in a stream, and what `caps` sets."""
    changes: dict[str, Any] = {} if model == asked.model else {"model": model}
    if ask_usage and asked.stream and not asked.wants_usage:
        options = read_field(asked.fields, "stream_options", FIELDS) or {}
        changes["stream_options"] = {**options, "include_usage": True}
    most = None if caps is None else caps.max_output
    if most is not None and (asked.max_output or 0) > most:
        changes["max_tokens"] = most
    if caps is not None and caps.temperature is not None and "temperature" not in asked.fields:
        changes["temperature"] = caps.temperature
    return with_fields(asked.body, asked.fields, changes)
