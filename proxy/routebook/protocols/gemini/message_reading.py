"""The contents of a client's request, read into the neutral form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from routebook.chat.conversation import Extra, Message, Role
from routebook.chat.parts import (
    Audio,
    Document,
    Foreign,
    Image,
    Inline,
    Part,
    Reasoning,
    Signature,
    Stored,
    Text,
    ToolCall,
    ToolResult,
    Url,
)
from routebook.protocols.body import FLAG, WORD, decode, json_of, starts_with
from routebook.protocols.gemini.carries import DIALECT, UNSIGNED, VENDOR
from routebook.protocols.gemini.fields import Fields, object_of
from routebook.protocols.media import standard

SAID: Final = "output"
"""The field of a function's response that holds what it gave back, where that is not an object by itself."""

FAULT: Final = "error"
"""The field that holds what went wrong."""

WRAPPING: Final = (SAID, FAULT, "result")
"""Fields that stand around what a function gave back; Google's own SDK writes the last."""

_ROLES: Final = {"user": Role.USER, "model": Role.ASSISTANT, "function": Role.USER, "tool": Role.USER}
_STORES: Final = ("https://generativelanguage.googleapis.com/", "gs://", "files/")
_DETAILS: Final = {
    "MEDIA_RESOLUTION_LOW": "low",
    "MEDIA_RESOLUTION_MEDIUM": "auto",
    "MEDIA_RESOLUTION_HIGH": "high",
    "MEDIA_RESOLUTION_ULTRA_HIGH": "high",
}
_STANDARD: Final = {"audio/mp3": "audio/mpeg"}
"""Media types of Google's, in the words of others."""

_ABOUT: Final = frozenset({"thought", "thoughtSignature", "videoMetadata", "mediaResolution", "partMetadata"})
"""Fields of a part that say something about it, and not what it is."""

_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])


class Conversation:
    """What the contents hold; `extras` are fields that only this dialect knows."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.extras: list[Extra] = []
        self._minted = 0
        self._open: list[ToolCall] = []

    def __repr__(self) -> str:
        return f"<Conversation {len(self.messages)} messages>"

    def take(self, content: Fields) -> None:
        """One content: what a model said, or results of functions and what else a user says."""
        word = content.word("role") or "user"
        role = _ROLES.get(word)
        if role is None:
            raise content.wrong("`role` must be user or model", "role")
        parts = [part for each in content.each("parts") for part in self._part(each, role is Role.ASSISTANT)]
        self.left(content)
        if role is Role.ASSISTANT:
            self._take_said(parts)
            return
        results = [part for part in parts if isinstance(part, ToolResult)]
        others = [part for part in parts if not isinstance(part, ToolResult)]
        if results:
            self._take_results(results)
        if others or not results:
            self.messages.append(Message(role, tuple(others)))

    def texts(self, content: Fields) -> tuple[Text, ...]:
        """The texts of a system instruction."""
        content.raw("role")
        texts = []
        for each in content.each("parts"):
            for part in self._part(each, False):
                if not isinstance(part, Text):
                    raise each.wrong("a system instruction consists of texts")
                texts.append(part)
        self.left(content)
        return tuple(texts)

    def left(self, fields: Fields) -> None:
        """Keep what nobody has taken of these fields."""
        self.extras += [Extra(DIALECT, fields.place(name), json) for name, json in fields.left()]

    def _take_said(self, parts: list[Part]) -> None:
        """What a model said. The SDK's chats keep every chunk of a stream as a content of its own: they are one turn."""
        calls = [part for part in parts if isinstance(part, ToolCall)]
        last = self.messages[-1] if self.messages else None
        if last is None or last.role is not Role.ASSISTANT:
            self._open = calls
            self.messages.append(Message(Role.ASSISTANT, tuple(parts)))
            return
        self._open += calls
        said = list(last.parts)
        for part in parts:
            joined = _joined(said[-1], part) if said else None
            said = [*said, part] if joined is None else [*said[:-1], joined]
        self.messages[-1] = Message(Role.ASSISTANT, tuple(said))

    def _take_results(self, results: list[ToolResult]) -> None:
        last = self.messages[-1] if self.messages else None
        if last is not None and last.role is Role.TOOL:
            self.messages[-1] = Message(Role.TOOL, (*last.parts, *results))
        else:
            self.messages.append(Message(Role.TOOL, tuple(results)))

    def _part(self, part: Fields, said: bool) -> Iterator[Part]:
        seal = part.word("thoughtSignature")
        signature = None if seal is None or seal == UNSIGNED else Signature(DIALECT, seal)
        thought = part.take("thought", FLAG) is True
        if "functionCall" in part:
            yield self._call(part, signature)
        elif "functionResponse" in part:
            yield self._result(part)
        elif ("inlineData" in part or "fileData" in part) and not thought and (media := self._media(part)) is not None:
            if signature is not None and isinstance(media, Image):
                media = replace(media, signature=signature)
            elif signature is not None:
                part.untake("thoughtSignature")
            yield media
        elif "text" in part or _is_only_about(part):
            text = part.word("text") or ""
            if thought and said and (text or signature):
                yield Reasoning(text, signature)
            elif text or signature:
                yield Text(text, signature=signature)
        else:
            yield _foreign(part)
        self.left(part)

    def _call(self, part: Fields, signature: Signature | None) -> ToolCall:
        call = _inner(part, "functionCall")
        name = call.word("name")
        if not name:
            raise call.wrong("`name` is missing", "name")
        args = call.raw("args")
        if args is not None and not starts_with(args, b"{"):
            raise call.wrong("`args` must be an object", "args")
        identity = call.word("id")
        if not identity:
            self._minted += 1
            identity = f"gemini_{self._minted}"
        self.left(call)
        return ToolCall(identity, name, "{}" if args is None else json_of(args), signature=signature)

    def _result(self, part: Fields) -> ToolResult:
        """One result. Where it has no id, it is that of the first call of its function that has none yet."""
        result = _inner(part, "functionResponse")
        name, identity = result.word("name"), result.word("id")
        call = next(
            (each for each in self._open if identity in (None, "", each.id) and name in (None, each.name)), None
        )
        if call is not None:
            self._open = [each for each in self._open if each is not call]
        if not identity and call is None:
            raise result.wrong("this answers no call of a function")
        text, is_error = _given(result)
        content: list[Any] = [Text(text)] if text else []
        for each in result.each("parts"):
            media = self._media(each)
            if not isinstance(media, Image | Document):
                raise each.wrong("a function gives back images and files")
            content.append(media)
            self.left(each)
        self.left(result)
        known = call is not None and name in (None, call.name)
        return ToolResult(identity or (call.id if call else ""), tuple(content), is_error, None if known else name)

    def _media(self, part: Fields) -> Image | Document | Audio | None:
        """What inline data or a file is; None where no other dialect knows it (videos)."""
        named = "inlineData" if "inlineData" in part else "fileData"
        held = _inner(part, named)
        kind = (held.word("mimeType") or "").lower()
        source = _inline(held, kind) if named == "inlineData" else _file(held, kind)
        if source is None or kind.startswith("video/") or "videoMetadata" in part:
            return None
        name = held.word("displayName")
        self.left(held)
        if kind.startswith("image/"):
            return Image(source, self._detail(part))
        if kind.startswith("audio/"):
            return Audio(
                replace(source, media_type=_STANDARD.get(kind, kind)) if isinstance(source, Inline) else source
            )
        return Document(source, name)

    def _detail(self, part: Fields) -> str | None:
        level = part.inner("mediaResolution")
        return None if level is None else _DETAILS.get(level.word("level") or "")


