"""How long the shared store is waited for: so long, unless it was this process that did not look.

A time-out says that the store is away only where somebody was there to hear it. On a host whose processors are all taken
the answer may lie unread when the timer rings; a budget would be refused, and the breaker opened, for nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

LATE: Final = 0.01
"""Seconds after which a timer that rings says that this process was starved, and not the store slow."""


@contextlib.asynccontextmanager
async def patience(seconds: float) -> AsyncIterator[None]:
    """So many seconds for what is done within, and once as many again where the timer itself rang late; raises TimeoutError."""
    loop = asyncio.get_running_loop()
    due = loop.time() + seconds
    async with asyncio.timeout(None) as limit:

        def ring() -> None:
            now = loop.time()
            limit.reschedule(now + (seconds if now - due > LATE else 0.0))

        timer = loop.call_at(due, ring)
        try:
            yield
        finally:
            timer.cancel()
