"""The top-level fields of a client's request on their way into the neutral form: what was taken, what is kept, what is left."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import ClassVar, TypeVar

import msgspec
from msgspec import Raw

from routebook.chat.conversation import Calling, Extra, ToolChoice
from routebook.protocols.body import WORD, decode, is_null, json_of, read_field, starts_with

T = TypeVar("T")


class RequestFields:
    """The fields of one request. A dialect's reader is one of these; fields that it did not take are extras."""

    dialect: ClassVar[str]
    envelope: ClassVar[frozenset[str]]
    """Fields that are not part of what is asked of the model."""
    matter: ClassVar[frozenset[str]]
    """Fields of this dialect alone without which a request means something else."""
    defaults: ClassVar[Mapping[str, str]] = {}
    """Values of such fields that say what is done without them, by every dialect."""

    def __init__(self, fields: Mapping[str, Raw]) -> None:
        self._fields = {name: raw for name, raw in fields.items() if not is_null(raw)}
        self._taken = set(self.envelope)
        self._extras: list[Extra] = []

    def _take(self, name: str, decoder: msgspec.json.Decoder[T]) -> T | None:
        self._taken.add(name)
        return read_field(self._fields, name, decoder)

    def _keep(self, place: str, raw: Raw, matters: bool = False) -> None:
        """What a field says has no neutral form."""
        self._extras.append(Extra(self.dialect, place, json_of(raw), matters))

    def _keep_others(self, name: str, entries: Mapping[str, Raw], known: Container[str]) -> None:
        """What a field holds beside what is known."""
        for key, raw in entries.items():
            if key not in known and not is_null(raw):
                self._keep(f"{name}.{key}", raw)

    def _left(self) -> list[Extra]:
        """What nobody took."""
        return [
            Extra(self.dialect, name, json, matters=name in self.matter)
            for name, raw in self._fields.items()
            if name not in self._taken and (json := json_of(raw)) != self.defaults.get(name)
        ]

    def _choice(self, name: str, read: Callable[[Raw], ToolChoice | None]) -> ToolChoice | None:
        """Whether tools are to be called, as OpenAI's dialects say it: in a word, or as something that `read` reads."""
        self._taken.add(name)
        raw = self._fields.get(name)
        if raw is None:
            return None
        choice = _in_a_word(decode(WORD, raw, name)) if starts_with(raw, b'"') else read(raw)
        if choice is None:
            self._keep(name, raw, matters=True)
        return choice


def _in_a_word(word: str) -> ToolChoice | None:
    return ToolChoice(Calling(word)) if word in (each.value for each in Calling) else None
