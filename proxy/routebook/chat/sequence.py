"""Events with one block after the other, for dialects that cannot tell of two at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec.structs import replace

from routebook.chat.events import (
    Event,
    Failed,
    Finished,
    LogprobsSeen,
    Started,
    TierSeen,
    ToolCallEnded,
    ToolCallStarted,
    UsageSeen,
)


class _Choice:
    """One answer: the block that is being told, and what has to wait for its end."""

    def __init__(self) -> None:
        self.current: int | None = None
        self.call_open = False
        self.number = -1
        self.waiting: dict[int, list[Any]] = {}

    def take(self, event: Any) -> Iterator[Any]:
        """One event of a block."""
        if event.block in self.waiting or (self.call_open and event.block != self.current):
            self.waiting.setdefault(event.block, []).append(event)
            return
        yield self._tell(event)
        if not self.call_open:
            yield from self._release()

    def end(self) -> Iterator[Any]:
        """Everything that waited, whether or not it was complete."""
        self.call_open = False
        yield from self._release(to_the_end=True)

    def _release(self, to_the_end: bool = False) -> Iterator[Any]:
        while self.waiting and (to_the_end or not self.call_open):
            for event in self.waiting.pop(next(iter(self.waiting))):
                yield self._tell(event)

    def _tell(self, event: Any) -> Any:
        if event.block != self.current:
            self.current = event.block
            self.number += 1
        if isinstance(event, ToolCallStarted):
            self.call_open = True
        elif isinstance(event, ToolCallEnded):
            self.call_open = False
        return event if event.block == self.number else replace(event, block=self.number)


class InSequence:
    """Puts blocks one after the other: each begins when the one before is over, numbers count up without a gap.

    What comes of a block while a call is open waits for the end of that call. Blocks that are no calls have no end: they
    are over when another begins, and what still comes of them then is a new block.
    """

    def __init__(self) -> None:
        self._choices: dict[int, _Choice] = {}

    def __repr__(self) -> str:
        return f"<InSequence {len(self._choices)} choices>"

    def put(self, events: Iterable[Event]) -> Iterator[Event]:
        """The events that can be told now, in the order in which they can be told."""
        for event in events:
            if isinstance(event, Finished):
                yield from self._of(event.choice).end()
                yield event
            elif isinstance(event, Started | UsageSeen | TierSeen | LogprobsSeen | Failed):
                yield event
            else:
                yield from self._of(event.choice).take(event)

    def goes_on(self, event: Any) -> bool:
        """Whether an event of a block can be told as it is, because its block is being told and nothing waits: so it is
        with most of them, and `put` would do no more."""
        choice = self._choices.get(event.choice)
        return (
            choice is not None
            and event.block == choice.current == choice.number
            and not choice.call_open
            and not choice.waiting
        )

    def end(self) -> Iterator[Event]:
        """What still waits when nothing more comes."""
        for choice in self._choices.values():
            yield from choice.end()

    def _of(self, choice: int) -> _Choice:
        return self._choices.setdefault(choice, _Choice())
