"""What a session of voice costs: frames of 20 ms of sound directly, through a bare aiohttp relay and through Routebook.

    python bench/sessions.py [--sessions 1,50,200] [--seconds 5] [--rounds 3] [--idle 2000] [--hold 60]

Each session sends a frame every 20 ms; the upstream answers each with one as large, at once. What is measured is the way
there and back, so each figure holds two frames' ways through the proxy. Upstream and load share one core, each proxy has
another one. Every round measures all of them in turn; medians over the rounds are shown. Trust ratios, not absolute figures.

Times say something about a relay only as long as nobody is at the end of its strength, else they are those of a queue.
So shown are also: microseconds of the relay's CPU for each frame that it passed on one way, the share of a core that it took, that of the load and the
upstream together, and by how much frames were sent later than they should have been. A row whose times are worth nothing
says so. Frames are sent in steps of a millisecond, the event loop's.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import WSMsgType, web

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.support.quiet import QuietClient, QuietUpstream, frame, opened

FRAME_SECONDS = 0.02
SOUND = base64.b64encode(bytes(960)).decode()
SENT = frame(json.dumps({"type": "input_audio_buffer.append", "audio": SOUND}).encode(), masked=True)
ANSWER = json.dumps({"type": "response.output_audio.delta", "response_id": "resp_1", "delta": SOUND}).encode()
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
    async with QuietUpstream([json.dumps(event).encode() for event in GREETING], ANSWER, port):
        await asyncio.Event().wait()


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

    application = web.Application()
    application.router.add_get("/{path:.*}", talk)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
    await asyncio.Event().wait()


class Speaker(QuietClient):
    """A session that knows when it spoke, and how many seconds each answer took."""

    __slots__ = ("_times", "_waiting_since")

    def __init__(self, times: list[float]) -> None:
        super().__init__()
        self._times = times
        self._waiting_since: deque[float] = deque()

    def speak(self) -> None:
        """Send a frame."""
        self._waiting_since.append(time.perf_counter())
        self.transport.write(SENT)

    @property
    def is_silent(self) -> bool:
        """Whether all that was said is answered, or nobody will answer any more."""
        return not self._waiting_since or not self.is_open

    def heard(self, messages: list[bytes]) -> None:
        """Answers, or what greets."""
        now = time.perf_counter()
        for _ in messages:
            if self._waiting_since:
                self._times.append(now - self._waiting_since.popleft())
        super().heard(messages)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load has found: seconds that each frame's answer took, seconds that each frame was late, seconds of wall clock;
    and seconds of a processor that what was measured used, that it waited for one, and that what measured it used."""

    times: list[float]
    late: list[float]
    took: float
    used: float
    waited: float
    spent: float


