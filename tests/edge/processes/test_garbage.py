"""What a worker's garbage collector does not look at, and what becomes of it."""

from __future__ import annotations

import gc
import pickle
import sys
from collections.abc import AsyncIterator

import pytest

from routebook.edge.processes import garbage
from routebook.edge.processes.garbage import Garbage
from tests.support.circles import left_in_circles
from tests.support.proxy import compiled, small_policy

PICKLED = pickle.dumps(compiled(small_policy("http://127.0.0.1:9/v1")))


class Circle:
    """Refers to itself, as what an exchange leaves behind may."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
async def collector(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Garbage]:
    """One to which every policy is large; the process has its own collector again afterwards."""
    monkeypatch.setattr(garbage, "LARGE", 0)
    thresholds = gc.get_threshold()
    collector = Garbage()
    collector.begin()
    yield collector
    gc.unfreeze()
    gc.set_threshold(*thresholds)


async def test_a_large_policy_is_set_apart_and_goes_with_its_last_reference(collector: Garbage) -> None:
    """The collector does not walk it, and is not needed for it to go."""
    before = gc.get_freeze_count()
    first = await collector.unpickle(PICKLED)
    with_one = gc.get_freeze_count()
    second = await collector.unpickle(PICKLED)
    assert first.digest == second.digest and with_one > before
    both = gc.get_freeze_count()
    gc.disable()
    try:
        del first
        assert both - gc.get_freeze_count() >= (both - with_one) * 0.9
    finally:
        gc.enable()


async def test_what_was_garbage_before_a_reload_is_not_kept_by_it(collector: Garbage) -> None:
    """Or a worker would grow with each of them by what its requests had left since the collector came last."""
    gc.disable()
    for _ in range(100):
        Circle()
    gc.enable()
    await collector.unpickle(PICKLED)
    with left_in_circles(Circle) as found:
        gc.unfreeze()
    assert found == {}


async def test_what_ended_in_a_circle_while_it_was_set_apart_goes_in_time(collector: Garbage) -> None:
    """As soon as it is much of all that is set apart."""
    tenth = sys.getallocatedblocks() // 10  # of which each takes two
    for _ in range(2):
        under_way = [Circle() for _ in range(tenth)]
        held = sys.getallocatedblocks()
        await collector.unpickle(PICKLED)
        under_way.clear()
    assert sys.getallocatedblocks() < held * 0.9


async def test_a_small_policy_is_not_set_apart(collector: Garbage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing under way is, therefore."""
    monkeypatch.undo()
    before = gc.get_freeze_count()
    assert (await collector.unpickle(PICKLED)).digest
    assert gc.get_freeze_count() <= before
