"""The time limits of one call of an upstream: to connect, to begin, between bytes, for the whole, and for a client
that takes nothing.

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

    CONNECTION = ("upstream.connect-timeout", "no connection within the time allowed")
    HEAD = ("upstream.first-byte-timeout", "no answer began within the time allowed")
    BYTES = ("upstream.idle-timeout", "the answer stood still for longer than allowed")
    CLIENT = ("client.stalled", "the client took nothing for longer than allowed")


_OVERALL = ("upstream.total-timeout", "the answer was not complete within the time allowed")


class Limits:
    """The time limits of a provider and of clients, in seconds, as one policy has them."""

    __slots__ = ("by_wait", "shortest", "total")

    def __init__(self, timeouts: Timeouts, stall: float) -> None:
        self.by_wait = {
            Wait.CONNECTION: timeouts.connect,
            Wait.HEAD: timeouts.first_byte,
            Wait.BYTES: timeouts.idle,
            Wait.CLIENT: stall,
        }
        self.total = timeouts.total
        self.shortest = min(self.total, *self.by_wait.values())


class Deadlines:
    """Entered around what may take time; raises CallFailed or ClientStalled there when a limit has passed.

    May be entered again: the whole is counted from the first time.
    """

    __slots__ = ("_cancelling", "_limits", "_loop", "_overdue", "_since", "_task", "_timer", "_total", "_wait")

    def __init__(self, limits: Limits) -> None:
        self._loop = asyncio.get_running_loop()
        self._limits = limits
        self._since = self._loop.time()
        self._total = self._since + limits.total
        self._wait = Wait.CONNECTION
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
        self._timer = self._loop.call_at(self._since + self._limits.shortest, self._ring)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._timer is not None and self._task is not None
        self._timer.cancel()
        overdue, self._overdue = self._overdue, None
        if overdue is not None and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise overdue from None

    def _ring(self) -> None:
        """Look whether a limit has passed; otherwise ring again when the next one could have.

        No wait can pass unseen: none is shorter than `shortest`, and the next look is at most that far away.
        """
        now = self._loop.time()
        due = self._since + self._limits.by_wait[self._wait]
        if now < due and now < self._total:
            self._timer = self._loop.call_at(min(due, self._total, now + self._limits.shortest), self._ring)
            return
        code, words = self._wait.value if now < self._total else _OVERALL
        self._overdue = ClientStalled() if code == Wait.CLIENT.value[0] else CallFailed(code, words)
        assert self._task is not None
        self._task.cancel()
