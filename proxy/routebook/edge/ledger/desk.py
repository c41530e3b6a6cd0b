"""The owner's desk: claims come in, grants and refusals go out; whoever must wait, waits in turn.

One desk stands in front of one vault. What a claim cannot be met from may lie idle with other holders: it is recalled,
for a moment, before the claim is refused. Where several hosts draw on the same budgets, the vault's entitlements come
from the store that they share (`edge.ledger.sharing`).
"""

from __future__ import annotations

import asyncio
import collections
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

from routebook.edge.ledger.sharing import Sharing
from routebook.edge.ledger.till import Heard, unheard
from routebook.edge.metrics import Histogram, Labels, observe
from routebook.ledger.claims import Claim, Counter, Grant, Kind, Refusal, Report, Why
from routebook.ledger.fair_queue import FairQueue
from routebook.ledger.pot_names import pot_named
from routebook.ledger.vault import Vault

RECALL_SECONDS: Final = 1.0
"""How long a refusal waits for a holder to give back what it does not use: a busy one answers late, one that hangs does
not answer."""

DRAWS: Final = 8
"""How often the store is asked for one request: others may draw what came for it."""

Recall = Callable[[str, str], Awaitable[None]]
"""Asks a holder to give back what lies idle of a pot; returns when it has, or after `RECALL_SECONDS`."""


async def nobody(pot: str, holder: str) -> None:
    """A recall where there is only one holder."""


class _Ticket:
    """One request that waits, and the pot that it waits for: the first that it was refused."""

    __slots__ = ("answer", "claims", "holder", "pot")

    def __init__(self, holder: str, claims: tuple[Claim, ...], pot: str) -> None:
        self.holder = holder
        self.claims = claims
        self.pot = pot
        self.answer: asyncio.Future[Grant | Refusal] = asyncio.get_running_loop().create_future()


