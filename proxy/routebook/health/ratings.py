"""How good answers were, by model and class of task, as those say who got them: feedback, counted.

Bounded by the names of models and classes. What is known is a sum and a number, so it merges in any order.
"""

from __future__ import annotations

from collections.abc import Iterable

MOST_COUNT = 2000.0
"""So many ratings count at most: beyond them a new one moves the mean as if there were no more."""

MOST = 16_384
"""Models by class of task that are kept in mind."""

Rating = tuple[float, float]
"""The sum of what answers were rated with, from 0 to 1 each, and how many there were."""

Row = tuple[str, str, float, float]
"""Model, class of task, sum and number: ready for JSON."""


class Ratings:
    """What one process knows of ratings."""

    def __init__(self) -> None:
        self._ratings: dict[tuple[str, str], Rating] = {}
        self._untold: dict[tuple[str, str], Rating] = {}

    def __repr__(self) -> str:
        return f"<Ratings of {len(self._ratings)} models by class of task>"

    def rated(self, model: str, task: str, quality: float) -> None:
        """An answer was rated."""
        self._add(self._ratings, model, task, quality, 1.0)
        self._add(self._untold, model, task, quality, 1.0)

    def of(self, model: str, task: str) -> Rating | None:
        """How the model's answers to such prompts were rated; None where none was."""
        known = self._ratings.get((model, task))
        return None if known is None else (round(known[0], 4), round(known[1], 4))

    def news(self) -> list[Row]:
        """What was learnt since this was last asked, for the other workers."""
        untold, self._untold = self._untold, {}
        return [(*of, *rating) for of, rating in untold.items()]

    def known(self) -> list[Row]:
        """All of it, for a worker that begins."""
        return [(*of, *rating) for of, rating in self._ratings.items()]

    def hear(self, rows: Iterable[Row]) -> None:
        """Take in what another process knows."""
        for model, task, total, count in rows:
            self._add(self._ratings, model, task, total, count)

    def _add(self, table: dict[tuple[str, str], Rating], model: str, task: str, total: float, count: float) -> None:
        if (model, task) not in table and len(table) >= MOST:
            return
        known, number = table.get((model, task), (0.0, 0.0))
        total, count = known + total, number + count
        scale = min(1.0, MOST_COUNT / count) if count else 1.0
        table[model, task] = total * scale, count * scale
