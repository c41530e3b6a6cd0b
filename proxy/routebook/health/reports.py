"""How accounts stand and fare, for operators: what each worker says of them, and all workers together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from routebook.catalogue.providers import Account
from routebook.health.measurements import AccountKey, Measurements
from routebook.health.pace import Weights, quantile
from routebook.health.standings import Standing, State, of_account, of_breaker, of_bucket

WORDS = {
    State.READY: "ready",
    State.RESTING: "resting",
    State.ON_TRIAL: "probing",
    State.PROBING: "probing",
    State.OUT: "out",
}
"""What operators are told of each state."""

_GRAVITY = {"ready": 0, "probing": 1, "resting": 2, "out": 3}


class BreakerReport(msgspec.Struct, frozen=True):
    """A breaker that is not closed: `state` is `open` or `half-open`, `seconds` how long it still is."""

    model: str
    state: str
    seconds: float
    because: str


class AccountReport(msgspec.Struct, frozen=True):
    """One account. `seconds` is how long it still rests; `calls` and `failed` are those of the latest window;
    `first` and `whole` are histograms of times to the first byte and to the last (`health.pace`)."""

    provider: str
    account: str
    bucket: str | None
    state: str
    because: str
    seconds: float
    in_flight: int
    calls: int
    failed: int
    in_a_row: int
    first: Weights
    whole: Weights
    breakers: tuple[BreakerReport, ...] = ()

    @property
    def first_token(self) -> tuple[float | None, float | None]:
        """The time to the first byte, in seconds, that half of the latest answers and 95 of 100 stay below."""
        return quantile([self.first], 0.5), quantile([self.first], 0.95)

    @property
    def total(self) -> tuple[float | None, float | None]:
        """The same of the time to the last byte."""
        return quantile([self.whole], 0.5), quantile([self.whole], 0.95)


def report(memory: Measurements, provider: str, account: Account, at: float) -> AccountReport:
    """What one worker knows of an account."""
    key = (provider, account.name)
    names = [of_account(*key)] + ([] if account.bucket is None else [of_bucket(provider, account.bucket)])
    word, seconds, because = max(
        (_told(memory.standings.of(name), at) for name in names), key=lambda told: (_GRAVITY[told[0]], told[1])
    )
    pairs = [pair for (of, _), pair in memory.pairs.items() if of == key]
    calls, failed, in_a_row = memory.recent(key, at)
    return AccountReport(
        provider,
        account.name,
        account.bucket,
        word,
        because,
        seconds,
        memory.in_flight(key),
        calls,
        failed,
        in_a_row,
        _sum(pair.first.weights for pair in pairs),
        _sum(pair.whole.weights for pair in pairs),
        tuple(_breakers(memory, key, at)),
    )


def combined(by_worker: Iterable[Sequence[AccountReport]]) -> list[AccountReport]:
    """What all workers know of each account: the gravest state, everything that is counted added up."""
    found: dict[AccountKey, list[AccountReport]] = {}
    for reports in by_worker:
        for each in reports:
            found.setdefault((each.provider, each.account), []).append(each)
    return [_one(reports) for reports in found.values()]


def _one(reports: Sequence[AccountReport]) -> AccountReport:
    gravest = max(reports, key=lambda each: (_GRAVITY[each.state], each.seconds))
    breakers = {breaker.model: breaker for each in reports for breaker in each.breakers}
    return msgspec.structs.replace(
        gravest,
        in_flight=sum(each.in_flight for each in reports),
        calls=sum(each.calls for each in reports),
        failed=sum(each.failed for each in reports),
        in_a_row=max(each.in_a_row for each in reports),
        first=_sum(each.first for each in reports),
        whole=_sum(each.whole for each in reports),
        breakers=tuple(breakers.values()),
    )


def _told(standing: Standing, at: float) -> tuple[str, float, str]:
    word = WORDS[standing.state(at)]
    if word == "ready":
        return word, 0.0, ""
    return word, max(standing.until - at, 0.0) if word == "resting" else 0.0, standing.out or standing.because


def _breakers(memory: Measurements, account: AccountKey, at: float) -> Iterable[BreakerReport]:
    beginning = of_breaker(*account, "")
    for name, standing in memory.standings:
        state = standing.state(at)
        if name.startswith(beginning) and state is not State.READY:
            is_open = state is State.RESTING
            yield BreakerReport(
                name.removeprefix(beginning),
                "open" if is_open else "half-open",
                standing.until - at if is_open else 0.0,
                standing.because,
            )


def _sum(weights: Iterable[Weights]) -> Weights:
    # a worker that never called an account has no weights for it
    return [sum(each) for each in zip(*filter(None, weights), strict=True)]
