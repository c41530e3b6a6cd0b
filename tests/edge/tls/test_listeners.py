"""Both listeners over TLS, with the real program: what is refused, what a renewal changes, and who a certificate is."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
import trustme

from routebook.edge.admin.tokens import LOCAL
from tests.support.asking import CHAT, chat
from tests.support.certificates import Written, trusting, written
from tests.support.processes import run_command
from tests.support.proxy import RunningProxy, running_proxy, small_policy
from tests.support.upstream import Pause, Upstream, chunks, stream

OLD = [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1]


@asynccontextmanager
async def encrypted(
    folder: Path, policy: str, made: Written, *more: str, asks: bool = False
) -> AsyncIterator[RunningProxy]:
    """The real program, both listeners with this certificate; its admin listener is asked over TLS."""
    options = [*made.options(asks=asks), *made.options("admin-", asks=asks), *more]
    async with running_proxy(folder, policy, *options, trust=trusting()) as proxy:
        yield proxy


async def shown(url: str, context: ssl.SSLContext) -> str:
    """The certificate that a listener shows to a client of its own, as PEM."""
    parts = urlsplit(url)
    _, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=context)
    spoken = writer.get_extra_info("ssl_object")
    certificate = ssl.DER_cert_to_PEM_cert(spoken.getpeercert(True))
    writer.close()
    await writer.wait_closed()
    return certificate


async def ask(url: str, context: ssl.SSLContext | bool, key: str | None = None, path: str = CHAT) -> tuple[int, str]:
    """Ask once on a connection of its own; status and body."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
        session.post(url + path, json=chat(), headers=headers) as answer,
    ):
        return answer.status, await answer.text()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
async def test_both_listeners_speak_it_and_nothing_else(tmp_path: Path, upstream: Upstream) -> None:
    """Whole answers come over TLS 1.2 and 1.3; older versions, plain HTTP and a client that trusts nobody get nothing."""
    made = written(tmp_path / "tls")
    async with encrypted(tmp_path, small_policy(upstream.url), made) as proxy:
        assert proxy.url.startswith("https://") and "serves https://" in proxy.log and "admin https://" in proxy.log
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = trusting()
            context.minimum_version = context.maximum_version = version
            assert (await ask(proxy.url, context))[0] == 200
        for url in (proxy.url, proxy.admin):
            for version in OLD:
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    await shown(url, only(version))
            with pytest.raises(ssl.SSLCertVerificationError):
                await shown(url, ssl.create_default_context())
            with pytest.raises(aiohttp.ClientError):
                await ask(url.replace("https:", "http:"), False)
        assert len(upstream.requests) == 2
        assert (await proxy.get_admin("/readyz"))[0] == 200


