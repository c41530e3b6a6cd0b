"""What both codecs of Gemini's Live share: its shapes, its voices, its usage as it is written."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from routebook.chat.usage import Usage
from routebook.protocols.gemini.live_reading import LiveUsage
from routebook.protocols.gemini.wire import WireCall, WireContent

HEARD_RATE: Final = 16_000
"""Samples a second of what Live hears by itself (vendor's page, 2026)."""

SPOKEN_RATE: Final = 24_000
"""Samples a second of what it speaks."""

VOICES: Final = {
    "alloy": "Kore",
    "ash": "Orus",
    "ballad": "Algieba",
    "coral": "Aoede",
    "echo": "Charon",
    "sage": "Leda",
    "shimmer": "Zephyr",
    "verse": "Puck",
    "marin": "Sulafat",
    "cedar": "Iapetus",
}
"""A voice of Gemini's for each of OpenAI's: of about the same pitch, and no more alike than that."""

GEMINI_VOICES: Final = frozenset(
    [
        "Zephyr",
        "Puck",
        "Charon",
        "Kore",
        "Fenrir",
        "Leda",
        "Orus",
        "Aoede",
        "Callirrhoe",
        "Autonoe",
        "Enceladus",
        "Iapetus",
        "Umbriel",
        "Algieba",
        "Despina",
        "Erinome",
        "Algenib",
        "Rasalgethi",
        "Laomedeia",
        "Achernar",
        "Alnilam",
        "Schedar",
        "Gacrux",
        "Pulcherrima",
        "Achird",
        "Zubenelgenubi",
        "Vindemiatrix",
        "Sadachbia",
        "Sadaltager",
        "Sulafat",
    ]
)
"""The voices that come with it, by the vendor's page of 2026."""


class Words(msgspec.Struct, gc=False):
    """A piece of a transcript."""

    text: str = ""


class Content(msgspec.Struct, gc=False, rename="camel"):
    """`serverContent`."""

    model_turn: WireContent | None = None
    input_transcription: Words | None = None
    output_transcription: Words | None = None
    interrupted: bool = False
    generation_complete: bool = False
    turn_complete: bool = False


class ToolCalls(msgspec.Struct, gc=False, rename="camel"):
    """`toolCall`."""

    function_calls: list[WireCall] | None = None


class Dropped(msgspec.Struct, gc=False):
    """`toolCallCancellation`."""

    ids: list[str] | None = None


class Resumption(msgspec.Struct, gc=False, rename="camel"):
    """`sessionResumptionUpdate`."""

    new_handle: str | None = None
    resumable: bool = False


class Server(msgspec.Struct, gc=False, rename="camel"):
    """A frame of the upstream's: any of these, in any combination."""

    setup_complete: dict[str, Any] | None = None
    server_content: Content | None = None
    tool_call: ToolCalls | None = None
    tool_call_cancellation: Dropped | None = None
    usage_metadata: LiveUsage | None = None
    go_away: dict[str, Any] | None = None
    session_resumption_update: Resumption | None = None
    code: Any = None
    message: str | None = None


def write_live_usage(usage: Usage) -> dict[str, Any]:
    """`usageMetadata`; kinds within their sides, as Gemini counts."""
    sound_in, said = usage.audio_input + usage.cached_audio_input, usage.output + usage.audio_output
    written: dict[str, Any] = {
        "promptTokenCount": usage.total_input,
        "responseTokenCount": said,
        "totalTokenCount": usage.total_input + usage.total_output,
        "promptTokensDetails": _details(usage.total_input - sound_in, sound_in),
        "responseTokensDetails": _details(usage.output, usage.audio_output),
    }
    if cached := usage.cached_input + usage.cached_audio_input:
        written["cachedContentTokenCount"] = cached
        written["cacheTokensDetails"] = _details(usage.cached_input, usage.cached_audio_input)
    if usage.reasoning:
        written["thoughtsTokenCount"] = usage.reasoning
    return written


def _details(text: int, sound: int) -> list[dict[str, Any]]:
    return [{"modality": kind, "tokenCount": count} for kind, count in (("TEXT", text), ("AUDIO", sound)) if count]
