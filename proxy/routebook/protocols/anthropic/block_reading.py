"""The blocks of a client's messages, read into the neutral form."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Raw

from routebook.chat.parts import (
    CacheMark,
    Citation,
    Document,
    Foreign,
    ForeignCitation,
    Image,
    Inline,
    Json,
    Part,
    Plain,
    Reasoning,
    Signature,
    Stored,
    Text,
    ToolCall,
    ToolResult,
    Url,
    UrlCitation,
)
from routebook.protocols.anthropic.carries import DIALECT
from routebook.protocols.body import RAWS, WORD, decode, is_null, json_of, starts_with, wrong
from routebook.protocols.media import base64_at

NOTHING: Final = Raw(b"null")


class _Mark(msgspec.Struct, gc=False):
    ttl: str | None = None


class _Citations(msgspec.Struct, gc=False):
    enabled: bool = False


class _Source(msgspec.Struct, gc=False):
    type: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    content: Raw = NOTHING


class _Block(msgspec.Struct, gc=False):
    type: str
    text: str | None = None
    citations: Raw = NOTHING
    source: Raw = NOTHING
    title: str | None = None
    context: str | None = None
    cache_control: _Mark | None = None
    id: str | None = None
    name: str | None = None
    input: Raw = NOTHING
    tool_use_id: str | None = None
    content: Raw = NOTHING
    is_error: bool | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None


class _Cited(msgspec.Struct, gc=False):
    type: str | None = None
    url: str | None = None
    title: str | None = None
    cited_text: str | None = None
    encrypted_index: str | None = None


_BLOCK: Final = msgspec.json.Decoder(_Block)
_SOURCE: Final = msgspec.json.Decoder(_Source)
_CITATIONS: Final = msgspec.json.Decoder(_Citations)
_CITED: Final = msgspec.json.Decoder(_Cited)


def read_content(raw: Raw | None, at: str) -> Iterator[Part]:
    """The parts of a content: a text, or a list of blocks. Empty texts say nothing, and are none."""
    if raw is None or is_null(raw):
        return
    if not starts_with(raw, b"["):
        text = decode(WORD, raw, at)
        if text:
            yield Text(text)
        return
    blocks = decode(RAWS, raw, at)
    for index, each in enumerate(blocks):
        part = _part(each, f"{at}[{index}]")
        if part is not None:
            yield part


def _part(raw: Raw, at: str) -> Part | None:
    block = decode(_BLOCK, raw, at)
    mark = block.cache_control
    cache = None if mark is None else CacheMark(mark.ttl)
    match block.type:
        case "text" if block.text is not None:
            citations = tuple(_citations(block.citations, f"{at}.citations"))
            return Text(block.text, citations, cache=cache) if block.text or cache or citations else None
        case "image":
            source = _source(decode(_SOURCE, block.source, f"{at}.source"), f"{at}.source")
            return Image(source, cache=cache) if isinstance(source, Inline | Url | Stored) else _foreign(raw, block)
        case "document":
            return _document(block, cache, at) or _foreign(raw, block)
        case "search_result":
            return _found(block, cache, at) or _foreign(raw, block)
        case "tool_use" if block.id is not None and block.name is not None:
            return ToolCall(block.id, block.name, _arguments(block.input, f"{at}.input"), cache=cache)
        case "tool_result" if block.tool_use_id is not None:
            return _result(block, block.tool_use_id, cache, at) or _foreign(raw, block)
        case "thinking" if block.thinking is not None:
            seal = Signature(DIALECT, block.signature) if block.signature else None
            return Reasoning(block.thinking, seal) if block.thinking or seal else None
        case "redacted_thinking" if block.data is not None:
            return Reasoning("", Signature(DIALECT, block.data), is_redacted=True)
        case "text" | "tool_use" | "tool_result" | "thinking" | "redacted_thinking":
            raise wrong(f"a block of type {block.type} lacks a field that it must have", at)
        case _:
            return _foreign(raw, block)


def _foreign(raw: Raw, block: _Block) -> Foreign:
    return Foreign(DIALECT, block.type, json_of(raw))


def _source(source: _Source, at: str) -> Inline | Url | Stored | Plain | None:
    """Where media come from; None where it is of a kind that only this dialect knows."""
    match source.type:
        case "base64" if source.data is not None:
            return Inline(source.media_type or "application/pdf", base64_at(source.data, f"{at}.data"))
        case "url" if source.url is not None:
            return Url(source.url)
        case "file" if source.file_id is not None:
            return Stored(DIALECT, source.file_id)
        case "text" if source.data is not None:
            return Plain(source.data)
        case "content":
            texts = [
                part.text if type(part) is Text else None for part in read_content(source.content, f"{at}.content")
            ]
            return Plain("\n\n".join(each for each in texts if each)) if None not in texts else None
        case "base64" | "url" | "file" | "text":
            raise wrong(f"a source of type {source.type} lacks a field that it must have", at)
        case _:
            return None


def _document(block: _Block, cache: CacheMark | None, at: str) -> Document | None:
    source = _source(decode(_SOURCE, block.source, f"{at}.source"), f"{at}.source")
    return None if source is None else Document(source, block.title, block.context, _cites(block, at), cache)


def _found(block: _Block, cache: CacheMark | None, at: str) -> Document | None:
    """A result of a search: a document that is text, its address before it."""
    address = "" if is_null(block.source) else decode(WORD, block.source, f"{at}.source")
    parts = [*read_content(block.content, f"{at}.content")]
    texts = [part.text for part in parts if isinstance(part, Text)]
    if len(texts) < len(parts):
        return None
    return Document(Plain("\n\n".join([address, *texts])), block.title, cite=_cites(block, at), cache=cache)


def _cites(block: _Block, at: str) -> bool:
    return not is_null(block.citations) and decode(_CITATIONS, block.citations, f"{at}.citations").enabled


def _citations(raw: Raw, at: str) -> Iterator[Citation]:
    """Citations as they came. One that this dialect wrote for another has nothing that its vendor would know."""
    if is_null(raw):
        return
    listed = decode(RAWS, raw, at)
    for index, each in enumerate(listed):
        cited = decode(_CITED, each, f"{at}[{index}]")
        if cited.type == "web_search_result_location" and cited.url is not None and not cited.encrypted_index:
            yield UrlCitation(cited.url, cited.title, quote=cited.cited_text or None)
        else:
            yield ForeignCitation(DIALECT, json_of(each))


def _arguments(raw: Raw, at: str) -> Json:
    if is_null(raw):
        return Json("{}")
    if not starts_with(raw, b"{"):
        raise wrong("the input of a tool must be an object", at)
    return json_of(raw)


def _result(block: _Block, call_id: str, cache: CacheMark | None, at: str) -> ToolResult | None:
    parts = [*read_content(block.content, f"{at}.content")]
    content = tuple(part for part in parts if isinstance(part, Text | Image | Document))
    return ToolResult(call_id, content, bool(block.is_error), cache=cache) if len(content) == len(parts) else None


def text_of(source: Inline) -> str | None:
    """The text of a document that stands in a conversation as bytes; None where it is no text."""
    if not source.media_type.startswith("text/"):
        return None
    try:
        return base64.b64decode(source.base64).decode("utf-8")
    except ValueError:
        return None
