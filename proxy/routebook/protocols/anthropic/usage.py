"""Anthropic's way of counting -> kinds that do not overlap.

`input_tokens` excludes what was read from a cache or written to it; `output_tokens` includes what was thought (vendor's
reference, 2026). In a stream counts are cumulative: those that come later replace those that came before.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec.structs import replace

from routebook.chat.usage import Usage

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class _OutputDetails(msgspec.Struct, gc=False):
    thinking_tokens: Count | None = None


class WireUsage(msgspec.Struct, gc=False):
    """`usage` as it stands in an answer, or in one of a stream's events."""

    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    output_tokens_details: _OutputDetails | None = None
    service_tier: str | None = None


TIERS: Final = {"standard": "default"}
"""Tiers of service that an answer was given in, where the neutral form has another word for them."""


def merged(before: WireUsage, after: WireUsage) -> WireUsage:
    """What two events of a stream say together. A count that is said to be nothing at the end is not taken back: some
    who imitate the API fill what they do not know with zeros."""
    said = {name: value for name in after.__struct_fields__ if (value := getattr(after, name)) not in (None, 0)}
    kept = {name: 0 for name in after.__struct_fields__ if getattr(after, name) == 0 and getattr(before, name) is None}
    return replace(before, **said, **kept)


def usage_of(wire: WireUsage) -> Usage | None:
    """The kinds apart; None where a side was not counted: nobody knows what the request used. What was thought is cut
    to what came out."""
    if wire.input_tokens is None or wire.output_tokens is None:
        return None
    output = wire.output_tokens
    details = wire.output_tokens_details
    thought = 0 if details is None else min(details.thinking_tokens or 0, output)
    return Usage(
        wire.input_tokens,
        wire.cache_read_input_tokens or 0,
        wire.cache_creation_input_tokens or 0,
        output=output - thought,
        reasoning=thought,
    )


def write_usage(usage: Usage) -> dict[str, Any]:
    """The usage as it stands in an answer; sound counts as any other input and output."""
    written: dict[str, Any] = {
        "input_tokens": usage.input + usage.audio_input,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached_input,
        "output_tokens": usage.total_output,
    }
    if usage.reasoning:
        written["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return written
