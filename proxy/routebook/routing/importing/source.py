"""A source as a tree of parts that know their path and place, and in which nothing is passed over in silence.

Whoever reads a part says what became of it. `account` goes through the whole in the end: a key of which nobody has spoken,
neither itself nor as part of what holds it, is noted as not carried.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from routebook.documents.nodes import Mapping, Node, Scalar, Sequence
from routebook.documents.problems import Location
from routebook.documents.reading import FALSE, TRUE
from routebook.routing.importing.report import Note, Notes, Variable, Verdict

UNKNOWN = "the importer does not know this key"

_VARIABLE = re.compile(r"(?:os\.environ/|env\.|\$\{?)([A-Za-z_][A-Za-z0-9_]*)\}?\Z")


@dataclass(frozen=True, slots=True)
class Part:
    """One value of a source, with the path that leads to it and the place of its key (its own in a list)."""

    node: Node
    path: str
    location: Location
    notes: Notes

    def get(self, name: str) -> Part | None:
        """The value under a key; None where there is none, or nothing is written there."""
        if not isinstance(self.node, Mapping):
            return None
        key, value = self.node.key(name), self.node.get(name)
        if key is None or value is None or (isinstance(value, Scalar) and value.is_null):
            return None
        return Part(value, _joined(self.path, name), key.location, self.notes)

    def entries(self) -> Iterator[tuple[str, Part]]:
        """The keys of a mapping with their values; none of anything else."""
        for key, value in self.node if isinstance(self.node, Mapping) else ():
            yield key.text, Part(value, _joined(self.path, key.text), key.location, self.notes)

    def items(self) -> list[Part]:
        """The items of a list; a single value is a list of one."""
        if isinstance(self.node, Sequence):
            return [
                Part(item, f"{self.path}[{number}]", item.location, self.notes)
                for number, item in enumerate(self.node.items)
            ]
        return [self]

    def text(self) -> str | None:
        """What is written, where it is a word or a text."""
        return self.node.text if isinstance(self.node, Scalar) and not self.node.is_null else None

    def word(self, name: str) -> str | None:
        """The text under a key."""
        part = self.get(name)
        return None if part is None else part.text()

    def number(self) -> Decimal | None:
        """The number that is written; None where it is none."""
        try:
            value = Decimal(self.text() or "x")
        except InvalidOperation:
            return None
        return value if value.is_finite() else None

    def flag(self) -> bool | None:
        """Whether true or false is written; None for anything else."""
        text = self.text()
        return True if text in TRUE else False if text in FALSE else None

    def is_on(self, name: str) -> bool:
        """Whether `true` stands under a key."""
        part = self.get(name)
        return part is not None and part.flag() is True

    def carried(self, said: str) -> None:
        """Note that it was carried, and as what."""
        self._note(Verdict.CARRIED, said)

    def changed(self, said: str) -> None:
        """Note that it was carried with a difference."""
        self._note(Verdict.CHANGED, said)

    def left(self, said: str) -> None:
        """Note that it was not carried, why, and what to do; of the whole source, that none of its keys was."""
        for part in [self] if self.path else [each for _, each in self.entries()]:
            part._note(Verdict.LEFT, said)

    def meaningless(self, said: str) -> None:
        """Note that there is nothing here that it could mean."""
        self._note(Verdict.MEANINGLESS, said)

    def secret(self, otherwise: str, purpose: str) -> str | None:
        """The variable that a key is read from, noted to be set; a key that is written out is never taken along.

        None where the source reads the key from neither a variable nor itself (a vault, a file).
        """
        text = self.text()
        found = _VARIABLE.match(text or "")
        if found is None and (text is None or text.startswith(("vault.", "oidc/", "file://"))):
            self.left("a key in this form is not read here: name it as `{env: NAME}` or `{file: PATH}` in the policy")
            return None
        name = found[1] if found else self.notes.variable_of(text or "", otherwise)
        self.notes.variables.setdefault(name, Variable(name, purpose, self.location, found is None))
        if found:
            self.carried(f"the key is read from `{name}`")
        else:
            self.changed(f"the key stands in the source itself; here it is read from `{name}`")
        return name

    def _note(self, verdict: Verdict, said: str) -> None:
        self.notes.notes.append(Note(verdict, self.path, self.location, said))


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def account(root: Part) -> None:
    """Note what nobody has spoken of as not carried: the whole of a key, where nothing within it was spoken of."""
    spoken = {(note.path, note.location) for note in root.notes.notes}
    for part in _unspoken(root, spoken)[1]:
        part.left(UNKNOWN)


def _unspoken(part: Part, spoken: set[tuple[str, Location]]) -> tuple[bool, list[Part]]:
    """Whether anything at or within a part was spoken of, and the parts within it that were not."""
    if (part.path, part.location) in spoken:
        return True, []
    match part.node:
        case Mapping(entries) if entries:
            inner = [_unspoken(each, spoken) for _, each in part.entries()]
        case Sequence(items) if items:
            inner = [_unspoken(each, spoken) for each in part.items()]
        case _:
            return False, [part] if part.path else []
    if not any(touched for touched, _ in inner) and part.path:
        return False, [part]
    return any(touched for touched, _ in inner), [each for _, found in inner for each in found]
