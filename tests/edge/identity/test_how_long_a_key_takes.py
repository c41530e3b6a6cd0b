"""How long a wrong key takes says nothing about a right one: neither by what is done for it nor by the time that takes.

The same measure that finds no difference is shown a look-up that compares letter by letter, and finds that one.
"""

from __future__ import annotations

import hmac
import math
import random
import statistics
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from pathlib import Path

from routebook.edge.identity.keys import digest_of, key_of
from routebook.edge.identity.refusals import Reason, Refused
from tests.edge.identity.test_callers import opened
from tests.support.upstream import Upstream

BLOCKS, SAMPLES = 50, 200
"""Ten thousand of each kind, judged in so many parts: what else a machine does comes and goes with a part, and is weighed
by how much parts differ."""

KNOWN = 100
"""Keys that are known, and such as are not but might be."""

SURE = 6.0
"""Standard errors from which on two kinds differ: by chance once in some millions of runs."""


def difference(first: Sequence[int], second: Sequence[int]) -> float:
    """By how many standard deviations the ranks of two samples differ (Mann-Whitney's U, normal approximation)."""
    ordered = sorted(second)
    above = sum(bisect_left(ordered, each) + bisect_right(ordered, each) for each in first) / 2
    count = len(first) * len(second)
    return (above - count / 2) / math.sqrt(count * (len(first) + len(second) + 1) / 12)


def compared(look_up: Callable[[str], None], known: Sequence[str]) -> float:
    """How much longer wrong keys take that share all but the end with one of these than such as share it with one that
    nobody has, in standard errors; in turn, in chance order, each a text that was made just before.

    There are many of both, for how long a key takes does depend on the key itself, which is nothing new to whoever sends
    it.
    """
    chance = random.Random(57)
    nobodys = [key_of(chance.randbytes(32)) for _ in known]
    found = []
    for _ in range(BLOCKS):
        taken: tuple[list[int], list[int]] = ([], [])
        for number in range(SAMPLES):
            for kind in chance.sample((0, 1), 2):
                key = f"{chance.choice((known, nobodys)[kind])[:-3]}{number:03}"
                began = time.perf_counter_ns()
                look_up(key)
                taken[kind].append(time.perf_counter_ns() - began)
        found.append(difference(*taken))
    return statistics.mean(found) / (statistics.stdev(found) / math.sqrt(BLOCKS))


async def test_a_wrong_key_takes_as_long_whatever_it_shares_with_a_right_one(
    tmp_path: Path, upstream: Upstream
) -> None:
    """The times of the two kinds of wrong keys do not differ."""
    async with opened(tmp_path, upstream) as door:
        known = [door.create()[0] for _ in range(KNOWN)]
        callers, clock = door.proxy.gateway.serving.callers, door.clock
        assert {callers._holder(key, clock).name for key in known} == {"web"}

        def look_up(key: str) -> None:
            try:
                callers._holder(key, clock)
            except Refused as refused:
                assert refused.reason is Reason.MISTYPED
            else:
                raise AssertionError(key)

        assert abs(compared(look_up, known)) < SURE


def test_the_measure_finds_a_comparison_that_tells() -> None:
    """A look-up that goes on as long as letters agree is found out by far."""
    known = [key_of(random.Random(number).randbytes(32)) for number in range(10)]

    def look_up(key: str) -> None:
        for each in known:
            assert any(ours != theirs for ours, theirs in zip(each, key, strict=True))

    assert compared(look_up, known) > 3 * SURE


def test_what_is_compared_is_a_keyed_digest() -> None:
    """Of two keys that share all but their end the digests share nothing that could be guessed at: as many bits differ as
    of any two, and without the pepper they cannot be made."""
    chance = random.Random(3)
    pepper, right = chance.randbytes(32), key_of(chance.randbytes(32))
    ours = digest_of(pepper, right)
    apart = []
    for number in range(200):
        theirs = digest_of(pepper, right[:-3] + f"{number:03}")
        apart.append(sum((a ^ b).bit_count() for a, b in zip(ours, theirs, strict=True)))
    assert 80 < min(apart) and 120 < sum(apart) / len(apart) < 136
    assert ours == hmac.digest(pepper, right.encode(), "sha256") != digest_of(chance.randbytes(32), right)
