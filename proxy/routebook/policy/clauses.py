"""Predicates on texts and sets as clauses over *atoms*: a word of the set, the text itself, a pattern that matches it.

A predicate holds where each of its positive clauses has an atom that is true of the value, and no barred atom is true.
Nearly every predicate can be said so; one that cannot is said as nearly as possible from above, and marked loose.
"""

from __future__ import annotations

from dataclasses import dataclass

from routebook.policy.conditions import Every, Glob, HasAll, HasAny, Not, OneOf, Predicate
from routebook.policy.globs import is_plain


@dataclass(frozen=True, slots=True)
class Atoms:
    """Some words, and some patterns."""

    words: frozenset[str] = frozenset()
    patterns: frozenset[str] = frozenset()

    def __or__(self, other: Atoms) -> Atoms:
        return Atoms(self.words | other.words, self.patterns | other.patterns)


@dataclass(frozen=True, slots=True)
class Clauses:
    """A predicate as clauses.

    `needed`: of each, one atom is true. `barred`: none is true. `loose`: the predicate may ask for more than that.
    """

    needed: tuple[Atoms, ...] = ()
    barred: Atoms = Atoms()
    loose: bool = False


def clauses_of(predicate: Predicate | None) -> Clauses:
    """A predicate on a text or a set as clauses; None asks nothing."""
    match predicate:
        case None:
            return Clauses()
        case HasAll(members):
            return Clauses(tuple(Atoms(frozenset((member,))) for member in sorted(members)))
        case Every(parts):
            each = [clauses_of(part) for part in parts]
            barred = Atoms()
            for clauses in each:
                barred |= clauses.barred
            return Clauses(
                tuple(atoms for clauses in each for atoms in clauses.needed),
                barred,
                any(clauses.loose for clauses in each),
            )
        case Not(inner):
            return _negated(inner)
        case _:
            return Clauses((_alternatives(predicate),))


def _alternatives(predicate: Predicate) -> Atoms:
    """The atoms of a predicate that holds where one of them is true."""
    match predicate:
        case OneOf(words) | HasAny(words):
            return Atoms(words)
        case Glob(pattern):
            return Atoms(frozenset((pattern,))) if is_plain(pattern) else Atoms(patterns=frozenset((pattern,)))
        case _:
            raise ValueError(f"not a predicate on texts or sets: {predicate}")


def _negated(predicate: Predicate) -> Clauses:
    match predicate:
        case OneOf() | HasAny() | Glob():
            return Clauses(barred=_alternatives(predicate))
        case HasAll(members):
            return Clauses(barred=Atoms(members)) if len(members) == 1 else Clauses(loose=True)
        case Not(inner):
            return clauses_of(inner)
        case Every(parts):
            return _one_negated(parts)
        case _:
            raise ValueError(f"not a predicate on texts or sets: {predicate}")


def _one_negated(parts: tuple[Predicate, ...]) -> Clauses:
    """That one of several does not hold: one clause, where each negation is a plain list of alternatives."""
    union = Atoms()
    for part in parts:
        negated = _negated(part)
        if negated.loose or len(negated.needed) != 1 or negated.barred != Atoms():
            return Clauses(loose=True)
        union |= negated.needed[0]
    return Clauses((union,))
