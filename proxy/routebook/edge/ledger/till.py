"""A worker's side of the ledger: what requests hold is taken from the purse, and the purse is filled at the desk.

Most requests are met from what the desk has granted already, without waiting. What is not used goes back: at once
where little is left, after a moment otherwise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from routebook.ledger.claims import Claim, Counter, Grant, Kind, Refusal, Report, Why
from routebook.ledger.draws import Need, is_spent_at_once
from routebook.ledger.purse import Purse

REPORT_SECONDS: Final = 0.25
"""How often a worker says what it has spent, and gives back what lies idle."""

FRESH_SECONDS: Final = 0.25
"""How long the owner's figure of a budget that a rule asks about is taken for true; with the time after which a worker
says what it spent, half a second."""

MOST_KNOWN: Final = 10_000
"""Figures that are remembered at most."""

TRIES: Final = 5
"""How often the desk is asked for one request: others may draw what was there when it began to ask."""

LEASE_SECONDS: Final = 5.0
"""How long the owner may take to grant or refuse, beside the time for which a request may queue."""

AWAY: Final = 1.0
"""Seconds after which a caller may try again while the ledger's owner is away."""


_RATE, _SLOTS = Kind.RATE, Kind.SLOTS


class DeskGone(Exception):
    """The ledger's owner cannot be reached."""


Heard = Callable[[Grant], object]
"""Told of a grant the moment it is there."""


def unheard(grant: Grant) -> None:
    """Who waits for the answer alone."""


class Desk(Protocol):
    """Who grants: the owner's desk itself, or the way to it."""

    @property
    def offset(self) -> float:
        """By how much the ledger's time is ahead of this machine's, in seconds."""

    async def lease(
        self, holder: str, claims: Sequence[Claim], who: str, wait: bool, exact: bool = False, heard: Heard = unheard
    ) -> Grant | Refusal:
        """Grant all claims or none, and with `exact` nothing ahead; with `wait`, queue where a limit has a queue. A grant
        is `heard` before a recall that is said after it. Raises DeskGone.

        Cancelled, it leaves the queue; what was granted all the same it returns."""

    def report(self, holder: str, report: Report) -> None:
        """Take note of what a holder has spent and gives back."""

    async def settled(self, pots: Sequence[tuple[str, int]]) -> list[int]:
        """What is settled in each pot since its oldest slice that counts. Raises DeskGone."""

    async def flush(self) -> None:
        """Wait until everything that was told has left."""


