"""Upstreams and stores that are real servers on this machine, with certificates of every kind."""

from __future__ import annotations

import asyncio
import datetime
import re
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from routebook.catalogue.providers import Provider
from routebook.documents.problems import Location
from routebook.edge.doctor import network
from routebook.edge.doctor.finding import Finding, Verdict
from routebook.edge.ledger.store_line import Server
from tests.support.ports import free_port
from tests.support.redis_server import RedisServer, needs_redis

AUTHORITY = trustme.CA()
DAYS = datetime.timedelta(days=1)


def provider(url: str, name: str = "one") -> Provider:
    """A provider that stands there."""
    return Provider(name, "openai", url, Location("policy.yaml", 1, 1))


@asynccontextmanager
async def serving(context: ssl.SSLContext | None, greeting: bytes = b"") -> AsyncIterator[int]:
    """A server that answers nothing; its port."""

    async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


def certified(*names: str, of: trustme.CA = AUTHORITY, until: datetime.datetime | None = None) -> ssl.SSLContext:
    """What a server with a certificate for these names needs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    of.issue_cert(*names, not_after=until).configure_cert(context)
    return context


@pytest.fixture(autouse=True)
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The authority is the only one that this machine trusts."""
    path = tmp_path / "authority.pem"
    AUTHORITY.cert_pem.write_to_path(str(path))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))


async def looked(context: ssl.SSLContext | None, url: str) -> Finding:
    """What was found at `url`, in which PORT is that of a server with this context."""
    async with serving(context) as port:
        dns, place = await network.upstreams([provider(url.replace("PORT", str(port)))], time.time())
    assert dns.check == "dns" and dns.verdict is Verdict.OK
    return place


async def test_a_good_certificate() -> None:
    """Trusted, of the right name, for long."""
    found = await looked(certified("localhost"), "https://localhost:PORT/v1")
    assert (found.check, found.verdict, found.about) == ("tls", Verdict.OK, "one")
    assert "TLSv1.3" in found.says


async def test_one_that_ends_soon() -> None:
    """Worth a look two weeks before."""
    soon = datetime.datetime.now(datetime.UTC) + 3 * DAYS
    found = await looked(certified("localhost", until=soon), "https://localhost:PORT/v1")
    assert found.verdict is Verdict.WARN and "for 3 days" in found.says


@pytest.mark.parametrize(
    ("context", "why"),
    [
        (lambda: certified("elsewhere.example"), "Hostname mismatch"),
        (lambda: certified("localhost", of=trustme.CA()), "unable to get local issuer|self-signed"),
        (lambda: certified("localhost", until=datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)), "expired"),
    ],
    ids=["wrong-name", "unknown-authority", "expired"],
)
async def test_certificates_that_are_not_trusted(context: object, why: str) -> None:
    """Such upstreams are not called, so it fails, and says why."""
    found = await looked(context(), "https://localhost:PORT/v1")  # type: ignore[operator]
    assert (found.check, found.verdict) == ("tls", Verdict.FAIL)
    assert re.search(why, found.says), found.says


async def test_one_without_tls_where_it_is_asked_for() -> None:
    """`https:` to a server that speaks HTTP."""
    async with serving(None, b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        *_, found = await network.upstreams([provider(f"https://127.0.0.1:{port}/v1")], time.time())
    assert (found.check, found.verdict) == ("tls", Verdict.FAIL)


async def test_one_on_this_machine_needs_no_tls() -> None:
    """Loopback is read by nobody else."""
    found = await looked(None, "http://127.0.0.1:PORT/v1")
    assert (found.check, found.verdict) == ("connection", Verdict.OK)
    assert network._unencrypted("one", ["10.1.2.3"]).verdict is Verdict.WARN


async def test_nobody_there() -> None:
    """A port at which nobody listens, and a name that nobody has (RFC 6761 keeps `.invalid` free)."""
    *_, port = await network.upstreams([provider(f"http://127.0.0.1:{free_port()}/v1")], time.time())
    [name] = await network.upstreams([provider("https://nobody.invalid/v1")], time.time())
    assert (port.check, port.verdict) == ("connection", Verdict.FAIL)
    assert (name.check, name.verdict) == ("dns", Verdict.FAIL)


async def test_a_place_is_looked_at_once() -> None:
    """Providers that stand at one place share what was found there."""
    async with serving(None) as port:
        url = f"http://127.0.0.1:{port}"
        found = await network.upstreams(
            [provider(f"{url}/v1", "one"), provider(f"{url}/{{model}}", "two")], time.time()
        )
    assert [each.about for each in found] == ["one, two", "one, two"]


@needs_redis
@pytest.mark.parametrize(
    ("appends", "more", "verdict", "advice"),
    [
        (True, (), Verdict.OK, "None"),
        (False, (), Verdict.WARN, "appendonly"),
        (True, ("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"), Verdict.FAIL, "noeviction"),
    ],
    ids=["kept", "forgetful", "evicting"],
)
async def test_a_real_store(
    tmp_path: Path, appends: bool, more: tuple[str, ...], verdict: Verdict, advice: str
) -> None:
    """What the server says of its own settings decides; its password is never said."""
    async with RedisServer(tmp_path, appends, "secret", more) as server:
        found = await network.shared_ledger(server.url)
    assert (found.check, found.verdict) == ("shared-ledger", verdict), found
    assert advice in str(found.advice) and "secret" not in f"{found.says} {found.advice}"


@pytest.mark.parametrize(
    ("server", "seconds", "verdict"),
    [
        (Server("a", "7.2", evicts=False, appends=True), 0.001, Verdict.OK),
        (Server("a", "7.2", evicts=False, appends=True), 0.04, Verdict.WARN),
        (Server("a", "7.2", evicts=False, appends=False), 0.001, Verdict.WARN),
        (Server("a", "7.2", evicts=True, appends=True), 0.001, Verdict.FAIL),
    ],
)
def test_stores(server: Server, seconds: float, verdict: Verdict) -> None:
    """Eviction loses budgets; a store without a log may; a slow one lets requests wait."""
    assert network.judged_store("redis://x:6379/0", server, seconds, 0.05).verdict is verdict


@pytest.mark.parametrize("url", ["redis://:secret@127.0.0.1:PORT/0", "http://:secret@x", "redis://x?secret=1"])
async def test_stores_that_are_not_there(url: str) -> None:
    """A fault, in words without the secret."""
    found = await network.shared_ledger(url.replace("PORT", str(free_port())))
    assert found.verdict is Verdict.FAIL and "secret" not in f"{found.says} {found.advice}"
