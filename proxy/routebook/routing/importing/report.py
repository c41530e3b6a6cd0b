"""What became of each key of a source: carried, changed, without meaning here, or not carried, with its place."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from routebook.documents.problems import Location


class Verdict(enum.Enum):
    """What became of a key."""

    CARRIED = "carried"
    CHANGED = "changed"
    MEANINGLESS = "without meaning here"
    LEFT = "not carried"


@dataclass(frozen=True, slots=True)
class Note:
    """What became of the key at a path of the source (`router_settings.num_retries`), and why; never its value."""

    verdict: Verdict
    path: str
    location: Location
    said: str


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable that the policy reads a key from. `was_written` is whether the source holds the key itself."""

    name: str
    purpose: str
    location: Location
    was_written: bool


@dataclass(frozen=True, slots=True)
class Report:
    """All notes in the order of the source, the variables to set, and what holds for the whole."""

    notes: tuple[Note, ...]
    variables: tuple[Variable, ...]
    remarks: tuple[str, ...] = ()

    def of(self, verdict: Verdict) -> list[Note]:
        """The notes of one verdict, in the order of the source."""
        return [note for note in self.notes if note.verdict is verdict]


@dataclass(slots=True)
class Notes:
    """Notes as they come; a variable is named once. `written` are the variables of keys that the source holds itself, by
    the key: it is kept while the source is read, so that two keys are never taken for one, and goes nowhere."""

    notes: list[Note] = field(default_factory=list)
    variables: dict[str, Variable] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    written: dict[str, str] = field(default_factory=dict, repr=False)

    def variable_of(self, key: str, wanted: str) -> str:
        """The variable for a key that the source holds itself: the same for the same key, another for another."""
        name, number = self.written.get(key, wanted), 2
        while key not in self.written and name in self.variables:
            name = f"{wanted}_{number}"
            number += 1
        return self.written.setdefault(key, name)

    def remark(self, text: str) -> None:
        """Say something about the whole, once."""
        if text not in self.remarks:
            self.remarks.append(text)

    def report(self) -> Report:
        """What was noted, in the order of the source."""
        notes = sorted(self.notes, key=lambda note: note.location)
        return Report(tuple(dict.fromkeys(notes)), tuple(self.variables.values()), tuple(self.remarks))


HEADINGS = {
    Verdict.LEFT: "Not carried",
    Verdict.CHANGED: "Carried, with a difference",
    Verdict.MEANINGLESS: "Without meaning here",
    Verdict.CARRIED: "Carried",
}


def as_text(report: Report, *, every: bool = False) -> str:
    """A report for people: what needs a person first; what was simply carried is only counted unless `every` is wanted."""
    lines = [line for verdict in HEADINGS for line in _section(report, verdict, every)]
    if report.variables:
        lines += ["Set these variables before you serve the policy:", *map(_variable, report.variables), ""]
    if report.remarks:
        lines += ["Know also:", *(f"  {remark}" for remark in report.remarks), ""]
    return "\n".join(lines)


def _section(report: Report, verdict: Verdict, every: bool) -> Iterator[str]:
    notes = report.of(verdict)
    if not notes:
        return
    shown = verdict is not Verdict.CARRIED or every
    yield f"{HEADINGS[verdict]}: {len(notes)} key{'' if len(notes) == 1 else 's'}" + (":" if shown else "")
    if shown:
        yield from (f"  {note.location}: {note.path}: {note.said}" for note in notes)
    yield ""


def _variable(variable: Variable) -> str:
    written = "; the source holds this key itself: revoke it there" if variable.was_written else ""
    return f"  {variable.name}  {variable.purpose} ({variable.location}){written}"


def as_values(report: Report) -> dict[str, object]:
    """A report for programs: every note, as JSON values."""
    return {
        "counts": {verdict.value: len(report.of(verdict)) for verdict in Verdict},
        "notes": [
            {"verdict": note.verdict.value, "path": note.path, **_place(note.location), "said": note.said}
            for note in report.notes
        ],
        "variables": [
            {"name": each.name, "purpose": each.purpose, **_place(each.location), "was_written": each.was_written}
            for each in report.variables
        ],
        "remarks": list(report.remarks),
    }


def _place(location: Location) -> dict[str, object]:
    return {"file": location.file, "line": location.line, "column": location.column}


def counted(report: Report) -> str:
    """How many keys became what, on one line."""
    return ", ".join(f"{len(found)} {verdict.value}" for verdict in Verdict if (found := report.of(verdict)))


def paths(notes: Iterable[Note]) -> set[str]:
    """The paths that notes speak of."""
    return {note.path for note in notes}
