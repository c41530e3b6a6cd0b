"""What OpenAI demands of a request for a chat, as strict as the real API about the fields that it knows.

Fields that it does not know are let through, as most servers that speak this dialect do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from routebook.protocols.codec import Kept
from routebook.protocols.demanding import Option, check_options, is_count, is_number, wire_of, wrong

VOICES: Final = frozenset(
    ["alloy", "ash", "ballad", "coral", "echo", "fable", "nova", "onyx", "sage", "shimmer", "verse", "marin", "cedar"]
)
FORMATS: Final = ("wav", "aac", "mp3", "flac", "opus", "pcm16")
"""What sound may be asked for in a chat (vendor's reference, 2026)."""

ROLES: Final = ("developer", "system", "user", "assistant", "tool", "function")


def demanded_of_chat(asked: Any, headers: Mapping[str, str], kept: Kept) -> None:
    """Raise ProtocolError where the API would refuse the request."""
    with wire_of(asked) as body:
        _check(body)
        for number, message in enumerate(body["messages"]):
            held = message.get("audio")
            if held is not None and not kept(str(held.get("id"))):
                raise wrong("no sound is kept under this id", f"messages[{number}].audio.id", code="audio_not_found")


def _check(body: Mapping[str, Any]) -> None:
    if not body["messages"]:
        raise wrong("`messages` must hold at least one message", "messages")
    for number, message in enumerate(body["messages"]):
        _check_message(message, f"messages[{number}]")
    check_options(body, _OPTIONS)
    _check_sound(body)
    if body.get("stream_options") is not None and not body.get("stream"):
        raise wrong("`stream_options` is only allowed when `stream` is true", "stream_options")
    for number, tool in enumerate(body.get("tools") or ()):
        _check_tool(tool, f"tools[{number}]")
    if body.get("tool_choice") is not None and not body.get("tools"):
        raise wrong("`tool_choice` is only allowed when `tools` are given", "tool_choice")


def _check_sound(body: Mapping[str, Any]) -> None:
    """Who wants sound says in which voice and format; a stream has bare samples."""
    modalities, audio = body.get("modalities") or ["text"], body.get("audio")
    if not set(modalities) <= {"text", "audio"} or "text" not in modalities:
        raise wrong("`modalities` must be `[text]` or `[text, audio]`", "modalities")
    if "audio" not in modalities:
        return
    if not isinstance(audio, dict):
        raise wrong("`audio` is required when `modalities` has `audio`", "audio")
    voice = audio.get("voice")
    if voice not in VOICES and not (isinstance(voice, dict) and isinstance(voice.get("id"), str)):
        raise wrong(f"`audio.voice` must be one of {', '.join(sorted(VOICES))}", "audio.voice")
    if audio.get("format") not in FORMATS:
        raise wrong(f"`audio.format` must be one of {', '.join(FORMATS)}", "audio.format")
    if body.get("stream") and audio["format"] != "pcm16":
        raise wrong("`audio.format` must be `pcm16` in a stream", "audio.format", code="unsupported_value")


def _check_message(message: object, where: str) -> None:
    if not isinstance(message, dict):
        raise wrong(f"`{where}` must be an object", where)
    role = message.get("role")
    if role not in ROLES:
        raise wrong(f"`{where}.role` must be one of {', '.join(ROLES)}", f"{where}.role")
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        raise wrong(f"`{where}.tool_call_id` is required in an answer of a tool", f"{where}.tool_call_id")
    content, may_be_silent = message.get("content"), role == "assistant"
    if not isinstance(content, (str, list)) and not (content is None and may_be_silent):
        raise wrong(f"`{where}.content` must be a text or a list of parts", f"{where}.content")


def _check_tool(tool: object, where: str) -> None:
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise wrong(f"`{where}.function.name` is required", f"{where}.function.name")


_OPTIONS: Final[tuple[Option, ...]] = (
    ("stream", lambda value: isinstance(value, bool), "true or false"),
    ("n", lambda value: is_count(value) and value <= 128, "a number from 1 to 128"),
    ("max_tokens", is_count, "a number of at least 1"),
    ("max_completion_tokens", is_count, "a number of at least 1"),
    ("temperature", is_number(0, 2), "a number from 0 to 2"),
    ("top_p", is_number(0, 1), "a number from 0 to 1"),
    ("tools", lambda value: isinstance(value, list), "a list"),
    ("metadata", lambda value: isinstance(value, dict), "an object"),
    (
        "stop",
        lambda value: isinstance(value, str) or (isinstance(value, list) and len(value) <= 4),
        "a text or at most four of them",
    ),
)
