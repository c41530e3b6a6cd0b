"""What OpenAI demands of a request for a chat, as strict as the real API about the fields that it knows.

Fields that it does not know are let through, as most servers that speak this dialect do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from routebook.protocols.errors import ProtocolError, Side

ROLES: Final = ("developer", "system", "user", "assistant", "tool", "function")


def demanded_of_chat(asked: Any, headers: Mapping[str, str]) -> None:
    """Raise ProtocolError where the API would refuse the request."""
    body: dict[str, Any] = msgspec.json.decode(asked.body)
    if not body["messages"]:
        raise _wrong("`messages` must hold at least one message", "messages")
    for number, message in enumerate(body["messages"]):
        _check_message(message, f"messages[{number}]")
    for name, allowed, what in _OPTIONS:
        if body.get(name) is not None and not allowed(body[name]):
            raise _wrong(f"`{name}` must be {what}", name)
    if body.get("stream_options") is not None and not body.get("stream"):
        raise _wrong("`stream_options` is only allowed when `stream` is true", "stream_options")
    for number, tool in enumerate(body.get("tools") or ()):
        _check_tool(tool, f"tools[{number}]")
    if body.get("tool_choice") is not None and not body.get("tools"):
        raise _wrong("`tool_choice` is only allowed when `tools` are given", "tool_choice")


def _wrong(message: str, param: str) -> ProtocolError:
    return ProtocolError(Side.CLIENT, message, param=param)


def _check_message(message: object, where: str) -> None:
    if not isinstance(message, dict):
        raise _wrong(f"`{where}` must be an object", where)
    role = message.get("role")
    if role not in ROLES:
        raise _wrong(f"`{where}.role` must be one of {', '.join(ROLES)}", f"{where}.role")
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        raise _wrong(f"`{where}.tool_call_id` is required in an answer of a tool", f"{where}.tool_call_id")
    content, may_be_silent = message.get("content"), role == "assistant"
    if not isinstance(content, (str, list)) and not (content is None and may_be_silent):
        raise _wrong(f"`{where}.content` must be a text or a list of parts", f"{where}.content")


def _check_tool(tool: object, where: str) -> None:
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise _wrong(f"`{where}.function.name` is required", f"{where}.function.name")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_number(least: float, most: float) -> Callable[[object], bool]:
    return lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most


_OPTIONS: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("stream", lambda value: isinstance(value, bool), "true or false"),
    ("n", lambda value: _is_count(value) and value <= 128, "a number from 1 to 128"),
    ("max_tokens", _is_count, "a number of at least 1"),
    ("max_completion_tokens", _is_count, "a number of at least 1"),
    ("temperature", _is_number(0, 2), "a number from 0 to 2"),
    ("top_p", _is_number(0, 1), "a number from 0 to 1"),
    ("tools", lambda value: isinstance(value, list), "a list"),
    ("metadata", lambda value: isinstance(value, dict), "an object"),
    (
        "stop",
        lambda value: isinstance(value, str) or (isinstance(value, list) and len(value) <= 4),
        "a text or at most four of them",
    ),
)
