"""Answers and events as they stand on the wire, read forgivingly: an item is one shape, whole or in the making."""

from __future__ import annotations

from typing import Any

import msgspec

from routebook.protocols.openai_faults import WireError
from routebook.protocols.responses_usage import WireUsage


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


class WirePart(msgspec.Struct, gc=False):
    """A part of a message or of a thought."""

    type: str | None = None
    text: str | None = None
    refusal: str | None = None
    annotations: list[dict[str, Any]] | None = None
    logprobs: list[WireLogprob] | None = None


class WireItem(msgspec.Struct, gc=False):
    """An item of an answer. Some send a message's content as a mere text, or arguments as an object."""

    type: str | None = None
    id: str | None = None
    content: list[WirePart] | str | None = None
    summary: list[WirePart] | None = None
    encrypted_content: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | dict[str, Any] | None = None
    input: str | None = None
    result: str | None = None
    output_format: str | None = None


class WireDetails(msgspec.Struct, gc=False):
    """Why an answer is not complete."""

    reason: str | None = None


class WireResponse(msgspec.Struct, gc=False):
    """A whole answer, or what is known of it so far."""

    id: str | None = None
    model: str | None = None
    created_at: float | None = None
    status: str | None = None
    output: list[WireItem] | None = None
    usage: WireUsage | None = None
    service_tier: str | None = None
    incomplete_details: WireDetails | None = None
    error: WireError | str | None = None


class WireEvent(msgspec.Struct, gc=False):
    """One event of a stream, whichever."""

    type: str | None = None
    delta: str | None = None
    item_id: str | None = None
    output_index: int | None = None
    content_index: int = 0
    summary_index: int = 0
    text: str | None = None
    refusal: str | None = None
    arguments: str | None = None
    input: str | None = None
    annotation: dict[str, Any] | None = None
    logprobs: list[WireLogprob] | None = None
    item: WireItem | None = None
    part: WirePart | None = None
    response: WireResponse | None = None
    error: WireError | str | None = None
