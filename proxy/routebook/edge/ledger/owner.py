"""The owner of the ledger on this host: the vault with what the books say, the desk, and the workers' way to it.

It lives in the supervisor. What the journal tells of processes that nothing is leased to (those of a supervisor that
died, say) is counted beside what is leased; a worker that died is counted as it was leased to until all it wrote is
folded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final

from routebook.edge.clock import Clock, SystemClock
from routebook.edge.ledger.books import Totals
from routebook.edge.ledger.desk import Desk
from routebook.edge.ledger.entries import Change, Changes
from routebook.edge.ledger.lines import Counterpart
from routebook.edge.ledger.sharing import SHARED, Sharing
from routebook.edge.ledger.store import SharedLedger
from routebook.edge.ledger.store_breaker import StoreBreaker
from routebook.edge.processes.control import Channel, Message
from routebook.ledger.claims import Counter
from routebook.ledger.vault import Vault

PATIENCE: Final = 2.0
"""Seconds that a shared store has to be there when the service begins; without it, it begins all the same."""


@dataclass(frozen=True, slots=True)
class Figures:
    """How everything stands at a moment (`now`, seconds since 1970): windows by counter, what is drawn of rates and of
    numbers at the same time by pot, and how many requests wait for a pot."""

    now: float
    settled: Mapping[Counter, int]
    held: Mapping[Counter, int]
    exceeded: Mapping[Counter, int]
    levels: Mapping[str, int] = field(default_factory=dict)
    waiting: Mapping[str, int] = field(default_factory=dict)


class Owner:
    """One host's ledger, from the start of its supervisor to its end. `holders` is how many workers there are to be."""

    def __init__(
        self, opening: Totals, holders: int, clock: Clock | None = None, store: SharedLedger | None = None
    ) -> None:
        self._clock: Clock = clock or SystemClock()
        self._store = store
        self.vault = Vault(holders, SHARED if store is not None else ())
        held = {counter: sum(by_process.values()) for counter, by_process in opening.held.items()}
        self.vault.open(opening.settled, held)
        self.sharing = None if store is None else Sharing(store, self.vault)
        self.desk = Desk(self.vault, self.now, self._recall, self.sharing)
        self._counterpart = Counterpart(self.desk)
        self._lent: set[str] = set()
        self._read_out: set[str] = set()
        self._settled: dict[str, dict[Counter, int]] = {}
        self._exceeded = dict(opening.exceeded)

    def __repr__(self) -> str:
        return f"<Owner of {self.vault!r}, {len(self._lent)} workers>"

    def now(self) -> float:
        """The time by which windows begin and end: the shared store's, where there is one (seconds since 1970)."""
        return self._clock.now() if self._store is None else self._store.now()

    async def start(self) -> None:
        """Reach for the shared store, where there is one, and give it a moment to be there; it may come later."""
        if self.sharing is None:
            return
        self.sharing.start()
        end = asyncio.get_running_loop().time() + PATIENCE
        while self.vault.away and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.02)

    async def close(self) -> None:
        """Leave the shared store; what this host has settled stays counted there."""
        if self.sharing is not None:
            await self.sharing.close()

    def opened(self, holder: str, channel: Channel) -> None:
        """A worker is there, and may be leased to."""
        self._lent.add(holder)
        self._counterpart.opened(holder, channel)

    def closed(self, holder: str) -> None:
        """A worker is gone."""
        self._counterpart.closed(holder)

    async def hear(self, holder: str, message: Message) -> None:
        """Do what a message of a worker asks of the ledger."""
        await self._counterpart.hear(holder, message)

    def read_on(self, changes: Changes, buried: frozenset[str]) -> None:
        """The journal has told more: of workers, which are counted as they are leased to, it is kept until they are
        buried; of all others it changes what is counted."""
        for process, counters in changes.items():
            self._note_exceeded(counters)
            if process in self._lent:
                settled = self._settled.setdefault(process, {})
                for counter, change in counters.items():
                    settled[counter] = settled.get(counter, 0) + change.settled
            else:
                for counter, change in counters.items():
                    self.vault.foreign(counter, change.settled, change.held)
        self._read_out |= buried & self._lent
        self._bury()
        self.vault.sweep(self.now())
        self._forget()

    def _bury(self) -> None:
        """Count the dead no longer as they were leased to. The journal may tell of a death before its channel does, which
        still holds questions then: whatever is granted to these must not outlive the burial."""
        for process in [each for each in self._read_out if not self._counterpart.may_ask(each)]:
            self._read_out.discard(process)
            self._lent.discard(process)
            self.desk.bury(process, self._settled.pop(process, {}))

    def _forget(self) -> None:
        """Forget counters that the vault has forgotten: what was settled of them matters to no burial any more."""
        counted = {counter for counter, _ in self.vault.counters()}
        self._exceeded = _known(self._exceeded, counted)
        self._settled = {process: _known(settled, counted) for process, settled in self._settled.items()}

    def figures(self) -> Figures:
        """What is counted at this moment. What workers were granted and have not drawn counts as held; what exceeded its
        hold, and what other hosts have settled, is known a second later."""
        now, counters = self.now(), dict(self.vault.counters())
        settled = {counter: totals.settled for counter, totals in counters.items()}
        for pot, amount in ({} if self.sharing is None else self.sharing.elsewhere()).items():
            newest = max((counter for counter in counters if counter[0] == pot), default=None)
            if newest is not None:
                settled[newest] += amount
        return Figures(
            now,
            settled,
            {counter: totals.drawn - totals.settled for counter, totals in counters.items()},
            dict(self._exceeded),
            dict(self.vault.levels(now)),
            self.desk.waiting(),
        )

    def _note_exceeded(self, counters: Mapping[Counter, Change]) -> None:
        for counter, change in counters.items():
            if change.exceeded:
                self._exceeded[counter] = self._exceeded.get(counter, 0) + change.exceeded

    @property
    def breaker(self) -> StoreBreaker | None:
        """What stands before the shared store; None where there is none."""
        return None if self._store is None else self._store.breaker

    @property
    def holders(self) -> int:
        """How many workers are granted to."""
        return len(self._lent)

    async def _recall(self, pot: str, holder: str) -> None:
        await self._counterpart.recall(pot, holder)


def _known(amounts: Mapping[Counter, int], counted: AbstractSet[Counter]) -> dict[Counter, int]:
    return {counter: amount for counter, amount in amounts.items() if counter in counted}
