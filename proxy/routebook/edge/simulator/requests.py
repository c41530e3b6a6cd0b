"""What the simulated upstream demands of a request: as strict as the real API about the fields that it knows.

Fields that it does not know are let through, as most servers that speak this dialect do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

ROLES = ("developer", "system", "user", "assistant", "tool", "function")


class BadRequest(Exception):
    """A request that the API would refuse. `param` names the place in it."""

    def __init__(self, message: str, param: str | None = None, status: int = 400, code: str | None = None) -> None:
        super().__init__(message)
        self.param = param
        self.status = status
        self.code = code


Body = Mapping[str, Any]


def check_chat(body: Body) -> None:
    """Raise BadRequest unless this is a valid chat completion request."""
    _check_model(body)
    messages = _required(body, "messages", list)
    if not messages:
        raise BadRequest("`messages` must hold at least one message", "messages")
    for number, message in enumerate(messages):
        _check_message(message, f"messages[{number}]")
    for name, allowed, what in _OPTIONS:
        if body.get(name) is not None and not allowed(body[name]):
            raise BadRequest(f"`{name}` must be {what}", name)
    if body.get("stream_options") is not None and not body.get("stream"):
        raise BadRequest("`stream_options` is only allowed when `stream` is true", "stream_options")
    for number, tool in enumerate(body.get("tools") or ()):
        _check_tool(tool, f"tools[{number}]")
    if body.get("tool_choice") is not None and not body.get("tools"):
        raise BadRequest("`tool_choice` is only allowed when `tools` are given", "tool_choice")


def check_embeddings(body: Body) -> list[str]:
    """The texts to embed, or BadRequest."""
    _check_model(body)
    given = body.get("input")
    if isinstance(given, str) and given:
        return [given]
    if isinstance(given, list) and given:
        if all(isinstance(part, int) for part in given):
            return [" ".join(map(str, given))]
        if all(isinstance(part, (str, list)) and part for part in given):
            return [part if isinstance(part, str) else " ".join(map(str, part)) for part in given]
    raise BadRequest("`input` must be a text, a list of texts or lists of tokens, and not empty", "input")


def text_of(content: object) -> str:
    """All text in a message's content, whichever form it has."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = (part.get("text") or part.get("refusal") or "" for part in content if isinstance(part, dict))
        return "\n".join(part for part in parts if part)
    return ""


def _check_model(body: Body) -> None:
    if not _required(body, "model", str):
        raise BadRequest("you must provide a model", "model")


def _required(body: Body, name: str, kind: type) -> Any:
    if name not in body:
        raise BadRequest(f"missing required parameter: `{name}`", name, code="missing_required_parameter")
    if not isinstance(body[name], kind):
        raise BadRequest(f"invalid type for `{name}`", name, code="invalid_type")
    return body[name]


def _check_message(message: object, where: str) -> None:
    if not isinstance(message, dict):
        raise BadRequest(f"`{where}` must be an object", where)
    role = message.get("role")
    if role not in ROLES:
        raise BadRequest(f"`{where}.role` must be one of {', '.join(ROLES)}", f"{where}.role")
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        raise BadRequest(f"`{where}.tool_call_id` is required in an answer of a tool", f"{where}.tool_call_id")
    content, may_be_silent = message.get("content"), role == "assistant"
    if not isinstance(content, (str, list)) and not (content is None and may_be_silent):
        raise BadRequest(f"`{where}.content` must be a text or a list of parts", f"{where}.content")


def _check_tool(tool: object, where: str) -> None:
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise BadRequest(f"`{where}.function.name` is required", f"{where}.function.name")


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
