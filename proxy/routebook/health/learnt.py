"""What was learnt from traffic, by everybody on this host: what answers are like, how fast they come, how they were rated.

A worker tells what is new to it (`news`), the supervisor keeps all of it for workers that begin (`known`) and passes it
on. All of it is a hint for choosing among candidates, never a condition of correctness.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from routebook.health.habits import Habits
from routebook.health.ratings import Ratings
from routebook.health.speeds import Speeds


class Learnt:
    """Habits, speeds and ratings, as one process knows them."""

    def __init__(self) -> None:
        self.habits = Habits()
        self.speeds = Speeds()
        self.ratings = Ratings()

    def __repr__(self) -> str:
        return f"<Learnt {self.habits!r}, {self.speeds!r}, {self.ratings!r}>"

    def news(self) -> dict[str, Any]:
        """What was learnt since this was last asked, ready for JSON; empty where nothing was."""
        told = {"habits": self.habits.news(), "speeds": self.speeds.news(), "ratings": self.ratings.news()}
        return {what: rows for what, rows in told.items() if rows}

    def known(self) -> dict[str, Any]:
        """What a worker that begins has to hear."""
        return {"habits": self.habits.known(), "speeds": self.speeds.known(), "ratings": self.ratings.known()}

    def hear(self, told: Mapping[str, Any]) -> None:
        """Take in what another process says."""
        self.habits.hear(told.get("habits", ()))
        self.speeds.hear(told.get("speeds", ()))
        self.ratings.hear(told.get("ratings", ()))
