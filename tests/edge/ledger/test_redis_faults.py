"""The shared store when it fails: what a request pays, what it is told, and that no limit is exceeded for it.

The recipes: killed and started again, paused, delayed, black hole, reset, cut, emptied, out of memory, read-only, locked,
absent at the start; and requests that are cancelled while they wait.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trustme
from redis.exceptions import ResponseError
from structlog.testing import capture_logs

from routebook.edge.ledger.store import Acquired, Denied, Unavailable, Want
from routebook.edge.ledger.store_address import PASSWORD
from routebook.ledger.claims import Kind
from tests.support.faulttcp import Fault, FaultyTcp
from tests.support.ports import free_port
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.sharing import Host, budget, hosts, rate, until

pytestmark = needs_redis

PATIENT = 30.0
"""A recovery that ends because all known hosts are back, not because time has passed."""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RedisServer]:
    """A server that forgets everything when it is killed."""
    async with RedisServer(tmp_path / "redis") as running:
        yield running


@pytest.fixture
async def between(server: RedisServer) -> AsyncIterator[FaultyTcp]:
    """A relay to the server that can misbehave."""
    async with FaultyTcp(server.port) as relay:
        yield relay


async def failing(host: Host, reason: str) -> None:
    """Ask until the breaker is open for this reason; all that is heard until then is that the store is away."""
    end = time.monotonic() + 30
    while not (host.store.breaker.is_open and host.store.breaker.reason == reason):
        answer = await host.acquire(Want(budget(1000), 1))
        assert isinstance(answer, Unavailable), answer
        assert time.monotonic() < end, f"{answer}, not {reason}"
        await asyncio.sleep(0)
    assert await host.acquire(Want(budget(1000), 1)) == Unavailable(reason)


async def is_busy(server: RedisServer) -> bool:
    """Whether the server answers nothing but that it is busy."""
    try:
        await server.say("GET", "anything")
    except ResponseError as error:
        return "BUSY" in str(error)
    return False


async def only_the_rest(a: Host, b: Host, drawn: int) -> None:
    """Once both hosts are back, exactly what has not been drawn of 1000 can be."""
    for host in (a, b):
        await until(lambda host=host: host.store.is_joined and not host.store.breaker.is_open)  # type: ignore[misc]
    assert isinstance(await b.draw(budget(1000), 1001 - drawn), Denied)
    assert isinstance(await b.draw(budget(1000), 1000 - drawn), Acquired)
    assert isinstance(await a.draw(budget(1000), 1), Denied)


@pytest.mark.parametrize("appends", [True, False], ids=["kept", "forgotten"])
async def test_a_killed_store_that_starts_again(tmp_path: Path, appends: bool) -> None:
    """Whether it kept its data or lost all of it, what hosts were entitled to counts as before."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(RedisServer(tmp_path / "redis", appends=appends))
        named = (("a", server.url), ("b", server.url))
        [a, b] = await stack.enter_async_context(hosts(*named, recovery=PATIENT))
        await a.draw(budget(1000), 600)
        await a.told(budget(1000), settled=100, idle=500)
        await b.draw(budget(1000), 300)
        server.kill()
        await failing(a, "unreachable")
        assert a.store.entitlements_hold(Kind.WINDOW)
        await server.start()
        await only_the_rest(a, b, 900)
        assert dict(a.store.breaker.changes) == {"opened": 1, "closed": 1}


async def test_an_emptied_store(server: RedisServer) -> None:
    """FLUSHALL is noticed with the next word, and nothing is granted before every host has told what it has."""
    async with hosts(("a", server.url), ("b", server.url), ("c", server.url), recovery=PATIENT) as [a, b, c]:
        await a.draw(budget(1000), 300)
        await b.draw(budget(1000), 300)
        await c.draw(budget(1000), 300)
        for _ in range(5):
            await server.say("FLUSHALL")
            answer = await a.draw(budget(1000), 101)
            assert isinstance(answer, Denied)
            assert answer.totals.entitled == 900
        assert await a.acquire(Want(budget(1000), 100)) != Unavailable("recovering")


