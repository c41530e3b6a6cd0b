"""A second candidate beside one that is silent (`retries.hedge`): whoever begins to answer first, answers.

The other one is left at once. What it may have cost is estimated and booked: an upstream that was called may have worked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from routebook.edge.calls import Call
from routebook.edge.entry import Entry
from routebook.edge.securing import next_call

Reply = TypeVar("Reply")


async def first_to_begin(
    answer: Callable[[Call], Awaitable[Reply | None]], call: Call, entry: Entry, after: float
) -> Reply | None:
    """What a call brings, or one that is made beside it after so many seconds of silence; None where nothing may be
    passed on of either."""
    if not entry.attempts.has_next:
        return await answer(call)
    running: dict[asyncio.Future[Reply | None], Call] = {asyncio.ensure_future(answer(call)): call}
    try:
        done, _ = await asyncio.wait(running, timeout=after)
        if not done and (second := await _second(entry)) is not None:
            running[asyncio.ensure_future(answer(second))] = second
        while running:
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                del running[task]
                if (reply := task.result()) is not None:
                    return reply
        return None
    finally:
        await _leave(running, entry)


async def _second(entry: Entry) -> Call | None:
    """A call of somebody else, within the share of calls that may be made beside the first ones."""
    if not entry.gateway.retries.take(entry.gateway.clock.monotonic()):
        return None
    return await next_call(entry)


async def _leave(running: dict[asyncio.Future[Reply | None], Call], entry: Entry) -> None:
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running)
    for call in running.values():
        entry.outrun(call)
