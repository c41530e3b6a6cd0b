"""Answers and the events of streams as they stand on the wire, read forgivingly."""

from __future__ import annotations

from typing import Any

import msgspec

from routebook.protocols.anthropic.usage import WireUsage


class WireBlock(msgspec.Struct, gc=False):
    """A block of content, as far as it is understood: which fields it has follows from its type."""

    type: str | None = None
    text: str | None = None
    citations: list[dict[str, Any]] | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: dict[str, Any] | str | None = None


class WireStop(msgspec.Struct, gc=False):
    """More about why the model stopped."""

    type: str | None = None
    explanation: str | None = None


class WireDelta(msgspec.Struct, gc=False):
    """A piece of a block, or what changed in the message."""

    type: str | None = None
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    citation: dict[str, Any] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: WireStop | None = None


class WireMessage(msgspec.Struct, gc=False):
    """A whole answer, or the beginning of one."""

    type: str | None = None
    id: str | None = None
    model: str | None = None
    content: list[dict[str, Any]] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: WireStop | None = None
    usage: WireUsage | None = None
    error: Any = None


class WireEvent(msgspec.Struct, gc=False):
    """One event of a stream: which fields it has follows from its type."""

    type: str | None = None
    index: int | None = None
    message: WireMessage | None = None
    content_block: dict[str, Any] | None = None
    delta: WireDelta | None = None
    usage: WireUsage | None = None
    error: Any = None