async def test_an_emptied_store_waits_for_a_host_that_is_away(server: RedisServer, between: FaultyTcp) -> None:
    """Until the known hosts are back, or the time for it is over, the store is recovering."""
    async with hosts(("a", server.url), ("b", between.url(100)), recovery=2.0) as [a, b]:
        await b.draw(budget(1000), 900)
        await until(lambda: set(a.store.hosts) == {"a", "b"})
        between.fault = Fault.BLACK_HOLE
        await server.say("FLUSHALL")
        heard = [await a.acquire(Want(budget(1000), 500))]
        while isinstance(heard[-1], Unavailable) and len(heard) < 50:
            heard.append(await a.acquire(Want(budget(1000), 500)))
        assert Unavailable("recovering") in heard
        assert not any(isinstance(answer, Acquired) for answer in heard)
        between.fault = Fault.PASS
        assert isinstance(await a.draw(budget(1000), 101), Denied)


async def test_forgotten_scripts(server: RedisServer) -> None:
    """SCRIPT FLUSH costs one more round trip, and nobody notices."""
    async with hosts(("a", server.url)) as [host]:
        await host.draw(budget(1000), 1)
        await server.say("SCRIPT", "FLUSH")
        assert isinstance(await host.acquire(Want(budget(1000), 1)), Acquired)
        assert not host.store.breaker.failures


async def test_a_paused_store_costs_two_time_outs(server: RedisServer) -> None:
    """While it stands still requests pay at most one time-out each, and none once the breaker is open; afterwards the
    late answers are nobody's, and the store counts again what hosts have."""
    url = server.url.replace("5000", "200")
    async with hosts(("a", url), ("b", url), recovery=PATIENT) as [a, b]:
        await a.draw(budget(1000), 100)
        await b.draw(budget(1000), 100)
        server.pause()
        try:
            answers = await asyncio.gather(*(a.acquire(Want(budget(1000), 50)) for _ in range(32)))
            assert set(answers) == {Unavailable("timeout")}
            await failing(a, "timeout")
            paid = a.store.breaker.failures["timeout"]
            at_once = [await a.acquire(Want(budget(1000), 50)) for _ in range(1000)]
            assert set(at_once) == {Unavailable("timeout")}
            assert a.store.breaker.failures["timeout"] - paid <= 3
            assert a.entitled(budget(1000)) == 100
        finally:
            server.resume()
        await only_the_rest(a, b, 200)


async def test_a_host_that_stood_still_itself_does_not_blame_the_store(server: RedisServer) -> None:
    """Whatever it was that kept it from looking, the answer was there in time."""
    async with hosts(("a", server.url.replace("5000", "50"))) as [host]:
        await host.draw(budget(1000), 1)
        failures = 0
        for turns in range(12):
            asking = asyncio.create_task(host.acquire(Want(budget(1000), 10)))
            for _ in range(turns):
                await asyncio.sleep(0)
            asyncio.get_running_loop().call_soon(time.sleep, 0.2)
            failures += not isinstance(await asking, Acquired)
        assert not failures and not host.store.breaker.failures["timeout"]


async def test_a_delay_below_the_time_out_is_only_a_delay(server: RedisServer, between: FaultyTcp) -> None:
    """A slow line is no failure."""
    async with hosts(("a", between.url())) as [host]:
        between.fault = Fault.DELAY
        answers = [await host.draw(budget(1000), 10) for _ in range(5)]
        assert all(isinstance(answer, Acquired) for answer in answers)
        assert not host.store.breaker.changes


async def test_a_black_hole_for_one_host_is_none_for_the_others(server: RedisServer, between: FaultyTcp) -> None:
    """Connections that are accepted and never answered: one host is without the store, its entitlement stays its own."""
    async with hosts(("a", server.url), ("b", between.url(100))) as [a, b]:
        await b.draw(budget(1000), 400)
        between.fault = Fault.BLACK_HOLE
        await failing(b, "timeout")
        # the store has heard b ask for one more, and b has not heard that it has it
        assert isinstance(await a.draw(budget(1000), 601), Denied)
        assert isinstance(await a.draw(budget(1000), 599), Acquired)
        assert b.entitled(budget(1000)) == 400
        between.fault = Fault.PASS
        assert isinstance(await b.draw(budget(1000), 1), Acquired)
        assert isinstance(await b.draw(budget(1000), 1), Denied)


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.CUT, Fault.REFUSE])
async def test_an_answer_that_breaks_off_is_none(server: RedisServer, between: FaultyTcp, fault: Fault) -> None:
    """What half an answer said is not believed, and what it may have granted is not lost either."""
    async with hosts(("a", server.url), ("b", between.url())) as [a, b]:
        await b.draw(budget(1000), 400)
        between.fault = fault
        if fault is Fault.REFUSE:
            between.drop()
        await failing(b, "unreachable")
        assert b.entitled(budget(1000)) == 400
        between.fault = Fault.PASS
        await only_the_rest(a, b, 400)


