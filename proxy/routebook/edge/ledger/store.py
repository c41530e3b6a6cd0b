"""What the owner of a host's ledger asks of the store that it shares with other hosts.

The store knows *entitlements*: how much of a counter a host may have settled and hold. All hosts' entitlements together
never exceed the limit, so a host decides about its own requests without asking, as long as it stays within its own.

How the desk uses it:

- **Acquire** when a claim does not fit: `settled + held + amount > entitled` on any of its counters. One `acquire` for
  all claims of a request that fall short, `need` being what is missing (for rates: the whole amount that the vault has
  not taken already), `ahead` what it would like besides. Await it directly, not through `wait_for` or a task: what was
  granted belongs to the desk in the instant in which `acquire` returns. Then set the vault's entitlement of each counter
  to `Acquired.entitled`, and what was taken of rates from `Acquired.granted`.
- **Push** about every second what has changed since, absolutely: what is settled, what is held (everything that holders
  were granted and have not settled, their idle purses included), and what it wants to keep. Keeping less gives back:
  do so with what was idle for a few seconds, and at once with counters named in `Pushed.tight`, of which another host
  was denied some. A push that fails need not be repeated: the store sends everything again by itself.
- **Live counters.** The store asks `live()` whenever it has to tell everything: at the start, after every loss of the
  connection, when the store was emptied, every ten minutes. It must list every counter whose window is not over, with
  what is settled in it, held and entitled; it is called in the event loop and must not wait.
- **Denied** means that nothing was entitled. Recall what holders have idle, ask again, then refuse; the other hosts are
  told that the counter is tight, and give back what they do not use within about a second.
- **Unavailable** comes at once, or after at most one time-out of the store. Then a claim with an `allowance` may be met
  as far as what this host has drawn beyond its entitlement stays within the allowance; one without is refused
  (`Why.UNAVAILABLE`). What was drawn in that way is pushed like everything else, and counts from then on.
- While `entitlements_hold(kind)` is false this host may be taken for dead, and what it had idle given to others: claims
  are then met as if `entitled` were `settled + held` of the last push, that is as if the store were away.
- **Time.** Slices are cut by `now()`, the store's clock, on every host: so a window begins everywhere at once.
- At the end of the process: push the last states with nothing idle, then `close()`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from routebook.edge.ledger.store_breaker import StoreBreaker
from routebook.ledger.claims import Claim, Counter, Kind


@dataclass(frozen=True, slots=True)
class Want:
    """More of a counter: `need` or nothing, and `ahead` as far as plenty is left. In the unit of the claim."""

    claim: Claim
    need: int
    ahead: int = 0


@dataclass(frozen=True, slots=True)
class HostState:
    """One counter as this host has it. `held` is also what stays charged should the host die, whatever the policy says of
    orphans: nobody but this host has its journal, and what looks dead from afar may run on. `kind`, `first` and `ends` are
    those of the claims on it. Not for rates."""

    settled: int
    held: int
    entitled: int
    kind: Kind = Kind.WINDOW
    first: int = 0
    ends: int = 0


@dataclass(frozen=True, slots=True)
class Totals:
    """What all hosts together have settled and may hold, over all slices that still count. Settled is as of about a
    second ago; entitled is exact and includes it. For a rate both are what has not flowed back yet."""

    settled: int
    entitled: int


@dataclass(frozen=True, slots=True)
class Acquired:
    """All that was wanted. `entitled` is this host's entitlement per counter as it is now; `granted` what was added by
    this call (at least what was needed), and the only one that tells of rates. `totals` is by pot."""

    entitled: Mapping[Counter, int]
    granted: Mapping[Counter, int]
    totals: Mapping[str, Totals]


@dataclass(frozen=True, slots=True)
class Denied:
    """Nothing was granted, because this want exceeds what is left. `retry_after` is known of rates only: seconds."""

    want: Want
    totals: Totals
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The store could not be asked. `reason` is one of few words, for records and metrics, and holds no secret."""

    reason: str


@dataclass(frozen=True, slots=True)
class Pushed:
    """What was told is known to all. `totals` of the counters pushed, by pot; `tight` are counters of this host of which
    another one was denied some in the last seconds."""

    totals: Mapping[str, Totals] = field(default_factory=dict)
    tight: frozenset[Counter] = frozenset()


Live = Callable[[], Mapping[Counter, HostState]]
"""Every counter of this host whose window is not over."""


class SharedLedger(Protocol):
    """The store as the desk sees it. Not for use from several threads."""

    def start(self, live: Live) -> None:
        """Begin to reach for the store, in the background and for as long as it takes."""

    async def acquire(self, wants: Sequence[Want]) -> Acquired | Denied | Unavailable:
        """All or none, in one round trip. At most one want for a counter. Takes at most one time-out of the store."""

    async def push(
        self, states: Mapping[Counter, HostState], credits: Mapping[str, int] | None = None
    ) -> Pushed | Unavailable:
        """Tell what has changed, absolutely, and give back what was taken of rates and not used (`credits`, by pot)."""

    def entitlements_hold(self, kind: Kind) -> bool:
        """Whether this host was heard lately enough that nobody has given away what it is entitled to."""

    @property
    def breaker(self) -> StoreBreaker:
        """Whether the store is taken to be away, and how it has fared."""

    def now(self) -> float:
        """The store's time (seconds since 1970); this host's own until the store was heard."""

    async def close(self) -> None:
        """Leave: what this host has settled stays counted, and nobody waits for it any more."""