class Till:
    """The purse of one worker, and how it is filled. `monotonic` is a clock that never jumps."""

    def __init__(self, holder: str, desk: Desk, monotonic: Callable[[], float]) -> None:
        self.holder = holder
        self._desk = desk
        self._monotonic = monotonic
        self._purse = Purse()
        self._known: dict[tuple[str, int], tuple[int, float]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._soon: asyncio.Handle | None = None
        self._given_back = 0
        self._is_closed = False

    def __repr__(self) -> str:
        return f"<Till of {self.holder}>"

    @property
    def offset(self) -> float:
        """By how much the time by which windows begin is ahead of this machine's, in seconds."""
        return self._desk.offset

    async def hold(self, claims: Sequence[Claim], who: str, wait: bool = False) -> tuple[Counter, ...] | Refusal:
        """Hold all claims or none: the counters they are held under, or what stands in the way."""
        counters = self._purse.take(claims)
        refusal: Refusal | None = None
        tries = 0
        while counters is None:
            lacking = self._whole(claims) if wait or tries else self._purse.lacking(claims)
            tries += 1
            if tries > TRIES:
                return refusal or Refusal(lacking[0], lacking[0].limit, AWAY)
            given_back, taking = self._given_back, _Taking(self._purse, claims)
            try:
                # one that came too late asks for its own alone: what is granted ahead would be others' to give back again
                answer = await self._lease(lacking, who, wait, tries > 1, taking)
            except DeskGone:
                return Refusal(lacking[0], 0, AWAY, Why.UNAVAILABLE)
            counters = taking.taken or self._purse.take(claims)
            if self._is_closed and counters is not None:
                # whoever owns the ledger next may have counted already what this process holds
                taking.leave()
                return Refusal(lacking[0], 0, AWAY, Why.UNAVAILABLE)
            if counters is None and isinstance(answer, Refusal):
                if not self._is_old(answer, claims, lacking, given_back):
                    return answer
                refusal = answer
        for claim, counter in zip(claims, counters, strict=True):
            if claim.kind is _RATE and is_spent_at_once(claim):
                self._purse.settle(counter, claim.amount, claim.amount)
        self._wind()
        return counters

    def settle(self, uses: Iterable[tuple[Counter, Need, int]]) -> None:
        """End holds: of each counter what was held and how much of it was used."""
        purse = self._purse
        for counter, need, used in uses:
            claim = need.claim
            kind = claim.kind
            if kind is _SLOTS:
                purse.give_back(counter, claim.amount)
            elif kind is not _RATE or not is_spent_at_once(claim):
                purse.settle(counter, claim.amount, used)
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_soon(self._tell_soon)

    async def settled(self, pots: Sequence[tuple[str, int]]) -> list[int] | None:
        """What is settled in each pot since its oldest slice, as of half a second ago at most; None where the owner is
        away."""
        now = self._monotonic()
        old = [pot for pot in pots if (known := self._known.get(pot)) is None or now - known[1] > FRESH_SECONDS]
        if old:
            if len(self._known) > MOST_KNOWN:
                self._known.clear()
            try:
                found = await self._desk.settled(old)
            except DeskGone:
                return None
            self._known.update({pot: (amount, now) for pot, amount in zip(old, found, strict=True)})
        return [self._known[pot][0] for pot in pots]

    def tighten(self, pot: str) -> None:
        """The owner wants back what lies idle of a pot: it goes at once."""
        self._purse.tighten(pot)
        self._tell(idle=False)

    async def leave(self) -> None:
        """Say everything and give everything back, and draw nothing more."""
        self._purse.tighten_all()
        self._tell(idle=False)
        await self._desk.flush()
        self.close()

    def close(self) -> None:
        """Draw nothing more: nobody grants any longer. What is held can still be settled. When this returns, no hold is taken
        that its taker has not been told of."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._purse.close()

    def _whole(self, claims: Sequence[Claim]) -> Sequence[Claim]:
        """All that a request asks for, after giving back what is here: for one that waits, or has just come too late.
        While the desk is asked, others here draw on what such a request does not lack at this moment."""
        for claim in claims:
            self._purse.tighten(claim.pot)
        self._tell(idle=False)
        return claims

    async def _lease(
        self, lacking: Sequence[Claim], who: str, wait: bool, exact: bool, taking: _Taking
    ) -> Grant | Refusal:
        """Ask the desk. A request that goes away meanwhile, or has waited too long for a word of the owner, waits no more;
        what was granted all the same is left to the next."""
        patience = LEASE_SECONDS + (max(claim.wait for claim in lacking) if wait else 0.0)
        asking = asyncio.ensure_future(self._desk.lease(self.holder, lacking, who, wait, exact, taking.heard))
        done: set[asyncio.Future[Grant | Refusal]] = set()
        try:
            done, _ = await asyncio.wait({asking}, timeout=patience)
        finally:
            if not done:
                taking.leave()
                asking.add_done_callback(self._keep)
                asking.cancel()
        if not done:
            raise DeskGone(f"no word of the ledger's owner within {patience:g} s")
        return asking.result()

    def _is_old(self, refusal: Refusal, claims: Sequence[Claim], asked: Sequence[Claim], given_back: int) -> bool:
        """Whether a refusal was true when it was said and may be no longer: because something has been given back from
        here since it was asked, or less of the pot is lacking than was asked for."""
        if refusal.why is not Why.EXHAUSTED or refusal.retry_after is None:
            return False
        pot = refusal.claim.pot
        lacks = sum(claim.amount for claim in self._purse.lacking(claims) if claim.pot == pot)
        return given_back != self._given_back or lacks < sum(claim.amount for claim in asked if claim.pot == pot)

    def _keep(self, asking: asyncio.Future[Grant | Refusal]) -> None:
        if asking.cancelled() or asking.exception() is not None:
            return
        if isinstance(asking.result(), Grant):
            self._wind()
            self._tell(idle=False)

    def _wind(self) -> None:
        """Have the next report made in time; none is while there is nothing to tell."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(REPORT_SECONDS, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._tell(idle=True)
        if not self._purse.is_empty:
            self._wind()

    def _tell_soon(self) -> None:
        self._soon = None
        if self._purse.owes:
            self._tell(idle=False)
        self._wind()

    def _tell(self, idle: bool) -> None:
        report = self._purse.report(idle)
        if report is not None:
            self._given_back += bool(report.returned)
            self._desk.report(self.holder, report)


class _Taking:
    """What one request takes of a grant in the moment in which it is there: before what is left of it can be recalled."""

    __slots__ = ("_claims", "_is_here", "_purse", "taken")

    def __init__(self, purse: Purse, claims: Sequence[Claim]) -> None:
        self._purse = purse
        self._claims = claims
        self._is_here = True
        self.taken: tuple[Counter, ...] | None = None

    def heard(self, grant: Grant) -> None:
        """The owner has granted."""
        self._purse.granted(grant)
        if self._is_here:
            self.taken = self._purse.take(self._claims)

    def leave(self) -> None:
        """The request has gone away: what it has taken is left to the next."""
        self._is_here = False
        if self.taken is not None:
            for claim, counter in zip(self._claims, self.taken, strict=True):
                self._purse.give_back(counter, claim.amount)
            self.taken = None
