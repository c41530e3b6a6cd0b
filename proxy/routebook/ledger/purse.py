"""A holder's side of the ledger: what a worker was granted and has not drawn yet.

Requests are met from here without asking anybody, which is why these few lines are the ones that every request runs.
What is drawn is held until it is settled; what was not used returns to the remainder, for the next request. The owner
hears of it in reports: what was spent, and what goes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from routebook.ledger.claims import Claim, Counter, Grant, Report

QUIET: Final = 2
"""After so many reports in which nothing was drawn on a pot, its remainder goes back."""


class _Part:
    """What is left here of one counter, and what is held, spent and not reported yet."""

    __slots__ = ("counter", "held", "left", "quiet", "spent", "start", "tight")

    def __init__(self, counter: Counter) -> None:
        self.counter, self.start = counter, counter[1]
        self.left = self.held = self.spent = self.quiet = 0
        self.tight = False


class Purse:
    """What one holder may draw, by pot. Amounts are nano-dollars, tokens or requests, as the pot counts."""

    def __init__(self) -> None:
        self._parts: dict[Counter, _Part] = {}
        self._current: dict[str, _Part] = {}
        self._to_tell: dict[Counter, _Part] = {}
        self._drawn: dict[str, int] = {}
        self._number = 0
        self._closed = False

    def take(self, claims: Sequence[Claim]) -> tuple[Counter, ...] | None:
        """Hold all claims, or none of them: the counters that they are drawn on, in the same order; None where what is
        left of some pot does not suffice. A counter's slice is a later one than was claimed where the clock went back."""
        taken: list[_Part] = []
        for claim in claims:
            part, amount = self._current.get(claim.pot), claim.amount
            if part is None or part.left < amount or part.start < claim.start:
                for each, earlier in zip(taken, claims, strict=False):
                    each.left += earlier.amount
                    each.held -= earlier.amount
                return None
            part.left -= amount
            part.held += amount
            part.quiet = 0
            taken.append(part)
        return tuple([part.counter for part in taken])

    def lacking(self, claims: Sequence[Claim]) -> tuple[Claim, ...]:
        """What to ask the owner for, so that `take` succeeds: claims on the pots that do not suffice, for what they lack.
        A claim that is larger than its pot is asked for whole, so that the owner sees that it can never be met."""
        lefts: dict[str, int] = {}
        lacking: list[Claim] = []
        for claim in claims:
            part = self._current.get(claim.pot)
            usable = 0 if part is None or part.start < claim.start else part.left
            left = lefts.get(claim.pot, usable)
            lefts[claim.pot] = max(left - claim.amount, 0)
            if part is None or left < claim.amount or part.start < claim.start:
                amount = claim.amount if claim.amount > claim.limit else claim.amount - left
                request = claim.amount if amount < claim.amount else 0
                lacking.append(msgspec.structs.replace(claim, amount=amount, request=request))
        return tuple(lacking)

    def granted(self, grant: Grant) -> None:
        """Take in what the owner granted. To be followed by `take` before anything else may happen; that still lacks
        something where the owner has moved on to a later window than this purse knew: then ask for it once more."""
        if self._closed:
            return
        for pot, start, amount in grant.amounts:
            part = self._part((pot, start))
            part.left += amount
            part.tight = pot in grant.tight
            before = self._current.get(pot)
            if before is not None and before is not part:
                self._to_tell[before.counter] = before
            self._current[pot] = part
        self._drawn.update(grant.drawn)

    def settle(self, counter: Counter, held: int, used: int) -> None:
        """End a hold: what was used is spent, the rest can be drawn again. More may be used than was held: it is taken
        from what is left, and where that does not suffice, the owner hears of it."""
        part = self._parts.get(counter) or self._part(counter)
        part.held -= held
        part.left += held - used
        part.spent += used
        self._to_tell[counter] = part

    def give_back(self, counter: Counter, amount: int) -> None:
        """End a hold of which nothing was used: slots when a request ends, and holds that were not needed."""
        part = self._parts.get(counter) or self._part(counter)
        part.held -= amount
        part.left += amount
        if part.tight or self._current.get(counter[0]) is not part:
            self._to_tell[counter] = part

    def tighten(self, pot: str) -> None:
        """The owner asks for what is not used of a pot: it goes back with the next report, and so does all that is
        given back, until the owner grants with both hands again."""
        part = self._current.get(pot)
        if part is not None:
            part.tight = True
            self._to_tell[part.counter] = part

    def tighten_all(self) -> None:
        """The holder leaves: everything that is not held goes back with the next report."""
        for part in self._parts.values():
            part.tight = True
            self._to_tell[part.counter] = part

    def report(self, idle: bool = False) -> Report | None:
        """What the owner has not heard yet; None where that is nothing. What is left of a tight pot and of slices that
        are over goes back at once; with `idle` (at regular times) also what nobody has drawn on for two such reports."""
        if idle:
            for part in self._parts.values():
                part.quiet += 1
            parts = list(self._parts.values())
        else:
            parts = list(self._to_tell.values())
        self._to_tell.clear()
        spent = tuple([(*part.counter, part.spent) for part in parts if part.spent])
        returned = tuple([(*part.counter, back) for part in parts if (back := self._unused(part))])
        for part in parts:
            part.spent = 0
            part.left -= self._unused(part)
            if not part.held and not part.left and (part.quiet >= QUIET or not self._is_current(part)):
                self._forget(part)
        if self._closed or not (spent or returned):
            return None
        self._number += 1
        return Report(spent, returned, self._number)

    @property
    def owes(self) -> bool:
        """Whether something is to go back at once."""
        return any(self._unused(part) for part in self._to_tell.values())

    @property
    def is_empty(self) -> bool:
        """Whether nothing was granted that is not used up and told."""
        return not self._parts

    def close(self) -> None:
        """The owner is gone: nothing may be drawn any more. What is held can still be settled."""
        self._closed = True
        self._current.clear()

    def drawn(self, pot: str) -> int | None:
        """What all holders together have settled and hold of a pot, as the owner last said; None where it never did."""
        return self._drawn.get(pot)

    def _part(self, counter: Counter) -> _Part:
        part = self._parts.get(counter)
        if part is None:
            part = self._parts[counter] = _Part(counter)
        return part

    def _is_current(self, part: _Part) -> bool:
        return self._current.get(part.counter[0]) is part

    def _unused(self, part: _Part) -> int:
        """What goes back of a part: all that is left of it, or nothing. Less than nothing always does."""
        goes = part.left < 0 or part.tight or part.quiet >= QUIET or not self._is_current(part)
        return part.left if goes else 0

    def _forget(self, part: _Part) -> None:
        del self._parts[part.counter]
        if self._is_current(part):
            del self._current[part.counter[0]]
            self._drawn.pop(part.counter[0], None)
