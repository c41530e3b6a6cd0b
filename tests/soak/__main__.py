"""Half an hour of everything: `make soak SOAK_SECONDS=1800`, or `python -m tests.soak --seconds 1800`.

A simulated upstream and the real service with several workers run as processes of their own; clients of every kind ask, the
policy is read again every minute (every fifth time a broken one), upstreams fail and break off. Then it is audited: nothing runs
or is held, every record is complete and replays to itself, the books are equal, memory and descriptors are flat, and both
processes end well. The report is printed, and written as JSON where `--report` says. Exit code 0: clean; 1: not; 2: wrong use.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.soak import audit, policies, where
from tests.soak.traffic import KINDS, NEVER_WHOLE, Traffic, quiet
from tests.soak.watch import MIB, Watch, growth, slope
from tests.support.ports import free_port
from tests.support.processes import start, stop
from tests.support.proxy import RunningProxy, running_proxy

MOST_SLOPE = 1.0
"""MiB an hour that a process may grow by after the warm-up."""

JUDGED_AFTER = 900.0
"""Seconds that must have been watched for a slope to mean something: in shorter runs it is reported, and not judged."""

MOST_DESCRIPTORS = 8
"""By so many descriptors more or fewer, the end of a run is the same as its beginning: connections come and go."""

TOLD = 30
"""How often in a run a process tells where its memory is, when it is asked to; but not oftener than every ten seconds."""


@dataclass(slots=True)
class Report:
    """What came of a run."""

    seconds: float
    figures: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """For people."""
        said = [f"{name}: {_shown(value)}" for name, value in self.figures.items()]
        return [*said, *(f"WRONG {each}" for each in self.wrong[:40]), "clean" if not self.wrong else "not clean"]


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(inner)}" for name, inner in value.items())
    return f"{value:,.3f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


@asynccontextmanager
async def simulated(folder: Path, pace: str) -> AsyncIterator[tuple[str, subprocess.Popen[bytes]]]:
    """`routebook simulate` as a process of its own; its address without `/v1`."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    words = ["simulate", "--listen", f"127.0.0.1:{port}", "--pace", pace]
    process = start([sys.executable, "-m", "routebook", *words], folder)
    try:
        for _ in range(600):
            if b"simulated models" in (folder / "serve.log").read_bytes():
                break
            if process.poll() is not None:
                raise SystemExit((folder / "serve.log").read_text())
            await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{port}", process
    finally:
        await asyncio.to_thread(stop, process)


async def reloads(proxy: RunningProxy, upstream: str, every: float, report: Report) -> None:
    """Read the policy again and again; every fifth time one that must be rejected."""
    done = report.figures.setdefault("reloads", {"taken": 0, "rejected": 0})
    for number in range(1, sys.maxsize):
        await asyncio.sleep(every)
        bad = number % 5 == 2
        text = policies.broken(upstream) if bad else (policies.first, policies.second)[number % 2](upstream)
        proxy.write_policy(text)
        said = await proxy.command("reload", "--wait", "--state-dir", str(proxy.state_dir), timeout=300)
        done["rejected" if bad else "taken"] += 1
        if said.returncode != int(bad):
            report.wrong.append(f"reload {number} ended with {said.returncode}: {said.stdout}{said.stderr}")


async def workers(proxy: RunningProxy) -> dict[str, int]:
    """The service's processes by name."""
    _, text = await proxy.get_admin("/policy")
    found = sorted(each["pid"] for each in json.loads(text)["workers"])
    return {"supervisor": proxy.process.pid, **{f"worker-{number}": pid for number, pid in enumerate(found)}}


def measured(watch: Watch, seconds: float, report: Report) -> None:
    """What memory and descriptors did after the warm-up, a third of the run and at most ten minutes."""
    warm_up = min(600.0, seconds / 3)
    report.figures["warm-up"] = f"{warm_up:.0f} s"
    for name, samples in watch.after(warm_up).items():
        span = samples[-1].at - samples[0].at
        growing, more = slope(samples), growth(samples)
        report.figures[name] = {
            "MiB first": samples[0].resident / MIB,
            "last": samples[-1].resident / MIB,
            "an hour": growing,
            "descriptors": samples[-1].descriptors,
            "more": more,
        }
        if name.startswith("simulator"):
            continue
        if span >= JUDGED_AFTER and growing > MOST_SLOPE:
            report.wrong.append(f"{name} grows by {growing:.2f} MiB an hour")
        if more > MOST_DESCRIPTORS:
            report.wrong.append(f"{name} has {more:g} descriptors more at the end")
        if span < JUDGED_AFTER:
            report.figures[name]["judged"] = "no: too short"


