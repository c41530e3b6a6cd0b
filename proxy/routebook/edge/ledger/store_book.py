"""What a host believes that it is entitled to: never more than the shared store counts for it.

A belief is raised after the store has granted, and lowered before the store is told. Where an answer was lost the store
may count more than is believed: such counters are *astray* until it has been told the figure again.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence

from routebook.edge.ledger.store import HostState, Want
from routebook.ledger.claims import Counter, Kind

KEEP_STORED = -1
"""Instead of what is settled: what the store has of settled and held is to stand."""

FORGET_SECONDS = 60
"""Seconds after its window's end that a counter is still known here."""


class EntitlementBook:
    """The beliefs of one host."""

    def __init__(self) -> None:
        self._entitled: dict[Counter, int] = {}
        self._states: dict[Counter, HostState] = {}
        self._busy: Tally[Counter] = Tally()
        self._astray: set[Counter] = set()

    def __len__(self) -> int:
        return len(self._entitled)

    def __getitem__(self, counter: Counter) -> int:
        return self._entitled.get(counter, 0)

    def state(self, counter: Counter, as_told: bool) -> HostState:
        """A counter as the store is to have it: `as_told` by the desk, or the entitlement alone."""
        known = self._states[counter]
        settled, held = (known.settled, known.held) if as_told else (KEEP_STORED, 0)
        return HostState(settled, held, self[counter], known.kind, known.first, known.ends)

    def begin(self, counters: Iterable[Counter]) -> None:
        """These are being acquired: until `end`, what is granted may not have reached who asked."""
        self._busy.update(counters)

    def end(self, counters: Iterable[Counter]) -> None:
        """Who asked for these has the answer, or no longer waits for it."""
        for counter in counters:
            self._busy[counter] -= 1
            if self._busy[counter] <= 0:
                del self._busy[counter]

    def note(self, states: Mapping[Counter, HostState]) -> None:
        """The desk keeps less (or has drawn more, while the store was away). What is being acquired is not lowered."""
        for counter, state in states.items():
            wanted = max(state.entitled, state.settled + state.held)
            self._entitled[counter] = max(wanted, self[counter]) if counter in self._busy else wanted
            self._states[counter] = state

    def note_all(self, states: Mapping[Counter, HostState]) -> list[Counter]:
        """This is all that the desk has: nothing is believed of other counters. Which the store is to be told."""
        self.note(states)
        for counter in [counter for counter in self._entitled if counter not in states and counter not in self._busy]:
            del self._entitled[counter]
            self._astray.add(counter)
        return list(states)

    def granted(self, wants: Sequence[Want], amounts: Mapping[Counter, int]) -> None:
        """The store has granted, and who asked will be told."""
        self.know(wants)
        for want in wants:
            if want.claim.kind is not Kind.RATE:
                self._entitled[want.claim.counter] = self[want.claim.counter] + amounts[want.claim.counter]

    def not_received(self, amounts: Mapping[Counter, int]) -> None:
        """What was granted did not reach who asked."""
        for counter, amount in amounts.items():
            if counter in self._entitled:
                self._entitled[counter] -= amount
                self._astray.add(counter)

    def lost(self, wants: Sequence[Want]) -> None:
        """The store may have granted these, and nobody here has it."""
        self.know(wants)
        self._astray.update(want.claim.counter for want in wants if want.claim.kind is not Kind.RATE)

    def know(self, wants: Iterable[Want]) -> None:
        """What these are counted in, for when the store has to be told."""
        for want in wants:
            claim = want.claim
            if claim.kind is not Kind.RATE and claim.counter not in self._states:
                self._states[claim.counter] = HostState(KEEP_STORED, 0, 0, claim.kind, claim.first, claim.ends)

    def strays(self, most: int) -> list[Counter]:
        """Some of those astray that can be told now."""
        found: list[Counter] = []
        for counter in self._astray:
            if len(found) == most:
                break
            if counter not in self._busy:
                found.append(counter)
        return found

    def heard(self, stored: Mapping[Counter, int]) -> None:
        """The store has these figures: what is believed otherwise by now is astray."""
        for counter, entitled in stored.items():
            if self[counter] == entitled:
                self._astray.discard(counter)
            elif counter in self._states:
                self._astray.add(counter)

    def forget_past(self, now: float) -> None:
        """Drop windows that are over, and slots that nobody has."""
        for counter, state in tuple(self._states.items()):
            span = counter[1] - state.first
            over = state.ends + span + FORGET_SECONDS < now if state.ends else not self[counter]
            if over and counter not in self._busy and (state.ends or counter not in self._astray):
                del self._states[counter]
                self._entitled.pop(counter, None)
                self._astray.discard(counter)

    def known(self) -> Mapping[Counter, HostState]:
        """Every counter, as last told by the desk or first wanted."""
        return self._states
