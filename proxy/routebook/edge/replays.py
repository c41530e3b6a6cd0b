"""Recorded requests decided again, out of the journal's files by several processes: what `replay`, `diff --replay` and the
console count.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from routebook.edge.journal.kept import KeptPolicies
    from routebook.edge.journal.sweeping import Piece
    from routebook.routing.policy import Policy
    from routebook.routing.replaying.deciding import Redeciding
    from routebook.routing.replaying.own import OwnCounting, OwnTally
    from routebook.routing.replaying.tally import Counting, Tally


def counted(
    pieces: Sequence[Piece], counts: ProposedCounts, told: Callable[[int, int], None] = lambda done, of: None
) -> Tally:
    """All pieces of a journal, decided again under a proposed policy."""
    from routebook.edge.journal.sweeping import sweep

    whole = counts()
    for tally in sweep(pieces, counts, told):
        whole.add(tally)
    return whole.tally


def counted_own(
    pieces: Sequence[Piece], counts: OwnCounts, told: Callable[[int, int], None] = lambda done, of: None
) -> OwnTally:
    """All pieces of a journal, each record decided again under its own policy."""
    from routebook.edge.journal.sweeping import sweep

    whole = counts()
    for tally in sweep(pieces, counts, told):
        whole.add(tally)
    return whole.tally


def by_rules(tally: Tally) -> dict[tuple[str | None, str | None], int]:
    """How many requests there were by the rule that decided them and the one that would."""
    requests: dict[tuple[str | None, str | None], int] = {}
    for (then, now), flow in tally.flows.items():
        pair = then.rule, now.rule
        requests[pair] = requests.get(pair, 0) + flow.requests
    return requests


class ProposedCounts:
    """Begins a count under a proposed policy for each piece; what it works out for one it keeps for the next."""

    def __init__(self, proposed: Policy, kept: KeptPolicies, first: str) -> None:
        self._proposed = proposed
        self._kept = kept
        self._first = first
        self._redeciding: Redeciding | None = None

    def __repr__(self) -> str:
        return f"<ProposedCounts under {self._proposed.digest}>"

    def __reduce__(self) -> tuple[type[ProposedCounts], tuple[Policy, KeptPolicies, str]]:
        return ProposedCounts, (self._proposed, self._kept, self._first)

    def __call__(self) -> Counting:
        from routebook.routing.replaying.deciding import Redeciding
        from routebook.routing.replaying.tally import Counting

        if self._redeciding is None:
            self._redeciding = Redeciding(self._proposed, self._kept)
        return Counting(self._redeciding, self._first)


class OwnCounts:
    """The same, for records under their own policies."""

    def __init__(self, kept: KeptPolicies, first: str) -> None:
        self._kept = kept
        self._first = first

    def __repr__(self) -> str:
        return f"<OwnCounts of {self._kept!r}>"

    def __call__(self) -> OwnCounting:
        from routebook.routing.replaying.own import OwnCounting

        return OwnCounting(self._kept, self._first)
