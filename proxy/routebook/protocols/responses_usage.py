"""How Responses count -> kinds that do not overlap.

`input_tokens` includes what was read from and written to a cache, `output_tokens` includes reasoning (vendor's
reference, 2026); `chat.usage.Usage` counts each token once.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from routebook.chat.usage import Usage

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class _InputDetails(msgspec.Struct, gc=False):
    cached_tokens: Count | None = None
    cache_write_tokens: Count | None = None


class _OutputDetails(msgspec.Struct, gc=False):
    reasoning_tokens: Count | None = None


class WireUsage(msgspec.Struct, gc=False):
    """`usage` as it stands in an answer."""

    input_tokens: Count | None = None
    output_tokens: Count | None = None
    total_tokens: Count | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


def usage_of(wire: WireUsage) -> Usage | None:
    """The kinds apart; None where a side was not counted and no total tells it: nobody knows what the request used.

    A part that claims to be larger than its whole is cut to it, so that no token is paid for that was not counted.
    """
    into, out = wire.input_tokens, wire.output_tokens
    if into is None or out is None:
        if wire.total_tokens is None or (into is None and out is None):
            return None
        missing = max(0, wire.total_tokens - (into or out or 0))
        into = missing if into is None else into
        out = missing if out is None else out
    cached = written = thought = 0
    if (details := wire.input_tokens_details) is not None:
        cached = min(details.cached_tokens or 0, into)
        written = min(details.cache_write_tokens or 0, into - cached)
    if wire.output_tokens_details is not None:
        thought = min(wire.output_tokens_details.reasoning_tokens or 0, out)
    return Usage(into - cached - written, cached, written, output=out - thought, reasoning=thought)


def write_usage(usage: Usage) -> dict[str, Any]:
    """The usage as it stands in an answer: kinds within their sides; sound is input and output like any other."""
    return {
        "input_tokens": usage.total_input,
        "input_tokens_details": {"cached_tokens": usage.cached_input, "cache_write_tokens": usage.cache_write},
        "output_tokens": usage.total_output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total_input + usage.total_output,
    }
