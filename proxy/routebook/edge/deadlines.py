"""The time limits of one call of an upstream: first byte, silence, whole, and a client that takes nothing.

One timer serves them all. It is armed once and looks, when it rings, whether the current wait is overdue; progress is
an assignment. (A timer moved with every piece that arrives would cost more than passing the piece on.)
"""

from __future__ import annotations

import asyncio
import enum
from types import TracebackType
from typing import Self

from routebook.catalogue.providers import Timeouts
from routebook.edge.faults import CallFailed, ClientStalled


class Wait(enum.Enum):
    """What an exchange waits for, with the code and words of having waited too long."""

    HEAD = ("upstream.first-byte-timeout", "no answer began within the time allowed")
    BYTES = ("upstream.idle-timeout", "the answer stood still for longer than allowed")
    CLIENT = ("client.stalled", "the client took nothing for longer than allowed")


class Deadlines:
    """Entered around what may take time; raises CallFailed or ClientStalled there when a limit has passed.

    May be entered again: the whole is counted from the first time. `connect` is not among these limits: aiohttp keeps
    that one, because it alone knows when a connection stands. The wait for the head begins with the call.
    """

    __slots__ = ("_began", "_cancelling", "_limits", "_loop", "_overdue", "_shortest", "_since", "_task", "_timer",
                 "_total", "_wait")

    def __init__(self, timeouts: Timeouts, stall: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._limits = {Wait.HEAD: timeouts.first_byte, Wait.BYTES: timeouts.idle, Wait.CLIENT: stall}
        self._shortest = min(timeouts.first_byte, timeouts.idle, stall, timeouts.total)
        self._began = self._since = self._loop.time()
        self._total = self._began + timeouts.total
        self._wait = Wait.HEAD
        self._overdue: CallFailed | ClientStalled | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0

    def __repr__(self) -> str:
        return f"<Deadlines waiting for {self._wait.name.lower()}, {self._overdue or 'in time'}>"

    def waits_for(self, wait: Wait) -> None:
        """Something has arrived or been taken: from now on it is this that is waited for."""
        self._wait = wait
        self._since = self._loop.time()

    def __enter__(self) -> Self:
        self._task = asyncio.current_task()
        assert self._task is not None
        self._cancelling = self._task.cancelling()
        self._timer = self._loop.call_at(self._since + self._shortest, self._ring)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        assert self._timer is not None and self._task is not None
        self._timer.cancel()
        overdue, self._overdue = self._overdue, None
        if overdue is not None and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise overdue from None

    def _ring(self) -> None:
        """Look whether a limit has passed; otherwise ring again when the next one could have.

        No wait can pass unseen: none is shorter than `_shortest`, and the next look is at most that far away.
        """
        now = self._loop.time()
        due = self._since + self._limits[self._wait]
        if now < due and now < self._total:
            self._timer = self._loop.call_at(min(max(due, now), self._total, now + self._shortest), self._ring)
            return
        code, words = self._wait.value
        if now >= self._total:
            code, words = "upstream.total-timeout", "the answer was not complete within the time allowed"
        self._overdue = ClientStalled() if code == "client.stalled" else CallFailed(code, words)
        assert self._task is not None
        self._task.cancel()
