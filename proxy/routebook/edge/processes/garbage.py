"""What keeps the memory of a process from growing: when its garbage collector looks, and at what; and that what is free is
given back.

A policy is large and stays, a request is small and goes.

The collector walks what it looks at while every stream waits: 200 ms for a policy of 10,000 rules. So what stays is
*frozen*, set apart from all that it looks at, and goes when nothing refers to it any more, as a policy does that was
replaced. What is under way at that moment is frozen with it; should it end in a circle, it stays. So what is found
first is cleared away first, and when all that there is has grown by a quarter, all of it is looked at once.

The C library keeps what was freed for whoever asks next. What is asked for next is larger or smaller, so that what is free
grows for hours, in pieces: now and then, the pages of it go back to the system.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import math
import pickle
import sys
from typing import Final

from routebook.routing.policy import Policy

GARBAGE: Final = 3_000
"""Objects that come to more than have gone before the collector looks for circles among them. A request makes hundreds
and leaves none behind; a connection that was closed leaves some, for asyncio's know themselves: those of a few hundred
connections."""

LARGE: Final = 256 * 1024
"""Bytes of a pickled policy of some thousand objects, which are walked in a millisecond: one that is smaller is walked along
with the requests, and nothing is frozen."""

GROWN: Final = 1.25
"""By what the blocks of memory grow before what is frozen is looked at: the walk is as seldom as it is long."""

GIVEN_BACK: Final = 30.0
"""Seconds between two times that free memory is given back."""


class Garbage:
    """The collector of this process."""

    def __init__(self) -> None:
        self._settled: float = math.inf

    def __repr__(self) -> str:
        return f"<Garbage, {self._settled:g} blocks when all was last looked at>"

    def begin(self) -> None:
        """Set apart all that there is, which stays, and wait longer from now on."""
        gc.freeze()
        self._settled = sys.getallocatedblocks()
        gc.set_threshold(GARBAGE, *gc.get_threshold()[1:])

    async def unpickle(self, pickled: bytes) -> Policy:
        """A policy from its bytes, on a thread, so that the exchanges of this worker go on meanwhile."""
        if len(pickled) < LARGE:
            policy: Policy = await asyncio.to_thread(pickle.loads, pickled)
            return policy
        self._clear()
        gc.disable()
        try:
            policy = await asyncio.to_thread(pickle.loads, pickled)
            gc.freeze()
        finally:
            gc.enable()
        return policy

    def _clear(self) -> None:
        """Clear away what would be frozen for nothing, and what was."""
        gc.collect()
        if sys.getallocatedblocks() > self._settled * GROWN:
            gc.unfreeze()
            gc.collect()
            gc.freeze()
            self._settled = sys.getallocatedblocks()


async def give_back() -> None:
    """Give free memory back now and then, until it is cancelled; on a thread, for a millisecond or so. Where the C library
    does not know how (it is GNU's that does), nothing happens."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return
    while True:
        await asyncio.sleep(GIVEN_BACK)
        await asyncio.to_thread(trim, 0)
