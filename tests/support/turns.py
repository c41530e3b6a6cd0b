"""How much an event loop had to do until something happened: its turns, which a busy machine makes slower, not more.

    with turns() as count:
        client.drop()
        await exchange.gone()
    assert count() < 20

A turn is one look at the sockets and one run of what is ready. Whatever waits for a byte that does not come, or for a
timer, takes as many turns as pass meanwhile; what is handed from callback to callback takes one for each hand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def turns() -> Iterator[Callable[[], int]]:
    """How many turns the running loop has made since the block was entered."""
    selector: Any = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]  # no public count exists
    look = selector.select
    made = 0

    def counted(timeout: float | None = None) -> Any:
        nonlocal made
        made += 1
        return look(timeout)

    selector.select = counted
    try:
        yield lambda: made
    finally:
        del selector.select
