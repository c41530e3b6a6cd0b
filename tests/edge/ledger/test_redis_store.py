"""The shared store while all is well: what hosts are entitled to, together and each, and what becomes of hosts that go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from routebook.edge.ledger.redis_store import SharedStore
from routebook.edge.ledger.store import Acquired, Denied, HostState, Pushed, SharedLedger, Totals, Unavailable, Want
from routebook.edge.ledger.store_address import LARGEST
from routebook.ledger.claims import Claim, Kind
from tests.support.ports import free_port
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.sharing import DAY, SECONDS, TODAY, Host, budget, hosts, rate, slots, until

pytestmark = needs_redis


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RedisServer]:
    """A server that knows nothing."""
    async with RedisServer(tmp_path / "redis") as running:
        yield running


@asynccontextmanager
async def sharing(server: RedisServer, *names: str) -> AsyncIterator[list[Host]]:
    """Hosts that share the server; that an unknown store waits for others is cut short."""
    async with hosts(*((name, server.url) for name in names)) as found:
        await server.say("HSET", "{routebook}:epoch", "until", "0")
        yield found


async def age(server: RedisServer, host: str, seconds: float) -> None:
    """As though a host had last been heard so many seconds ago."""
    term, beat = (await server.say("HGET", "{routebook}:hosts", host)).split()
    await server.say("HSET", "{routebook}:hosts", host, f"{term} {int(beat) - int(seconds * 1000)}")


async def silence(host: Host) -> None:
    """A host dies: its process is gone without a word."""
    task = host.store._task
    assert task is not None
    task.cancel()
    await asyncio.wait([task])
    await host.store._line.close()


async def test_it_is_a_shared_ledger(server: RedisServer) -> None:
    """The store offers what the desk depends on."""
    store: SharedLedger = SharedStore(server.url, "one")
    assert await store.acquire([Want(budget(), 1)]) == Unavailable("closed")
    await store.close()


async def test_all_hosts_together_never_exceed_the_limit(server: RedisServer) -> None:
    """Hosts that ask at the same time are granted the limit to the last unit, and not one more."""
    async with sharing(server, "a", "b", "c", "d") as all_hosts:
        answers = await asyncio.gather(*(host.draw(budget(1000), 7) for host in all_hosts for _ in range(50)))
        granted = sum(isinstance(answer, Acquired) for answer in answers)

        assert granted == 1000 // 7
        assert sum(host.entitled(budget(1000)) for host in all_hosts) == granted * 7
        denied = await all_hosts[0].draw(budget(1000), 7)
        assert isinstance(denied, Denied)
        assert denied.totals == Totals(0, granted * 7)


async def test_all_wants_or_none(server: RedisServer) -> None:
    """Where one want cannot be met nothing is drawn on any, and the answer names the one."""
    async with sharing(server, "a") as [host]:
        wide, narrow = budget(1000, "budget/wide/-"), budget(10, "budget/narrow/-")
        wants = [Want(wide, 100), Want(rate(60), 10), Want(slots(5), 1), Want(narrow, 11)]
        denied = await host.acquire(*wants)
        assert isinstance(denied, Denied)
        assert denied.want == wants[3]
        untouched = await host.acquire(Want(wide, 1000), Want(rate(60), 60), Want(slots(5), 5), Want(narrow, 10))
        assert isinstance(untouched, Acquired)


async def test_more_is_granted_only_where_plenty_is_left(server: RedisServer) -> None:
    """What is wanted ahead is granted in part where all hosts could still be served, and not at all near the limit."""
    async with sharing(server, "a", "b") as [a, b]:
        plenty = await a.draw(budget(1000), 10, ahead=50)
        assert isinstance(plenty, Acquired)
        assert plenty.granted[budget().counter] == 60
        greedy = await a.draw(budget(1000), 10, ahead=10_000)
        assert isinstance(greedy, Acquired)
        assert greedy.granted[budget().counter] == 10 + (1000 - 60 - 10) // 4
        await b.draw(budget(1000), 620)
        tight = await b.draw(budget(1000), 10, ahead=50)
        assert isinstance(tight, Acquired)
        assert tight.granted[budget().counter] == 10


async def test_what_is_kept_no_longer_is_free_for_others(server: RedisServer) -> None:
    """A host that keeps only what it has settled and holds gives the rest back, at once and for everybody."""
    async with sharing(server, "a", "b") as [a, b]:
        await a.draw(budget(1000), 900)
        assert isinstance(await b.draw(budget(1000), 200), Denied)
        await a.told(budget(1000), settled=300, held=100)
        granted = await b.draw(budget(1000), 600)
        assert isinstance(granted, Acquired)
        assert granted.totals["budget/monthly/-"] == Totals(300, 1000)
        assert isinstance(await b.draw(budget(1000), 1), Denied)


async def test_hosts_hear_that_a_counter_is_tight(server: RedisServer) -> None:
    """Who has some of what another was denied is told so with its next push."""
    async with sharing(server, "a", "b") as [a, b]:
        await a.draw(budget(1000), 900)
        assert (await a.told(budget(1000), 100, idle=800)).tight == frozenset()
        await b.draw(budget(1000), 200)
        assert (await a.told(budget(1000), 101, idle=799)).tight == {budget().counter}


async def test_what_was_drawn_beyond_the_entitlement_counts(server: RedisServer) -> None:
    """The truth is told even where it is more than was granted (an allowance, a price above the estimate)."""
    async with sharing(server, "a", "b") as [a, b]:
        await a.told(budget(1000), settled=990)
        assert isinstance(await b.draw(budget(1000), 11), Denied)
        assert isinstance(await b.draw(budget(1000), 10), Acquired)
        await a.told(budget(1000), settled=1200)
        denied = await b.draw(budget(1000), 1)
        assert isinstance(denied, Denied)
        assert denied.totals == Totals(1200, 1210)


async def test_a_rolling_window_counts_every_slice_that_overlaps_it(server: RedisServer) -> None:
    """What was drawn in an older slice counts until the slice has left the window, on every host."""
    now = int(time.time())

    def claim(start: int) -> Claim:
        return Claim("tokens/hourly/-", Kind.WINDOW, 1000, 1, start, start - 3600, start + 60)

    async with sharing(server, "a", "b") as [a, b]:
        await a.draw(claim(now - 3600), 400)
        await a.draw(claim(now - 1800), 300)
        assert isinstance(await b.draw(claim(now), 301), Denied)
        assert isinstance(await b.draw(claim(now), 300), Acquired)
        later = await b.draw(claim(now + 60), 400)
        assert isinstance(later, Acquired)
        assert later.totals["tokens/hourly/-"] == Totals(0, 1000)
        assert isinstance(await a.draw(claim(now + 60), 1), Denied)


async def test_slices_that_nobody_counts_any_more_are_removed(server: RedisServer) -> None:
    """The slices of a rolling window do not pile up in the store."""
    now = int(time.time())
    async with sharing(server, "a") as [host]:
        for ago in range(600, -1, -10):
            await host.draw(Claim("tokens/short/-", Kind.WINDOW, 10**6, 1, now - ago, now - ago - 60, now - ago + 1), 1)
        assert await server.say("HLEN", "{routebook}:c:tokens/short/-:") <= 25


async def test_windows_do_not_touch_each_other(server: RedisServer) -> None:
    """A new window begins empty, and what is settled late in the old one stays there."""
    async with sharing(server, "a", "b") as [a, b]:
        old, new = budget(1000, start=TODAY - DAY), budget(1000, start=TODAY)
        await a.draw(old, 1000)
        await b.draw(new, 400)
        await a.told(old, settled=999)
        await a.draw(new, 600)
        assert isinstance(await b.draw(new, 1), Denied)
        assert isinstance(await b.draw(old, 1), Acquired)
        assert isinstance(await b.draw(old, 1), Denied)


async def test_large_amounts_are_exact(server: RedisServer) -> None:
    """Up to the largest limit not one nano-dollar is lost in the store's arithmetic."""
    async with sharing(server, "a", "b") as [a, b]:
        claim = budget(LARGEST)
        await a.draw(claim, LARGEST - 8)
        await a.told(claim, settled=LARGEST - 10, idle=1)
        granted = await b.draw(claim, 3)
        assert isinstance(granted, Acquired)
        assert granted.totals[claim.pot] == Totals(LARGEST - 10, LARGEST - 6)
        assert isinstance(await b.draw(claim, 7), Denied)
        assert isinstance(await b.draw(claim, 6), Acquired)


