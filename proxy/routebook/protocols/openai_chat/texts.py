"""Requests of this dialect that hold texts or tokens, one or many, in a single field, and no messages."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Final

import msgspec
from msgspec import Raw

from routebook.chat.asked_plain import AskedPlain
from routebook.chat.lazily import lazily
from routebook.protocols.body import WORD, decode, named, read_field, read_fields, read_model

Texts = str | list[str | int | list[int]]

_TEXTS: Final[msgspec.json.Decoder[Texts]] = msgspec.json.Decoder(Texts)


class AskedTexts(AskedPlain):
    """One request, read as far as somebody asks (`chat.asked.Asked`); `field` is where its texts stand."""

    dialect: Final = "openai-chat"
    field: ClassVar[str]

    def __init__(self, body: bytes, model: str | None = None) -> None:
        fields = read_fields(body)
        if model is not None:
            body = named(body, fields, model)
        self.model = read_model(fields)
        self._check(fields.get(self.field))
        self.body = body
        self.fields = fields

    @abstractmethod
    def _check(self, texts: Raw | None) -> None:
        """Raise ProtocolError where the field is not there, or surely not what it must be."""

    @property
    def prompt(self) -> memoryview:
        """The texts as they came."""
        return memoryview(self.fields[self.field])

    @property
    def messages(self) -> int:
        """How many texts it holds."""
        texts = self._texts
        return 1 if isinstance(texts, str) or (texts and isinstance(texts[0], int)) else len(texts)

    @lazily
    def text(self) -> str:
        """All texts, one after the other; none where the client sent tokens."""
        texts = self._texts
        return texts if isinstance(texts, str) else "\n".join(each for each in texts if isinstance(each, str))

    @lazily
    def counted_tokens(self) -> int:
        """Tokens that the client counted itself, by sending them as numbers."""
        texts = self._texts
        if isinstance(texts, str):
            return 0
        return sum(1 if isinstance(each, int) else len(each) if isinstance(each, list) else 0 for each in texts)

    @property
    def user(self) -> str | None:
        """The end user whom the client names."""
        return read_field(self.fields, "user", WORD)

    @lazily
    def _texts(self) -> Texts:
        return decode(_TEXTS, self.fields[self.field], self.field)
