"""What a piece of code leaves behind that only the garbage collector finds, because it refers to itself in a circle."""

from __future__ import annotations

import collections
import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def left_in_circles(*kinds: type[object]) -> Iterator[collections.Counter[str]]:
    """How many objects of these kinds the block left so, by name; known when it has ended."""
    found: collections.Counter[str] = collections.Counter()
    gc.collect()
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
    finally:
        gc.set_debug(0)
        gc.enable()
        found.update(type(each).__name__ for each in gc.garbage if isinstance(each, kinds))
        gc.garbage.clear()
