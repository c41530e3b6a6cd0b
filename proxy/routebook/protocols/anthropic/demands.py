"""What Anthropic demands of a request: its version, turns that can follow each other, results right after their calls.

After the vendor's reference (Messages, errors, tool use, extended thinking, versions; 2026). Neighbours of one side are
one turn, as the vendor puts them together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from routebook.protocols.anthropic.carries import NEW, OLD
from routebook.protocols.anthropic.thinking import LEAST
from routebook.protocols.codec import Kept
from routebook.protocols.demanding import Option, check_options, is_count, is_number, wire_of, wrong

VERSIONS: Final = ("2023-01-01", OLD, NEW)
HEADER: Final = "anthropic-version"

_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_ID: Final = re.compile(r"[a-zA-Z0-9_-]+")
_SAMPLING: Final = ("temperature", "top_p", "top_k")
_THOUGHTS: Final = ("thinking", "redacted_thinking")

_OPTIONS: Final[tuple[Option, ...]] = (
    ("max_tokens", is_count, "a number of at least 1"),
    ("temperature", is_number(0, 1), "a number from 0 to 1"),
    ("top_p", is_number(0, 1), "a number from 0 to 1"),
    ("stream", lambda value: isinstance(value, bool), "true or false"),
    ("tools", lambda value: isinstance(value, list), "a list"),
    ("stop_sequences", lambda value: isinstance(value, list) and all(str(each).strip() for each in value), "texts"),
)

Turn = tuple[str, list[tuple[str, Mapping[str, Any]]]]
"""Who speaks, and the blocks with their places."""


def demanded_of_messages(asked: Any, headers: Mapping[str, str], kept: Kept) -> None:
    """Raise ProtocolError where the API would refuse the request."""
    version = demanded_version(headers)
    with wire_of(asked) as body:
        _check(body, version)


def _check(body: Mapping[str, Any], version: str) -> None:
    check_options(body, _OPTIONS)
    if version == NEW:
        for name in _SAMPLING:
            if body.get(name) is not None:
                raise wrong(f"`{name}` is not a part of version {NEW}", name)
    turns = list(_turns(body["messages"]))
    if not turns:
        raise wrong("`messages` must hold at least one message", "messages")
    if turns[0][0] != "user":
        raise wrong("the first message must be the user's", "messages[0].role")
    for number, turn in enumerate(turns):
        _check_turn(turn, turns[number + 1] if number + 1 < len(turns) else None, version)
    _check_results(turns)
    _check_tools(body)
    _check_thinking(body, turns)


def demanded_of_count(asked: Any, headers: Mapping[str, str], kept: Kept) -> None:
    """Raise ProtocolError where the API would not count."""
    demanded_version(headers)


def demanded_version(headers: Mapping[str, str]) -> str:
    """The version that a request names, which each must; raises ProtocolError."""
    version = headers.get(HEADER)
    if version is None:
        raise wrong(f"the header `{HEADER}` is required", HEADER)
    if version not in VERSIONS:
        raise wrong(f"`{HEADER}` must be one of {', '.join(VERSIONS)}", HEADER)
    return version


def _turns(messages: list[Any]) -> Iterator[Turn]:
    """The messages, those of neighbours of one side together; what the system says between them belongs to no turn."""
    turn: Turn | None = None
    for number, message in enumerate(messages):
        where, role, content = f"messages[{number}]", message["role"], message.get("content")
        if not content and not (role == "assistant" and number == len(messages) - 1):
            raise wrong(f"`{where}.content` must not be empty", f"{where}.content")
        if role == "system":
            continue
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
        placed = [(f"{where}.content[{index}]", block) for index, block in enumerate(blocks)]
        if turn is not None and turn[0] == role:
            turn[1].extend(placed)
            continue
        if turn is not None:
            yield turn
        turn = role, placed
    if turn is not None:
        yield turn


def _check_turn(turn: Turn, after: Turn | None, version: str) -> None:
    role, blocks = turn
    calls: set[str] = set()
    for where, block in blocks:
        kind = block["type"]
        if kind == "text" and not block["text"].strip():
            raise wrong(f"`{where}.text` must hold more than white space", f"{where}.text")
        if kind in ("tool_use", *_THOUGHTS) and role != "assistant":
            raise wrong(f"a block `{kind}` is the assistant's alone, and not in `{where}`", where)
        if kind in ("tool_result", "image") and role == "assistant":
            raise wrong(f"a block `{kind}` is the user's alone, and not in `{where}`", where)
        if kind == "document" and role == "assistant" and version == NEW:
            raise wrong(f"a document is the user's alone in version {NEW}, and not in `{where}`", where)
        if kind == "thinking" and not block.get("signature"):
            raise wrong(f"`{where}.signature` is required", f"{where}.signature")
        if kind == "tool_use":
            _check_call(block, where, calls)
    left = calls - {block.get("tool_use_id") for _, block in (after[1] if after else ()) if _is_result(block)}
    if left and after is not None:
        raise wrong(f"results must follow right after the calls {', '.join(sorted(left))}", blocks[-1][0])


def _check_call(block: Mapping[str, Any], where: str, calls: set[str]) -> None:
    if not _ID.fullmatch(block["id"]) or not _NAME.fullmatch(block["name"]):
        raise wrong(f"ids and names of calls are letters, digits, `_` and `-` in `{where}`", f"{where}.id")
    if not isinstance(block.get("input"), dict):
        raise wrong(f"`{where}.input` must be an object", f"{where}.input")
    if block["id"] in calls:
        raise wrong(f"`{where}.id` is there twice", f"{where}.id")
    calls.add(block["id"])


def _check_results(turns: list[Turn]) -> None:
    called: set[str] = set()
    for role, blocks in turns:
        if role == "assistant":
            called = {block["id"] for _, block in blocks if block["type"] == "tool_use"}
            continue
        is_past = False
        for where, block in blocks:
            if not _is_result(block):
                is_past = True
            elif is_past:
                raise wrong(f"results come before everything else, and not in `{where}`", where)
            elif block["tool_use_id"] not in called:
                raise wrong(f"the turn before has no call `{where}.tool_use_id`", f"{where}.tool_use_id")
            else:
                called.discard(block["tool_use_id"])


def _check_tools(body: Mapping[str, Any]) -> None:
    names = set()
    for number, tool in enumerate(body.get("tools") or ()):
        where = f"tools[{number}]"
        if not _NAME.fullmatch(tool.get("name", "")) or tool["name"] in names:
            raise wrong(f"`{where}.name` must be there, and only once", f"{where}.name")
        names.add(tool["name"])
        if tool.get("type", "custom") == "custom" and (tool.get("input_schema") or {}).get("type") != "object":
            raise wrong(f"`{where}.input_schema` must be that of an object", f"{where}.input_schema")
    if body.get("tool_choice") is not None and not names:
        raise wrong("`tool_choice` may only be given with `tools`", "tool_choice")


def _check_thinking(body: Mapping[str, Any], turns: list[Turn]) -> None:
    """Thoughts exclude sampling and calls that are forced; with a budget, a loop of tools goes on from its thoughts."""
    thinking = body.get("thinking") or {}
    if thinking.get("type", "disabled") == "disabled":
        return
    if any(body.get(name) is not None for name in _SAMPLING) and body.get("temperature") != 1:
        raise wrong("a model that thinks takes no sampling", "thinking")
    if (body.get("tool_choice") or {}).get("type") in ("any", "tool"):
        raise wrong("a model that is forced to call tools does not think before", "tool_choice")
    if thinking["type"] != "enabled":
        return
    budget = thinking.get("budget_tokens")
    if not is_number(LEAST, body["max_tokens"] - 1)(budget):
        raise wrong(f"a budget is {LEAST} tokens at least, and less than `max_tokens`", "thinking.budget_tokens")
    said = next((turn for turn in reversed(turns) if turn[0] == "assistant"), None)
    goes_on = turns[-1][0] == "user" and any(_is_result(block) for _, block in turns[-1][1])
    if said is not None and goes_on and said[1][0][1]["type"] not in _THOUGHTS:
        raise wrong("the turn that results are of must begin with its thoughts", said[1][0][0])


def _is_result(block: Mapping[str, Any]) -> bool:
    return bool(block["type"] == "tool_result")
