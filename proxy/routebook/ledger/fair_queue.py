"""Who waits for a pot, and whose turn it is: clients in turn, and of one client whoever came first.

So a client with a thousand requests waiting delays another one's request by one of them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from itertools import zip_longest
from typing import Generic, TypeVar

Ticket = TypeVar("Ticket", bound=Hashable)


class FairQueue(Generic[Ticket]):
    """A queue of at most `places` tickets; None: of as many as come."""

    def __init__(self, places: int | None = None) -> None:
        self.places = places
        self._lines: OrderedDict[str, dict[Ticket, None]] = OrderedDict()
        self._owners: dict[Ticket, str] = {}

    def __len__(self) -> int:
        return len(self._owners)

    def join(self, who: str, ticket: Ticket) -> bool:
        """Let a client wait; False where no place is left. A ticket that waits already keeps its place."""
        if ticket in self._owners:
            return True
        if self.places is not None and len(self._owners) >= self.places:
            return False
        self._lines.setdefault(who, {})[ticket] = None
        self._owners[ticket] = who
        return True

    def leave(self, ticket: Ticket) -> bool:
        """Wait no longer; False where it did not wait."""
        who = self._owners.pop(ticket, None)
        if who is None:
            return False
        del self._lines[who][ticket]
        if not self._lines[who]:
            del self._lines[who]
        return True

    @property
    def first(self) -> Ticket | None:
        """Whose turn is next; None where nobody waits."""
        for line in self._lines.values():
            return next(iter(line))
        return None

    def next(self) -> Ticket | None:
        """Take out the ticket whose turn it is: its client's next one waits until all others had a turn."""
        ticket = self.first
        if ticket is not None:
            self.served(ticket)
        return ticket

    def served(self, ticket: Ticket) -> None:
        """Take out a ticket that waited and has had its turn, whoever's turn it was."""
        who = self._owners[ticket]
        self.leave(ticket)
        if who in self._lines:
            self._lines.move_to_end(who)

    def in_turn(self) -> list[Ticket]:
        """All tickets, in the order of their turns if nobody comes or goes."""
        rounds = zip_longest(*self._lines.values(), fillvalue=None)
        return [ticket for each in rounds for ticket in each if ticket is not None]

    def place(self, ticket: Ticket) -> int | None:
        """How many tickets are served before this one, if nobody comes or goes; None where it does not wait."""
        who = self._owners.get(ticket)
        if who is None:
            return None
        before = list(self._lines[who]).index(ticket)
        sooner, ahead = 0, True
        for other, line in self._lines.items():
            if other == who:
                ahead = False
            else:
                sooner += min(len(line), before + ahead)
        return before + sooner
