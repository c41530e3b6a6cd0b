"""The items of a client's request, read into the neutral form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec
from msgspec import Raw

from routebook.chat.conversation import Extra, Message, Role
from routebook.chat.parts import (
    Document,
    Foreign,
    Image,
    Inline,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolKind,
    ToolResult,
)
from routebook.protocols.body import RAWS, WORD, decode, is_null, json_of, starts_with, wrong
from routebook.protocols.media import standard
from routebook.protocols.openai_responses.content_reading import read_content
from routebook.protocols.openai_responses.seals import DIALECT, returned_seal

T = TypeVar("T")

ITEM: Final = "item:"
"""What the kind of a foreign part begins with that is a whole item, not a part of a message."""

_ROLES: Final = {"system": Role.SYSTEM, "developer": Role.SYSTEM, "user": Role.USER, "assistant": Role.ASSISTANT}
_KNOWN: Final = {
    "message": frozenset({"role", "content"}),
    "reasoning": frozenset({"summary", "content", "encrypted_content"}),
    "function_call": frozenset({"call_id", "name", "arguments"}),
    "custom_tool_call": frozenset({"call_id", "name", "input"}),
    "function_call_output": frozenset({"call_id", "output", "name"}),
    "custom_tool_call_output": frozenset({"call_id", "output"}),
}
"""The fields of each type of item; others are noted. Other types are kept as they came."""

_IGNORED: Final = frozenset({"type", "id", "status"})
"""Fields that come back with an answer's items and ask for nothing."""

_FROM_USER: Final = ("_output", "_response", "additional_tools", "compaction_trigger")
"""How the types of items end that a client adds by itself; other items were answers."""


class _Shown(msgspec.Struct, gc=False):
    text: str = ""


_ITEMS: Final = msgspec.json.Decoder(list[dict[str, Raw]])
_SHOWN: Final = msgspec.json.Decoder(list[_Shown])


class Conversation:
    """What the items hold: `system` from the beginning, all others, and fields that only this dialect knows."""

    def __init__(self, given: Raw | None, instructions: str | None) -> None:
        self.system: list[Text] = [Text(instructions)] if instructions else []
        self.messages: list[Message] = []
        self.extras: list[Extra] = []
        if given is None:
            return
        if starts_with(given, b'"'):
            text = decode(WORD, given, "input")
            self.messages.append(Message(Role.USER, (Text(text),) if text else ()))
            return
        raws, items = decode(RAWS, given, "input"), decode(_ITEMS, given, "input")
        for index, (raw, fields) in enumerate(zip(raws, items, strict=True)):
            self._take(fields, raw, f"input[{index}]")

    def __repr__(self) -> str:
        return f"<Conversation {len(self.messages)} messages>"

    def _take(self, fields: Mapping[str, Raw], raw: Raw, at: str) -> None:
        kind = _field(fields, "type", WORD, at)
        if kind is None:
            kind = "message" if "role" in fields else "item_reference"
        match kind:
            case "message":
                self._message(fields, at)
            case "reasoning":
                self._say(_thought(fields, at))
            case "function_call" | "custom_tool_call":
                self._add(Role.ASSISTANT, _call(fields, kind, at))
            case "function_call_output" | "custom_tool_call_output":
                self._add(Role.TOOL, _result(fields, at))
            case "image_generation_call" if (picture := _picture(fields, at)) is not None:
                self._add(Role.ASSISTANT, picture)
            case _:
                role = Role.USER if kind.endswith(_FROM_USER) else Role.ASSISTANT
                self._add(role, Foreign(DIALECT, ITEM + kind, json_of(raw)))
        for key in fields.keys() - _KNOWN.get(kind, fields.keys()) - _IGNORED:
            if not is_null(fields[key]):
                self.extras.append(Extra(DIALECT, f"{at}.{key}", json_of(fields[key])))

    def _message(self, fields: Mapping[str, Raw], at: str) -> None:
        role = _ROLES.get(_field(fields, "role", WORD, at) or "")
        if role is None:
            raise wrong(f"`role` must be one of {', '.join(_ROLES)}", f"{at}.role")
        parts = tuple(read_content(fields.get("content"), f"{at}.content"))
        if role is Role.ASSISTANT and parts:
            self._say(*parts)
        elif role is Role.SYSTEM and not self.messages and all(isinstance(part, Text) for part in parts):
            self.system += [part for part in parts if isinstance(part, Text)]
        else:
            self.messages.append(Message(role, parts))

    def _say(self, *parts: Part) -> None:
        """What an assistant thinks or says after it has spoken is another message: every item is one in itself."""
        last = self.messages[-1] if self.messages else None
        if last is not None and last.role is Role.ASSISTANT and _is_said(last):
            self.messages.append(Message(Role.ASSISTANT, parts))
        else:
            self._add(Role.ASSISTANT, *parts)

    def _add(self, role: Role, *parts: Part) -> None:
        """What an assistant says, or tools give back, in one turn is one message."""
        last = self.messages[-1] if self.messages else None
        if last is not None and last.role is role and role is not Role.USER:
            self.messages[-1] = Message(role, (*last.parts, *parts))
        else:
            self.messages.append(Message(role, parts))


def _is_said(message: Message) -> bool:
    """Whether a message is complete: there are words in it, and no call that waits for its result right after it."""
    parts = message.parts
    spoken = any(isinstance(part, Text | Refusal) for part in parts)
    return spoken and not any(isinstance(part, ToolCall) for part in parts)


def _thought(fields: Mapping[str, Raw], at: str) -> Reasoning:
    shown = [part.text for name in ("summary", "content") for part in _field(fields, name, _SHOWN, at) or ()]
    encrypted = _field(fields, "encrypted_content", WORD, at)
    seal = returned_seal(_field(fields, "id", WORD, at), encrypted)
    text = "\n\n".join(part for part in shown if part)
    return Reasoning(text, seal, is_redacted=seal is not None and not text)


def _call(fields: Mapping[str, Raw], kind: str, at: str) -> ToolCall:
    identity, name = _needed(fields, "call_id", at), _needed(fields, "name", at)
    if kind == "function_call":
        return ToolCall(identity, name, _field(fields, "arguments", WORD, at) or "")
    return ToolCall(identity, name, _field(fields, "input", WORD, at) or "", ToolKind.CUSTOM)


def _result(fields: Mapping[str, Raw], at: str) -> ToolResult:
    content = list(read_content(fields.get("output"), f"{at}.output"))
    kept = tuple(part for part in content if isinstance(part, Text | Image | Document))
    if len(kept) < len(content):
        raise wrong("a tool gives back text, images and files", f"{at}.output")
    return ToolResult(_needed(fields, "call_id", at), kept, name=_field(fields, "name", WORD, at))


def _picture(fields: Mapping[str, Raw], at: str) -> Image | None:
    """What a tool of the vendor drew before, where it is there to be seen."""
    result = _field(fields, "result", WORD, at)
    try:
        source = standard(result or "")
    except ValueError:
        return None
    form = _field(fields, "output_format", WORD, at) or "png"
    return Image(Inline(f"image/{form}", source)) if source else None


def _needed(fields: Mapping[str, Raw], name: str, at: str) -> str:
    said = _field(fields, name, WORD, at)
    if said is None:
        raise wrong(f"`{name}` is missing", f"{at}.{name}")
    return said


def _field(fields: Mapping[str, Raw], name: str, decoder: msgspec.json.Decoder[T], at: str) -> T | None:
    raw = fields.get(name)
    return None if raw is None or is_null(raw) else decode(decoder, raw, f"{at}.{name}")