def only(version: ssl.TLSVersion) -> ssl.SSLContext:
    """A client that speaks one old version and takes any cipher and any certificate: only the server can refuse."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    return context


async def test_a_renewal_is_shown_to_those_who_come_after(tmp_path: Path, upstream: Upstream) -> None:
    """SIGHUP takes a new pair on both listeners and in every worker; a stream that runs goes on, and nobody is refused."""
    made = written(tmp_path / "tls")
    upstream.will([*(play := stream(chunks(["a"])))[:2], Pause(2.0), *play[2:]])
    async with encrypted(tmp_path, small_policy(upstream.url), made, "--workers", "2") as proxy:
        running = asyncio.create_task(streamed(proxy.url))
        await upstream.arrivals(1)
        first = await shown(proxy.url, trusting())
        new = made.renew()
        proxy.hang_up()
        await until_shown(proxy.admin, new)
        seen = {await shown(proxy.url, trusting()) for _ in range(20)}
        assert seen == {new} and first != new
        assert "data: [DONE]" in await running
        assert (await ask(proxy.url, trusting()))[0] == 200
        reloaded = await proxy.command("reload", "--wait", "--state-dir", str(proxy.state_dir))
        assert reloaded.returncode == 0, reloaded.stderr
        worker = proxy.children()[0]
        os.kill(worker, signal.SIGKILL)
        await proxy.until(
            "/policy", lambda _, body: len(json.loads(body)["workers"]) == 2 and f'"pid":{worker},' not in body
        )
        assert {await shown(proxy.url, trusting()) for _ in range(20)} == {new}
        _, metrics = await proxy.get_admin("/metrics")
    assert 'routebook_tls_certificate_end_timestamp_seconds{listener="public"} 3.25' in metrics


async def streamed(url: str) -> str:
    """A stream, read to its end."""
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting())) as session,
        session.post(url + CHAT, json=chat(stream=True)) as answer,
    ):
        return await answer.text()


async def until_shown(url: str, certificate: str) -> None:
    """Wait until a listener shows this certificate; fails the test after a while."""
    for _ in range(600):
        if await shown(url, trusting()) == certificate:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the new certificate is not shown")


async def test_a_bad_pair_keeps_the_old_one_and_says_so(tmp_path: Path, upstream: Upstream) -> None:
    """The reload is rejected whole, with the file and the reason: exit code, log and gauge say so; then it is mended."""
    made = written(tmp_path / "tls")
    async with encrypted(tmp_path, small_policy(upstream.url), made) as proxy:
        first = await shown(proxy.url, trusting())
        key = made.key.read_bytes()
        made.renew()
        new_key = made.key.read_bytes()
        made.key.write_bytes(key)
        proxy.write_policy(small_policy(upstream.url, more="# another policy"))
        rejected = await proxy.command("reload", "--wait", "--state-dir", str(proxy.state_dir))
        assert rejected.returncode == 1
        assert f"{made.key}:1:1: error[tls.bad-pair]: the key is not that of the certificate" in rejected.stderr
        assert await shown(proxy.url, trusting()) == await shown(proxy.admin, trusting()) == first
        assert (await ask(proxy.url, trusting()))[0] == 200
        _, metrics = await proxy.get_admin("/metrics")
        assert "routebook_config_last_reload_successful 0.0" in metrics
        assert '"code":"tls.bad-pair"' in proxy.log.replace('": "', '":"')
        made.key.write_bytes(new_key)
        taken = await proxy.command("reload", "--wait", "--state-dir", str(proxy.state_dir))
        assert taken.returncode == 0 and await shown(proxy.url, trusting()) != first
        assert "PRIVATE" not in proxy.log
        assert "PRIVATE" not in (proxy.state_dir / "routebook.json").read_text()


def test_without_a_pair_nothing_starts(tmp_path: Path) -> None:
    """A key without a certificate is wrong use (2); a pair that cannot be used ends the start (1) and says why."""
    made = written(tmp_path / "tls")
    made.key.write_bytes(written(tmp_path / "other").key.read_bytes())
    half = run_command("serve", "--tls-key", str(made.key), cwd=tmp_path)
    assert half.returncode == 2 and "give `--tls-certificate` too" in half.stderr
    bad = run_command("serve", "--listen", "127.0.0.1:0", "--admin", "none", *made.options(), cwd=tmp_path)
    assert bad.returncode == 1 and "error[tls.bad-pair]" in bad.stderr


CLIENTS = """\
clients:
  shop: {certificates: ["dns:shop.internal", "uri:spiffe://corp/shop"], team: commerce}
  web: {certificates: ["dns:web.internal"]}
  others: {keys: ["hmac-sha256:PLACE"]}
"""


async def test_a_certificate_is_who_calls(tmp_path: Path, upstream: Upstream) -> None:
    """Where clients are asked for a certificate, its names say who calls, whatever key a library sends beside it; one of
    nobody's needs a key, one of two clients is refused, and without one, or with another authority's, there is no
    connection."""
    made = written(tmp_path / "tls")
    policy = small_policy(upstream.url, more=CLIENTS.replace("PLACE", "0" * 64))
    async with encrypted(tmp_path, policy, made, asks=True) as proxy:
        for name in ("shop.internal", "web.internal"):
            mine = written(tmp_path / name, name)
            assert (await ask(proxy.url, trusting(mine)))[0] == 200
            assert (await ask(proxy.url, trusting(mine), key="no-key-needed"))[0] == 200
        records = await proxy.ended_records(lambda found: len(found) == 4)
        assert sorted(record.decided["client"] for record in records.values()) == ["shop", "shop", "web", "web"]
        status, said = await ask(proxy.url, trusting(written(tmp_path / "nobody", "nobody.internal")))
        assert status == 401 and "caller.unknown" in said
        both = written(tmp_path / "both", "shop.internal", "web.internal")
        assert (await ask(proxy.url, trusting(both)))[0] == 401
        stranger = written(tmp_path / "stranger", "shop.internal", authority=trustme.CA())
        old = written(tmp_path / "old", "shop.internal", ends=datetime(2020, 1, 1))
        for context in (trusting(), trusting(stranger), trusting(old)):
            with pytest.raises(aiohttp.ClientError):
                await ask(proxy.url, context)
    assert len(upstream.requests) == 4


async def test_the_admin_listener_asks_for_one_too(tmp_path: Path, upstream: Upstream) -> None:
    """Probes need none; whoever reads or operates shows one, but for commands on this machine with the local token."""
    made = written(tmp_path / "tls")
    async with encrypted(tmp_path, small_policy(upstream.url), made, asks=True) as proxy:
        assert (await proxy.get_admin("/healthz"))[0] == 200
        status, said = await proxy.get_admin("/metrics")
        assert status == 401 and "admin.no-certificate" in said
        mine = written(tmp_path / "prometheus", "prometheus.internal")
        connector = aiohttp.TCPConnector(ssl=trusting(mine))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(proxy.admin + "/metrics") as found,
        ):
            assert found.status == 200
        assert (proxy.state_dir / LOCAL).exists()
        reloaded = await proxy.command("reload", "--wait", "--state-dir", str(proxy.state_dir))
        assert reloaded.returncode == 0, reloaded.stderr
