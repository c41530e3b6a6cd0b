"""Windows that change and clocks that jump, under load: no window is opened a second time, nothing is carried over or
lost, and what was spent is booked in the window in which it was held.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.scenarios.test_right_money import INPUT, MOST, OUTPUT, Biller, policy, question
from tests.support.clock import SetClock
from tests.support.processes import run_command
from tests.support.proxy import LocalProxy, Record, in_process
from tests.support.rawclient import RawClient
from tests.support.upstream import Upstream

LIMIT = 10_000_000
"""Nano-dollars of every budget here."""

WORST = 1_000 * INPUT + MOST * OUTPUT
"""More than one request can cost."""


async def drain(proxy: LocalProxy, clients: int = 8) -> int:
    """So many clients ask until each is refused; how many answers came."""
    answered = 0

    async def one(number: int) -> None:
        nonlocal answered
        async with RawClient(proxy.url) as client:
            while (answer := await client.ask(question(number, streamed=number % 2 == 0))).status == 200:
                answered += 1
            assert answer.header("x-routebook-error") == "budget.exhausted"

    await asyncio.gather(*map(one, range(clients)))
    return answered


def spent(records: dict[str, Record]) -> Counter[int]:
    """What is settled, by the beginning of its window; never less than nothing."""
    sums: Counter[int] = Counter()
    for record in records.values():
        assert record.ended is not None
        for _, start, amount in record.ended.get("settled", ()):
            assert amount >= 0
            sums[start] += amount
    return sums


def verified(proxy: LocalProxy) -> None:
    """The audit finds nothing."""
    told = run_command("ledger", "verify", "--state-dir", str(proxy.state_dir))
    assert told.returncode == 0, told.stdout


@pytest.mark.parametrize("jump", [3_600, 86_400, 40 * 86_400])
async def test_a_clock_that_jumps_opens_no_window_twice(tmp_path: Path, jump: int) -> None:
    """Forward there is a new window, back there is none; when its time comes, what was spent of it is spent."""
    biller, clock = Biller(random.Random(jump)), SetClock()
    async with Upstream(biller) as upstream:
        text = policy(upstream.url, "$0.01").replace("window: day", "window: hour")
        async with in_process(tmp_path, text, clock=clock) as proxy:
            assert await drain(proxy)
            first = biller.billed
            assert LIMIT - WORST <= first <= LIMIT
            for _ in range(3):  # back, and to and fro within the hour: nothing is there
                clock.at -= jump
                assert await drain(proxy) == 0
                clock.at += jump
                assert await drain(proxy) == 0
            clock.at += jump
            assert await drain(proxy)
            second = biller.billed - first
            assert LIMIT - WORST <= second <= LIMIT
            for _ in range(3):
                clock.at -= jump
                assert await drain(proxy) == 0
                clock.at += jump
                assert await drain(proxy) == 0
            records = await proxy.ended_records()
    assert sorted(spent(records).values()) == sorted([first, second])
    verified(proxy)


async def test_windows_that_change_under_load(tmp_path: Path) -> None:
    """Twenty minutes, one after the other while requests run: none is overspent, and all that was billed is booked."""
    biller, clock, over = Biller(random.Random(1)), SetClock(), asyncio.Event()
    async with Upstream(biller) as upstream:
        text = policy(upstream.url, "$0.01").replace("window: day", "window: minute")
        async with in_process(tmp_path, text, clock=clock) as proxy:

            async def one(number: int) -> None:
                async with RawClient(proxy.url) as client:
                    while not over.is_set():
                        await client.ask(question(number, streamed=number % 2 == 0))

            load = [asyncio.create_task(one(number)) for number in range(12)]
            for _ in range(60):
                await asyncio.sleep(0.02)
                clock.pass_by(20)
            over.set()
            await asyncio.gather(*load)
            records = await proxy.ended_records()
    sums = spent(records)
    assert len(sums) >= 15 and max(sums.values()) <= LIMIT and sum(sums.values()) == biller.billed
    verified(proxy)


async def test_a_rolling_window_never_sees_more_than_its_limit(tmp_path: Path) -> None:
    """Whatever minute one begins to look at it, and however the clock goes to and fro; what leaves it comes back."""
    biller, clock, chance = Biller(random.Random(2)), SetClock(), random.Random(3)
    billed_at: list[tuple[float, int]] = []
    async with Upstream(biller) as upstream:
        text = policy(upstream.url, "$0.01").replace("window: day", "window: 10m")
        async with in_process(tmp_path, text, clock=clock) as proxy:
            begin = latest = clock.at
            for _ in range(40):
                before = biller.billed
                await drain(proxy, 2)
                billed_at.append((latest, biller.billed - before))
                clock.pass_by(chance.choice([5, 30, 60, 200, 240, -20, -100]))
                latest = max(latest, clock.at)
            assert latest - begin > 1_200
            clock.at = latest + 700
            assert await drain(proxy)
            records = await proxy.ended_records()
    for at, _ in billed_at:
        assert sum(amount for other, amount in billed_at if at <= other < at + 600) <= LIMIT
    assert sum(spent(records).values()) == biller.billed > 2 * LIMIT
    verified(proxy)


@pytest.mark.parametrize(("day", "hours"), [("2026-10-25", 25), ("2027-03-28", 23)])
async def test_a_day_that_is_longer_or_shorter_is_one_day(tmp_path: Path, day: str, hours: int) -> None:
    """In Berlin, the night in which clocks are put back or forward: one budget from midnight to midnight."""
    biller = Biller(random.Random(hours))
    midnight = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
    clock = SetClock(midnight + 1)
    async with Upstream(biller) as upstream:
        text = policy(upstream.url, "$0.01", extra=", zone: Europe/Berlin")
        async with in_process(tmp_path, text, clock=clock) as proxy:
            assert await drain(proxy)
            first = biller.billed
            for hour in range(hours):
                clock.at = midnight + hour * 3_600 + 1_800
                async with RawClient(proxy.url) as client:
                    answer = await client.ask(question(hour))
                assert answer.status == 429
                left = midnight + hours * 3_600 - clock.at
                assert abs(int(answer.header("retry-after") or 0) - left) <= 1
            clock.at = midnight + hours * 3_600 - 1
            assert await drain(proxy) == 0
            clock.at += 2
            assert await drain(proxy)
            records = await proxy.ended_records()
    second = int(midnight + hours * 3_600)
    assert spent(records) == {int(midnight): first, second: biller.billed - first}
    assert datetime.fromtimestamp(second, ZoneInfo("Europe/Berlin")).hour == 0 and datetime.fromtimestamp(second, UTC)
    verified(proxy)
