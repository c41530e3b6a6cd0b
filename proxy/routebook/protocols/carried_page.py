"""The page `docs/protocols.md`: what each dialect carries, from the tables by which requests are written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from routebook.chat.features import Feature
from routebook.chat.loss import Done
from routebook.protocols.carrying import UNKNOWN, Carriage, Way
from routebook.protocols.codec import Dialect

_BEGIN: Final = """\
# What is carried from one API to another

<!-- Written by `make docs` from the dialects' own tables; changes by hand are lost. -->

Where a client and its upstream speak the same dialect, bytes pass as they came, unknown fields and events included.
Nothing on this page is about them.

Otherwise a request is read from the client's dialect and written in the upstream's.
The table says of everything that a request can hold how it arrives at an upstream of each dialect:

- **yes**: as it was meant.
- **changed**: in another form; nothing of it is lost.
- **emulated**: something else stands for it; the record says so.
- **no**: it does not arrive. The third column says what is done then, before the upstream is called:
  *refused* is an answer of 400 that names the field, *dropped* goes on without it and is recorded.

What belongs to one provider (ids, signatures, tools that run there, fields that no other has) arrives at its own dialect alone.
"""

_MARKS: Final = {Way.CARRIED: "yes", Way.CHANGED: "changed", Way.EMULATED: "emulated", Way.LOST: "no"}
_DEFAULTS: Final = {Done.REFUSED: "refused", Done.DROPPED: "dropped", Done.EMULATED: "emulated"}


def protocols_page(dialects: Iterable[Dialect]) -> str:
    """The page, with a column for each dialect that upstreams can speak."""
    columns = [dialect for dialect in dialects if dialect.upstream is not None]
    return "\n".join([_BEGIN, _table(columns), *(_notes(dialect) for dialect in columns)])


def _table(columns: Sequence[Dialect]) -> str:
    head = ["what a request holds", "name", "where it is not carried", *(f"to {each.name}" for each in columns)]
    rows = [
        [
            feature.about,
            f"`{feature.word}`",
            _DEFAULTS[feature.default],
            *(_MARKS[_of(each, feature).way] for each in columns),
        ]
        for feature in Feature
    ]
    return "".join(_row(cells) for cells in (head, ["---"] * len(head), *rows))


def _notes(dialect: Dialect) -> str:
    noted = [(feature, carriage) for feature in Feature if (carriage := _of(dialect, feature)).note]
    head = (["what", "how it arrives", "why, or in which form"], ["---"] * 3)
    rows = [[feature.about, _MARKS[carriage.way], carriage.note] for feature, carriage in noted]
    return f"## To {dialect.name}\n\n" + "".join(_row(cells) for cells in (*head, *rows))


def _of(dialect: Dialect, feature: Feature) -> Carriage:
    assert dialect.upstream is not None
    return dialect.upstream.carries.get(feature, UNKNOWN)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"