async def test_a_rate_is_shared_and_flows_back(server: RedisServer) -> None:
    """So much a minute, whoever takes it; a denial says when it would be met, and what is not used is credited."""
    async with sharing(server, "a", "b") as [a, b]:
        await a.draw(rate(600), 400)
        await b.draw(rate(600), 200)
        denied = await a.draw(rate(600), 60)
        assert isinstance(denied, Denied)
        assert denied.retry_after is not None
        assert 0 < denied.retry_after <= 6
        assert isinstance(await b.store.push({}, {rate(600).pot: 100}), Pushed)
        assert isinstance(await a.draw(rate(600), 60), Acquired)
        await asyncio.sleep(1)
        assert isinstance(await a.draw(rate(600), 48), Acquired)


async def test_slots_of_a_dead_host_come_back_within_seconds(server: RedisServer) -> None:
    """A host that was not heard for ten seconds holds no slots; one that is alive keeps its own."""
    async with sharing(server, "a", "b") as [a, b]:
        await a.draw(slots(4), 3)
        await b.draw(slots(4), 1)
        assert isinstance(await b.draw(slots(4), 1), Denied)
        await silence(a)
        await age(server, "a", 11)
        assert isinstance(await b.draw(slots(4), 3), Acquired)
        assert isinstance(await b.draw(slots(4), 1), Denied)


