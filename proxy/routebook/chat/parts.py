"""What messages and answers are made of: text, media, calls of tools and their results, reasoning, refusals.

JSON that nobody here has to understand (arguments, schemas, what belongs to one dialect) is kept as the text it came
as, so that it arrives as it was written; media stay in base64, in which every dialect writes them.
"""

from __future__ import annotations

import enum
from typing import NewType

import msgspec

Json = NewType("Json", str)
"""One JSON text. From a model it may be cut or wrong: what was streamed is kept, and judged where it is used."""


class Value(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag=True, tag_field="is"):
    """What all values of a conversation are: frozen, compared by what they hold."""


class Inline(Value, frozen=True, gc=False):
    """Media that stand in the conversation itself. `base64` has the standard alphabet and its padding."""

    media_type: str
    base64: str


class Url(Value, frozen=True, gc=False):
    """Media that the provider is to fetch."""

    url: str
    media_type: str | None = None


class Stored(Value, frozen=True, gc=False):
    """Something that a provider keeps under an id; nobody but the dialect named can use it."""

    dialect: str
    id: str


class Plain(Value, frozen=True, gc=False):
    """A document that is text."""

    text: str


class Signature(Value, frozen=True, gc=False):
    """What a provider attached to its reasoning, to be sent back word for word and to nobody else.

    `data` is the dialect's own: it may hold several fields, packed as the dialect likes.
    """

    dialect: str
    data: str


class CacheMark(Value, frozen=True, gc=False):
    """A hint that the prompt up to here is worth caching; `ttl` in the words of whoever wrote it (`5m`)."""

    ttl: str | None = None


class UrlCitation(Value, frozen=True, gc=False):
    """Where a text got something from. `start` and `end` count characters of the text it stands at."""

    url: str
    title: str | None = None
    start: int | None = None
    end: int | None = None
    quote: str | None = None


class ForeignCitation(Value, frozen=True, gc=False):
    """A citation that only its own dialect can express."""

    dialect: str
    json: Json


Citation = UrlCitation | ForeignCitation


class Text(Value, frozen=True, gc=False):
    """Words. Never empty in a conversation that a dialect has read, unless it carries a mark or a signature."""

    text: str
    citations: tuple[Citation, ...] = ()
    signature: Signature | None = None
    cache: CacheMark | None = None


class Image(Value, frozen=True, gc=False):
    """A picture; `detail` is how closely it is to be looked at (`low`, `high`, `auto`)."""

    source: Inline | Url | Stored
    detail: str | None = None
    cache: CacheMark | None = None
    signature: Signature | None = None


class Document(Value, frozen=True, gc=False):
    """A file to read: a PDF, a text. `cite`: whether the answer is to cite it."""

    source: Inline | Url | Stored | Plain
    name: str | None = None
    context: str | None = None
    cite: bool = False
    cache: CacheMark | None = None


class Audio(Value, frozen=True, gc=False):
    """Sound, heard or spoken. In an answer `id` refers to it later, until `expires_at` (seconds since 1970)."""

    source: Inline | Url | Stored
    transcript: str | None = None
    id: str | None = None
    expires_at: int | None = None
    cache: CacheMark | None = None


class ToolKind(enum.Enum):
    """What a tool takes: JSON after a schema, or free text."""

    FUNCTION = "function"
    CUSTOM = "custom"


class ToolCall(Value, frozen=True, gc=False):
    """A model's call of a tool. `arguments` is JSON as the model wrote it, or free text where the tool is custom."""

    id: str
    name: str
    arguments: str
    kind: ToolKind = ToolKind.FUNCTION
    signature: Signature | None = None
    cache: CacheMark | None = None


class ToolResult(Value, frozen=True, gc=False):
    """What a tool gave back. `name` is the tool's, where the dialect says it; else it is found by `call_id`."""

    call_id: str
    content: tuple[Text | Image | Document, ...] = ()
    is_error: bool = False
    name: str | None = None
    cache: CacheMark | None = None


class Reasoning(Value, frozen=True, gc=False):
    """What a model thought. Without text where the provider shows only its own sealed form (`is_redacted`)."""

    text: str
    signature: Signature | None = None
    is_redacted: bool = False


class Refusal(Value, frozen=True, gc=False):
    """What a model said instead of an answer."""

    text: str


class Foreign(Value, frozen=True, gc=False):
    """A part that only its own dialect knows, as it came: a provider's own tool at work, a new kind of content."""

    dialect: str
    kind: str
    json: Json


Part = Text | Image | Document | Audio | ToolCall | ToolResult | Reasoning | Refusal | Foreign
