"""What OpenAI demands of a request for a response: items that belong together, and a state that is there.

After the vendor's reference (Responses, conversation state, reasoning; 2026).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from routebook.protocols.codec import Kept
from routebook.protocols.demanding import Option, check_options, is_count, is_number, wire_of, wrong

_OPTIONS: Final[tuple[Option, ...]] = (
    ("stream", lambda value: isinstance(value, bool), "true or false"),
    ("max_output_tokens", is_count, "a number of at least 1"),
    ("temperature", is_number(0, 2), "a number from 0 to 2"),
    ("top_p", is_number(0, 1), "a number from 0 to 1"),
    ("top_logprobs", is_number(0, 20), "a number from 0 to 20"),
    ("tools", lambda value: isinstance(value, list), "a list"),
    ("metadata", lambda value: isinstance(value, dict) and len(value) <= 16, "an object of at most 16 entries"),
)
_CALLS: Final = {"function_call_output": "function_call", "custom_tool_call_output": "custom_tool_call"}
_IDS: Final = {"message": "msg", "reasoning": "rs", "function_call": "fc", "custom_tool_call": "ctc"}
"""What the ids of an answer's items begin with."""

_ROLES: Final = ("user", "assistant", "system", "developer")
_SAID: Final = ("output_text", "refusal")
_GIVEN: Final = ("input_text", "input_image", "input_file", "input_audio")


def demanded_of_response(asked: Any, headers: Mapping[str, str], kept: Kept) -> None:
    """Raise ProtocolError where the API would refuse the request; `kept` says what answers are kept."""
    with wire_of(asked) as body:
        _check(body, kept)


def _check(body: Mapping[str, Any], kept: Kept) -> None:
    check_options(body, _OPTIONS)
    before = body.get("previous_response_id")
    if before is not None and not kept(before):
        message = "there is no response with the id in `previous_response_id`"
        raise wrong(message, "previous_response_id", code="previous_response_not_found")
    given = body.get("input")
    items = given if isinstance(given, list) else []
    if given is not None and not given and before is None:
        raise wrong("`input` must hold something", "input")
    for number, item in enumerate(items):
        _check_item(item, items, number, before is not None)
    _check_results(items)
    for number, tool in enumerate(body.get("tools") or ()):
        if tool.get("type") in ("function", "custom") and not tool.get("name"):
            raise wrong(f"`tools[{number}].name` is required", f"tools[{number}].name")
    if body.get("tool_choice") not in (None, "auto", "none") and not body.get("tools"):
        raise wrong("`tool_choice` is only allowed when `tools` are given", "tool_choice")


def _check_item(item: Mapping[str, Any], items: list[Any], number: int, has_state: bool) -> None:
    where = f"input[{number}]"
    kind = item.get("type") or "message"
    begins = _IDS.get(kind)
    if begins is not None and item.get("id") is not None and not item["id"].startswith(begins):
        raise wrong(f"`{where}.id` must begin with `{begins}`", f"{where}.id")
    if kind == "message":
        _check_message(item, where)
    if kind == "reasoning":
        after = items[number + 1] if number + 1 < len(items) else {}
        is_said = after.get("role") == "assistant" or after.get("type") in ("reasoning", *_CALLS.values())
        if not is_said and not str(after.get("type", "")).endswith("_call"):
            raise wrong(f"`{where}` is a thought without the item that it led to", "input")
    if kind in _CALLS and not has_state:
        calls = {each.get("call_id") for each in items[:number] if each.get("type") == _CALLS[kind]}
        if item.get("call_id") not in calls:
            raise wrong(f"there is no call that `{where}` is the output of", "input")


def _check_message(item: Mapping[str, Any], where: str) -> None:
    role, content = item.get("role"), item.get("content")
    if role not in _ROLES:
        raise wrong(f"`{where}.role` must be one of {', '.join(_ROLES)}", f"{where}.role")
    if not isinstance(content, list):
        return
    allowed = _SAID if role == "assistant" else _GIVEN
    for number, part in enumerate(content):
        if part.get("type") not in allowed:
            at = f"{where}.content[{number}].type"
            raise wrong(f"`{at}` must be one of {', '.join(allowed)}", at)


def _check_results(items: list[Any]) -> None:
    """Every call has its output, wherever it stands."""
    for kind, called in _CALLS.items():
        outputs = {item.get("call_id") for item in items if item.get("type") == kind}
        for item in items:
            if item.get("type") == called and item.get("call_id") not in outputs:
                raise wrong(f"there is no output of the call {item.get('call_id')}", "input")