async def asked_inside(names: Mapping[str, int], seconds: float) -> None:
    """Have the service's processes tell where their memory is, now and then."""
    while True:
        await asyncio.sleep(max(10.0, seconds / TOLD))
        where.ask(names.values())


def asked(traffic: Traffic, report: Report, seconds: float) -> None:
    """What the clients saw."""
    times = sorted(traffic.seconds)
    report.figures["requests"] = sum(traffic.asked.values())
    report.figures["a second"] = sum(traffic.asked.values()) / seconds
    report.figures["by kind"] = {name: f"{traffic.whole[name]} of {traffic.asked[name]} whole" for name in KINDS}
    report.figures["outcomes"] = dict(traffic.outcomes.most_common())
    if times:
        report.figures["seconds"] = {"median": statistics.median(times), "p99": times[int(len(times) * 0.99)]}
    report.wrong += traffic.failures
    enough = {name for name in KINDS if traffic.asked[name] >= 10} - NEVER_WHOLE
    report.wrong += [f"no request of the kind `{name}` was answered" for name in enough if not traffic.whole[name]]


async def soak(folder: Path, args: argparse.Namespace) -> Report:
    """Run, and judge."""
    report = Report(args.seconds)
    traffic = Traffic([], args.clients, args.pause, args.seed)
    async with (
        simulated(folder / "upstream", args.pace) as (upstream, simulator),
        running_proxy(
            folder,
            policies.first(upstream),
            workers=args.workers,
            environment=where.environment(folder / "inside") if args.where else {},
        ) as proxy,
    ):
        names = await workers(proxy)
        watch = Watch(lambda: {**names, "simulator": simulator.pid}, min(5.0, args.seconds / 20))
        traffic.urls.append(proxy.url)
        tasks = [
            asyncio.create_task(watch.running()),
            asyncio.create_task(reloads(proxy, upstream, min(60.0, args.seconds / 4), report)),
            *([asyncio.create_task(asked_inside(names, args.seconds))] if args.where else ()),
        ]
        async with traffic.running():
            await progress(args.seconds, traffic, tasks)
            await quiet(tasks[1])
        report.wrong += await audit.settled(proxy.admin)
        for task in (tasks[0], *tasks[2:]):
            await quiet(task)
        if await workers(proxy) != names:
            report.wrong.append("a worker was replaced")
        report.wrong += (await asyncio.to_thread(audit.commanded, proxy.state_dir, "ledger", "verify"))[0]
        measured(watch, args.seconds, report)
        if args.where:
            for name, pid in names.items():
                report.figures[f"{name} grew by"] = where.grown(where.told(folder / "inside", pid))
        asked(traffic, report, args.seconds)
        proxy.process.terminate()
        if (code := await asyncio.to_thread(proxy.process.wait, 60)) != 0:
            report.wrong.append(f"the service ended with {code}")
        found, counted = await asyncio.to_thread(audit.audited, proxy.state_dir, traffic.decisions)
        report.wrong += found
        report.figures["audit"] = counted
        report.wrong += [f"the log says {line}" for line in complaints(proxy.log)]
    return report


def complaints(log: str) -> list[str]:
    """What the service's log calls an error, but for the policies that had to be rejected."""
    errors = (line for line in log.splitlines() if '"level":"error"' in line)
    return [line for line in errors if '"event":"reload rejected"' not in line][:5]


async def progress(seconds: float, traffic: Traffic, tasks: list[asyncio.Task[None]]) -> None:
    """Wait, and tell a terminal how it goes; what fails in the background fails the run."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if sys.stderr.isatty():
            line = f"{left:5.0f} s left, {sum(traffic.asked.values()):,} requests, {len(traffic.failures)} failures"
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
        for task in tasks:
            if task.done():
                task.result()
        await asyncio.sleep(min(1.0, left))
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def arguments() -> argparse.ArgumentParser:
    """The options of this program."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800, help="how long clients ask (default: %(default)s)")
    parser.add_argument("--clients", type=int, default=16, help="clients at the same time (default: %(default)s)")
    parser.add_argument("--pause", type=float, default=0.2, help="mean pause of each, seconds (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="of the service (default: %(default)s)")
    parser.add_argument("--pace", default="2ms", help="of the upstream, a token (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the clients' dice (default: %(default)s)")
    parser.add_argument("--where", action="store_true", help="say as well which part of the memory grows")
    parser.add_argument("--folder", type=Path, help="where state and logs stay (default: a temporary one)")
    parser.add_argument("--report", type=Path, help="write the report there as JSON")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Soak, print, judge."""
    args = arguments().parse_args(argv)
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        report = asyncio.run(soak(folder, args))
    print("\n".join(report.lines()))
    if args.report:
        said = {"seconds": report.seconds, **report.figures, "wrong": report.wrong}
        args.report.write_text(json.dumps(said, indent=2) + "\n")
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
