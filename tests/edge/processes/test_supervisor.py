"""Processes: begun, killed, replaced, drained; whatever is killed, no record of a whole answer is lost."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import random
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from routebook.edge.journal.archive import CRASHED
from routebook.edge.journal.records import find_record
from routebook.edge.processes.state import begin_drawing, may_be_drawn
from tests.support.ports import free_port
from tests.support.processes import start, stop
from tests.support.proxy import RunningProxy, read_records, run_command, running_proxy, small_policy, write_policy
from tests.support.rawclient import RawClient, post
from tests.support.sseload import SseLoad
from tests.support.upstream import Play, Received, Until, Upstream, chunks, stream

NOWHERE = "http://127.0.0.1:9/v1"
KILLS = int(os.environ.get("KILLS", "12"))
"""How often the whole tree is killed; `KILLS=30` makes it the long form."""

CHAT = post("/v1/chat/completions", {"model": "small", "messages": [{"role": "user", "content": "hello"}]})
STREAM = post(
    "/v1/chat/completions", {"model": "small", "stream": True, "messages": [{"role": "user", "content": "hello"}]}
)


def slowly(request: Received) -> Play:
    """A stream of about a second."""
    return stream(chunks(["word "] * 20, model=request.json()["model"]), pause=0.05)


def briefly(request: Received) -> Play:
    """A stream of some milliseconds."""
    return stream(chunks(["word "] * 3, model=request.json()["model"]), pause=0.002)


async def workers_of(proxy: RunningProxy) -> list[int]:
    """Process ids of the workers that serve."""
    return [worker["pid"] for worker in json.loads((await proxy.get_admin("/policy"))[1])["workers"]]


def lives(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def zombies_below(pid: int) -> list[int]:
    """Children of a process that have ended and were not awaited."""
    below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in below if not lives(int(child))]


async def until(holds: Any, seconds: float, what: str) -> float:
    """Wait until something holds; how long it took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, what
        await asyncio.sleep(0.005)
    return time.monotonic() - began


async def test_a_killed_worker_is_replaced_and_nobody_is_turned_away(tmp_path: Path, upstream: Upstream) -> None:
    """Connections wait at the socket, which the supervisor keeps, until the successor serves; no zombie stays."""
    async with running_proxy(tmp_path, small_policy(upstream.url)) as proxy:
        for _ in range(3):
            (worker,) = await workers_of(proxy)
            os.kill(worker, signal.SIGKILL)
            async with RawClient(proxy.url) as client:
                assert (await client.ask(CHAT)).status == 200
            assert zombies_below(proxy.process.pid) == []
        assert "routebook_workers_replaced_total 3.0" in (await proxy.get_admin("/metrics"))[1]


async def test_a_request_that_its_worker_did_not_survive_is_settled(tmp_path: Path) -> None:
    """Its record gets an end that says so, within moments and while the service runs."""
    async with (
        Upstream(slowly) as upstream,
        running_proxy(tmp_path, small_policy(upstream.url)) as proxy,
        RawClient(proxy.url) as client,
    ):
        await client.send(STREAM)
        _, headers = await client.head()
        (worker,) = await workers_of(proxy)
        os.kill(worker, signal.SIGKILL)
        record = await proxy.record(dict(headers)["x-routebook-decision"], timeout=10)
        assert record.ended is not None
        assert (record.ended["end"], record.ended["crashed"]) == (CRASHED, True)
        listed = await proxy.command(
            "decisions", "--state-dir", str(proxy.state_dir), "--end", CRASHED, "--format", "json"
        )
        assert json.loads(listed.stdout)["id"] == dict(headers)["x-routebook-decision"]


async def test_workers_are_renewed_one_by_one_without_a_lost_request(tmp_path: Path) -> None:
    """A worker told to end (SIGTERM) is replaced at once and finishes beside its successor: ten times, 0 failures."""
    async with Upstream(briefly) as upstream, running_proxy(tmp_path, small_policy(upstream.url), workers=2) as proxy:
        load = SseLoad(proxy.base_url, clients=16)
        async with load.running():
            for _ in range(10):
                oldest = (await workers_of(proxy))[0]
                os.kill(oldest, signal.SIGTERM)
                await proxy.until(
                    "/policy",
                    lambda _, body, gone=oldest: (
                        len(serving := [worker["pid"] for worker in json.loads(body)["workers"]]) == 2
                        and gone not in serving
                    ),
                )
        assert load.failures == []
        assert len(load.answers) > 200
        await until(lambda: len(proxy.children()) == 2, 10, "workers that left are still there")


