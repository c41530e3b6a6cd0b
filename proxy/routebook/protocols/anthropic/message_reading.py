"""The messages of a client's request, read into the neutral form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Raw

from routebook.chat.conversation import Extra, Message, Role
from routebook.chat.parts import Foreign, Part, Text, ToolResult
from routebook.protocols.anthropic.block_reading import read_content
from routebook.protocols.anthropic.carries import DIALECT
from routebook.protocols.body import WORD, decode, is_null, json_of, wrong

_ROLES: Final = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM}
_MESSAGES: Final = msgspec.json.Decoder(list[dict[str, Raw]])


class Conversation:
    """What `system` and the messages hold, and fields of messages that only this dialect knows."""

    def __init__(self, system: Raw | None, messages: Raw) -> None:
        self.system: list[Text] = []
        self.messages: list[Message] = []
        self.extras: list[Extra] = []
        for index, part in enumerate(read_content(system, "system")):
            if not isinstance(part, Text):
                raise wrong("a system prompt is text", f"system[{index}]")
            self.system.append(part)
        listed = decode(_MESSAGES, messages, "messages")
        for index, fields in enumerate(listed):
            self._take(fields, f"messages[{index}]")

    def __repr__(self) -> str:
        return f"<Conversation {len(self.messages)} messages>"

    def _take(self, fields: Mapping[str, Raw], at: str) -> None:
        said = fields.get("role")
        role = None if said is None else _ROLES.get(decode(WORD, said, f"{at}.role"))
        if role is None:
            raise wrong(f"`role` must be one of {', '.join(_ROLES)}", f"{at}.role")
        parts = [*read_content(fields.get("content"), f"{at}.content")]
        if role is Role.SYSTEM and not self.messages and all(isinstance(part, Text) for part in parts):
            self.system += [part for part in parts if isinstance(part, Text)]
        elif role is Role.USER:
            self._take_user(parts)
        else:
            self.messages.append(Message(role, tuple(parts)))
        for key in fields.keys() - {"role", "content"}:
            if not is_null(fields[key]):
                self.extras.append(Extra(DIALECT, f"{at}.{key}", json_of(fields[key])))

    def _take_user(self, parts: list[Part]) -> None:
        """Results of tools are said by nobody but them; neighbours stand together."""
        results = tuple(part for part in parts if _is_result(part))
        others = tuple(part for part in parts if not _is_result(part))
        last = self.messages[-1] if self.messages else None
        if results and last is not None and last.role is Role.TOOL:
            self.messages[-1] = Message(Role.TOOL, (*last.parts, *results))
        elif results:
            self.messages.append(Message(Role.TOOL, results))
        if others or not results:
            self.messages.append(Message(Role.USER, others))


def _is_result(part: Part) -> bool:
    return isinstance(part, ToolResult) or (isinstance(part, Foreign) and part.kind == "tool_result")
