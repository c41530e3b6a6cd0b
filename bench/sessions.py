"""What a session of voice costs: frames of 20 ms of sound directly, through a bare aiohttp relay and through Routebook.

    python bench/sessions.py [--sessions 1,50,200] [--seconds 5] [--rounds 3] [--idle 2000] [--hold 60]

Each session sends a frame every 20 ms; the upstream answers each with one as large, at once. What is measured is the way
there and back, so each figure holds two frames' ways through the proxy. Upstream and load share one core, each proxy has
another one. Every round measures all of them in turn; medians over the rounds are shown. Trust ratios, not absolute figures.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import WSMsgType, web

FRAME_SECONDS = 0.02
SOUND = base64.b64encode(bytes(960)).decode()
SENT = json.dumps({"type": "input_audio_buffer.append", "audio": SOUND})
ANSWER = json.dumps({"type": "response.output_audio.delta", "response_id": "resp_1", "delta": SOUND})
GREETING = [
    {"type": "session.created", "session": {"model": "bench-1", "audio": {"input": {"turn_detection": {}}}}},
    {"type": "response.created", "response": {"id": "resp_1"}},
]
PATH = "/v1/realtime?model=bench"

POLICY = """\
version: 1
providers:
  bench: {{dialect: openai, base_url: "http://127.0.0.1:{upstream}/v1", accounts: [{{name: main}}]}}
models:
  bench: {{provider: bench, id: bench-1, operations: [realtime], max_output: 4k,
          price: {{input: 4, audio_input: 32, output: 16, audio_output: 64}}}}
budgets:
  all: {{limit: $100000, window: month}}
rules:
  - {{name: voices, when: {{request.operation: realtime}}, route: {{to: [bench]}}}}
  - {{name: others, refuse: {{status: 403}}}}
"""


async def upstream(port: int) -> None:
    """Greet, and answer every frame with another."""

    async def talk(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(compress=False, max_msg_size=0)
        await ws.prepare(request)
        for event in GREETING:
            await ws.send_str(json.dumps(event))
        async for _ in ws:
            await ws.send_str(ANSWER)
        return ws

    await _serve(talk, port)


async def bare_relay(port: int, to: str) -> None:
    """The floor of a relay in aiohttp: every message of either side goes to the other, and nothing else happens."""
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def pump(source: Any, target: Any) -> None:
        async for message in source:
            if message.type is WSMsgType.TEXT:
                await target.send_str(message.data)
            else:
                await target.send_bytes(message.data)
        await target.close()

    async def talk(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(compress=False, max_msg_size=0)
        async with session.ws_connect(to + request.path_qs, max_msg_size=0) as other:
            await ws.prepare(request)
            back = asyncio.create_task(pump(other, ws))
            await pump(ws, other)
            await back
        return ws

    await _serve(talk, port)


async def _serve(talk: Any, port: int) -> None:
    application = web.Application()
    application.router.add_get("/{path:.*}", talk)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
    await asyncio.Event().wait()


async def load(port: int, sessions: int, seconds: float) -> list[float]:
    """Seconds that each frame's answer took; sessions begin spread over one frame's time."""
    times: list[float] = []

    async def talk(client: aiohttp.ClientSession, number: int) -> None:
        async with client.ws_connect(f"http://127.0.0.1:{port}{PATH}", max_msg_size=0) as ws:
            for _ in GREETING:
                await ws.receive()
            waiting: deque[float] = deque()

            async def listen() -> None:
                async for _ in ws:
                    times.append(time.perf_counter() - waiting.popleft())

            listening = asyncio.create_task(listen())
            due = time.perf_counter() + FRAME_SECONDS * number / sessions
            end = due + seconds
            while due < end:
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                waiting.append(time.perf_counter())
                await ws.send_str(SENT)
                due += FRAME_SECONDS
            await asyncio.sleep(0.2)
            await ws.close()
            await listening

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
        await asyncio.gather(*(talk(client, number) for number in range(sessions)))
    return times


async def idle(port: int, pid: int, sessions: int, seconds: float) -> tuple[float, float, int]:
    """KiB of memory that a session takes in which nothing is said, the share of a core that all of them take, and how many
    are lost in so many seconds."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
        opened = [await client.ws_connect(f"http://127.0.0.1:{port}{PATH}") for _ in range(50)]
        before = memory(pid)
        for _ in range(sessions):
            opened.append(await client.ws_connect(f"http://127.0.0.1:{port}{PATH}"))
            await opened[-1].receive()
        taken, used = memory(pid) - before, processor(pid)
        await asyncio.sleep(seconds)
        share = (processor(pid) - used) / seconds if seconds else 0.0
        lost = sum(each.closed or each._response.connection is None for each in opened)
        await asyncio.gather(*(each.close() for each in opened))
    return taken / sessions, share, lost