async def load(port: int, sessions: int, seconds: float, pid: int | None, others: int) -> Loaded:
    """Let so many sessions speak, spread over one frame's time, through a process (None: the upstream itself, `others`)."""
    times: list[float] = []
    late: list[float] = []
    speakers = await opened(f"http://127.0.0.1:{port}{PATH}", len(GREETING), sessions, lambda: Speaker(times))
    used, waited = (0.0, 0.0) if pid is None else (processor(pid), waiting(pid))
    spent = processor(others) + time.process_time()
    begin = time.perf_counter()
    for number in range(int(sessions * seconds / FRAME_SECONDS)):
        due = begin + number * FRAME_SECONDS / sessions
        while (early := due - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        late.append(-early)
        speakers[number % sessions].speak()
        if number % 8 == 7:
            await asyncio.sleep(0)
    while not all(each.is_silent for each in speakers):
        await asyncio.sleep(0.01)
    took = time.perf_counter() - begin
    spent = processor(others) + time.process_time() - spent
    if pid is not None:
        used, waited = processor(pid) - used, waiting(pid) - waited
    for each in speakers:
        each.drop()
    return Loaded(times, late, took, used, waited, spent)


async def idle(port: int, pid: int, sessions: int, seconds: float) -> tuple[float, float, int]:
    """KiB of memory that a session takes in which nothing is said, the share of a core that all of them take, and how many
    are lost in so many seconds."""
    url = f"http://127.0.0.1:{port}{PATH}"
    found = await opened(url, len(GREETING), 50, QuietClient)
    before = memory(pid)
    found += await opened(url, len(GREETING), sessions, QuietClient)
    taken, used = memory(pid) - before, processor(pid)
    await asyncio.sleep(seconds)
    share = (processor(pid) - used) / seconds if seconds else 0.0
    lost = sum(not each.is_open for each in found)
    for each in found:
        each.drop()
    return taken / sessions, share, lost


def processor(pid: int) -> float:
    """Seconds of a processor that a process and all below it have used."""
    total = 0
    for each in tree(pid):
        total += sum(map(int, Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()[11:13]))
    return total / os.sysconf("SC_CLK_TCK")


def waiting(pid: int) -> float:
    """Seconds that a process and all below it could have run and had no processor (Linux, `sched-stats.rst`)."""
    return sum(int(Path(f"/proc/{each}/schedstat").read_text().split()[1]) for each in tree(pid)) / 1e9


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


LATE = 5.0
"""Milliseconds that one in a hundred frames may be sent late; the event loop's clock has steps of one."""

FULL = 0.9
"""Share of a core above which it is used up."""

WAITED = 0.05
"""Share of the time that a relay may have waited for a core that somebody else had."""


def percentiles(seconds: list[float]) -> tuple[float, float, float]:
    """The 50th, 95th and 99th, in milliseconds."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return cuts[49] * 1000, cuts[94] * 1000, cuts[98] * 1000


def row(subject: str, count: int, rounds: list[Loaded], base: list[float]) -> list[float]:
    """Print a subject's medians over its rounds; its percentiles."""
    found = [statistics.median(column) for column in zip(*(percentiles(each.times) for each in rounds))]
    late = statistics.median(percentiles(each.late)[2] for each in rounds)
    share, waited, spent = (
        statistics.median(getattr(each, name) / each.took for each in rounds) for name in ("used", "waited", "spent")
    )
    frame_us = statistics.median(each.used / len(each.times) / 2 * 1e6 for each in rounds)
    figures = "".join(f"{value:8.2f}" for value in found)
    added = "".join(f"{value - other:8.2f}" for value, other in zip(found, base)) if base else " " * 24
    notes = [
        *(["frames were sent late"] if late > LATE else []),
        *(["the load's core was used up"] if spent > FULL else []),
        *(["the relay's core was used up"] if share > FULL else []),
        *([f"the relay waited for its core {waited:.0%} of the time"] if waited > WAITED else []),
    ]
    used = f"{frame_us:8.1f}{share:8.0%}" if base else " " * 16
    print(
        f"{count:4} sessions, {subject:<14}{figures}   {added}{used}{spent:8.0%}{late:9.2f}  {'; '.join(notes)}",
        flush=True,
    )
    return found


def measure(args: argparse.Namespace) -> None:
    """Run everything, and print one table."""
    cores = sorted(os.sched_getaffinity(0))
    ours, theirs = cores[0], cores[-1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    me = [sys.executable, str(Path(__file__).resolve())]
    up, relay, proxy = free_port(), free_port(), free_port()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        answering = stack.enter_context(running([*me, "upstream", str(up)], up, ours, folder))
        bare = stack.enter_context(running([*me, "relay", str(relay), f"http://127.0.0.1:{up}"], relay, theirs, folder))
        whole = stack.enter_context(running(routebook(folder, proxy, up), proxy, theirs, folder))
        os.sched_setaffinity(0, {ours})
        subjects = {"directly": (up, None), "aiohttp relay": (relay, bare), "routebook": (proxy, whole)}
        print(
            f"{'frame there and back, ms':<29}"
            + "".join(f"{each:>8}" for each in ("p50", "p95", "p99"))
            + "  +"
            + "".join(f"{each:>8}" for each in ("p50", "p95", "p99", "us/way", "relay", "load"))
            + f"{'late p99':>9}"
        )
        for count in [int(each) for each in args.sessions.split(",") if each]:
            found: dict[str, list[Loaded]] = {each: [] for each in subjects}
            for _ in range(args.rounds):
                for subject, (port, pid) in subjects.items():
                    found[subject].append(asyncio.run(load(port, count, args.seconds, pid, answering)))
            base: list[float] = []
            for subject, rounds in found.items():
                figures = row(subject, count, rounds, base)
                base = base or figures
        if args.idle:
            for subject, port, pid in (("aiohttp relay", relay, bare), ("routebook", proxy, whole)):
                taken, share, lost = asyncio.run(idle(port, pid, args.idle, args.hold))
                more = f", {share:.1%} of a core, {lost} lost in {args.hold:g} s" if args.hold else ""
                print(f"{args.idle} idle sessions, {subject:<14}{taken:8.1f} KiB each, {taken / 2:.1f} a socket{more}")


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
