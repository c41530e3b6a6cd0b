"""Gemini's way of counting -> kinds that do not overlap.

`promptTokenCount` includes what was cached, and sound; prompts of tools that ran at the provider are counted apart.
`candidatesTokenCount` excludes thoughts (vendor's reference, 2026); `chat.usage.Usage` counts each token once.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from routebook.chat.usage import Usage

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class WireCount(msgspec.Struct, gc=False, rename="camel"):
    """Tokens of one modality."""

    modality: str | None = None
    token_count: Count | None = None


class WireUsage(msgspec.Struct, gc=False, rename="camel"):
    """`usageMetadata` as it stands in an answer or a chunk."""

    prompt_token_count: Count | None = None
    cached_content_token_count: Count | None = None
    candidates_token_count: Count | None = None
    thoughts_token_count: Count | None = None
    tool_use_prompt_token_count: Count | None = None
    total_token_count: Count | None = None
    prompt_tokens_details: list[WireCount] | None = None
    cache_tokens_details: list[WireCount] | None = None
    candidates_tokens_details: list[WireCount] | None = None


def usage_of(wire: WireUsage) -> Usage | None:
    """The kinds apart; None where a side was not counted and no total tells it: nobody knows what the request used.

    The vendor leaves out counts that are zero, but never the total. The total also says how this upstream counts: some count thoughts among the candidates' tokens, or prompts of tools
    among the prompt's. A part that claims to be larger than its whole is cut to it.
    """
    prompt, said, total = wire.prompt_token_count, wire.candidates_token_count, wire.total_token_count
    thoughts, tools = wire.thoughts_token_count or 0, wire.tool_use_prompt_token_count or 0
    if prompt is None or said is None:
        if total is None or (prompt is None and said is None):
            return None
        missing = max(0, total - (prompt or 0) - (said or 0) - thoughts - tools)
        prompt = missing if prompt is None else prompt
        said = missing if said is None else said
    counted_twice = 0 if total is None else prompt + tools + said + thoughts - total
    if counted_twice and counted_twice in (thoughts, thoughts + tools):
        said = max(0, said - thoughts)
        counted_twice -= thoughts
    if counted_twice and counted_twice == tools:
        tools = 0
    cached = min(wire.cached_content_token_count or 0, prompt)
    heard = max(0, _sound(wire.prompt_tokens_details) - _sound(wire.cache_tokens_details))
    audio_in = min(heard, prompt - cached)
    audio_out = min(_sound(wire.candidates_tokens_details), said)
    return Usage(
        input=prompt - cached - audio_in + tools,
        cached_input=cached,
        audio_input=audio_in,
        output=said - audio_out,
        reasoning=thoughts,
        audio_output=audio_out,
    )


def write_usage(usage: Usage) -> dict[str, Any]:
    """The usage as it stands in an answer: kinds within their sides, as Gemini counts."""
    said = usage.output + usage.audio_output
    written: dict[str, Any] = {"promptTokenCount": usage.total_input, "candidatesTokenCount": said}
    if usage.cached_input:
        written["cachedContentTokenCount"] = usage.cached_input
    if usage.reasoning:
        written["thoughtsTokenCount"] = usage.reasoning
    written["totalTokenCount"] = usage.total_input + usage.total_output
    written["promptTokensDetails"] = _details(usage.total_input, usage.audio_input)
    if usage.audio_output:
        written["candidatesTokensDetails"] = _details(said, usage.audio_output)
    return written


def _sound(counts: list[WireCount] | None) -> int:
    return sum(each.token_count or 0 for each in counts or () if each.modality == "AUDIO")


def _details(all_of_them: int, audio: int) -> list[dict[str, Any]]:
    texts = [{"modality": "TEXT", "tokenCount": all_of_them - audio}]
    return [*texts, {"modality": "AUDIO", "tokenCount": audio}] if audio else texts