@pytest.mark.parametrize("after", range(0, 60, 4))
async def test_an_answer_cut_anywhere_grants_nothing(server: RedisServer, between: FaultyTcp, after: int) -> None:
    """Wherever the line is cut, the host believes what it believed, and the next answer is to the next question."""
    async with hosts(("b", between.url())) as [host]:
        await server.say("HSET", "{routebook}:epoch", "until", "0")
        await host.draw(budget(1000), 400)
        between.fault, between.after = Fault.CUT, after
        answer = await host.acquire(Want(budget(1000), 7))
        assert isinstance(answer, (Unavailable, Acquired))
        believed = host.entitled(budget(1000))
        between.fault = Fault.PASS
        another = await host.draw(budget(50, "budget/other/-"), 11)
        assert isinstance(another, Acquired)
        assert dict(another.granted) == {("budget/other/-", budget().start): 11}
        more = await host.draw(budget(1000), 1)
        assert isinstance(more, Acquired)
        assert more.totals["budget/monthly/-"].entitled == believed + 1


async def test_a_store_without_memory(server: RedisServer) -> None:
    """Out of memory is an outage with a name, and over when there is memory again."""
    async with hosts(("a", server.url), ("b", server.url), recovery=PATIENT) as [a, b]:
        await a.draw(budget(1000), 400)
        await server.say("CONFIG", "SET", "maxmemory", "1")
        await failing(a, "out of memory")
        await server.say("CONFIG", "SET", "maxmemory", "0")
        await only_the_rest(a, b, 400)


