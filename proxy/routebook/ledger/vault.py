"""The owner's books: what of every pot is settled, held and granted to whom, and whether more may be drawn.

There is one vault on a host. Whatever it grants counts as drawn until the holder reports otherwise, or until the holder is
dead and its journal says what became of it: so what is settled and held can never come to more than was granted, and what
was granted never to more than the limit. A request that used more than it held is the one exception, and is counted.

Where several hosts share a store, the vault grants from this host's entitlements instead, which the store keeps within the
limit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from routebook.ledger.claims import Claim, Counter, Grant, Kind, Refusal, Report, Why
from routebook.ledger.pots import SOON, Pot, RatePot, WindowPot, new_pot

AHEAD: Final = 63
"""How many requests more than the one that asked a holder is granted for, where plenty is left: so many are served before
the owner is asked again, which costs as much as deciding ten of them. What is not drawn of it goes back in a moment."""

PLENTY: Final = 4
"""Plenty is left where so many requests of the size that asked fit for every holder."""


class Totals(NamedTuple):
    """What is settled, and what is settled, held and granted altogether."""

    settled: int
    drawn: int


class Vault:
    """What a host's holders draw on. `holders` is how many there are; `shared` are the kinds of pots that are drawn on by
    entitlements of a shared store (windows and slots; a rate is each host's own). `away`: the store does not answer, so allowances apply."""

    def __init__(self, holders: int = 1, shared: Collection[Kind] = ()) -> None:
        self.holders = holders
        self.away = False
        self._shared = frozenset(shared)
        self._pots: dict[str, Pot] = {}
        self._heard: dict[str, int] = {}
        self._forgotten = 0

    def open(self, settled: Mapping[Counter, int], held: Mapping[Counter, int]) -> None:
        """Begin with what the journal says of all processes so far. What was drawn then was entitled to it."""
        for counter in {**settled, **held}:
            self.foreign(counter, settled.get(counter, 0), held.get(counter, 0))
            if Kind.WINDOW in self._shared:
                count = self._window(counter[0]).count(counter[1])
                count.entitled = count.drawn

    def lease(self, holder: str, claims: Sequence[Claim], now: float, plenty: bool = True) -> Grant | Refusal:
        """Grant all claims or none, and more than that where plenty is left of a pot. Without `plenty` exactly the claims:
        somebody else is waiting."""
        self._heard.setdefault(holder, 0)
        placed = [(pot, pot.placed(claim)) for claim in claims for pot in (self._pot(claim),)]
        asked: dict[str, int] = {}
        drawn: dict[str, int] = {}
        left: dict[str, int] = {}
        for pot, claim in placed:
            name = claim.pot
            if name not in left:
                drawn[name] = pot.drawn(claim, now)
                left[name] = self._left(pot, claim, drawn[name])
            asked[name] = asked.get(name, 0) + claim.amount
            short = asked[name] - left[name]
            if short > 0:
                return self._refusal(pot, claim, short, now)
        amounts: list[tuple[str, int, int]] = []
        tight: list[str] = []
        for pot, claim in placed:
            name = claim.pot
            ahead = self._ahead(left[name], max(asked[name], claim.size)) if plenty else 0
            if not ahead and claim.amount:
                tight.append(name)
            amount = claim.amount + ahead
            pot.count(claim.start).grant(holder, amount)
            amounts.append((name, claim.start, amount))
            left[name] -= amount
            drawn[name] += amount
        return Grant(tuple(amounts), tuple(tight), drawn)

    def report(self, holder: str, report: Report, now: float) -> None:
        """Take in what a holder reports; a report that was heard before, or of a holder that is buried, changes
        nothing."""
        if report.number <= self._heard.get(holder, report.number):
            return
        self._heard[holder] = report.number
        for name, start, amount in report.spent:
            if (pot := self._pots.get(name)) is not None:
                pot.spend(holder, start, amount, now)
        for name, start, amount in report.returned:
            if (pot := self._pots.get(name)) is not None:
                pot.count(start).take_back(holder, amount)

    def bury(self, holder: str, settled: Mapping[Counter, int]) -> None:
        """A holder is dead, and all that it wrote is folded: what it settled takes the place of what it was granted. Of
        counters that are forgotten, it no longer matters."""
        self._heard.pop(holder, None)
        for (name, start), amount in settled.items():
            pot = self._pots.get(name)
            if isinstance(pot, WindowPot) and start in pot.counts:
                pot.book(start, amount, 0)
        for pot in self._pots.values():
            pot.bury(holder)

    def foreign(self, counter: Counter, settled: int, held: int) -> None:
        """Something was learned of a process that nothing is leased to: so much more is settled, and so much more held
        (less than nothing: a hold has ended)."""
        self._window(counter[0]).book(counter[1], settled, held)

    def entitle(self, counter: Counter, amount: int | None, kind: Kind = Kind.WINDOW) -> None:
        """Let this host draw so much in all on a counter, whatever the limit; None: as if it had never been said."""
        pot = self._pots.get(counter[0])
        if pot is None:
            pot = self._pots[counter[0]] = new_pot(kind, self._forgotten)
        pot.count(counter[1]).entitled = amount

    def spare(self, claims: Iterable[Claim]) -> list[tuple[Claim, int]]:
        """The claims on shared pots, each on the slice that it would be drawn on, and how much of its entitlement to it this
        host has not drawn (less than nothing: it has drawn more)."""
        found = []
        for claim in claims:
            if claim.kind in self._shared:
                pot = self._pot(claim)
                placed = pot.placed(claim)
                count = pot.count(placed.start)
                found.append((placed, (count.entitled or 0) - count.drawn))
        return found

    def entitlements(self) -> Iterator[tuple[Counter, Kind, int, int, int]]:
        """Every counter of a shared pot: its kind, what is settled, drawn in all, and what this host is entitled to."""
        for name, pot in self._pots.items():
            kind = Kind.WINDOW if isinstance(pot, WindowPot) else Kind.SLOTS
            if kind in self._shared and not isinstance(pot, RatePot):
                for start, count in pot.counts.items():
                    yield (name, start), kind, count.spent, count.drawn, count.entitled or 0

    def totals(self, pot: str, first: int = 0) -> Totals:
        """What was drawn of a pot in the slices from `first` on; of a rate, what is held."""
        found = self._pots.get(pot)
        counts = [] if found is None else list(found.counted(first))
        return Totals(sum(count.spent for count in counts), sum(count.drawn for count in counts))

    def counters(self) -> Iterator[tuple[Counter, Totals]]:
        """Every counter of a window that is known, with its own totals."""
        for name, pot in self._pots.items():
            if isinstance(pot, WindowPot):
                for start, count in pot.counts.items():
                    yield (name, start), Totals(count.spent, count.drawn)

    def levels(self, now: float) -> Iterator[tuple[str, int]]:
        """Every rate and every number at the same time that is known, and what is drawn of it: held, granted, or not
        flowed back yet."""
        for name, pot in self._pots.items():
            if not isinstance(pot, WindowPot):
                yield name, pot.level(now)

    def recallable(self, claim: Claim) -> set[str]:
        """The holders that may have something left of a pot, in slices that count: asked, they give it back."""
        pot = self._pots.get(claim.pot)
        counts = () if pot is None else pot.counted(pot.placed(claim).first)
        return {holder for count in counts for holder, part in count.parts.items() if part.open > 0}

    def sweep(self, now: float) -> None:
        """Forget what no longer counts and nobody may still draw on."""
        for name, pot in list(self._pots.items()):
            if isinstance(pot, WindowPot):
                pot.sweep()
            if pot.at_rest(now):
                del self._pots[name]
                if isinstance(pot, WindowPot):
                    # A clock that went forward and comes back must not find an untouched pot where this one was.
                    self._forgotten = max(self._forgotten, pot.over_at or 0)

    def _pot(self, claim: Claim) -> Pot:
        pot = self._pots.get(claim.pot)
        if pot is None:
            pot = self._pots[claim.pot] = new_pot(claim.kind, self._forgotten)
        return pot

    def _window(self, name: str) -> WindowPot:
        pot = self._pots.get(name)
        if isinstance(pot, WindowPot):
            return pot
        window = self._pots[name] = WindowPot(self._forgotten)
        return window

    def _left(self, pot: Pot, claim: Claim, drawn: int) -> int:
        """How much more of a pot may be granted, of which so much is drawn."""
        left = claim.limit - drawn
        count = pot.count(claim.start)
        if count.entitled is None and claim.kind not in self._shared:
            return left
        spare = (count.entitled or 0) - count.drawn
        if self.away and claim.allowance is not None:
            beyond = sum(max(each.drawn - (each.entitled or 0), 0) for each in pot.counted(claim.first))
            spare = max(spare, 0) + claim.allowance - beyond
        return min(left, spare)

    def _ahead(self, left: int, size: int) -> int:
        if left <= PLENTY * self.holders * size:
            return 0
        return min(AHEAD * size, left // (PLENTY * self.holders))

    def _refusal(self, pot: Pot, claim: Claim, short: int, now: float) -> Refusal:
        drawn = pot.drawn(claim, now)
        if claim.amount > claim.limit:
            return Refusal(claim, drawn, None)
        if self.away and claim.kind in self._shared and drawn + claim.amount <= claim.limit:
            return Refusal(claim, drawn, SOON, Why.UNAVAILABLE)
        return Refusal(claim, drawn, pot.retry_after(claim, short, now))
