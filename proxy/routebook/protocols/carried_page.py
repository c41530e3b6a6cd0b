"""The page `docs/protocols.md`: what each dialect carries, from the tables by which requests and answers are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from routebook.chat.features import Feature, Telling
from routebook.chat.loss import Done
from routebook.protocols.carrying import UNKNOWN, Carriage, Way
from routebook.protocols.codec import Dialect

_BEGIN: Final = """\
# What is carried from one API to another

<!-- Written by `make docs` from the dialects' own tables; changes by hand are lost. -->

Where a client and its upstream speak the same dialect, bytes pass as they came, unknown fields and events included.
Nothing on this page is about them.

Otherwise a request is read from the client's dialect and written in the upstream's, and the answer the other way.
The tables say of everything that either can hold how it arrives:

- **yes**: as it was meant.
- **changed**: in another form; nothing of it is lost.
- **emulated**: something else stands for it; the record says so.
- **no**: it does not arrive.

What belongs to one provider (ids, signatures, tools that run there, fields that no other has) arrives at its own dialect alone.
"""

_REQUESTS: Final = """\
## Requests

The third column says what is done with what an upstream's dialect does not carry, before the upstream is called.
*Refused* is an answer of 400 that names the field, *dropped* goes on without it and is recorded.
"""

_ANSWERS: Final = """\
## Answers

What an answer holds and a client's dialect cannot say is dropped and recorded.
"""

_PAIRS: Final = """\
## From one to the other

What clients of one dialect can ask for and upstreams of another do not get as it was meant.
"""

_MARKS: Final = {Way.CARRIED: "yes", Way.CHANGED: "changed", Way.EMULATED: "emulated", Way.LOST: "no"}
_FATES: Final = (Done.REFUSED.value, Done.DROPPED.value, "emulated", "changed")


def protocols_page(dialects: Iterable[Dialect]) -> str:
    """The page, with a column for each dialect that upstreams or clients can speak."""
    known = list(dialects)
    upstreams = {each.name: each.upstream.carries for each in known if each.upstream is not None}
    clients = {each.name: each.client.tells for each in known if each.client is not None and each.serves}
    pairs = [(one, other) for one in clients if one in upstreams for other in upstreams if one != other]
    parts = [_BEGIN, _REQUESTS, _requests(upstreams)]
    parts += [_notes(f"### To upstreams of {name}", Feature, carries) for name, carries in upstreams.items()]
    parts += [_ANSWERS, _answers(clients)]
    parts += [_notes(f"### To clients of {name}", Telling, tells) for name, tells in clients.items()]
    if pairs:
        parts += [_PAIRS, *(_pair(one, other, upstreams) for one, other in pairs)]
    return "\n".join(parts)


def _requests(columns: Mapping[str, Mapping[Any, Carriage]]) -> str:
    head = ["what a request holds", "name", "where it is not carried", *(f"to {name}" for name in columns)]
    rows = [
        [each.about, f"`{each.word}`", each.default.value, *(_said(carries, each) for carries in columns.values())]
        for each in Feature
    ]
    return _table(head, rows)


def _answers(columns: Mapping[str, Mapping[Any, Carriage]]) -> str:
    head = ["what an answer holds", *(f"to {name}" for name in columns)]
    return _table(head, [[each.about, *(_said(tells, each) for tells in columns.values())] for each in Telling])


def _notes(title: str, rows: Iterable[Any], carried: Mapping[Any, Carriage]) -> str:
    noted = [(each, carriage) for each in rows if (carriage := carried.get(each, UNKNOWN)).note]
    lines = [[each.about, _MARKS[carriage.way], carriage.note] for each, carriage in noted]
    return f"{title}\n\n" + _table(["what", "how it arrives", "why, or in which form"], lines)


def _pair(one: str, other: str, upstreams: Mapping[str, Mapping[Feature, Carriage]]) -> str:
    """What the one can hold and the other does not take as it is, by what becomes of it."""
    lines: dict[str, list[str]] = {}
    for feature, carriage in upstreams[one].items():
        there = upstreams[other].get(feature, UNKNOWN)
        if carriage.way is not Way.LOST and there.way is not Way.CARRIED:
            fate = feature.default.value if there.way is Way.LOST else _MARKS[there.way]
            lines.setdefault(fate, []).append(feature.about)
    said = "".join(f"- {fate}: {'; '.join(lines[fate])}\n" for fate in _FATES if fate in lines)
    return f"### {one} to {other}\n\n" + (said or "Everything arrives as it was meant.\n")


def _said(carried: Mapping[Any, Carriage], row: Any) -> str:
    return _MARKS[carried.get(row, UNKNOWN).way]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "".join(_row(cells) for cells in (head, ["---"] * len(head), *rows))


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"