async def test_a_store_that_may_forget_single_counters_is_said(server: RedisServer) -> None:
    """A store that evicts keys cannot be relied on: the log says so."""
    await server.say("CONFIG", "SET", "maxmemory", "1gb")
    await server.say("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    with capture_logs() as lines:
        async with hosts(("a", server.url)) as [host]:
            assert host.store.server is not None
            assert host.store.server.evicts
            assert not host.store.server.appends
    assert [line["log_level"] for line in lines if line["event"] == "shared ledger may evict"] == ["warning"]


async def test_a_store_that_became_a_replica(server: RedisServer) -> None:
    """READONLY is an outage with a name, and over when the store can be written again."""
    async with hosts(("a", server.url), ("b", server.url), recovery=PATIENT) as [a, b]:
        await a.draw(budget(1000), 400)
        await server.say("REPLICAOF", "127.0.0.1", str(free_port()))
        await failing(a, "read-only")
        await server.say("REPLICAOF", "NO", "ONE")
        await only_the_rest(a, b, 400)


async def test_a_store_that_runs_a_script_without_end(server: RedisServer) -> None:
    """BUSY is an outage with a name."""
    async with hosts(("a", server.url), ("b", server.url), recovery=PATIENT) as [a, b]:
        await a.draw(budget(1000), 400)
        await server.say("CONFIG", "SET", "busy-reply-threshold", "1")
        endless = asyncio.create_task(server.say("EVAL", "while true do end", "0"))
        while not await is_busy(server):
            await asyncio.sleep(0.01)
        await failing(a, "busy")
        await server.say("SCRIPT", "KILL")
        with pytest.raises(Exception, match="(?i)killed"):
            await endless
        await only_the_rest(a, b, 400)


async def test_a_wrong_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an outage with a name, the password is in no line of the log, and the right one may come by environment."""
    async with RedisServer(tmp_path / "redis", password="right-canary") as server:
        with capture_logs() as lines:
            for url in (server.url.replace("right-", "wrong-"), server.url.replace(":right-canary@", "")):
                host = Host(url, "a")
                host.start()
                await failing(host, "wrong password")
                await host.store.close()
        assert [line["event"] for line in lines] == ["shared ledger away"] * 2
        assert "canary" not in str(lines)
        monkeypatch.setenv(PASSWORD, "right-canary")
        async with hosts(("a", server.url.replace(":right-canary@", ""))) as [host]:
            assert isinstance(await host.draw(budget(1000), 1), Acquired)


async def test_a_user_who_may_not(server: RedisServer) -> None:
    """A user without the rights it takes is an outage with a name."""
    await server.say("ACL", "SETUSER", "guest", "on", ">canary", "+info", "-@all")
    host = Host(server.url.replace("//", "//guest:canary@"), "a")
    host.start()
    await failing(host, "not permitted")
    await host.store.close()


async def test_a_store_that_cannot_prove_who_it_is(tmp_path: Path) -> None:
    """TLS holds: a certificate for another name, or of an unknown authority, is an outage with a name."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    for name in ("127.0.0.1", "other.example"):
        certificate = authority.issue_cert(name)
        certificate.private_key_pem.write_to_path(tmp_path / f"{name}.key")
        certificate.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.pem")
    probe = RedisServer(tmp_path / "probe")
    more = ("--tls-port", "0", "--tls-auth-clients", "no", "--tls-cert-file", str(tmp_path / "127.0.0.1.pem"))
    more += ("--tls-key-file", str(tmp_path / "127.0.0.1.key"), "--tls-ca-cert-file", str(tmp_path / "ca.pem"))
    async with RedisServer(tmp_path / "redis", more=more) as server:
        await server.say("CONFIG", "SET", "tls-port", str(probe.port))
        url = f"rediss://127.0.0.1:{probe.port}?timeout_ms=5000"
        for wrong in (url, f"{url}&ca={tmp_path}/absent.pem"):
            host = Host(wrong, "a")
            host.start()
            await failing(host, "certificate")
            await host.store.close()
        async with hosts(("a", f"{url}&ca={tmp_path}/ca.pem")) as [host]:
            assert isinstance(await host.draw(budget(1000), 1), Acquired)
        await server.say("CONFIG", "SET", "tls-cert-file", str(tmp_path / "other.example.pem"), "tls-key-file",
                         str(tmp_path / "other.example.key"))  # fmt: skip
        host = Host(f"{url}&ca={tmp_path}/ca.pem", "a")
        host.start()
        await failing(host, "certificate")
        await host.store.close()
    assert ssl.HAS_TLSv1_3


async def test_a_store_that_is_absent_at_the_start(tmp_path: Path) -> None:
    """Requests are told at once, and the host joins by itself when the store appears."""
    server = RedisServer(tmp_path / "redis")
    host = Host(server.url, "a")
    host.start()
    await failing(host, "unreachable")
    async with server:
        await until(lambda: host.store.is_joined)
        assert isinstance(await host.draw(budget(1000), 1), Acquired)
        await host.store.close()


async def test_cancelled_requests_leave_nothing_behind(server: RedisServer, between: FaultyTcp) -> None:
    """However many requests are cancelled while an answer is pending, no answer goes to another one, nothing that was
    granted to nobody stays counted, and the line is never broken for it."""
    dice = random.Random(3)
    async with hosts(("a", between.url()), ("b", server.url)) as [a, b]:
        await a.draw(budget(1, "budget/opened/-"), 0)
        between.fault, between.seconds = Fault.DELAY, 0.001
        received = 0
        for batch in range(100):
            asked = {n: asyncio.create_task(a.acquire(Want(budget(10**9), n))) for n in range(1, 101)}
            for n in dice.sample(sorted(asked), 70):
                asyncio.get_running_loop().call_later(dice.uniform(0, 0.004), asked[n].cancel)
            answers = await asyncio.gather(*asked.values(), return_exceptions=True)
            for n, answer in zip(asked, answers, strict=True):
                if isinstance(answer, Acquired):
                    assert dict(answer.granted) == {budget().counter: n}
                    received += n
                else:
                    assert isinstance(answer, asyncio.CancelledError), (batch, answer)
        assert a.entitled(budget()) <= a.store.entitled(budget().counter) == received
        counted = 0
        for _ in range(300):
            answer = await b.draw(budget(10**9), 0)
            assert isinstance(answer, Acquired)
            counted = answer.totals["budget/monthly/-"].entitled
            if counted == received:
                break
            await asyncio.sleep(0.02)
        assert counted == received
        assert between.connections == 1


async def test_rates_are_unavailable_like_everything_else(server: RedisServer) -> None:
    """A rate is asked of the store too, and one request pays one time-out for all that it draws on."""
    async with hosts(("a", server.url)) as [host]:
        server.kill()
        answer = await host.acquire(Want(budget(1000), 1), Want(rate(60), 1))
        assert isinstance(answer, Unavailable)