async def test_a_stuck_worker_is_noticed(tmp_path: Path) -> None:
    """One that is stopped (or spins for ever) is no longer waited for by a scrape, and takes no other down."""
    async with running_proxy(tmp_path, small_policy(NOWHERE), workers=2) as proxy:
        stuck = (await workers_of(proxy))[0]
        os.kill(stuck, signal.SIGSTOP)
        try:
            began = time.monotonic()
            assert "routebook_workers 2.0" in (await proxy.get_admin("/metrics"))[1]
            assert time.monotonic() - began < 4
        finally:
            os.kill(stuck, signal.SIGCONT)


async def test_killing_the_supervisor_leaves_no_process(tmp_path: Path) -> None:
    """Workers, simulated upstream and helpers notice and end by themselves; a stream is finished first."""
    async with (
        Upstream(slowly) as upstream,
        running_proxy(tmp_path, small_policy(upstream.url), workers=2) as proxy,
        RawClient(proxy.url) as client,
    ):
        below = proxy.children()
        assert len(below) == 2
        await client.send(STREAM)
        await client.head()
        proxy.process.kill()
        proxy.process.wait()
        body = b""
        while piece := await client.chunk():
            body += piece
        assert b"data: [DONE]" in body
        await until(lambda: not any(map(lives, below)), 10, "workers outlive their supervisor")
        assert all(record.ended is not None for record in read_records(proxy.state_dir).values())


async def test_nobody_begins_while_a_worker_of_the_dead_may_draw(tmp_path: Path) -> None:
    """What it draws would be counted by nobody: the next service waits for it, and says which process it is where that does
    not notice. (Here it is this process that has begun to draw.)"""
    write_policy(tmp_path / "rules", small_policy(NOWHERE))
    (tmp_path / "var").mkdir()
    serve = ["serve", "--policy", str(tmp_path / "rules"), "--state-dir", str(tmp_path / "var")]
    drawing = begin_drawing(tmp_path / "var")
    try:
        refused = await asyncio.to_thread(run_command, *serve, "--listen", "127.0.0.1:0", "--admin", "none")
    finally:
        os.close(drawing)
    assert refused.returncode == 1
    assert f"still draw on its budgets (processes {os.getpid()})" in refused.stderr
    async with running_proxy(tmp_path, small_policy(NOWHERE)):
        assert may_be_drawn(tmp_path / "var")


async def test_a_worker_that_finishes_its_streams_holds_up_no_successor(tmp_path: Path) -> None:
    """Its supervisor has died: it draws nothing more, and whoever comes next begins beside it."""
    finish = asyncio.Event()
    play = stream()
    async with (
        Upstream(lambda _: [*play[:3], Until(finish), *play[3:]]) as upstream,
        running_proxy(tmp_path, small_policy(upstream.url)) as proxy,
        RawClient(proxy.url) as client,
    ):
        (worker,) = proxy.children()
        await client.send(STREAM)
        await client.head()
        proxy.process.kill()
        proxy.process.wait()
        async with running_proxy(tmp_path, small_policy(upstream.url)):
            assert lives(worker)
            finish.set()
            body = b""
            while piece := await client.chunk():
                body += piece
            assert b"data: [DONE]" in body
            await until(lambda: not lives(worker), 10, "the worker ends")


