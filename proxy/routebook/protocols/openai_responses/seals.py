"""Signatures of thoughts, which this dialect keeps in items of type `reasoning`, as `encrypted_content`.

A provider's own seal is its id and that content, packed together. What another dialect signed travels through clients of
this one in the same field, under a mark that no provider writes: so a client that returns an answer's items, as it must,
brings back every signature, and nobody has to keep them for it.
"""

from __future__ import annotations

from typing import Final

import msgspec

from routebook.chat.parts import Signature

DIALECT: Final = "openai-responses"

MADE: Final = "_rb_"
"""What stands in every id that was made here: `msg_rb_...`. No provider has such an id, nor keeps anything under it."""

_FOREIGN: Final = "routebook:"
"""What the seals of other dialects begin with."""

_PACKED: Final = msgspec.json.Decoder(tuple[str, str | None])


def made_id(kind: str, seed: str, number: int) -> str:
    """An id for an item that has none; `kind` is what the vendor's ids of such items begin with."""
    return f"{kind}{MADE}{seed}_{number}"


def is_made(identity: str | None) -> bool:
    """Whether an id was made here."""
    return identity is not None and MADE in identity


def seal_of(identity: str | None, encrypted: str | None) -> Signature | None:
    """The seal of a thought that a provider of this dialect made; an id alone refers to a thought that it keeps."""
    known = None if is_made(identity) else identity
    if known is None:
        return Signature(DIALECT, encrypted) if encrypted else None
    return Signature(DIALECT, msgspec.json.encode((known, encrypted or None)).decode("utf-8"))


def returned_seal(identity: str | None, encrypted: str | None) -> Signature | None:
    """The same of a thought that a client returns: whose seal it is shows its mark."""
    if encrypted is not None and encrypted.startswith(_FOREIGN):
        dialect, _, data = encrypted.removeprefix(_FOREIGN).partition(":")
        return Signature(dialect, data)
    return seal_of(identity, encrypted)


def unsealed(signature: Signature) -> tuple[str | None, str | None]:
    """The id and the `encrypted_content` that stand for a signature."""
    if signature.dialect != DIALECT:
        return None, f"{_FOREIGN}{signature.dialect}:{signature.data}"
    try:
        return _PACKED.decode(signature.data)
    except (ValueError, RecursionError):
        return None, signature.data


def is_foreign(encrypted: str | None) -> bool:
    """Whether a seal is that of another dialect, which no provider of this one can read."""
    return encrypted is not None and encrypted.startswith(_FOREIGN)
