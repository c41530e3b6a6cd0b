"""How a service ends: nothing that nobody waits for holds it up, and it says that all went well only where it did."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from tests.support.processes import descendants
from tests.support.proxy import read_records, running_proxy, small_policy
from tests.support.rawclient import RawClient, post
from tests.support.upstream import Upstream, chunks, stream

STREAM = post(
    "/v1/chat/completions", {"model": "small", "stream": True, "messages": [{"role": "user", "content": "hello"}]}
)

DEAF = """\
import pathlib, socket, time

answers = socket.getaddrinfo


def getaddrinfo(host, *rest, **more):
    if host != "deaf.example":
        return answers(host, *rest, **more)
    pathlib.Path(__file__).with_name("asked").touch()
    while True:
        time.sleep(60)


socket.getaddrinfo = getaddrinfo
"""
"""A system whose server of names does not answer for one host: it asks, and asks again."""


async def test_a_name_that_nobody_answers_for_holds_no_worker_up(tmp_path: Path) -> None:
    """The request is cut when the time to drain is over; its worker ends by itself, though its thread still asks."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(DEAF)
    environment = {"PYTHONPATH": str(site)}
    policy = small_policy("http://deaf.example/v1")
    async with (
        running_proxy(tmp_path, policy, "--drain", "0.2", environment=environment) as proxy,
        RawClient(proxy.url) as client,
    ):
        await client.send(STREAM)
        while not (site / "asked").exists():
            await asyncio.sleep(0.01)
        proxy.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(proxy.process.wait, 60) == 0
        assert '"worker ended"' not in proxy.log, "it was killed"
        assert '"clean":true' in proxy.log
        (record,) = read_records(proxy.state_dir).values()
        assert record.ended is not None and record.ended["error"] == "gateway.draining"


async def test_a_worker_that_is_killed_while_it_drains_is_no_clean_end(tmp_path: Path) -> None:
    """The program says so, in its log and by its exit code; the record of what was cut is settled."""
    async with (
        Upstream(lambda _: stream(chunks(["x"] * 1000), pause=0.1)) as upstream,
        running_proxy(tmp_path, small_policy(upstream.url)) as proxy,
        RawClient(proxy.url) as client,
    ):
        (worker,) = (pid for pid in descendants(proxy.process.pid) if _serves(pid))
        await client.send(STREAM)
        await client.head()
        proxy.process.send_signal(signal.SIGTERM)
        while '"draining"' not in proxy.log:
            await asyncio.sleep(0.01)
        os.kill(worker, signal.SIGKILL)
        assert await asyncio.to_thread(proxy.process.wait, 60) == 1
        assert '"clean":false' in proxy.log and '"how":"signal 9"' in proxy.log
        (record,) = read_records(proxy.state_dir).values()
        assert record.ended is not None and record.ended["error"] == "gateway.crashed"


def _serves(pid: int) -> bool:
    return b"processes.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
