"""How many tokens upstreams bill for a prompt, to one that is estimated here: per model, of late.

A vocabulary that nobody published, a template of the vendor's, another kind of text than the estimate was fitted on: all
of it shows in the usage that answers report, and its mean is taken back. The ratio is of sums that decay, so long prompts
count for more, as they should; before much is known, a ratio of one counts beside it. `at` is monotonic seconds.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

ASSUMED: Final = 2_000.0
"""Estimated tokens that a ratio of one counts for."""

MOST: Final = 200_000.0
"""Estimated tokens that the past counts for at most."""

HALF_LIFE: Final = 3_600.0
"""Seconds after which what is known counts half."""

LEAST_RATIO, MOST_RATIO = 0.5, 2.0
"""What is believed: beyond it something else was billed than the prompt that was seen."""

MODELS: Final = 4_096
"""Models that are kept in mind; the one that was not heard of for longest is forgotten first."""

Row = tuple[str, float, float, float]
"""Model, tokens billed, tokens estimated, and when the last was: ready for JSON."""

_NOTHING: Final = (0.0, 0.0, 0.0)


class _Sums:
    """Tokens of one model as they were by then."""

    __slots__ = ("at", "billed", "estimated")

    def __init__(self, at: float) -> None:
        self.billed = 0.0
        self.estimated = 0.0
        self.at = at

    def age(self, at: float) -> None:
        """The same by then."""
        if at > self.at:
            share = math.exp2((self.at - at) / HALF_LIFE)
            self.billed *= share
            self.estimated *= share
            self.at = at

    def add(self, billed: float, estimated: float, at: float) -> None:
        """With so many more; the past gives way where it is too much."""
        self.age(at)
        self.billed += billed
        self.estimated += estimated
        if self.estimated > MOST:
            self.billed *= MOST / self.estimated
            self.estimated = MOST


class Billing:
    """What one process knows of it."""

    def __init__(self) -> None:
        self._models: OrderedDict[str, _Sums] = OrderedDict()
        self._untold: dict[str, tuple[float, float, float]] = {}

    def __repr__(self) -> str:
        return f"<Billing of {len(self._models)} models>"

    def billed(self, model: str, estimated: int, billed: int, at: float) -> None:
        """A prompt of so many estimated tokens was billed as so many."""
        if estimated <= 0 or billed <= 0:
            return
        self._add(model, billed, estimated, at)
        told, of, _ = self._untold.get(model, _NOTHING)
        self._untold[model] = told + billed, of + estimated, at

    def ratio(self, model: str, at: float) -> float | None:
        """Tokens billed to one estimated; None where nothing is known. As a record has it, to three digits."""
        known = self._models.get(model)
        if known is None:
            return None
        known.age(at)
        return round(min(MOST_RATIO, max(LEAST_RATIO, (known.billed + ASSUMED) / (known.estimated + ASSUMED))), 3)

    def news(self) -> list[Row]:
        """What was learnt since this was last asked, for the other workers."""
        untold, self._untold = self._untold, {}
        return [(model, *sums) for model, sums in untold.items()]

    def known(self) -> list[Row]:
        """All of it, for a worker that begins."""
        return [(model, sums.billed, sums.estimated, sums.at) for model, sums in self._models.items()]

    def hear(self, rows: Iterable[Row]) -> None:
        """Take in what another process has learnt."""
        for model, billed, estimated, at in rows:
            if estimated > 0:
                self._add(model, billed, estimated, at)

    def _add(self, model: str, billed: float, estimated: float, at: float) -> None:
        known = self._models.get(model)
        if known is None:
            known = self._models[model] = _Sums(at)
        known.add(billed, estimated, at)
        self._models.move_to_end(model)
        if len(self._models) > MODELS:
            self._models.popitem(last=False)
