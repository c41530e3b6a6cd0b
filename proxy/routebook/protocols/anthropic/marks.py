"""Marks of where a prompt is worth caching, of which this dialect takes no more than four."""

from __future__ import annotations

from typing import Any, Final

from routebook.chat.conversation import ChatRequest, Tool
from routebook.chat.features import Feature
from routebook.chat.parts import CacheMark, ToolResult
from routebook.protocols.carrying import Losses

MOST: Final = 4
TTLS: Final = frozenset({"5m", "1h"})
"""For how long something can be cached."""


class Marks:
    """Writes the last four marks of a request, and reports the others. Ask in the order of the prompt: tools, system
    prompts, messages."""

    def __init__(self, chat: ChatRequest, losses: Losses) -> None:
        self._losses = losses
        self._surplus = sum(1 for _ in _marked(chat)) - MOST

    def __repr__(self) -> str:
        return f"<Marks, {max(0, self._surplus)} too many>"

    def write(self, block: dict[str, Any], cache: CacheMark | None, path: str) -> dict[str, Any]:
        """The block with the mark that stands at `path`, where there is one."""
        if cache is None or not self._losses.takes(Feature.CACHE_MARK):
            return block
        self._surplus -= 1
        if self._surplus >= 0:
            self._losses.note(Feature.CACHE_MARK, f"{path}.cache", f"no more than {MOST} marks are taken")
            return block
        ttl = {"ttl": cache.ttl} if cache.ttl in TTLS else {}
        return {**block, "cache_control": {"type": "ephemeral", **ttl}}


def _marked(chat: ChatRequest) -> Any:
    yield from (tool for tool in chat.tools if isinstance(tool, Tool) and tool.cache is not None)
    yield from (text for text in chat.system if text.cache is not None)
    for message in chat.messages:
        for part in message.parts:
            if getattr(part, "cache", None) is not None:
                yield part
            if isinstance(part, ToolResult):
                yield from (inner for inner in part.content if inner.cache is not None)
