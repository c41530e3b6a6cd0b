"""Answers and chunks as they stand on the wire: both are one shape, read forgivingly."""

from __future__ import annotations

from typing import Any

import msgspec

from routebook.protocols.gemini.usage import WireUsage


class WireBlob(msgspec.Struct, gc=False, rename="camel"):
    """Media in the answer itself."""

    mime_type: str | None = None
    data: str | None = None


class WireFile(msgspec.Struct, gc=False, rename="camel"):
    """Media that are kept elsewhere."""

    file_uri: str | None = None
    mime_type: str | None = None


class WireCall(msgspec.Struct, gc=False, rename="camel"):
    """A call of a function, whole; the id may be absent."""

    id: str | None = None
    name: str | None = None
    args: dict[str, Any] | None = None
    partial_args: list[Any] | None = None
    will_continue: bool | None = None


class WirePart(msgspec.Struct, gc=False, rename="camel"):
    """One part, or a piece of one."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: WireCall | None = None
    inline_data: WireBlob | None = None
    file_data: WireFile | None = None
    executable_code: dict[str, Any] | None = None
    code_execution_result: dict[str, Any] | None = None
    tool_call: dict[str, Any] | None = None
    tool_response: dict[str, Any] | None = None


class WireContent(msgspec.Struct, gc=False):
    """What was said, whole or a piece of it."""

    parts: list[WirePart] | None = None


class WireCitation(msgspec.Struct, gc=False, rename="camel"):
    """A source; its place counts bytes of the answer's text."""

    start_index: int | None = None
    end_index: int | None = None
    uri: str | None = None
    title: str | None = None


class WireCitations(msgspec.Struct, gc=False, rename="camel"):
    """All sources so far."""

    citations: list[WireCitation] | None = None
    citation_sources: list[WireCitation] | None = None


class WireSegment(msgspec.Struct, gc=False, rename="camel"):
    """Some text of one part; its place counts bytes."""

    part_index: int | None = None
    start_index: int | None = None
    end_index: int | None = None
    text: str | None = None


class WireSupport(msgspec.Struct, gc=False, rename="camel"):
    """Which pages a text stands on."""

    segment: WireSegment | None = None
    grounding_chunk_indices: list[int] | None = None


class WirePage(msgspec.Struct, gc=False):
    """A page in the web."""

    uri: str | None = None
    title: str | None = None


class WireGround(msgspec.Struct, gc=False):
    """Something that an answer stands on."""

    web: WirePage | None = None


class WireGrounding(msgspec.Struct, gc=False, rename="camel"):
    """What an answer stands on, and where."""

    grounding_chunks: list[WireGround] | None = None
    grounding_supports: list[WireSupport] | None = None


class WireLogprob(msgspec.Struct, gc=False, rename="camel"):
    """A token's probability."""

    token: str = ""
    log_probability: float = 0.0


class WireTop(msgspec.Struct, gc=False):
    """The tokens that might have stood at one place."""

    candidates: list[WireLogprob] | None = None


class WireLogprobs(msgspec.Struct, gc=False, rename="camel"):
    """Probabilities of the tokens, and of others at their places."""

    chosen_candidates: list[WireLogprob] | None = None
    top_candidates: list[WireTop] | None = None


class WireCandidate(msgspec.Struct, gc=False, rename="camel"):
    """One answer, or a piece of it."""

    index: int | None = None
    content: WireContent | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    citation_metadata: WireCitations | None = None
    grounding_metadata: WireGrounding | None = None
    logprobs_result: WireLogprobs | None = None


class WireFeedback(msgspec.Struct, gc=False, rename="camel"):
    """What is said of the prompt: why it was blocked."""

    block_reason: str | None = None
    block_reason_message: str | None = None


class WireAnswer(msgspec.Struct, gc=False, rename="camel"):
    """A whole answer, or a chunk of a stream."""

    candidates: list[WireCandidate] | None = None
    prompt_feedback: WireFeedback | None = None
    usage_metadata: WireUsage | None = None
    model_version: str | None = None
    response_id: str | None = None
    create_time: str | None = None
    error: Any = None
