"""What was learnt from traffic, by everybody on this host: what answers are like, how fast they come, how they were
rated, what prompts are billed as.

A worker tells what is new to it (`news`), the supervisor keeps all of it for workers that begin (`known`) and passes it
on. All of it is a hint for choosing among candidates, never a condition of correctness.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from routebook.health.billing import Billing
from routebook.health.habits import Habits
from routebook.health.ratings import Ratings
from routebook.health.speeds import First, Speeds


class Learnt:
    """Habits, speeds, ratings and what prompts are billed as, as one process knows them."""

    def __init__(self) -> None:
        self.habits = Habits()
        self.speeds = Speeds()
        self.sounds = Speeds()
        self.ratings = Ratings()
        self.billing = Billing()

    def __repr__(self) -> str:
        return f"<Learnt {self.habits!r}, {self.speeds!r}, {self.ratings!r}>"

    def times(self, first: First) -> Speeds:
        """The times of answers by what of them is waited for; of sound, only those to the first of it."""
        return self.sounds if first is First.AUDIO else self.speeds

    def news(self) -> dict[str, Any]:
        """What was learnt since this was last asked, ready for JSON; empty where nothing was."""
        told = {what: each.news() for what, each in self._parts()}
        return {what: rows for what, rows in told.items() if rows}

    def known(self) -> dict[str, Any]:
        """What a worker that begins has to hear."""
        return {what: each.known() for what, each in self._parts()}

    def hear(self, told: Mapping[str, Any]) -> None:
        """Take in what another process says."""
        for what, each in self._parts():
            each.hear(told.get(what, ()))

    def _parts(self) -> tuple[tuple[str, Habits | Speeds | Ratings | Billing], ...]:
        return (
            ("habits", self.habits),
            ("speeds", self.speeds),
            ("sounds", self.sounds),
            ("ratings", self.ratings),
            ("billing", self.billing),
        )
