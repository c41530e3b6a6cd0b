"""The owner's desk: claims come in, grants and refusals go out; whoever must wait, waits in turn.

One desk stands in front of one vault. What a claim cannot be met from may lie idle with other holders: it is recalled,
for a moment, before the claim is refused. Where several hosts draw on the same budgets, the vault's entitlements come
from the store that they share (`edge.ledger.sharing`).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from routebook.ledger.claims import Claim, Grant, Refusal, Report, Why
from routebook.ledger.fair_queue import FairQueue
from routebook.ledger.vault import Vault

RECALL_SECONDS: Final = 0.1
"""How long a refusal waits for others to give back what they do not use."""

Recall = Callable[[str, Sequence[str]], Awaitable[None]]
"""Asks holders to give back what lies idle of a pot; returns when they have, or after `RECALL_SECONDS`."""


async def nobody(pot: str, holders: Sequence[str]) -> None:
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
    """Grants and refuses, for one vault. `now` is seconds since 1970."""

    def __init__(self, vault: Vault, now: Callable[[], float], recall: Recall = nobody) -> None:
        self.vault = vault
        self._now = now
        self._recall = recall
        self._queue = FairQueue[_Ticket]()
        self._waited: Counter[str] = Counter()
        self._recalls: dict[str, asyncio.Future[None]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def __repr__(self) -> str:
        return f"<Desk of {self.vault!r}, {len(self._queue)} waiting>"

    def lease_now(self, holder: str, claims: Sequence[Claim]) -> Grant | Refusal:
        """Grant all claims or none, without waiting for anybody; those who wait already come first."""
        for claim in claims:
            if self._waited[claim.pot]:
                return Refusal(claim, claim.limit, claim.wait)
        return self.vault.lease(holder, claims, self._now())

    async def lease(self, holder: str, claims: Sequence[Claim], who: str, wait: bool) -> Grant | Refusal:
        """Grant all claims or none. What others do not use is recalled first; with `wait`, a place is queued for.

        Cancelled, it gives up its place; where it has been granted all the same, it returns that.
        """
        found = self.lease_now(holder, claims)
        if isinstance(found, Grant) or found.why is not Why.EXHAUSTED:
            return found
        if await self._called_back(found.claim, holder):
            found = self.lease_now(holder, claims)
        if isinstance(found, Refusal) and wait and found.claim.wait and found.why is Why.EXHAUSTED:
            return await self._wait(holder, tuple(claims), found, who)
        return found

    def report(self, holder: str, report: Report) -> None:
        """Take note of what a holder has spent and gives back, and serve who waits for that."""
        self.vault.report(holder, report, self._now())
        if any(self._waited[pot] for pot, _, _ in report.returned):
            self._serve()

    async def settled(self, pots: Sequence[tuple[str, int]]) -> list[int]:
        """What is settled in each pot since its oldest slice that counts."""
        return [self.vault.totals(pot, first).settled for pot, first in pots]

    async def _called_back(self, claim: Claim, holder: str) -> bool:
        """Whether others were asked to give back what lies idle of a pot; one recall serves all who wait for it."""
        running = self._recalls.get(claim.pot)
        if running is None:
            others = [each for each in self.vault.recallable(claim) if each != holder]
            if not others:
                return False
            running = self._recalls[claim.pot] = asyncio.ensure_future(self._recall(claim.pot, others))
            running.add_done_callback(lambda _: self._recalls.pop(claim.pot, None))
        await asyncio.shield(running)
        return True

    async def _wait(self, holder: str, claims: tuple[Claim, ...], refusal: Refusal, who: str) -> Grant | Refusal:
        claim = refusal.claim
        if self._waited[claim.pot] >= claim.places:
            return Refusal(claim, refusal.drawn, refusal.retry_after, Why.QUEUE_FULL)
        ticket = _Ticket(holder, claims, claim.pot)
        self._queue.join(who, ticket)
        self._waited[claim.pot] += 1
        self._look_again(claim.pot, refusal.retry_after)
        try:
            await asyncio.wait({ticket.answer}, timeout=claim.wait)
        except asyncio.CancelledError:
            if not ticket.answer.done():
                raise
        finally:
            self._leave(ticket)
        if ticket.answer.done():
            return ticket.answer.result()
        return Refusal(claim, refusal.drawn, refusal.retry_after, Why.QUEUE_TIMEOUT)

    def _leave(self, ticket: _Ticket) -> None:
        """Whoever gives up waiting holds up nobody any more."""
        if self._queue.leave(ticket):
            self._waited[ticket.pot] -= 1
            self._serve()

    def _serve(self) -> None:
        """Grant to those who wait, in turn. Who lacks a pot holds up those who need it too, and nobody else."""
        lacked: set[str] = set()
        for ticket in self._queue.in_turn():
            if not lacked.isdisjoint(claim.pot for claim in ticket.claims):
                continue
            found = self.vault.lease(ticket.holder, ticket.claims, self._now(), plenty=False)
            if isinstance(found, Refusal) and found.claim.wait and found.why is Why.EXHAUSTED:
                lacked.add(found.claim.pot)
                self._waited[ticket.pot] -= 1
                ticket.pot = found.claim.pot
                self._waited[ticket.pot] += 1
                self._look_again(ticket.pot, found.retry_after)
            else:
                self._queue.served(ticket)
                self._waited[ticket.pot] -= 1
                ticket.answer.set_result(found)

    def _look_again(self, pot: str, seconds: float | None) -> None:
        """Serve a pot when it flows back by itself."""
        if pot in self._timers or seconds is None:
            return

        def ring() -> None:
            self._timers.pop(pot, None)
            if self._waited[pot]:
                self._serve()

        self._timers[pot] = asyncio.get_running_loop().call_later(min(max(seconds, 0.01), 5.0), ring)