async def test_the_simulated_upstream_ends_with_its_supervisor(tmp_path: Path) -> None:
    """However the supervisor ended; and it is begun again when it dies alone."""
    async with running_proxy(tmp_path, small_policy(NOWHERE), "--simulate") as proxy:
        async with RawClient(proxy.url) as client:
            assert (await client.ask(CHAT)).status == 200
        (simulated,) = set(proxy.children()) - set(await workers_of(proxy))
        os.kill(simulated, signal.SIGKILL)
        await until(
            lambda: len(proxy.children()) == 2 and simulated not in proxy.children(), 10, "it is not begun again"
        )
        async with RawClient(proxy.url) as client:
            assert (await client.ask(CHAT)).status == 200
        below = proxy.children()
        proxy.process.kill()
        proxy.process.wait()
        await until(lambda: not any(map(lives, below)), 10, "children outlive their supervisor")


async def test_sigterm_drains(tmp_path: Path) -> None:
    """Not ready at once, still accepting for a moment, streams finished, exit 0, nothing left running or announced."""
    async with (
        Upstream(slowly) as upstream,
        running_proxy(tmp_path, small_policy(upstream.url), workers=2) as proxy,
        RawClient(proxy.url) as client,
    ):
        below = proxy.children()
        await client.send(STREAM)
        await client.head()
        proxy.process.send_signal(signal.SIGTERM)
        await proxy.until("/readyz", lambda status, _: status == 503, timeout=0.4)
        async with RawClient(proxy.url) as late:
            await late.send(STREAM)
            assert (await late.head())[0] == 200
            for each in (client, late):
                body = b""
                while piece := await each.chunk():
                    body += piece
                assert b"data: [DONE]" in body
        assert await asyncio.to_thread(proxy.process.wait, 10) == 0
        assert not any(map(lives, below))
        assert not (proxy.state_dir / "routebook.json").exists()
        records = read_records(proxy.state_dir)
        assert [record.ended and record.ended["end"] for record in records.values()] == ["--", "--"]
        host, _, port = proxy.url.removeprefix("http://").rpartition(":")
        with socket.socket() as nobody:
            assert nobody.connect_ex((host, int(port))) == errno.ECONNREFUSED


async def test_a_second_sigterm_quickens(tmp_path: Path) -> None:
    """What still runs is cut, with an end on record, and the program is gone within moments."""
    async with (
        Upstream(lambda _: stream(chunks(["x"] * 1000), pause=0.1)) as upstream,
        running_proxy(tmp_path, small_policy(upstream.url)) as proxy,
        RawClient(proxy.url) as client,
    ):
        await client.send(STREAM)
        await client.head()
        proxy.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(1)
        assert proxy.process.poll() is None
        proxy.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(proxy.process.wait, 5)
        (record,) = read_records(proxy.state_dir).values()
        assert record.ended is not None and record.ended["end"] not in ("--", CRASHED)


async def test_what_does_not_end_in_time_is_cut(tmp_path: Path) -> None:
    """`--drain` bounds how long a service takes to end."""
    async with (
        Upstream(lambda _: stream(chunks(["x"] * 1000), pause=0.1)) as upstream,
        running_proxy(tmp_path, small_policy(upstream.url), "--drain", "1") as proxy,
        RawClient(proxy.url) as client,
    ):
        await client.send(STREAM)
        await client.head()
        proxy.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        await asyncio.to_thread(proxy.process.wait, 8)
        assert time.monotonic() - began < 5
        (record,) = read_records(proxy.state_dir).values()
        assert record.ended is not None


async def test_kill_9_of_the_tree_loses_no_record_of_a_whole_answer(tmp_path: Path) -> None:
    """So many times: supervisor and workers killed under load; each answer whose last byte came has both its lines."""
    dice = random.Random(7)
    state_dir, log = tmp_path / "var", tmp_path
    async with Upstream(briefly) as upstream:
        write_policy(tmp_path / "rules", small_policy(upstream.url))
        whole: set[str] = set()
        for _ in range(KILLS):
            listen, admin = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
            process = start(
                [
                    *SERVE,
                    "--policy",
                    str(tmp_path / "rules"),
                    "--state-dir",
                    str(state_dir),
                    "--listen",
                    listen,
                    "--admin",
                    admin,
                    "--workers",
                    "2",
                ],
                log,
            )
            proxy = RunningProxy(f"http://{listen}", state_dir, tmp_path / "rules", process, f"http://{admin}")
            try:
                await proxy.until("/readyz", lambda status, _: status == 200)
                load = SseLoad(proxy.base_url, clients=16)
                tree = [process.pid, *proxy.children()]
                async with load.running(settle=2):
                    await load.answered(1)
                    await asyncio.sleep(dice.random() * 0.4)
                    dice.shuffle(tree)
                    for pid in tree:
                        os.kill(pid, signal.SIGKILL)
                whole |= {str(answer.decision) for answer in load.answers}
            finally:
                await asyncio.to_thread(stop, process)
    records = read_records(state_dir)
    missing = [identity for identity in whole if identity not in records]
    unended = [identity for identity in whole if identity in records and not is_whole(records[identity].ended)]
    assert len(whole) > 200
    assert (missing, unended) == ([], [])
    found = find_record(state_dir, min(whole))
    assert found is not None and found.ended is not None