async def test_what_a_dead_host_had_idle_is_freed(server: RedisServer) -> None:
    """After a minute without a sign, what it had settled and held stays charged, the rest is anybody's."""
    async with sharing(server, "a", "b") as [a, b]:
        await a.draw(budget(1000), 900)
        await a.told(budget(1000), settled=200, held=150, idle=550)
        await silence(a)
        assert isinstance(await b.draw(budget(1000), 200), Denied)
        await age(server, "a", 61)
        await until(lambda: b.store.hosts == ("b",), "the dead host being swept")
        denied = await b.draw(budget(1000), 651)
        assert isinstance(denied, Denied)
        assert denied.totals == Totals(200, 350)
        assert isinstance(await b.draw(budget(1000), 650), Acquired)


async def test_what_was_granted_and_never_told_of_stays_charged(server: RedisServer) -> None:
    """A host that dies between a grant and its next push may have spent it: it counts as held."""
    async with sharing(server, "a", "b") as [a, b]:
        await a.told(budget(1000), settled=100)
        await a.draw(budget(1000), 300)
        await silence(a)
        await age(server, "a", 61)
        await until(lambda: b.store.hosts == ("b",), "the dead host being swept")
        assert isinstance(await b.draw(budget(1000), 601), Denied)
        assert isinstance(await b.draw(budget(1000), 600), Acquired)


async def test_a_swept_host_that_lives_tells_everything_again(server: RedisServer) -> None:
    """A host that was only away learns that it was taken for dead, and what it has counts from then on."""
    async with sharing(server, "a", "b") as [a, b]:
        await a.draw(budget(1000), 500)
        assert await server.say("HDEL", "{routebook}:hosts", "a") == 1
        # how long it is forgotten is its own affair: it may be back before the other host looks
        async with asyncio.timeout(SECONDS):
            while not await server.say("HEXISTS", "{routebook}:hosts", "a"):
                await asyncio.sleep(0.01)
        await until(lambda: b.store.hosts == ("a", "b"), "the host coming back")
        assert isinstance(await b.draw(budget(1000), 501), Denied)


async def test_a_host_that_starts_again_speaks_for_itself(server: RedisServer) -> None:
    """The next life of a host replaces what it tells of, and what it does not know of stays charged as it was left."""
    known, unknown = budget(1000, "budget/known/-"), budget(1000, "budget/unknown/-")
    async with sharing(server, "b") as [b]:
        first = Host(server.url, "a")
        first.start()
        for claim in (known, unknown):
            await first.draw(claim, 900)
            await first.told(claim, settled=100, held=200, idle=600)
        await silence(first)

        second = Host(server.url, "a")
        second.states[known.counter] = HostState(300, 0, 300, Kind.WINDOW, known.first, known.ends)
        second.start()
        await until(lambda: second.store.is_joined)
        assert isinstance(await b.draw(known, 701), Denied)
        assert isinstance(await b.draw(known, 700), Acquired)
        await until(lambda: second.store.hosts == ("a", "b"))
        denied: Acquired | Denied = await second.draw(unknown, 50)
        end = time.monotonic() + 30
        while True:
            denied = await b.draw(unknown, 651)
            assert isinstance(denied, Denied)
            if denied.totals.entitled == 350:
                break
            assert time.monotonic() < end, denied
            await asyncio.sleep(0.05)
        assert denied.totals.settled == 100
        assert isinstance(await b.draw(unknown, 650), Acquired)
        await second.store.close()


async def test_a_second_host_of_the_same_name_supersedes_the_first(server: RedisServer) -> None:
    """Two processes that speak as one host cannot both draw: the later one does, the earlier one says why not."""
    async with sharing(server, "a") as [first]:
        await first.draw(budget(1000), 400)
        second = Host(server.url, "a")
        second.start()
        await until(lambda: second.store.is_joined)
        await until(lambda: not first.store.is_joined)
        assert await first.acquire(Want(budget(1000), 1)) == Unavailable("superseded")
        assert isinstance(await second.draw(budget(1000), 601), Denied)
        assert isinstance(await second.draw(budget(1000), 600), Acquired)
        await second.store.close()


