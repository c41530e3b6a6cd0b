"""Which features a request uses, and where: what a dialect's table is asked about before a call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from routebook.chat.conversation import (
    AnyJson,
    Calling,
    ChatRequest,
    ForeignTool,
    JsonSchema,
    Message,
    Role,
    Sampling,
    Tool,
)
from routebook.chat.features import Feature
from routebook.chat.parts import (
    Audio,
    Document,
    Foreign,
    Image,
    Inline,
    Part,
    Plain,
    Reasoning,
    Refusal,
    Stored,
    Text,
    ToolCall,
    ToolKind,
    ToolResult,
    Url,
)


class Use(NamedTuple):
    """One feature at one place. `owner` is the only dialect that can use it, where there is one; where it `matters`,
    the request means something else without it, whatever the feature's default is."""

    feature: Feature
    path: str
    owner: str | None = None
    matters: bool = False


_FIELDS: Final = (
    ("max_output", Feature.MAX_OUTPUT),
    ("logprobs", Feature.LOGPROBS),
    ("user", Feature.USER),
    ("tier", Feature.TIER),
    ("store", Feature.STORE),
    ("cache_key", Feature.CACHE_KEY),
    ("verbosity", Feature.VERBOSITY),
)
_FILLED: Final = (("stop", Feature.STOP), ("metadata", Feature.METADATA), ("modalities", Feature.MODALITIES))
_SAMPLING: Final = tuple((name, Feature[name.upper()]) for name in Sampling.__struct_fields__)
_PLAIN_SAMPLING: Final = Sampling()

_SOURCES: Final = {
    Image: {Inline: Feature.IMAGE_INLINE, Url: Feature.IMAGE_URL, Stored: Feature.IMAGE_STORED},
    Document: {
        Inline: Feature.DOCUMENT_INLINE,
        Url: Feature.DOCUMENT_URL,
        Stored: Feature.DOCUMENT_STORED,
        Plain: Feature.DOCUMENT_TEXT,
    },
    Audio: {Inline: Feature.AUDIO_INLINE, Url: Feature.AUDIO_URL, Stored: Feature.AUDIO_SAID},
}


def used(chat: ChatRequest) -> Iterator[Use]:
    """Every feature that the request uses, with its places in the neutral form."""
    yield from _used_by_settings(chat)
    for index, text in enumerate(chat.system):
        if not index:
            yield Use(Feature.SYSTEM, "system")
        yield from _used_by_text(text, f"system[{index}]")
    for index, message in enumerate(chat.messages):
        yield from _used_by_message(message, f"messages[{index}]")
    for index, tool in enumerate(chat.tools):
        yield from _used_by_tool(tool, f"tools[{index}]")


def needs_of(chat: ChatRequest) -> frozenset[str]:
    """The capabilities that a model needs to answer the request: words of the fact `request.needs`."""
    return frozenset(use.feature.need for use in used(chat) if use.feature.need is not None)


def _used_by_settings(chat: ChatRequest) -> Iterator[Use]:
    for name, feature in _FIELDS:
        if getattr(chat, name) is not None:
            yield Use(feature, name)
    if chat.audio is not None or "audio" in chat.modalities:
        yield Use(Feature.AUDIO_WANTED, "modalities" if chat.audio is None else "audio")
    for name, feature in _FILLED:
        if getattr(chat, name):
            yield Use(feature, name)
    if chat.sampling != _PLAIN_SAMPLING:
        for name, feature in _SAMPLING:
            if getattr(chat.sampling, name) is not None:
                yield Use(feature, name)
    if chat.choices is not None and chat.choices > 1:
        yield Use(Feature.CHOICES, "choices")
    if chat.parallel_tools is not None:
        yield Use(Feature.PARALLEL_TOOLS, "parallel_tools")
    match chat.format:
        case AnyJson():
            yield Use(Feature.JSON_OBJECT, "format")
        case JsonSchema():
            yield Use(Feature.JSON_SCHEMA, "format")
    yield from _used_by_wishes(chat)
    for extra in chat.extras:
        yield Use(Feature.EXTRA, extra.field, extra.dialect, extra.matters)


def _used_by_wishes(chat: ChatRequest) -> Iterator[Use]:
    choice, thinking = chat.tool_choice, chat.reasoning
    if choice is not None:
        named = (Feature.TOOL_CHOICE, Feature.TOOL_CHOICE_NAMED)[choice.calling is Calling.REQUIRED]
        feature = (Feature.TOOL_CHOICE, named, Feature.TOOL_CHOICE_SOME)[min(len(choice.names), 2)]
        if choice.names and feature is Feature.TOOL_CHOICE:
            feature = Feature.TOOL_CHOICE_SOME
        yield Use(feature, "tool_choice")
    if thinking is not None:
        if thinking.effort is not None:
            yield Use(Feature.EFFORT, "reasoning.effort")
        if thinking.budget is not None:
            yield Use(Feature.BUDGET, "reasoning.budget")
        if thinking.effort is None and thinking.budget is None:
            yield Use(Feature.ADAPTIVE, "reasoning")
        if thinking.summary is not None:
            yield Use(Feature.SUMMARY, "reasoning.summary")


