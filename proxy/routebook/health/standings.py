"""How accounts, quotas and breakers stand: ready, resting, on trial or out; and how what several workers know is one.

A standing is a value of a join-semilattice: `merged` takes two that were known at different places to the one that
knows both, whatever came first, and however often it comes. What forgives (a success, an operator) begins a new *era*,
which outweighs all earlier ones; within an era nothing ever gets shorter.

Times are monotonic seconds, which all processes of one machine read off the same clock.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping

import msgspec

TRIAL_SECONDS = 30.0
"""After so long without a verdict, another request may try: whoever tried before may have died of it."""


class State(enum.Enum):
    """What may be asked of something."""

    READY = "ready"
    RESTING = "resting"
    """Nothing, for a while."""
    ON_TRIAL = "on-trial"
    """It failed and has rested since: one request may try it."""
    PROBING = "probing"
    """One request tries it now; nothing else."""
    OUT = "out"
    """Nothing, until somebody lets it back in."""


Trial = tuple[int, float, str, bool]
"""The how many-eth trial of the era was the last, when it began, in which process, and whether it is over."""


class Standing(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How one thing stands. `strikes` are its failures since it was last known to be well, each longer than the last;
    `since` is when the last of them was noted, or the era began; `out` says why it is out, empty where it is not."""

    era: int = 0
    since: float = 0.0
    until: float = 0.0
    because: str = ""
    strikes: int = 0
    out: str = ""
    trial: Trial = (0, 0.0, "", True)

    def state(self, at: float) -> State:
        """What may be asked of it now."""
        if self.out:
            return State.OUT
        if self.until > at:
            return State.RESTING
        if not self.strikes:
            return State.READY
        _, began, _, over = self.trial
        return State.ON_TRIAL if over or at >= began + TRIAL_SECONDS else State.PROBING

    def merged(self, other: Standing) -> Standing:
        """What is known where both are known."""
        if self.era != other.era:
            return self if self.era > other.era else other
        until, because = max((self.until, self.because), (other.until, other.because))
        return Standing(
            self.era,
            max(self.since, other.since),
            until,
            because,
            max(self.strikes, other.strikes),
            max(self.out, other.out),
            max(self.trial, other.trial),
        )

    def paused(self, at: float, seconds: float, because: str) -> Standing:
        """Left alone for so long, without reproach: it is ready afterwards."""
        return self.merged(Standing(self.era, until=at + max(seconds, 0.0), because=because))

    def struck(self, at: float, began: float, seconds: float, because: str) -> Standing:
        """Left alone after a failure of a call that began at `began`. Failures of calls that ran while the last one was
        noted are the same failure."""
        strikes = self.strikes + 1 if began >= self.since or not self.strikes else self.strikes
        return self.merged(Standing(self.era, at, at + max(seconds, 0.0), because, strikes))

    def taken_out(self, because: str) -> Standing:
        """Out of service until somebody lets it back in."""
        return self if self.out else self.merged(Standing(self.era, out=because))

    def forgiven(self, at: float) -> Standing:
        """As if nothing had ever been: a new era. What calls that began before it come to is no longer held against
        it."""
        return Standing(self.era + 1, at)

    def proven(self, at: float, began: float) -> Standing:
        """A call that began at `began` went well: forgiven, where that call can know of the last failure."""
        knows = self.strikes and not self.out and began >= self.since and at >= self.until
        return self.forgiven(at) if knows else self

    def tried(self, at: float, by: str) -> Standing:
        """A trial begins."""
        return self.merged(Standing(self.era, trial=(self.trial[0] + 1, at, by, False)))

    def judged(self, tried: Standing) -> Standing:
        """The trial is over, whatever it showed, that had begun when it stood like `tried`."""
        return self if self.era != tried.era else self.merged(Standing(self.era, trial=(*tried.trial[:3], True)))


WELL = Standing()
"""How everything stands of which nothing is known."""


class Standings:
    """How everything stands, by name; what was never heard of is well."""

    __slots__ = ("_by_name",)

    def __init__(self) -> None:
        self._by_name: dict[str, Standing] = {}

    def __repr__(self) -> str:
        return f"<Standings of {len(self._by_name)}>"

    def __bool__(self) -> bool:
        return bool(self._by_name)

    def __iter__(self) -> Iterator[tuple[str, Standing]]:
        return iter(self._by_name.items())

    def of(self, name: str) -> Standing:
        """How it stands."""
        return self._by_name.get(name, WELL)

    def put(self, name: str, standing: Standing) -> bool:
        """It stands so from now on; whether that is news."""
        if self.of(name) == standing:
            return False
        self._by_name[name] = standing
        return True

    def hear(self, news: Mapping[str, Standing]) -> dict[str, Standing]:
        """Take in what is known elsewhere; what of it was new here, as it stands now."""
        heard = {name: self.of(name).merged(standing) for name, standing in news.items()}
        return {name: standing for name, standing in heard.items() if self.put(name, standing)}


def of_account(provider: str, account: str) -> str:
    """The name under which an account stands. Names of the policy hold no spaces, so no two things share one."""
    return f"account {provider} {account}"


def of_bucket(provider: str, bucket: str) -> str:
    """The name under which the quota of several accounts stands."""
    return f"bucket {provider} {bucket}"


def of_breaker(provider: str, account: str, model: str) -> str:
    """The name under which a model by an account stands."""
    return f"breaker {provider} {account} {model}"
