"""The time limits of one call of an upstream: to connect, to begin, between bytes, for the whole, and for a client
that takes nothing.

One timer serves all calls under the same limits. It looks, when it rings, which of their waits is overdue; progress is an
assignment, and a call that begins and ends between two looks costs the timer nothing. (A timer for each call would cost
as much as a decision; one moved with every piece that arrives, more than passing the piece on.)
"""

from __future__ import annotations

import asyncio
import enum
import math
from types import TracebackType
from typing import Self

from routebook.catalogue.providers import Timeouts
from routebook.edge.faults import CallFailed, ClientStalled


class Wait(enum.Enum):
    """What an exchange waits for, with the code and words of having waited too long."""

    __hash__ = object.__hash__  # enum's own is written in Python

    CONNECTION = ("upstream.connect-timeout", "no connection within the time allowed")
    HEAD = ("upstream.first-byte-timeout", "no answer began within the time allowed")
    BYTES = ("upstream.idle-timeout", "the answer stood still for longer than allowed")
    CLIENT = ("client.stalled", "the client took nothing for longer than allowed")


_OVERALL = ("upstream.total-timeout", "the answer was not complete within the time allowed")


class Limits:
    """The time limits of a provider and of clients, in seconds, as one policy has them, and the timer of the calls that
    run under them."""

    __slots__ = ("_rings_at", "_running", "_timer", "by_wait", "shortest", "total")

    def __init__(self, timeouts: Timeouts, stall: float) -> None:
        self.by_wait = {
            Wait.CONNECTION: timeouts.connect,
            Wait.HEAD: timeouts.first_byte,
            Wait.BYTES: timeouts.idle,
            Wait.CLIENT: stall,
        }
        self.total = timeouts.total
        self.shortest = min(self.total, *self.by_wait.values())
        self._running: set[Deadlines] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = math.inf

    def __repr__(self) -> str:
        return f"<Limits of {self.total:g} s, {len(self._running)} calls running>"

    def watch(self, call: Deadlines) -> None:
        """Look after a call from now on; none of its limits can pass before `shortest`."""
        self._running.add(call)
        first = call.since + self.shortest
        if first < self._rings_at:
            self._arm(first)

    def leave(self, call: Deadlines) -> None:
        """Look after it no more."""
        self._running.discard(call)

    def _arm(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = at
        self._timer = asyncio.get_running_loop().call_at(at, self._ring)

    def _ring(self) -> None:
        """End every wait that is overdue, and ring again when the next one could be.

        No wait can pass unseen: none is shorter than `shortest`, and the next look is at most that far away.
        """
        self._timer, self._rings_at = None, math.inf
        now = asyncio.get_running_loop().time()
        next_look = now + self.shortest
        for call in tuple(self._running):
            due = call.due
            if due <= now:
                self._running.discard(call)
                call.end(now)
            elif due < next_look:
                next_look = due
        if self._running:
            self._arm(next_look)


class Deadlines:
    """Entered around what may take time; raises CallFailed or ClientStalled there when a limit has passed.

    May be entered again: the whole is counted from the first time.
    """

    __slots__ = ("_cancelling", "_limits", "_loop", "_now", "_overdue", "_task", "_total", "_wait", "since")

    def __init__(self, limits: Limits) -> None:
        self._loop = asyncio.get_running_loop()
        self._now = self._loop.time
        self._limits = limits
        self.since = self._now()
        self._total = self.since + limits.total
        self._wait = Wait.CONNECTION
        self._overdue: CallFailed | ClientStalled | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0

    def __repr__(self) -> str:
        return f"<Deadlines waiting for {self._wait.name.lower()}, {self._overdue or 'in time'}>"

    @property
    def due(self) -> float:
        """When the current wait, or the whole, has taken too long (the loop's seconds)."""
        return min(self.since + self._limits.by_wait[self._wait], self._total)

    @property
    def waited(self) -> float:
        """Seconds for which the current wait has gone on."""
        return self._now() - self.since

    def waits_for(self, wait: Wait) -> None:
        """Something has arrived or been taken: from now on it is this that is waited for."""
        self._wait = wait
        self.since = self._now()

    def end(self, now: float) -> None:
        """A limit has passed: what is waited for is given up."""
        code, words = self._wait.value if now < self._total else _OVERALL
        self._overdue = ClientStalled() if code == Wait.CLIENT.value[0] else CallFailed(code, words)
        assert self._task is not None
        self._task.cancel()

    def __enter__(self) -> Self:
        self._task = task = asyncio.current_task(self._loop)
        assert task is not None
        self._cancelling = task.cancelling()
        self._limits.watch(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._limits.leave(self)
        overdue, self._overdue = self._overdue, None
        # the task may come to keep an exception whose traceback leads to these deadlines, in a circle
        task, self._task = self._task, None
        if overdue is None:
            return
        assert task is not None
        if task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise overdue from None


def uncancel() -> None:
    """The running task has been cancelled, and goes on to say so. Nobody keeps the task: a frame that did would be kept by
    what the task raises, in a circle."""
    if (task := asyncio.current_task()) is not None:
        task.uncancel()
