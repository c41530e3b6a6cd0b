"""Several hosts, and something killed every few seconds: `make chaos CHAOS_SECONDS=300`, or `python -m tests.soak.chaos`.

The hosts are those of `deploy/hosts`, started by its `run.py`, and `kill.py` does the killing: workers, whole hosts, Redis; or
pauses them. Clients of every kind ask through nginx. Connections and requests may be lost by that; nothing else may: after it,
every answer that arrived whole has its record, every record has its end, no budget was passed by all hosts together, the books of
every host are equal, nothing is held. Exit code 0: clean; 1: not; 2: nginx or Redis is not there.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.soak import audit, policies
from tests.soak.__main__ import Report, asked, progress
from tests.soak.traffic import Traffic
from tests.support import redis_server
from tests.support.ports import free_port
from tests.support.processes import descendants, plain_environment
from tests.support.proxy import Record, fetch, read_records, write_policy

ROOT = Path(__file__).parents[2]
HOSTS = ROOT / "deploy" / "hosts"
NGINX = ROOT / ".cache" / "nginx" / "usr" / "sbin"
READY_SECONDS = 240.0

PENNIES = 10_000_000
"""The limit of the policy's `pennies`, in nano-dollars: hosts come to its end together."""


def environment(folder: Path) -> dict[str, str]:
    """What `run.py` needs to find nginx and Redis, also where they were unpacked; ends with 2 where they are not there."""
    if redis_server.PROGRAM is None:
        raise SystemExit(2)
    programs = folder / "programs"
    programs.mkdir(parents=True, exist_ok=True)
    # a link, because the server goes by the name under which it is called
    link = programs / "redis-server"
    link.unlink(missing_ok=True)
    link.symlink_to(redis_server.PROGRAM)
    path = f"{programs}:{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin:{NGINX}"
    if shutil.which("nginx", path=path) is None:
        raise SystemExit(2)
    return plain_environment({**redis_server.NEEDS, "PATH": path})


def launched(folder: Path, script: str, *words: str) -> subprocess.Popen[bytes]:
    """A script of `deploy/hosts`; what it says goes to a log of its name."""
    with open(folder / f"{script}.log", "ab") as log:
        return subprocess.Popen(
            [sys.executable, str(HOSTS / script), *words],
            env=environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


@asynccontextmanager
async def hosts(folder: Path, text: str, upstream: int, *words: str) -> AsyncIterator[dict[str, Any]]:
    """All of `deploy/hosts` under this policy; where it is, and `run.py` itself under `process`."""
    write_policy(folder / "rules", text)
    ports = [str(free_port()) for _ in range(6)]
    more = ["--folder", str(folder), "--policy", str(folder / "rules"), "--upstream", str(upstream)]
    more += ["--front", str(free_port()), "--redis", str(free_port()), "--hosts", *ports[:3], "--admins", *ports[3:]]
    process = launched(folder, "run.py", *more, *words)
    try:
        await until(folder, process, lambda: b"three hosts" in (folder / "run.py.log").read_bytes())
        yield json.loads((folder / "hosts.json").read_text()) | {"process": process}
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 240)


async def until(folder: Path, process: subprocess.Popen[bytes], holds: Any) -> None:
    """Wait for something about the hosts; ends the program where it does not come."""
    end = time.monotonic() + READY_SECONDS
    while not await asyncio.to_thread(holds):
        if process.poll() is not None or time.monotonic() > end:
            raise SystemExit((folder / "run.py.log").read_text() + logs(folder))
        await asyncio.sleep(0.1)


def logs(folder: Path) -> str:
    """The last lines of every part's log."""
    return "\n".join(f"{path.name}: {path.read_text()[-2000:]}" for path in sorted((folder / "logs").glob("*.log")))


def healed(host: Mapping[str, Any]) -> bool:
    """Whether a host serves, and its store is there."""
    try:
        ready, _ = fetch(f"{host['admin']}/readyz")
        _, text = fetch(f"{host['admin']}/metrics")
    except OSError:
        return False
    return ready == 200 and "routebook_shared_ledger_away 0.0" in text