async def test_a_host_that_leaves_is_not_waited_for(server: RedisServer) -> None:
    """What it had settled stays counted, and the others forget its name."""
    async with sharing(server, "b") as [b]:
        a = Host(server.url, "a")
        a.start()
        await a.draw(budget(1000), 500)
        await a.told(budget(1000), settled=250)
        await a.store.close()
        assert await a.acquire(Want(budget(1000), 1)) == Unavailable("closed")
        await until(lambda: b.store.hosts == ("b",))
        assert isinstance(await b.draw(budget(1000), 751), Denied)


async def test_hosts_whose_clocks_differ_share_one_time(server: RedisServer) -> None:
    """Windows are cut by the store's clock, so a host that is ten minutes off is in the same window as the others."""
    ahead = Host(server.url, "ahead", clock=lambda: time.time() + 600)
    behind = Host(server.url, "behind", clock=lambda: time.time() - 600)
    for host in (ahead, behind):
        host.start()
        await until(lambda host=host: host.store.is_joined)  # type: ignore[misc]
    assert abs(ahead.store.now() - behind.store.now()) < 30
    assert abs(ahead.store.now() - time.time()) < 30

    async def draw(host: Host, need: int) -> Acquired | Denied:
        start = int(host.store.now()) // DAY * DAY
        return await host.draw(budget(1000, start=start), need)

    await draw(ahead, 600)
    assert isinstance(await draw(behind, 401), Denied) or int(ahead.store.now()) % DAY < 60
    for host in (ahead, behind):
        await host.store.close()


async def test_nothing_in_the_store_grows_for_ever(server: RedisServer) -> None:
    """Every counter goes some time after its window, however wrong the clock was of who drew on it."""
    async with sharing(server, "a") as [host]:
        past = Claim("budget/past/-", Kind.WINDOW, 10, 1, 1000, 1000, 2000)
        for claim in (budget(10), past, slots(10), rate(10)):
            await host.draw(claim, 1)
        await host.told(budget(10), settled=1)
        keys = [key for key in await server.say("KEYS", "*") if ":c:" in key or ":r:" in key or ":of:" in key]
        assert len(keys) == 5
        for key in keys:
            assert await server.say("TTL", key) > 60, key
        assert all(key.startswith("{routebook}:") for key in await server.say("KEYS", "*"))


async def test_a_counter_cannot_be_wanted_twice_in_one_request(server: RedisServer) -> None:
    """Two wants of one counter would each look as if they fitted."""
    async with sharing(server, "a") as [host]:
        with pytest.raises(ValueError, match="twice"):
            await host.store.acquire([Want(budget(10), 6), Want(budget(10), 6)])


async def test_a_store_is_reached_over_a_socket_file(server: RedisServer) -> None:
    """A Unix socket serves like TCP."""
    async with hosts(("a", f"unix://{server.folder}/socket?timeout_ms=5000"), ("b", server.url)) as [a, b]:
        await a.draw(budget(1000), 999)
        assert isinstance(await b.draw(budget(1000), 2), Denied)


async def test_thousands_of_counters_are_told(server: RedisServer) -> None:
    """A host that comes back with many counters tells them all, a part at a time."""
    host = Host(server.url, "a")
    for number in range(1500):
        host.states[f"budget/b/{number}", TODAY] = HostState(number, 0, number, Kind.WINDOW, TODAY, TODAY + DAY)
    host.start()
    await until(lambda: host.store.is_joined)
    async with sharing(server, "b") as [b]:
        for number in (0, 777, 1499):
            claim = budget(2000, f"budget/b/{number}")
            assert isinstance(await b.draw(claim, 2001 - number), Denied)
            assert isinstance(await b.draw(claim, 2000 - number), Acquired)
    await host.store.close()


async def test_a_member_of_a_cluster_says_who_has_the_keys(tmp_path: Path) -> None:
    """All keys of a prefix are with one member of a cluster: whichever is named, the host finds it and draws there."""
    members = [
        RedisServer(tmp_path / name, more=("--cluster-enabled", "yes", "--cluster-port", str(free_port())))
        for name in ("first", "second")
    ]
    async with members[0], members[1]:
        for member, begin, end in ((members[0], "0", "8191"), (members[1], "8192", "16383")):
            await member.say("CLUSTER", "ADDSLOTSRANGE", begin, end)
        bus = (await members[1].say("CONFIG", "GET", "cluster-port"))[1]
        await members[0].say("CLUSTER", "MEET", "127.0.0.1", str(members[1].port), bus)
        for member in members:
            while "cluster_state:ok" not in await member.say("CLUSTER", "INFO"):
                await asyncio.sleep(0.05)
        async with hosts(*((f"h{number}", member.url) for number, member in enumerate(members))) as [a, b]:
            assert isinstance(await a.draw(budget(1000), 600), Acquired)
            assert isinstance(await b.draw(budget(1000), 401), Denied)
            assert isinstance(await b.draw(budget(1000), 400), Acquired)
