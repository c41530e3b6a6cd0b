"""What providers want back with the results of their calls, by the client and the id of the call.

Bounded in number and in bytes; what was kept longest ago is forgotten first, and everything after a day. What one worker
keeps the others are told (`news`, `hear`), for the next request may come to any of them. A client gets back what was
said to itself alone.

The clock is an argument: `at` is monotonic seconds, which are the same in all processes of a host.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from routebook.chat.remembering import Memory

MOST: Final = 65_536
"""Calls that a worker remembers."""

ROOM: Final = 64 * 1024 * 1024
"""Bytes that their memories have together, as they are told to others."""

LARGEST: Final = 1024 * 1024
"""Bytes of one memory; larger ones are not kept."""

LIFE: Final = 86_400.0
"""Seconds for which a call may be answered."""

News = tuple[str, str, str, float]
"""The client, the call, its memory as JSON, and when it was kept."""

_DECODER: Final = msgspec.json.Decoder(Memory)


class Memories:
    """The memories that one worker keeps."""

    def __init__(self, most: int = MOST, room: int = ROOM) -> None:
        self._most = most
        self._room = room
        self._held = 0
        self._kept: OrderedDict[tuple[str, str], tuple[str, float]] = OrderedDict()
        self._untold: set[tuple[str, str]] = set()

    def __repr__(self) -> str:
        return f"<Memories of {len(self._kept)} calls, {self._held} bytes>"

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, client: str, memories: Mapping[str, Memory], at: float) -> None:
        """Keep what belongs to these calls."""
        for call, memory in memories.items():
            written = msgspec.json.encode(memory)
            if len(written) <= LARGEST:
                self._note((client, call), written.decode("utf-8"), at)
                self._untold.add((client, call))

    def recall(self, client: str, call: str, at: float) -> Memory | None:
        """What belongs to a call; None where nothing is kept, or no longer."""
        kept = self._kept.get((client, call))
        return None if kept is None or at - kept[1] >= LIFE else _DECODER.decode(kept[0])

    def news(self) -> list[News]:
        """What was kept since this was last asked, for the other workers."""
        untold, self._untold = self._untold, set()
        return [(*key, *self._kept[key]) for key in untold if key in self._kept]

    def hear(self, news: Iterable[News]) -> None:
        """Take in what another worker keeps."""
        for client, call, written, at in news:
            self._note((client, call), written, at)

    def _note(self, key: tuple[str, str], written: str, at: float) -> None:
        before = self._kept.pop(key, None)
        self._held += len(written) - (0 if before is None else len(before[0]))
        self._kept[key] = written, at
        while len(self._kept) > self._most or self._held > self._room:
            forgotten, (text, _) = self._kept.popitem(last=False)
            self._held -= len(text)
            self._untold.discard(forgotten)
