"""Whether records replay to themselves: each decided again under the policy that it was made by."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from routebook.routing.record import UNREAD
from routebook.routing.recorded import decode_recorded, event_of
from routebook.routing.replay import Replayer, differences
from routebook.routing.replaying.deciding import PolicyOf

SHOWN = 20
"""Records that came out otherwise of which the differences are kept."""


@dataclass(slots=True)
class OwnTally:
    """What came of some of a journal's lines: records that replay to themselves, and that do not, with the differences of
    the first few; those whose policy is not at hand, by its digest; those that ended before anything was decided; and
    lines that are no records."""

    alike: int = 0
    otherwise: int = 0
    differences: dict[str, list[str]] = field(default_factory=dict)
    without: dict[str, int] = field(default_factory=dict)
    unread: int = 0
    unreadable: int = 0

    @property
    def records(self) -> int:
        """All records that were counted."""
        return self.alike + self.otherwise + sum(self.without.values()) + self.unread


class OwnCounting:
    """Fills such a tally from lines of a journal, and adds them up."""

    def __init__(self, policy_of: PolicyOf, since: str = "") -> None:
        """Records with ids before `since` are passed over."""
        self.tally = OwnTally()
        self._policy_of = policy_of
        self._since = since
        self._replayers: dict[str, Replayer | None] = {}

    def __repr__(self) -> str:
        return f"<OwnCounting of {self.tally.records} records>"

    def take(self, line: bytes) -> None:
        """Count one line."""
        try:
            if event_of(line) == "decided":
                self._decided(line)
        except msgspec.DecodeError:
            self.tally.unreadable += 1

    def add(self, other: OwnTally) -> None:
        """Take in what another tally counted."""
        tally = self.tally
        tally.alike += other.alike
        tally.otherwise += other.otherwise
        tally.differences = dict(sorted((tally.differences | other.differences).items())[:SHOWN])
        for digest, number in other.without.items():
            tally.without[digest] = tally.without.get(digest, 0) + number
        tally.unread += other.unread
        tally.unreadable += other.unreadable

    def _decided(self, line: bytes) -> None:
        record, tally = decode_recorded(line), self.tally
        if record.id < self._since:
            return
        if record.outcome == UNREAD:
            tally.unread += 1
            return
        replayer = self._replayer(record.policy)
        if replayer is None:
            tally.without[record.policy] = tally.without.get(record.policy, 0) + 1
            return
        found = differences(record, replayer.decide(record))
        if not found:
            tally.alike += 1
            return
        tally.otherwise += 1
        if len(tally.differences) < SHOWN:
            tally.differences[record.id] = found

    def _replayer(self, digest: str) -> Replayer | None:
        if digest not in self._replayers:
            policy = self._policy_of(digest)
            self._replayers[digest] = None if policy is None else Replayer(policy)
        return self._replayers[digest]
