"""Where conversations are: which model and account answered each of them last.

Bounded: what was not heard of for longest is forgotten first. What one worker learns the others are told (`news`,
`hear`), for the next request may come to any of them; the latest answer counts, in whatever order they hear of it.

The clock is an argument: `at` is monotonic seconds, which are the same in all processes of a host.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

MOST = 65_536
"""Conversations that a worker keeps in mind: about 30 MB."""

Place = tuple[str, str]
"""A model's name and the account's path (`provider/account`)."""

News = tuple[str, str, str, float]
"""Conversation (hexadecimal), model, account, and when it was answered: ready for JSON."""


class Affinities:
    """The conversations that one worker knows of."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._places: OrderedDict[bytes, tuple[Place, float]] = OrderedDict()
        self._untold: set[bytes] = set()

    def __repr__(self) -> str:
        return f"<Affinities of {len(self._places)} conversations, {len(self._untold)} untold>"

    def __len__(self) -> int:
        return len(self._places)

    def place_of(self, conversation: bytes, at: float, seconds: float) -> Place | None:
        """Where it was answered last, unless that is longer ago than so many seconds."""
        known = self._places.get(conversation)
        return None if known is None or at - known[1] >= seconds else known[0]

    def answered(self, conversation: bytes, place: Place, at: float) -> None:
        """This model by this account has answered it: there it stays."""
        self._note(conversation, place, at)
        self._untold.add(conversation)

    def news(self) -> list[News]:
        """What was learnt since this was last asked, as it stands now, for the other workers."""
        untold, self._untold = self._untold, set()
        known = ((each, self._places[each]) for each in untold)
        return [(each.hex(), *place, at) for each, (place, at) in known]

    def hear(self, news: Iterable[News]) -> None:
        """Take in what another worker has learnt; it is no news where something later is known."""
        for conversation, model, account, at in news:
            known = self._places.get(bytes.fromhex(conversation))
            if known is None or known[1] < at:
                self._note(bytes.fromhex(conversation), (model, account), at)

    def _note(self, conversation: bytes, place: Place, at: float) -> None:
        self._places[conversation] = place, at
        self._places.move_to_end(conversation)
        if len(self._places) > self._most:
            self._untold.discard(self._places.popitem(last=False)[0])
