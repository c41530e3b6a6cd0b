"""Where conversations are: which model and account answered each of them last.

Bounded: what was not heard of for longest is forgotten first. What one worker learns the others are told (`news`,
`hear`), for the next request may come to any of them; the latest answer counts, in whatever order they hear of it.

A conversation may go on after weeks, so a worker of any age has as many in mind as it can, and each answer that a vendor
keeps is one. They stand in arrays, which have their full size from the first one on: 42 bytes each, where objects of Python
would be ten times that, and a worker's memory would grow for days.

The clock is an argument: `at` is monotonic seconds, which are the same in all processes of a host.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Final

MOST: Final = 65_536
"""Conversations that a worker keeps in mind: 2.7 MB."""

DIGEST: Final = 16
"""Bytes that a conversation is known by."""

MOST_PLACES: Final = 65_536
"""Different places at the same time. Reloads may name ever new ones: past this, all is forgotten, and begun anew."""

NOWHERE: Final = -1
"""In place of a slot: there is none."""

Place = tuple[str, str]
"""A model's name and the account's path (`provider/account`)."""

News = tuple[str, str, str, float]
"""Conversation (hexadecimal), model, account, and when it was answered: ready for JSON."""


class Affinities:
    """The conversations that one worker knows of. Each is `DIGEST` bytes, of which all values are equally likely."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._table: _Table | None = None
        self._untold: set[bytes] = set()

    def __repr__(self) -> str:
        return f"<Affinities of {len(self)} conversations, {len(self._untold)} untold>"

    def __len__(self) -> int:
        return 0 if self._table is None else self._table.held

    def place_of(self, conversation: bytes, at: float, seconds: float) -> Place | None:
        """Where it was answered last, unless that is longer ago than so many seconds."""
        known = self._known(conversation)
        return None if known is None or at - known[1] >= seconds else known[0]

    def answered(self, conversation: bytes, place: Place, at: float) -> None:
        """This model by this account has answered it: there it stays."""
        self._note(conversation, place, at)
        self._untold.add(conversation)

    def news(self) -> list[News]:
        """What was learnt since this was last asked, as it stands now, for the other workers."""
        untold, self._untold = self._untold, set()
        found = ((each, self._known(each)) for each in untold)
        return [(each.hex(), *known[0], known[1]) for each, known in found if known is not None]

    def hear(self, news: Iterable[News]) -> None:
        """Take in what another worker has learnt; it is no news where something later is known."""
        for written, model, account, at in news:
            conversation = bytes.fromhex(written)
            known = self._known(conversation)
            if known is None or known[1] < at:
                self._note(conversation, (model, account), at)

    def _known(self, conversation: bytes) -> tuple[Place, float] | None:
        return None if self._table is None else self._table.find(conversation)

    def _note(self, conversation: bytes, place: Place, at: float) -> None:
        if self._table is None or self._table.is_worn:
            self._table = _Table(self._most)
        if (forgotten := self._table.note(conversation, place, at)) is not None:
            self._untold.discard(forgotten)


class _Table:
    """Slots in two orders: each is in the chain of its bucket, by which it is found, and in a ring from the newest to the
    oldest, by which it is forgotten. The slot behind the last one is the ring's beginning and end."""

    __slots__ = (
        "_after",
        "_at",
        "_before",
        "_chains",
        "_digests",
        "_heads",
        "_most",
        "_numbers",
        "_places",
        "_whose",
        "held",
    )

    def __init__(self, most: int) -> None:
        self.held = 0
        self._most = most
        self._digests = bytearray(b"\0") * (DIGEST * most)
        self._at = array("d", [0.0]) * most
        self._whose = array("H", [0]) * most
        self._heads = array("i", [NOWHERE]) * most
        self._chains = array("i", [NOWHERE]) * most
        self._before = array("i", [most]) * (most + 1)
        self._after = array("i", [most]) * (most + 1)
        self._places: list[Place] = []
        self._numbers: dict[Place, int] = {}

    @property
    def is_worn(self) -> bool:
        """Whether no other place can be noted."""
        return len(self._places) >= MOST_PLACES

    def find(self, digest: bytes) -> tuple[Place, float] | None:
        """What is known of a conversation."""
        slot = self._slot(digest)
        return None if slot == NOWHERE else (self._places[self._whose[slot]], self._at[slot])

    def note(self, digest: bytes, place: Place, at: float) -> bytes | None:
        """The newest now; gives back the oldest, where that is forgotten for it."""
        slot, forgotten = self._slot(digest), None
        if slot != NOWHERE:
            self._leave_ring(slot)
        elif self.held < self._most:
            slot = self.held
            self.held += 1
            self._enter_chain(slot, digest)
        else:
            slot = self._after[self._most]
            forgotten = self._digest(slot)
            self._leave_ring(slot)
            self._leave_chain(slot, forgotten)
            self._enter_chain(slot, digest)
        self._enter_ring(slot)
        self._at[slot], self._whose[slot] = at, self._number(place)
        return forgotten

    def _slot(self, digest: bytes) -> int:
        slot = self._heads[self._bucket(digest)]
        while slot != NOWHERE and self._digest(slot) != digest:
            slot = self._chains[slot]
        return slot

    def _digest(self, slot: int) -> bytes:
        return bytes(self._digests[slot * DIGEST : (slot + 1) * DIGEST])

    def _bucket(self, digest: bytes) -> int:
        return int.from_bytes(digest[:8], "big") % self._most

    def _number(self, place: Place) -> int:
        number = self._numbers.get(place)
        if number is None:
            number = self._numbers[place] = len(self._places)
            self._places.append(place)
        return number

    def _enter_chain(self, slot: int, digest: bytes) -> None:
        bucket = self._bucket(digest)
        self._digests[slot * DIGEST : (slot + 1) * DIGEST] = digest
        self._chains[slot], self._heads[bucket] = self._heads[bucket], slot

    def _leave_chain(self, slot: int, digest: bytes) -> None:
        bucket = self._bucket(digest)
        if self._heads[bucket] == slot:
            self._heads[bucket] = self._chains[slot]
            return
        each = self._heads[bucket]
        while self._chains[each] != slot:
            each = self._chains[each]
        self._chains[each] = self._chains[slot]

    def _enter_ring(self, slot: int) -> None:
        newest = self._before[self._most]
        self._before[slot], self._after[slot] = newest, self._most
        self._after[newest] = self._before[self._most] = slot

    def _leave_ring(self, slot: int) -> None:
        before, after = self._before[slot], self._after[slot]
        self._after[before], self._before[after] = after, before
