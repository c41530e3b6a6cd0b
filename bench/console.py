"""The console: milliseconds to make each page on the server, with 300,000 decisions in the index.

    python bench/console.py [--quick]

Records of a policy of a hundred rules for teams, made as those of `bench/replay.py`, stand in the journal of a running
service, spread over a month up to now. Each page is asked for again and again by one client over loopback; the first
time, when policy and templates are read, is shown by itself. `median` and `worst` are of the clock, `processor` is what the
service computed for a page, which is what counts on a machine that has other things to do. What the workbench does behind a page (savings, comparing,
replaying) is not in it: the page answers at once and shows it later.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import orjson

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.replay import ID, lines, prepared
from routebook.edge.journal.index import Index
from routebook.edge.journal.records import first_id
from routebook.edge.journal.snapshots import save_snapshot
from routebook.edge.journal.writer import DIRECTORY, ROTATE_BYTES
from routebook.edge.ledger.books import Books
from routebook.ledger.pot_names import ALL
from routebook.ledger.windows import slice_of
from routebook.routing.policy import Policy
from routebook.routing.reading.loading import load_sources
from tests.support.proxy import RunningProxy, running_proxy

RECORDS, DAYS, DISTINCT, ROUNDS = 300_000, 29, 4000, 15

GATE = 100.0
"""Milliseconds of a processor that each page may take."""

PAGES = {
    "overview": "/console",
    "overview, 30 days": "/console?since=30d",
    "decisions": "/console/decisions",
    "of a client": "/console/decisions?client=c3",
    "of nobody": "/console/decisions?client=nobody",
    "dear and slow": "/console/decisions?costs=%2410&took=10s&since=30d",
    "two hundred": "/console/decisions?limit=200",
    "as JSON": "/console/decisions.json?limit=200",
    "as CSV": "/console/decisions.csv?limit=1000",
    "one decision": "/console/decisions/{id}",
    "policy": "/console/policy",
    "policy, 30 days": "/console/policy?since=30d",
    "files": "/console/policy/files",
    "what if": "/console/what-if?given=request.model%3Dm1",
    "budgets": "/console/budgets",
    "models": "/console/models?since=30d",
    "savings": "/console/savings?since=30d",
    "history": "/console/history",
}


def main() -> int:
    """Measure and print; 1 where a page misses the gate."""
    parser = argparse.ArgumentParser(description="Measure the console.")
    parser.add_argument("--quick", action="store_true", help="few records, to see that it works")
    args = parser.parse_args()
    count = RECORDS // 30 if args.quick else RECORDS
    print(f"Python {platform.python_version()}, {platform.machine()}, {len(os.sched_getaffinity(0))} processors")
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(measured(Path(folder), count))


async def measured(folder: Path, count: int) -> int:
    """Serve so many records, and ask for every page."""
    text = policy_text(folder)
    policy = load_sources([("policy.yaml", text)], proving=False).policy
    assert policy is not None
    newest = await asyncio.to_thread(write, folder / "var", policy, count)
    save_snapshot(folder / "var", policy.digest, policy.sources)
    began = time.process_time()
    await asyncio.to_thread(folded, folder / "var")
    print(f"{count:,} records folded into books and index in {time.process_time() - began:.1f} s of a processor")
    async with running_proxy(folder, text, "--simulate", "--keep-days", "60") as proxy:
        await proxy.until("/metrics", lambda _, body: "\nrouteb" in body and _behind(body) == 0, timeout=600)
        print("milliseconds a page")
        print(f"{'':22}{'first':>8}{'median':>8}{'worst':>8}{'processor':>11}{'KiB':>8}")
        # whatever the service still does after its start is not the pages' time
        await asyncio.sleep(2)
        taken = [await asyncio.to_thread(page, proxy, name, path.format(id=newest)) for name, path in PAGES.items()]
    return 1 if max(taken) > GATE else 0


def policy_text(folder: Path) -> str:
    """The policy of `bench/replay.py` with budgets, and without the rules that can never decide."""
    served, _ = prepared(folder)
    budgets = (
        "budgets:\n  month: {limit: $100000, window: month}\n  each: {limit: $9000, window: 24h, per: client.name}\n"
    )
    text = served.sources[0][1] + budgets
    while errors := load_sources([("policy.yaml", text)]).problems.errors:
        wrong = {error.location.line for error in errors}
        text = "".join(line for number, line in enumerate(text.splitlines(True), 1) if number not in wrong)
    return text


def write(state: Path, policy: Policy, count: int) -> str:
    """Write a journal that ends now; the id of its newest record."""
    made = [(first, orjson.loads(second)) for first, second in lines(policy, DISTINCT)]
    pairs = [(first, second, orjson.loads(first)["client"]) for first, second in made]
    folder = state / DIRECTORY
    folder.mkdir(parents=True)
    now, step = time.time(), DAYS * 86_400 / count
    number, identity = 0, ""
    file = open(folder / "w1-00000000.jsonl", "wb")  # noqa: SIM115 - replaced by each segment
    for index in range(count):
        at = now - (count - index) * step
        identity = first_id(at)[:16] + f"{index:010d}"
        first, second, client = pairs[index % len(pairs)]
        draws = [
            [budget.pots + (client if budget.per else ALL), slice_of(budget, at).start, second["cost"]]
            for budget in policy.budgets.values()
        ]
        second |= {"id": identity, "settled": draws}
        hold = orjson.dumps({"draws": [[*draw, draw[2]] for draw in draws]})
        file.write(first.replace(ID.encode(), identity.encode(), 1)[:-2] + b',"hold":' + hold + b"}\n")
        file.write(orjson.dumps(second) + b"\n")
        if file.tell() > ROTATE_BYTES:
            file.close()
            number += 1
            file = open(folder / f"w1-{number:08d}.jsonl", "wb")  # noqa: SIM115
    file.close()
    return identity


def folded(state: Path) -> None:
    """What a service does at its start with all that it has not read yet."""
    for kept in (Books.open(state), Index(state)):
        kept.catch_up()
        kept.close()


def page(proxy: RunningProxy, name: str, path: str) -> float:
    """Ask for a page, print what it took, and return how much of a processor."""
    connection = http.client.HTTPConnection(proxy.admin.removeprefix("http://"), timeout=60)
    times, size = [], 0
    used = 0.0
    for number in range(ROUNDS + 1):
        began, before = time.perf_counter(), processor(proxy.process.pid)
        connection.request("GET", path)
        answer = connection.getresponse()
        size = len(answer.read())
        times.append((time.perf_counter() - began) * 1000)
        used += (processor(proxy.process.pid) - before) * 1000 if number else 0.0
        assert answer.status in (200, 202), (name, answer.status)
    connection.close()
    median = statistics.median(times[1:])
    print(
        f"{name:22}{times[0]:>8.1f}{median:>8.1f}{max(times[1:]):>8.1f}{used / ROUNDS:>11.1f}{size / 1024:>8.1f}",
        flush=True,
    )
    return used / ROUNDS


def processor(process: int) -> float:
    """Seconds of a processor that a process has used (proc_pid_schedstat(5), in nanoseconds, of all its threads)."""
    tasks = Path(f"/proc/{process}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def _behind(metrics: str) -> float:
    line = next((line for line in metrics.splitlines() if line.startswith("routebook_index_behind_bytes ")), "x -1")
    return float(line.split()[1])


if __name__ == "__main__":
    sys.exit(main())
