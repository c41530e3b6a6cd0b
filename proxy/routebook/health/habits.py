"""What answers are like of late, per client and model: how long they are, and how much of the prompt came from a cache.

A decaying mean: an answer counts a tenth of all before it once ten are known, and what is old counts less. Bounded: the
pair that was not heard of for longest is forgotten first. A client of which little is known is taken to be like the
model's other clients. The clock is an argument: `at` is monotonic seconds, the same in all processes of a host.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable
from typing import TypeVar

Key = TypeVar("Key")

MOST = 8192
"""Pairs of a client and a model that are kept in mind."""

MOST_WEIGHT = 9.0
"""Answers that the past counts for at most: the newest one counts a tenth."""

HALF_LIFE = 600.0
"""Seconds after which what is known counts half."""

OF_OTHERS = 3.0
"""Answers that the model's other clients count for at most beside the client's own."""

MOMENT = 0.5
"""Seconds: answers no further apart may be taken in together, as one mean."""

MOST_NEWS = 1000
"""Rows that are told at a time; the others follow."""

Habit = tuple[float, float, float, float]
"""Tokens of an answer, the share of the prompt that was read from a cache, how many answers that is known from (what is
old or long ago counts less), and how many seconds ago the last one was."""

Row = tuple[str, str, float, float, float, float]
"""Client, model, answers, their tokens in all, their cached shares in all, and when the last was: ready for JSON."""


class _Mean:
    """The decaying mean of one pair."""

    __slots__ = ("at", "cached", "output", "weight")

    def __init__(self, at: float) -> None:
        self.weight = 0.0
        self.output = 0.0
        self.cached = 0.0
        self.at = at

    def weight_at(self, at: float) -> float:
        """How many answers it counts for by then."""
        return self.weight * math.exp2(-max(0.0, at - self.at) / HALF_LIFE)

    def note(self, answers: float, output: float, cached: float, at: float) -> None:
        """So many answers more, with their means."""
        weight = self.weight_at(at)
        share = answers / (weight + answers)
        self.output += share * (output - self.output)
        self.cached += share * (cached - self.cached)
        self.weight = min(weight + answers, MOST_WEIGHT)
        self.at = max(self.at, at)


class Habits:
    """What one worker knows of answers. An answer is only added to a sum; the means take in what was summed when somebody
    asks."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._pairs: OrderedDict[tuple[str, str], _Mean] = OrderedDict()
        self._models: OrderedDict[str, _Mean] = OrderedDict()
        self._fresh: dict[tuple[str, str], list[float]] = {}
        self._since = -math.inf
        self._untold: dict[tuple[str, str], list[float]] = {}

    def __repr__(self) -> str:
        return f"<Habits of {len(self._pairs)} clients and models>"

    def __len__(self) -> int:
        self._take_in()
        return len(self._pairs)

    def answered(self, client: str, model: str, output: int, cached: float, at: float) -> None:
        """An answer of so many tokens; `cached` is the share of its prompt that was read from a cache."""
        if at - self._since > MOMENT:
            self._take_in()
            self._since = at
        _add(self._fresh, (client, model), 1, output, cached, at)

    def of(self, client: str, model: str, at: float) -> Habit | None:
        """What is to be expected of the model's next answer to this client; None where nothing is known."""
        self._take_in()
        own, all_ = self._pairs.get((client, model)), self._models.get(model)
        if all_ is None:
            return None
        theirs = min(all_.weight_at(at), OF_OTHERS)
        if own is None:
            return _rounded(all_.output, all_.cached, theirs, at - all_.at)
        weight = own.weight_at(at)
        share = weight / (weight + theirs)
        return _rounded(
            all_.output + share * (own.output - all_.output),
            all_.cached + share * (own.cached - all_.cached),
            weight + theirs,
            at - own.at,
        )

    def news(self) -> list[Row]:
        """What was learnt since this was last asked, for the other workers."""
        self._take_in()
        told = list(self._untold)[:MOST_NEWS]
        return [(*pair, *self._untold.pop(pair)) for pair in told]  # type: ignore[misc]  # the four numbers of a row

    def known(self) -> list[Row]:
        """What a worker that begins has to hear: the pairs that were heard of last."""
        self._take_in()
        latest = list(self._pairs.items())[-MOST_NEWS:]
        return [
            (*pair, mean.weight, mean.output * mean.weight, mean.cached * mean.weight, mean.at) for pair, mean in latest
        ]

    def hear(self, rows: Iterable[Row]) -> None:
        """Take in what another worker has learnt."""
        for client, model, answers, output, cached, at in rows:
            if answers > 0:
                self._note(client, model, answers, output / answers, cached / answers, at)

    def _take_in(self) -> None:
        """What was summed since this was last done."""
        for (client, model), (answers, output, cached, at) in self._fresh.items():
            self._note(client, model, answers, output / answers, cached / answers, at)
            _add(self._untold, (client, model), answers, output, cached, at)
        self._fresh.clear()

    def _note(self, client: str, model: str, answers: float, output: float, cached: float, at: float) -> None:
        _entry(self._pairs, (client, model), at, self._most).note(answers, output, cached, at)
        _entry(self._models, model, at, self._most).note(answers, output, cached, at)


def _add(
    sums: dict[tuple[str, str], list[float]],
    pair: tuple[str, str],
    answers: float,
    output: float,
    cached: float,
    at: float,
) -> None:
    """Add so many answers, with their tokens and cached shares in all; who was heard of last comes last."""
    known = sums.pop(pair, None) or [0.0, 0.0, 0.0, at]
    known[0] += answers
    known[1] += output
    known[2] += cached
    known[3] = at
    sums[pair] = known


def _entry(table: OrderedDict[Key, _Mean], key: Key, at: float, most: int) -> _Mean:
    mean = table.get(key)
    if mean is None:
        mean = table[key] = _Mean(at)
        if len(table) > most:
            table.popitem(last=False)
    table.move_to_end(key)
    return mean


def _rounded(output: float, cached: float, weight: float, age: float) -> Habit:
    """As a record has it, so that what is decided again sees the same numbers."""
    return round(output, 1), round(cached, 4), round(weight, 3), round(max(age, 0.0), 1)