def processor(pid: int) -> float:
    """Seconds of a processor that a process and all below it have used."""
    total = 0
    for each in tree(pid):
        total += sum(map(int, Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()[11:13]))
    return total / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> float:
    """Resident KiB of a process and all below it."""
    total = 0.0
    for each in tree(pid):
        pages = int(Path(f"/proc/{each}/statm").read_text().split()[1])
        total += pages * os.sysconf("SC_PAGE_SIZE") / 1024
    return total


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(below for child in children for below in tree(int(child)))]


def free_port() -> int:
    """A port of the loopback interface that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: list[str], port: int, core: int, folder: Path) -> Iterator[int]:
    """Start a server on a core, wait until it accepts, and end it with the block."""
    with open(folder / f"{port}.log", "wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    os.sched_setaffinity(process.pid, {core})
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, (folder / f"{port}.log").read_text()
            time.sleep(0.05)
        time.sleep(0.5)
        for each in tree(process.pid):
            os.sched_setaffinity(each, {core})
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def routebook(folder: Path, port: int, to: int) -> list[str]:
    """The command that serves, with budget, journal and all."""
    (folder / "rules").mkdir()
    (folder / "rules" / "policy.yaml").write_text(POLICY.format(upstream=to))
    return [
        *(sys.executable, "-m", "routebook", "serve", "--policy", str(folder / "rules"), "--workers", "1"),
        *("--state-dir", str(folder / "var"), "--listen", f"127.0.0.1:{port}"),
        *("--admin", f"127.0.0.1:{free_port()}"),
    ]


def shown(times: list[float]) -> tuple[float, float, float]:
    """The 50th, 95th and 99th percentile, in milliseconds."""
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return cuts[49] * 1000, cuts[94] * 1000, cuts[98] * 1000


def measure(args: argparse.Namespace) -> None:
    """Run everything, and print one table."""
    cores = sorted(os.sched_getaffinity(0))
    ours, theirs = cores[0], cores[-1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    me = [sys.executable, str(Path(__file__).resolve())]
    up, relay, proxy = free_port(), free_port(), free_port()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        stack.enter_context(running([*me, "upstream", str(up)], up, ours, folder))
        bare = stack.enter_context(running([*me, "relay", str(relay), f"http://127.0.0.1:{up}"], relay, theirs, folder))
        ours_pid = stack.enter_context(running(routebook(folder, proxy, up), proxy, theirs, folder))
        os.sched_setaffinity(0, {ours})
        subjects = {"directly": up, "aiohttp relay": relay, "routebook": proxy}
        print("way of a frame there and back, in ms    p50     p95     p99    added p50     p95     p99")
        for count in [int(each) for each in args.sessions.split(",")]:
            found: dict[str, list[tuple[float, float, float]]] = {each: [] for each in subjects}
            for _ in range(args.rounds):
                for subject, port in subjects.items():
                    found[subject].append(shown(asyncio.run(load(port, count, args.seconds))))
            middle = {each: [statistics.median(column) for column in zip(*rows)] for each, rows in found.items()}
            for subject, row in middle.items():
                added = [value - base for value, base in zip(row, middle["directly"])]
                figures = "".join(f"{value:8.2f}" for value in row)
                more = "" if subject == "directly" else "     " + "".join(f"{value:8.2f}" for value in added)
                print(f"{count:4} sessions, {subject:<20}{figures}{more}", flush=True)
        if args.idle:
            for subject, port, pid in (("aiohttp relay", relay, bare), ("routebook", proxy, ours_pid)):
                taken, share, lost = asyncio.run(idle(port, pid, args.idle, args.hold))
                more = f", {share:.1%} of a core, {lost} lost in {args.hold:g} s" if args.hold else ""
                print(f"{args.idle} idle sessions, {subject:<14}{taken:8.1f} KiB each, two sockets included{more}")


def main() -> None:
    """The command line; `upstream` and `relay` are what it starts."""
    if sys.argv[1:2] == ["upstream"]:
        asyncio.run(upstream(int(sys.argv[2])))
    elif sys.argv[1:2] == ["relay"]:
        asyncio.run(bare_relay(int(sys.argv[2]), sys.argv[3]))
    else:
        parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
        parser.add_argument("--sessions", default="1,50,200")
        parser.add_argument("--seconds", type=float, default=5.0)
        parser.add_argument("--rounds", type=int, default=3)
        parser.add_argument("--idle", type=int, default=2000)
        parser.add_argument("--hold", type=float, default=0.0, help="seconds for which idle sessions are watched")
        measure(parser.parse_args())


if __name__ == "__main__":
    main()