SERVE = [sys.executable, "-m", "routebook", "serve"]


def is_whole(ended: dict[str, Any] | None) -> bool:
    """Whether a second line says that all went well."""
    return ended is not None and ended["end"] == "--"


async def test_a_state_directory_has_one_owner(tmp_path: Path) -> None:
    """A second service on the same directory does not start, and says why."""
    async with running_proxy(tmp_path, small_policy(NOWHERE)) as proxy:
        second = await proxy.command(
            "serve",
            "--policy",
            str(proxy.policy_dir),
            "--state-dir",
            str(proxy.state_dir),
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "none",
        )
        assert second.returncode == 1
        assert "belongs to a service that is running" in second.stderr


async def test_an_address_in_use_is_named(tmp_path: Path) -> None:
    """Before any worker begins."""
    async with running_proxy(tmp_path, small_policy(NOWHERE)) as proxy:
        taken = proxy.url.removeprefix("http://")
        second = await proxy.command(
            "serve",
            "--policy",
            str(proxy.policy_dir),
            "--state-dir",
            str(tmp_path / "other"),
            "--listen",
            taken,
            "--admin",
            "none",
        )
        assert second.returncode == 1
        assert f"cannot listen on {taken}: address already in use" in second.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--listen", "8080"],
        ["--listen", "127.0.0.1:99999"],
        ["--listen", "::1:80"],
        ["--workers", "0"],
        ["--workers", "many"],
        ["--drain", "-1"],
        ["--admin", "x"],
    ],
)
async def test_a_wrong_option_is_a_wrong_command_line(tmp_path: Path, arguments: list[str]) -> None:
    """Exit code 2 and a word about it."""
    command = await asyncio.to_thread(run_command, "serve", "--state-dir", str(tmp_path), *arguments)
    assert command.returncode == 2
    assert command.stderr


async def test_a_policy_with_errors_does_not_start(tmp_path: Path) -> None:
    """The problems are printed as `check` prints them."""
    write_policy(tmp_path / "rules", "version: 1\nrules: []\nmodles: {}\n")
    command = await asyncio.to_thread(
        run_command,
        "serve",
        "--policy",
        str(tmp_path / "rules"),
        "--state-dir",
        str(tmp_path / "var"),
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "none",
    )
    assert command.returncode == 1
    assert "policy.yaml:3:1" in command.stderr


async def test_a_budget_that_a_store_cannot_count_is_not_shared(tmp_path: Path) -> None:
    """`check` warns of it, one host alone keeps it, and with a shared store the service does not begin."""
    policy = small_policy(NOWHERE, more="budgets: {all: {limit: $10000000, window: month}}")
    async with running_proxy(tmp_path, policy) as proxy:
        assert "ledger.limit-too-large" in (await proxy.get_admin("/policy"))[1]
    words = ("--policy", str(tmp_path / "rules"), "--state-dir", str(tmp_path / "var"), "--listen", "127.0.0.1:0")
    shared = ("--shared-ledger", "redis://127.0.0.1:9/0", "--admin", "none")
    refused = await asyncio.to_thread(run_command, "serve", *words, *shared)
    assert refused.returncode == 1
    assert "error[ledger.limit-too-large]: the limit of `all` is more than hosts can share" in refused.stderr