class Desk:
    """Grants and refuses, for one vault. `now` is seconds since 1970; `sharing` is what the vault's entitlements come
    from, None where this host shares with no other."""

    def __init__(
        self, vault: Vault, now: Callable[[], float], recall: Recall = nobody, sharing: Sharing | None = None
    ) -> None:
        self.vault = vault
        self.sharing = sharing
        self._now = now
        self._recall = recall
        self._queue = FairQueue[_Ticket]()
        self._waiting: collections.Counter[str] = collections.Counter()
        self._recalls: dict[tuple[str, str], asyncio.Future[None]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._chores: set[asyncio.Future[None]] = set()
        self.waited: dict[Labels, Histogram] = {}
        """How long requests have waited in queues, served or not: by what the limit counts and its name."""
        if sharing is not None:
            sharing.on_tight = self._call_all_back

    def __repr__(self) -> str:
        return f"<Desk of {self.vault!r}, {len(self._queue)} waiting>"

    @property
    def offset(self) -> float:
        """By how much the ledger's time is ahead of this machine's, in seconds."""
        return 0.0 if self.sharing is None else self.sharing.store.now() - time.time()

    def lease_now(self, holder: str, claims: Sequence[Claim], exact: bool = False) -> Grant | Refusal:
        """Grant all claims or none, without waiting for anybody; those who wait already come first. `exact`: and no more
        than that, however much is left."""
        for claim in claims:
            if self._waiting[claim.pot]:
                return Refusal(claim, claim.limit, claim.wait)
        return self._vaults_word(holder, claims, plenty=not exact)

    async def lease(
        self, holder: str, claims: Sequence[Claim], who: str, wait: bool, exact: bool = False, heard: Heard = unheard
    ) -> Grant | Refusal:
        """Grant all claims or none; with `wait`, a place is queued for. Refused is only what finds no room when others
        have given back what they do not use.

        Cancelled, it gives up its place; where it has been granted all the same, it returns that. A grant is `heard` too.
        """
        found = await self._found(holder, claims, exact)
        recalled: set[str] = set()
        while isinstance(found, Refusal) and _may_be_idle(found) and found.claim.pot not in recalled:
            recalled.add(found.claim.pot)
            if await self._called_back(found.claim, holder):
                found = await self._found(holder, claims, exact)
        if isinstance(found, Refusal) and wait and found.claim.wait and found.why is Why.EXHAUSTED:
            found = await self._wait(holder, tuple(claims), found, who)
        if isinstance(found, Grant):
            heard(found)
        return found

    def report(self, holder: str, report: Report) -> None:
        """Take note of what a holder has spent and gives back, and serve who waits for that."""
        self.vault.report(holder, report, self._now())
        if self.sharing is not None:
            self.sharing.returned(report)
        if any(self._waiting[pot] for pot, _, _ in report.returned):
            self._serve()

    def dismiss(self, holder: str) -> None:
        """A holder waits for nothing any more: its requests leave the queues, and are granted nothing."""
        for ticket in self._queue.in_turn():
            if ticket.holder == holder:
                self._queue.leave(ticket)
                self._waiting[ticket.pot] -= 1
                ticket.answer.set_result(Refusal(ticket.claims[0], 0, None))
        self._serve()

    def bury(self, holder: str, settled: Mapping[Counter, int]) -> None:
        """A holder is dead, asks for nothing any more, and all that it wrote is read (`Vault.bury`): serve who waits for
        what it had."""
        self.vault.bury(holder, settled)
        self._serve()

    async def flush(self) -> None:
        """Nothing is ever under way: whoever tells, tells at once."""

    async def settled(self, pots: Sequence[tuple[str, int]]) -> list[int]:
        """What is settled in each pot since its oldest slice that counts."""
        here = [self.vault.totals(pot, first).settled for pot, first in pots]
        if self.sharing is None:
            return here
        return [self.sharing.settled(pot, amount) for (pot, _), amount in zip(pots, here, strict=True)]

    async def _found(self, holder: str, claims: Sequence[Claim], exact: bool) -> Grant | Refusal:
        """What the vault says, and where this host has too little, the store; who waits already comes before the store is
        asked."""
        found = self.lease_now(holder, claims, exact)
        if isinstance(found, Grant) or self.sharing is None or any(self._waiting[claim.pot] for claim in claims):
            return found
        return await self._drawn_from_store(holder, claims, found, exact)

    def _vaults_word(self, holder: str, claims: Sequence[Claim], plenty: bool) -> Grant | Refusal:
        """What the vault says, of what this host has."""
        sharing = self.sharing
        if sharing is None:
            return self.vault.lease(holder, claims, self._now(), plenty)
        if not sharing.is_ready(claims):
            claim = next(each for each in claims if each.kind is Kind.RATE)
            return Refusal(claim, 0, 1.0)
        found = self.vault.lease(holder, claims, self._now(), plenty and sharing.has_plenty(claims))
        if isinstance(found, Grant):
            sharing.granted(claims, found)
        return found

    async def _drawn_from_store(
        self, holder: str, claims: Sequence[Claim], refusal: Refusal, exact: bool
    ) -> Grant | Refusal:
        """Have the store entitle this host to more, until the vault can grant; others may draw what came meanwhile."""
        assert self.sharing is not None
        found: Grant | Refusal = refusal
        for _ in range(DRAWS):
            denied = await self.sharing.draw(claims)
            if denied is not None:
                return denied
            found = self._vaults_word(holder, claims, plenty=not exact)
            if isinstance(found, Grant) or found.why is Why.UNAVAILABLE:
                return found
        return found

    def waiting(self) -> dict[str, int]:
        """How many requests wait for a pot at this moment, by pot."""
        return dict(+self._waiting)

    async def _called_back(self, claim: Claim, holder: str) -> bool:
        """Ask all others to give back what lies idle of a pot; whether less of it is drawn then."""
        before = self.vault.totals(claim.pot, claim.first).drawn
        others = [each for each in self.vault.recallable(claim) if each != holder]
        await asyncio.gather(*(self._recalled(claim.pot, each) for each in others))
        return self.vault.totals(claim.pot, claim.first).drawn < before

    def _call_all_back(self, claim: Claim) -> None:
        """Have all holders give back what lies idle of a pot; nobody waits for it."""
        for holder in self.vault.recallable(claim):
            self._runs_beside(self._recalled(claim.pot, holder))

    def _runs_beside(self, work: Coroutine[Any, Any, None]) -> None:
        self._chores.add(chore := asyncio.ensure_future(work))
        chore.add_done_callback(self._chores.discard)

    async def _recalled(self, pot: str, holder: str) -> None:
        """Ask a holder now. Where it was asked before, it may have been granted more since: so all who come meanwhile share
        the next question."""
        if (earlier := self._recalls.get((pot, holder))) is not None:
            await asyncio.shield(earlier)
        running = self._recalls.get((pot, holder))
        if running is None:
            running = self._recalls[pot, holder] = asyncio.ensure_future(self._recall(pot, holder))
            running.add_done_callback(lambda _: self._recalls.pop((pot, holder), None))
        await asyncio.shield(running)

    async def _wait(self, holder: str, claims: tuple[Claim, ...], refusal: Refusal, who: str) -> Grant | Refusal:
        claim = refusal.claim
        if self._waiting[claim.pot] >= claim.places:
            return Refusal(claim, refusal.drawn, refusal.retry_after, Why.QUEUE_FULL)
        ticket = _Ticket(holder, claims, claim.pot)
        self._queue.join(who, ticket)
        self._waiting[claim.pot] += 1
        self._look_again(claim.pot, refusal.retry_after)
        began = asyncio.get_running_loop().time()
        try:
            await asyncio.wait({ticket.answer}, timeout=claim.wait)
        except asyncio.CancelledError:
            if not ticket.answer.done():
                raise
        finally:
            self._leave(ticket)
            observe(self.waited, pot_named(claim.pot)[:2], asyncio.get_running_loop().time() - began)
        if ticket.answer.done():
            return ticket.answer.result()
        return Refusal(claim, refusal.drawn, refusal.retry_after, Why.QUEUE_TIMEOUT)

    def _leave(self, ticket: _Ticket) -> None:
        """Whoever gives up waiting holds up nobody any more."""
        if self._queue.leave(ticket):
            self._waiting[ticket.pot] -= 1
            self._serve()

    def _serve(self) -> None:
        """Grant to those who wait, in turn. Who lacks a pot holds up those who need it too, and nobody else."""
        lacked: set[str] = set()
        for ticket in self._queue.in_turn():
            if not lacked.isdisjoint(claim.pot for claim in ticket.claims):
                continue
            found = self._vaults_word(ticket.holder, ticket.claims, plenty=False)
            self._waiting[ticket.pot] -= 1
            if isinstance(found, Refusal) and found.claim.wait and found.why is Why.EXHAUSTED:
                lacked.add(found.claim.pot)
                ticket.pot = found.claim.pot
                self._waiting[ticket.pot] += 1
                self._look_again(ticket.pot, found.retry_after)
            else:
                self._queue.served(ticket)
                ticket.answer.set_result(found)

    async def _serve_from_store(self, pot: str, sharing: Sharing) -> None:
        """Serve who waits after asking for what other hosts have given back of a pot."""
        ticket = next((each for each in self._queue.in_turn() if each.pot == pot), None)
        if ticket is not None:
            await sharing.draw(ticket.claims)
            self._serve()

    def _look_again(self, pot: str, seconds: float | None) -> None:
        """Serve a pot when it flows back by itself."""
        if pot in self._timers or seconds is None:
            return

        def ring() -> None:
            self._timers.pop(pot, None)
            if self.sharing is None:
                self._serve()
            else:
                self._runs_beside(self._serve_from_store(pot, self.sharing))

        self._timers[pot] = asyncio.get_running_loop().call_later(min(max(seconds, 0.01), 5.0), ring)


def _may_be_idle(refusal: Refusal) -> bool:
    """Whether what a refusal lacks may lie idle with others; where it is larger than its pot, nobody has it."""
    return refusal.why in (Why.EXHAUSTED, Why.UNAVAILABLE) and refusal.claim.amount <= refusal.claim.limit