def drawn(records: Mapping[str, Record], pot: str) -> int:
    """What records settled on a budget."""
    return sum(
        amount
        for record in records.values()
        for name, _, amount in (record.ended or {}).get("settled", ())
        if name == pot
    )


async def chaos(folder: Path, args: argparse.Namespace) -> Report:
    """Run, kill, judge."""
    report = Report(args.seconds)
    upstream = free_port()
    # the window is one that no run outlives, so that there is one sum to judge
    text = policies.first(f"http://127.0.0.1:{upstream}").replace("window: hour", "window: month")
    async with hosts(folder, text, upstream, "--pace", "2ms", "--workers", str(args.workers)) as there:
        traffic = Traffic([there["front"]], args.clients, args.pause, args.seed, forgiving=True)
        words = ["--folder", str(folder), "--seconds", str(args.seconds * 0.9), "--every", str(args.every)]
        killer = launched(folder, "kill.py", *words, "--seed", str(args.seed))
        try:
            async with traffic.running():
                await progress(args.seconds, traffic, [])
        finally:
            code = await asyncio.to_thread(killer.wait, 60)
        report.wrong += [f"kill.py ended with {code}"] if code else []
        await until(folder, there["process"], lambda: all(map(healed, there["hosts"])))
        for host in there["hosts"]:
            report.wrong += [f"{host['name']}: {each}" for each in await audit.settled(host["admin"])]
            live, _ = await asyncio.to_thread(audit.commanded, Path(host["state_dir"]), "ledger", "verify")
            report.wrong += [f"{host['name']}, running: {each}" for each in live]
        starts = json.loads((folder / "hosts.json").read_text())["starts"]
        below = descendants(there["process"].pid)
    report.wrong += [f"process {pid} is left" for pid in below if Path(f"/proc/{pid}").exists()]
    judged(folder, there, traffic, report)
    report.figures["starts"] = starts
    asked(traffic, report, args.seconds)
    return report


def judged(folder: Path, there: Mapping[str, Any], traffic: Traffic, report: Report) -> None:
    """What the journals of all hosts come to."""
    kinds = collections.Counter(json.loads(line)["kind"] for line in (folder / "kill.py.log").read_text().splitlines())
    report.figures |= {"kills": dict(kinds), "lost": traffic.lost}
    records: dict[str, Record] = {}
    for host in there["hosts"]:
        state_dir = Path(host["state_dir"])
        found, counted = audit.audited(state_dir, ())
        report.wrong += [f"{host['name']}: {each}" for each in found]
        report.figures[host["name"]] = counted
        records |= read_records(state_dir)
    report.wrong += audit.complete(records, traffic.decisions)
    spent = drawn(records, "budget/pennies/-")
    report.figures["budget"] = {"limit": PENNIES, "spent": spent}
    if spent > PENNIES:
        report.wrong.append(f"the hosts spent {spent:,} nano-dollars of {PENNIES:,} together")
    crashed = sum((record.ended or {}).get("error") == "gateway.crashed" for record in records.values())
    report.figures["settled after a crash"] = crashed


def arguments() -> argparse.ArgumentParser:
    """The options of this program."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300, help="how long clients ask (default: %(default)s)")
    parser.add_argument("--every", type=float, default=4, help="mean seconds between two kills (default: %(default)s)")
    parser.add_argument("--clients", type=int, default=12, help="clients at the same time (default: %(default)s)")
    parser.add_argument("--pause", type=float, default=0.2, help="mean pause of each, seconds (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="of each host (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the dice (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="where state and logs stay (default: a temporary one)")
    parser.add_argument("--report", type=Path, help="write the report there as JSON")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run, print, judge."""
    args = arguments().parse_args(argv)
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        report = asyncio.run(chaos(folder, args))
    print("\n".join(report.lines()))
    if args.report:
        said = {"seconds": report.seconds, **report.figures, "wrong": report.wrong}
        args.report.write_text(json.dumps(said, indent=2) + "\n")
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
