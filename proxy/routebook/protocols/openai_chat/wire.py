"""Answers and chunks as they stand on the wire: a message and a delta are one shape, read forgivingly."""

from __future__ import annotations

from typing import Any

import msgspec

from routebook.protocols.openai_chat.usage import WireUsage


class WireFunction(msgspec.Struct, gc=False):
    """What is called, with what; either may come in pieces. Some send arguments as an object instead of a text."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None
    input: str | None = None


class WireCall(msgspec.Struct, gc=False):
    """One call of a tool, or a piece of one."""

    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: WireFunction | None = None
    custom: WireFunction | None = None


class WireAudio(msgspec.Struct, gc=False):
    """Sound, or a piece of it."""

    id: str | None = None
    data: str | None = None
    transcript: str | None = None
    expires_at: int | None = None


class WireUrlCitation(msgspec.Struct, gc=False, omit_defaults=True):
    """A place in the web, and where in the text it is cited."""

    url: str | None = None
    title: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class WireImage(msgspec.Struct, gc=False):
    """A picture in an answer, as several who imitate the API send it."""

    image_url: WireUrlCitation | None = None


class WirePart(msgspec.Struct, gc=False):
    """A piece of content that is not a plain text: some give thoughts as one."""

    type: str | None = None
    text: str | None = None
    thinking: list[WirePart] | str | None = None


class WireMessage(msgspec.Struct, gc=False):
    """What was said, whole or a piece of it."""

    content: str | list[WirePart] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[WireCall] | None = None
    function_call: WireFunction | None = None
    audio: WireAudio | None = None
    annotations: list[dict[str, Any]] | None = None
    images: list[WireImage] | None = None


class WireTop(msgspec.Struct, gc=False):
    """A token that might have stood there."""

    token: str = ""
    logprob: float = 0.0
    bytes: list[int] | None = None


class WireLogprob(msgspec.Struct, gc=False):
    """A token's probability, and those of others."""

    token: str = ""
    logprob: float = 0.0
    bytes: list[int] | None = None
    top_logprobs: list[WireTop] | None = None


class WireLogprobs(msgspec.Struct, gc=False):
    """Probabilities of the text's tokens and of the refusal's."""

    content: list[WireLogprob] | None = None
    refusal: list[WireLogprob] | None = None


class WireChoice(msgspec.Struct, gc=False):
    """One answer, or a piece of it."""

    index: int = 0
    delta: WireMessage | None = None
    message: WireMessage | None = None
    logprobs: WireLogprobs | None = None
    finish_reason: str | None = None


class WireAnswer(msgspec.Struct, gc=False):
    """A whole answer, or a chunk of a stream."""

    id: str | None = None
    model: str | None = None
    created: int | None = None
    choices: list[WireChoice] | None = None
    usage: WireUsage | None = None
    service_tier: str | None = None
    error: Any = None
