"""OpenAI's way of counting -> kinds that do not overlap.

`prompt_tokens` includes what was cached and audio, `completion_tokens` includes reasoning and audio (vendor's
reference, 2026); `chat.usage.Usage` counts each token once.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from routebook.chat.usage import Usage

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class _PromptDetails(msgspec.Struct, gc=False):
    cached_tokens: Count | None = None
    cache_write_tokens: Count | None = None
    audio_tokens: Count | None = None


class _CompletionDetails(msgspec.Struct, gc=False):
    reasoning_tokens: Count | None = None
    audio_tokens: Count | None = None


class WireUsage(msgspec.Struct, gc=False):
    """`usage` as it stands in an answer or a chunk."""

    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    total_tokens: Count | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


_DECODER = msgspec.json.Decoder(WireUsage | None, strict=False)


def read_usage(raw: msgspec.Raw | bytes) -> Usage | None:
    """What a `usage` value says; None where it says nothing that can be counted."""
    try:
        wire = _DECODER.decode(raw)
    except (ValueError, RecursionError):
        return None
    return None if wire is None else usage_of(wire)


def usage_of(wire: WireUsage) -> Usage | None:
    """The kinds apart; None where a side was not counted and no total tells it: nobody knows what the request used.

    A part that claims to be larger than its whole is cut to it, so that no token is paid for that was not counted:
    the sum of the kinds is always what the upstream gave as `prompt_tokens` and `completion_tokens`.
    """
    prompt, completion = wire.prompt_tokens, wire.completion_tokens
    if prompt is None or completion is None:
        if wire.total_tokens is None or (prompt is None and completion is None):
            return None
        missing = max(0, wire.total_tokens - (prompt or completion or 0))
        prompt = missing if prompt is None else prompt
        completion = missing if completion is None else completion
    cached = written = audio_in = reasoning = audio_out = 0
    if (into := wire.prompt_tokens_details) is not None:
        cached = min(into.cached_tokens or 0, prompt)
        written = min(into.cache_write_tokens or 0, prompt - cached)
        audio_in = min(into.audio_tokens or 0, prompt - cached - written)
    if (out := wire.completion_tokens_details) is not None:
        reasoning = min(out.reasoning_tokens or 0, completion)
        audio_out = min(out.audio_tokens or 0, completion - reasoning)
    return Usage(
        prompt - cached - written - audio_in,
        cached,
        written,
        audio_in,
        completion - reasoning - audio_out,
        reasoning,
        audio_out,
    )


def write_usage(usage: Usage) -> dict[str, Any]:
    """The usage as it stands in an answer: kinds within their sides, as OpenAI counts."""
    return {
        "prompt_tokens": usage.total_input,
        "completion_tokens": usage.total_output,
        "total_tokens": usage.total_input + usage.total_output,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_input,
            "cache_write_tokens": usage.cache_write,
            "audio_tokens": usage.audio_input,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning, "audio_tokens": usage.audio_output},
    }
