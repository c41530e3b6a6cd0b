"""What a request draws on: the budgets and limits that count it, and its worst case for each candidate."""

from __future__ import annotations

from dataclasses import dataclass

from routebook.routing.candidates import Candidate
from routebook.routing.holding import Need


@dataclass(frozen=True, slots=True)
class RequestDraws:
    """What one request draws on; `who` is the client by whose name it queues."""

    who: str

    def needs(self, candidate: Candidate) -> tuple[Need, ...]:
        """What it needs at most of each, should this candidate serve it."""
        return ()
