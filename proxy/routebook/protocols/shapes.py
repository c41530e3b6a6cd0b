"""Which API a body is written for, by its shape: for requests that come without an address, as people paste them.

Fields are told by the vendors' references: a body has what only one API knows (`contents`, `instructions`,
`input_schema`), or it fits several and says so. Who serves requests never guesses: there the path decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

CHAT: Final = "/v1/chat/completions"
COMPLETION: Final = "/v1/completions"
EMBEDDINGS: Final = "/v1/embeddings"
MESSAGES: Final = "/v1/messages"
RESPONSES: Final = "/v1/responses"
GEMINI: Final = "/v1beta/models/{model}:generateContent"

_OF_MESSAGES: Final = frozenset({"system", "thinking", "top_k", "stop_sequences", "anthropic_version", "mcp_servers"})
_OF_RESPONSES: Final = frozenset(
    {"instructions", "max_output_tokens", "previous_response_id", "reasoning", "text", "tools", "include", "store"}
    | {"stream", "temperature", "top_p", "truncation", "conversation", "background", "prompt_cache_key", "tool_choice"}
)
_OF_EMBEDDINGS: Final = frozenset({"encoding_format", "dimensions"})
_BLOCKS: Final = frozenset({"tool_use", "tool_result", "thinking", "image", "document", "redacted_thinking"})
"""Parts of a message as Anthropic names them."""


def paths_of(body: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[str, ...]:
    """The paths that a body fits, none where it fits no API; a name in braces stands for what the body does not say."""
    if "contents" in body:
        return (GEMINI,)
    if "messages" in body:
        return (MESSAGES,) if _is_for_messages(body, headers) else (CHAT,)
    if "input" in body:
        return tuple(_of_input(body))
    return (COMPLETION,) if "prompt" in body else ()


def _is_for_messages(body: Mapping[str, Any], headers: Mapping[str, str]) -> bool:
    """Whether it is Anthropic's: what both have in common is OpenAI's, which is spoken to whoever says nothing."""
    if "anthropic-version" in headers or _OF_MESSAGES & body.keys():
        return True
    if any("input_schema" in tool for tool in _mappings(body.get("tools"))):
        return True
    parts = (part for message in _mappings(body["messages"]) for part in _mappings(message.get("content")))
    return any(part.get("type") in _BLOCKS for part in parts)


def _of_input(body: Mapping[str, Any]) -> Iterator[str]:
    items = body["input"]
    of_items = isinstance(items, list) and any(isinstance(item, Mapping) for item in items)
    if _OF_EMBEDDINGS & body.keys():
        yield EMBEDDINGS
    elif of_items or _OF_RESPONSES & body.keys():
        yield RESPONSES
    elif isinstance(items, list):
        yield EMBEDDINGS
    else:
        yield from (EMBEDDINGS, RESPONSES)


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    yield from (each for each in value if isinstance(each, Mapping)) if isinstance(value, list) else ()
