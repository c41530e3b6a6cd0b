"""How fast models answer of late, by account: the time to the first token, and to the last, that half of the answers stay below.

Decaying histograms (`health.pace`): four answers that are slower, or faster, move the median; what is old counts less.
What one worker measures the others are told. The clock is an argument: `at` is monotonic seconds.
"""

from __future__ import annotations

import enum
import math
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping

from routebook.health.pace import Pace, bucket_of, quantile

WEIGHT_OF_LATEST = 0.2
"""How much the newest time counts against all before it: four newer ones weigh more than all that was."""

HALF_LIFE = 600.0
"""Seconds after which what is known counts half."""

MOMENT = 0.5
"""Seconds: times no further apart may be taken in together."""

MOST = 4096
"""Models by accounts that are kept in mind."""

AS_KNOWN = 3
"""So often a median counts that a worker hears of when it begins."""

AccountKey = tuple[str, str]
"""Provider's name and account's name."""

ALL: AccountKey = ("", "")
"""All accounts that serve a model, together."""

Speed = tuple[float | None, float | None, float]
"""Seconds to the first token and to the last (None: not measured), and how many seconds ago the last was measured."""


class First(enum.Enum):
    """The first of an answer, by the name under which policies declare and constrain the time to it: of anything at all, or
    of sound. Each has times of its own: a model that speaks may write before."""

    __hash__ = object.__hash__  # enum's own is written in Python

    TOKEN = "first_token"
    AUDIO = "first_audio"


Counts = Mapping[int, int]
"""How many times fell into a bucket."""

Row = tuple[str, str, str, list[tuple[int, int]], list[tuple[int, int]], float]
"""Provider, account, model, the buckets of first and of last tokens with their counts, and when: ready for JSON."""


class _Times:
    """One model as one account serves it."""

    __slots__ = ("_first", "_known", "_whole", "at")

    def __init__(self, at: float) -> None:
        self.at = at
        self._first = Pace(WEIGHT_OF_LATEST)
        self._whole = Pace(WEIGHT_OF_LATEST)
        self._known: tuple[float | None, float | None] | None = None

    def note(self, first: Counts, whole: Counts, at: float) -> None:
        """So many answers more."""
        halvings = max(0.0, at - self.at) / HALF_LIFE
        for pace, counts in ((self._first, first), (self._whole, whole)):
            if counts:
                pace.add(counts, halvings)
        self.at = max(self.at, at)
        self._known = None

    def medians(self) -> tuple[float | None, float | None]:
        """Of the first token, and of the last."""
        if self._known is None:
            self._known = _median(self._first), _median(self._whole)
        return self._known


class _Counted:
    """How many times of one model by an account fell into which bucket, and when the last did."""

    __slots__ = ("at", "first", "whole")

    def __init__(self) -> None:
        self.at = 0.0
        self.first: dict[int, int] = {}
        self.whole: dict[int, int] = {}

    def take(self, other: _Counted) -> None:
        """So many more."""
        for told, counts in ((self.first, other.first), (self.whole, other.whole)):
            for bucket, count in counts.items():
                told[bucket] = told.get(bucket, 0) + count
        self.at = other.at


class Speeds:
    """What one worker knows of times. A measured time is only counted; the histograms take in what was counted when
    somebody asks, for most requests are decided by nothing that was learnt."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._times: OrderedDict[tuple[AccountKey, str], _Times] = OrderedDict()
        self._fresh: defaultdict[tuple[AccountKey, str], _Counted] = defaultdict(_Counted)
        self._since = -math.inf
        self._untold: defaultdict[tuple[AccountKey, str], _Counted] = defaultdict(_Counted)

    def __repr__(self) -> str:
        return f"<Speeds of {len(self._times)} models by accounts>"

    def began(self, account: AccountKey, model: str, seconds: float, at: float) -> None:
        """An answer began so long after the call."""
        fresh, bucket = self._counted(account, model, at), bucket_of(seconds)
        fresh.first[bucket] = fresh.first.get(bucket, 0) + 1

    def ended(self, account: AccountKey, model: str, seconds: float, at: float) -> None:
        """An answer ended so long after the call."""
        fresh, bucket = self._counted(account, model, at), bucket_of(seconds)
        fresh.whole[bucket] = fresh.whole.get(bucket, 0) + 1

    def of(self, account: AccountKey, model: str, at: float) -> Speed | None:
        """How fast it is; `ALL` stands for all accounts together. None where nothing was measured."""
        self._take_in()
        times = self._times.get((account, model))
        if times is None:
            return None
        first, whole = times.medians()
        return first, whole, round(max(at - times.at, 0.0), 1)

    def news(self) -> list[Row]:
        """What was measured since this was last asked, for the other workers: a row for each model by account at most."""
        self._take_in()
        rows: list[Row] = [
            (*account, model, sorted(counted.first.items()), sorted(counted.whole.items()), counted.at)
            for (account, model), counted in self._untold.items()
        ]
        self._untold.clear()
        return rows

    def known(self) -> list[Row]:
        """What a worker that begins has to hear: the median of each, as if it had been measured a few times."""
        self._take_in()
        rows: list[Row] = []
        for (account, model), times in self._times.items():
            if account != ALL:
                first, whole = ([] if each is None else [(bucket_of(each), AS_KNOWN)] for each in times.medians())
                rows.append((*account, model, first, whole, times.at))
        return rows

    def hear(self, rows: Iterable[Row]) -> None:
        """Take in what another worker has measured."""
        for provider, account, model, first, whole, at in rows:
            self._note((provider, account), model, dict(first), dict(whole), at)

    def _counted(self, account: AccountKey, model: str, at: float) -> _Counted:
        if at - self._since > MOMENT:
            self._take_in()
            self._since = at
        fresh = self._fresh[account, model]
        fresh.at = at
        return fresh

    def _take_in(self) -> None:
        """What was counted since this was last done."""
        for (account, model), fresh in self._fresh.items():
            self._note(account, model, fresh.first, fresh.whole, fresh.at)
            self._untold[account, model].take(fresh)
        self._fresh.clear()

    def _note(self, account: AccountKey, model: str, first: Counts, whole: Counts, at: float) -> None:
        for of in ((account, model), (ALL, model)):
            times = self._times.get(of)
            if times is None:
                times = self._times[of] = _Times(at)
                if len(self._times) > self._most:
                    self._times.popitem(last=False)
            self._times.move_to_end(of)
            times.note(first, whole, at)


def _median(pace: Pace) -> float | None:
    seconds = quantile([pace.weights], 0.5)
    return None if seconds is None else round(seconds, 4)
