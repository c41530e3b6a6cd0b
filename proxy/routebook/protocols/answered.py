"""What the record needs of a whole answer, in whatever dialect it came."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from routebook.chat.answer import ChatAnswer
from routebook.chat.usage import Usage
from routebook.protocols.errors import ProtocolError

LONGEST = 100
"""Characters of an upstream's word that are kept: it goes into the record."""

_ANY = msgspec.json.Decoder()


class Answered(msgspec.Struct, frozen=True, gc=False):
    """What an answer says of itself; None is what it does not say. By its id a later request may go on from it
    (`asked.session`)."""

    usage: Usage | None = None
    finish_reason: str | None = None
    model: str | None = None
    id: str | None = None


def answered(answer: ChatAnswer) -> Answered:
    """What an answer in the neutral form says of itself."""
    first = answer.choices[0] if answer.choices else None
    finish = None if first is None or first.finish is None else first.said or first.finish.value
    return Answered(answer.usage, _short(finish), _short(answer.model), answer.id)


def answered_by(read: Callable[[bytes, str], ChatAnswer]) -> Callable[[bytes], Answered]:
    """A way to read what an answer says of itself, for dialects that need no faster one; it never raises."""

    def read_answered(body: bytes) -> Answered:
        try:
            return answered(read(body, ""))
        except ProtocolError:
            return Answered()

    return read_answered


def is_json(body: bytes) -> bool:
    """Whether the body is one whole JSON text: a body without a length may have been cut unnoticed."""
    try:
        _ANY.decode(body)
    except (ValueError, RecursionError):
        return False
    return True


def _short(text: str | None) -> str | None:
    return None if text is None else text[:LONGEST]
