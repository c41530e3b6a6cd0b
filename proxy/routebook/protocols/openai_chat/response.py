"""An answer that is not a stream: what the record needs of it. The bytes themselves go to the client as they came."""

from __future__ import annotations

from routebook.protocols.answered import Answered, is_json
from routebook.protocols.openai_chat.answers import LONGEST, NOTHING, code_of, read_said, sound_id
from routebook.protocols.openai_chat.usage import read_usage

__all__ = ["Answered", "is_json", "read_answer", "read_error_code"]


def read_answer(body: bytes) -> Answered:
    """What stands in a whole answer; nothing where it cannot be read. Never raises: the client gets it all the same."""
    said = read_said(body)
    choices = said.choices or ()
    finish = next(
        (each.finish_reason for each in choices if each.index == 0), choices[0].finish_reason if choices else None
    )
    usage = None if said.usage is NOTHING else read_usage(said.usage)
    return Answered(usage, _short(finish), _short(said.model), sound_id(body))


def read_error_code(body: bytes) -> str | None:
    """The code of an error answer (`context_length_exceeded`), or its type; None where it says neither."""
    said = read_said(body)
    return None if bytes(said.error) == b"null" else code_of(said.error)


def _short(text: str | None) -> str | None:
    return None if text is None else text[:LONGEST]
