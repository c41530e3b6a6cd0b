"""A host's part in a ledger that several hosts share: entitlements are drawn from the store, told, and given back.

The vault decides about this host's requests within what the store entitles the host to (`edge.ledger.store`). This room
asks for more where that does not suffice, tells about every second what has become of it, and gives back what lies idle.

Rates are not entitled but taken: what was taken of one and not lent to a worker is this host's *stock* of it. Limits are
kept by each host for itself while the store is away; budgets are kept as they declare (`on_store_down`).
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from routebook.edge.ledger.store import Acquired, Denied, HostState, Pushed, SharedLedger, Totals, Unavailable, Want
from routebook.edge.operations_log import operations_log
from routebook.ledger.claims import Claim, Counter, Grant, Kind, Refusal, Report
from routebook.ledger.vault import AHEAD, Vault

PUSH_SECONDS: Final = 1.0
"""How often the store is told what has changed."""

AWAY_SECONDS: Final = 0.1
"""How often it is tried whether the store is there again; while its breaker is open, that asks nobody."""

IDLE_PUSHES: Final = 3
"""After so many pushes in which nothing was drawn on a counter, what is idle of it goes back to the store."""

SHARED: Final = (Kind.WINDOW, Kind.SLOTS)
"""The kinds of pots that hosts are entitled to parts of."""


class Sharing:
    """What one host draws from the store, for one vault."""

    def __init__(self, store: SharedLedger, vault: Vault) -> None:
        self.store = store
        self._vault = vault
        self._seen: dict[Counter, Claim] = {}
        self._stock: dict[str, int] = {}
        self._quiet: dict[Counter, int] = {}
        self._relied: collections.Counter[Counter] = collections.Counter()
        self._told: dict[Counter, HostState] = {}
        self._others: dict[str, int] = {}
        self._tight: frozenset[Counter] = frozenset()
        self._held_before = True
        self.on_tight: Callable[[Claim], object] = lambda claim: None
        """Called where another host was denied some of what this one draws on: what workers have idle is wanted back."""
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Sharing of {len(self._seen)} counters{', away' if self._vault.away else ''}>"

    def start(self) -> None:
        """Begin to reach for the store. Until it is there, it is away."""
        self._vault.away = True
        self.store.start(self.live)
        self._task = asyncio.get_running_loop().create_task(self._tell())

    async def close(self) -> None:
        """Tell for the last time, keep nothing idle, and leave."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self.store.push(dict(self._states(lambda counter: 0)), self._credits(everything=True))
        await self.store.close()

    # What the desk asks.

    def is_ready(self, claims: Iterable[Claim]) -> bool:
        """Whether what was taken of rates suffices, or nobody can be asked for more."""
        return self._vault.away or all(
            self._stock.get(claim.pot, 0) >= claim.amount for claim in claims if claim.kind is Kind.RATE
        )

    def has_plenty(self, claims: Iterable[Claim]) -> bool:
        """Whether what was taken of rates suffices for more than these claims, and what is here for more than those that
        ask the store."""
        return not any(claim.counter in self._relied for claim in claims) and all(
            self._stock.get(claim.pot, 0) > claim.size * (AHEAD + 1) for claim in claims if claim.kind is Kind.RATE
        )

    def granted(self, claims: Iterable[Claim], grant: Grant) -> None:
        """Something was lent to a worker."""
        kinds = {claim.pot: claim for claim in claims}
        for pot, start, amount in grant.amounts:
            claim = kinds[pot]
            self._seen[pot, start] = claim
            self._quiet[pot, start] = 0
            if claim.kind is Kind.RATE:
                self._stock[pot] = self._stock.get(pot, 0) - amount

    def returned(self, report: Report) -> None:
        """A worker has given something back: of a rate, it can be lent to the next."""
        for pot, start, amount in report.returned:
            seen = self._seen.get((pot, start))
            if seen is not None and seen.kind is Kind.RATE:
                self._stock[pot] = self._stock.get(pot, 0) + amount

    async def draw(self, claims: Sequence[Claim]) -> Refusal | None:
        """Have the store entitle this host to what it lacks for all claims; None where the vault may be asked again:
        because it did, because the store is away, or because less is lacking by now than was denied."""
        asked = list(self._lacked(claims))
        wants = [
            Want(claim, need, 0 if claim.counter in self._tight else claim.size * AHEAD)
            for claim, need in asked
            if need
        ]
        if not wants:
            return None
        self._rely(asked, 1)
        try:
            answer = await self.store.acquire(wants)
        finally:
            self._rely(asked, -1)
        match answer:
            case Acquired():
                self._take(wants, answer)
                return None
            case Denied(want, totals, retry_after):
                self._note_back()
                claim = want.claim
                if dict(self._lacked(claims)).get(claim, 0) < want.need:
                    return None
                ends = max(0.0, claim.ends - self.store.now()) if claim.kind is Kind.WINDOW else 1.0
                return Refusal(claim, totals.entitled, ends if retry_after is None else retry_after)
            case Unavailable(reason):
                self._note_away(reason)
                return None

    def settled(self, pot: str, here: int) -> int:
        """What all hosts have settled of a pot: `here`, and what others had as of about a second ago."""
        return here + self._others.get(pot, 0)

    def elsewhere(self) -> Mapping[str, int]:
        """What other hosts have settled, by pot, as of about a second ago."""
        return {pot: amount for pot, amount in self._others.items() if amount}

    def live(self) -> Mapping[Counter, HostState]:
        """Every counter that this host draws on."""
        return dict(self._states(self._keeps))

    # What it does.

    def _lacked(self, claims: Sequence[Claim]) -> Iterator[tuple[Claim, int]]:
        """Each claim, and what the store is to be asked for it: what lies idle here and is not counted on by requests that
        ask the store already is there for it."""
        stock = [(claim, self._stock.get(claim.pot, 0)) for claim in claims if claim.kind is Kind.RATE]
        for claim, spare in (*self._vault.spare(claims), *stock):
            self._seen[claim.counter] = claim
            yield claim, max(claim.amount - spare + self._relied[claim.counter], 0)

    def _rely(self, asked: Iterable[tuple[Claim, int]], sign: int) -> None:
        """Note what a request that asks the store counts on of what is here, and that it does so no longer."""
        for claim, need in asked:
            self._relied[claim.counter] += sign * (claim.amount - need)
            if not self._relied[claim.counter]:
                del self._relied[claim.counter]

    def _take(self, wants: Iterable[Want], answer: Acquired) -> None:
        self._note_back()
        for want in wants:
            counter, kind = want.claim.counter, want.claim.kind
            if kind is Kind.RATE:
                granted = answer.granted.get(counter, 0)
                self._stock[want.claim.pot] = self._stock.get(want.claim.pot, 0) + granted
                self._seen[counter] = want.claim
            elif counter in answer.entitled:
                self._vault.entitle(counter, answer.entitled[counter], kind)
                self._quiet[counter] = 0
        self._hear(answer.totals)

    async def _tell(self) -> None:
        """Tell what has changed, about every second, for as long as this host takes part."""
        while True:
            try:
                await self._push()
            except Exception as error:  # noqa: BLE001 - a defect of ours must not end telling for good
                operations_log().error("shared ledger not told", exception=type(error).__name__)
            await asyncio.sleep(AWAY_SECONDS if self._vault.away else PUSH_SECONDS)

    async def _push(self) -> None:
        for counter in self._quiet:
            self._quiet[counter] += 1
        self._lapse()
        changed = {counter: state for counter, state in self._states(self._keeps) if self._told.get(counter) != state}
        credits = self._credits(everything=False)
        before = {counter: entitled for counter, _, _, _, entitled in self._vault.entitlements()}
        for counter, state in changed.items():
            # what goes back is given up before the store hears of it
            self._vault.entitle(counter, min(state.entitled, before[counter]), state.kind)
        answer = await self.store.push(changed, credits)
        if isinstance(answer, Unavailable):
            self._note_away(answer.reason)
            return
        self._note_back()
        self._told.update(changed)
        now_entitled = {counter: entitled for counter, _, _, _, entitled in self._vault.entitlements()}
        for counter, state in changed.items():
            # what was drawn by allowance counts in the store from now on, and here as entitled
            if now_entitled.get(counter, 0) < state.entitled:
                self._vault.entitle(counter, state.entitled, state.kind)
        self._heed(answer)
        self._forget()

    def _heed(self, pushed: Pushed) -> None:
        """Another host was denied some of these: what is idle here, and with the workers, goes back with the next push."""
        self._hear(pushed.totals)
        self._tight = pushed.tight
        for counter in pushed.tight:
            if (claim := self._seen.get(counter)) is not None:
                self.on_tight(claim)

    def _states(self, keeps: Callable[[Counter], int]) -> Iterator[tuple[Counter, HostState]]:
        """Every counter with what is settled, held, and to be entitled from now on."""
        for counter, kind, settled, drawn, entitled in self._vault.entitlements():
            claim = self._seen.get(counter)
            first, ends = (counter[1], 0) if claim is None else (claim.first, claim.ends)
            kept = min(entitled, drawn + keeps(counter))
            yield counter, HostState(settled, drawn - settled, max(kept, drawn), kind, first, ends)

    def _keeps(self, counter: Counter) -> int:
        """How much idle entitlement stays: all of it, until nothing was drawn for a while or another host needs it."""
        return 0 if counter in self._tight or self._quiet.get(counter, IDLE_PUSHES) >= IDLE_PUSHES else 1 << 62

    def _credits(self, everything: bool) -> dict[str, int]:
        """What was taken of rates and lies idle; it is no longer in stock."""
        idle = {
            claim.pot: amount
            for counter, claim in self._seen.items()
            if claim.kind is Kind.RATE
            and (amount := self._stock.get(claim.pot, 0)) > 0
            and (everything or self._quiet.get(counter, IDLE_PUSHES) >= IDLE_PUSHES)
        }
        for pot in idle:
            self._stock.pop(pot, None)
        return idle

    def _lapse(self) -> None:
        """Where the store has not been heard for so long that others may take this host for dead, what it had idle is
        no longer its own."""
        holds = self.store.entitlements_hold(Kind.WINDOW)
        if self._held_before and not holds:
            for counter, state in self._told.items():
                self._vault.entitle(counter, state.settled + state.held, state.kind)
        self._held_before = holds

    def _hear(self, totals: Mapping[str, Totals]) -> None:
        for pot, total in totals.items():
            here = sum(state.settled for (name, _), state in self._told.items() if name == pot)
            self._others[pot] = max(0, total.settled - here)

    def _forget(self) -> None:
        """Forget counters that the vault has forgotten."""
        known = {counter for counter, *_ in self._vault.entitlements()}
        for counter in [each for each in self._told if each not in known]:
            del self._told[counter]
        now = self.store.now()
        for counter, claim in list(self._seen.items()):
            if claim.kind is not Kind.RATE and counter not in known and claim.ends < now:
                self._seen.pop(counter)
                self._quiet.pop(counter, None)

    def _note_away(self, reason: str) -> None:
        if not self._vault.away:
            operations_log().warning("shared ledger away", reason=reason, does="keeps budgets as they declare for this")
        self._vault.away = True

    def _note_back(self) -> None:
        if self._vault.away:
            operations_log().info("shared ledger is there")
        self._vault.away = False