def _joined(before: Part, piece: Part) -> Part | None:
    """Two pieces of one text, or of one thought; a signature ends it."""
    if isinstance(before, Text) and isinstance(piece, Text) and before.signature is None:
        return replace(before, text=before.text + piece.text, signature=piece.signature)
    if isinstance(before, Reasoning) and isinstance(piece, Reasoning) and before.signature is None:
        return replace(before, text=before.text + piece.text, signature=piece.signature)
    return None


def _inner(fields: Fields, name: str) -> Fields:
    found = fields.inner(name)
    assert found is not None
    return found


def _inline(held: Fields, kind: str) -> Inline:
    try:
        return Inline(kind or "application/octet-stream", standard(held.word("data") or ""))
    except ValueError:
        raise held.wrong("this is not base64", "data") from None


def _file(held: Fields, kind: str) -> Url | Stored | None:
    """A file of the provider's, with its media type in its id; or one in the web; None where nobody says what it is."""
    uri = held.word("fileUri")
    if not uri:
        raise held.wrong("`fileUri` is missing", "fileUri")
    if not kind:
        return None
    if uri.startswith(("https://", "http://")) and not uri.startswith(_STORES):
        return Url(uri, kind)
    return Stored(VENDOR, f"{kind} {uri}")


def _is_only_about(part: Fields) -> bool:
    return all(name in _ABOUT for name in part.names())


def _foreign(part: Fields) -> Foreign:
    """A part that only this dialect knows, under the name of what it is."""
    kind = next(name for name in part.names() if name not in _ABOUT)
    return Foreign(DIALECT, kind, object_of({name: json for name in part.names() if (json := part.json(name))}))


def _given(result: Fields) -> tuple[str, bool]:
    """What a function gave back, as text, and whether it is an error.

    A text that stands alone under one of the usual names is that text; everything else is JSON, as it came.
    """
    raw = result.raw("response")
    if raw is None:
        return "", False
    if not starts_with(raw, b"{"):
        raise result.wrong("`response` must be an object", "response")
    given = decode(_OBJECT, raw, result.place("response"))
    if not given:
        return "", False
    if len(given) == 1:
        name, value = next(iter(given.items()))
        if name in WRAPPING:
            words = decode(WORD, value, result.place("response")) if starts_with(value, b'"') else json_of(value)
            return words, name == FAULT
    return json_of(raw), False