def _used_by_tool(tool: Tool | ForeignTool, path: str) -> Iterator[Use]:
    if isinstance(tool, ForeignTool):
        yield Use(Feature.TOOLS_FOREIGN, path, tool.dialect)
        return
    yield Use(Feature.TOOLS if tool.kind is ToolKind.FUNCTION else Feature.TOOLS_CUSTOM, path)
    if tool.strict is not None:
        yield Use(Feature.TOOLS_STRICT, f"{path}.strict")
    if tool.cache is not None:
        yield Use(Feature.CACHE_MARK, f"{path}.cache")


def _used_by_message(message: Message, path: str) -> Iterator[Use]:
    if message.role is Role.SYSTEM:
        yield Use(Feature.SYSTEM_LATER, path)
    if message.name is not None:
        yield Use(Feature.SPEAKER, f"{path}.name")
    said = message.role is Role.ASSISTANT
    for index, part in enumerate(message.parts):
        yield from _used_by_part(part, f"{path}.parts[{index}]", said)


def _used_by_part(part: Part, path: str, said: bool) -> Iterator[Use]:
    match part:
        case Text():
            yield from _used_by_text(part, path)
        case Image():
            if said:
                yield Use(Feature.IMAGE_SAID, path)
            yield from _used_by_image(part, path)
        case Document():
            if said:
                yield Use(Feature.DOCUMENT_SAID, path)
            yield from _used_by_document(part, path)
        case Audio():
            yield Use(Feature.AUDIO_SAID if said else _SOURCES[Audio][type(part.source)], path, _owner(part))
            yield from _used_by_media(part, path)
        case ToolCall():
            yield Use(Feature.TOOL_CALL if part.kind is ToolKind.FUNCTION else Feature.TOOL_CALL_CUSTOM, path)
            yield from _used_by_media(part, path)
        case ToolResult():
            yield from _used_by_result(part, path)
        case Reasoning():
            yield Use(Feature.REASONING_SAID, path)
            yield from _used_by_media(part, path)
        case Refusal():
            yield Use(Feature.REFUSAL, path)
        case Foreign():
            yield Use(Feature.FOREIGN_PART, path, part.dialect)


def _used_by_text(text: Text, path: str) -> Iterator[Use]:
    if text.citations:
        yield Use(Feature.CITATION, f"{path}.citations")
    yield from _used_by_media(text, path)


def _used_by_result(result: ToolResult, path: str) -> Iterator[Use]:
    yield Use(Feature.TOOL_RESULT, path)
    if result.is_error:
        yield Use(Feature.TOOL_RESULT_ERROR, f"{path}.is_error")
    yield from _used_by_media(result, path)
    for index, part in enumerate(result.content):
        match part:
            case Text():
                yield from _used_by_text(part, f"{path}.content[{index}]")
            case Image():
                yield Use(Feature.TOOL_RESULT_IMAGE, f"{path}.content[{index}]")
                yield from _used_by_image(part, f"{path}.content[{index}]")
            case Document():
                yield Use(Feature.TOOL_RESULT_DOCUMENT, f"{path}.content[{index}]")
                yield from _used_by_document(part, f"{path}.content[{index}]")


def _used_by_image(image: Image, path: str) -> Iterator[Use]:
    yield Use(_SOURCES[Image][type(image.source)], path, _owner(image))
    if image.detail is not None:
        yield Use(Feature.IMAGE_DETAIL, f"{path}.detail")
    yield from _used_by_media(image, path)


def _used_by_document(document: Document, path: str) -> Iterator[Use]:
    yield Use(_SOURCES[Document][type(document.source)], path, _owner(document))
    if document.name is not None:
        yield Use(Feature.DOCUMENT_NAME, f"{path}.name")
    if document.context is not None:
        yield Use(Feature.DOCUMENT_CONTEXT, f"{path}.context")
    if document.cite:
        yield Use(Feature.DOCUMENT_CITED, f"{path}.cite")
    yield from _used_by_media(document, path)


def _used_by_media(
    part: Text | Image | Document | Audio | ToolCall | ToolResult | Reasoning, path: str
) -> Iterator[Use]:
    """What hangs on a part beside its content."""
    if not isinstance(part, Reasoning) and part.cache is not None:
        yield Use(Feature.CACHE_MARK, f"{path}.cache")
    if isinstance(part, Text | Image | ToolCall | Reasoning) and part.signature is not None:
        yield Use(Feature.SIGNATURE, f"{path}.signature", part.signature.dialect)


def _owner(part: Image | Document | Audio) -> str | None:
    return part.source.dialect if isinstance(part.source, Stored) else None
