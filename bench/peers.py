"""Routebook with everything on, beside other gateways, on one core each: what a request costs, what it adds, what memory it takes.

    make bench-peers                     # installs what is missing, measures, writes the tables of the documents
    python bench/peers.py --quick        # one short round, to see that it works
    python bench/peers.py --only Portkey,LiteLLM --rounds 1

The same model API and load generator as in `bench/proxy.py`, on one core; one gateway at a time works on the other. Every
round measures all of them in turn, so that drift of the machine falls on all alike; medians over the rounds count. CPU is
that of a gateway's whole process tree, from the operating system, over every request of a run. Each gateway stands in
`bench/gateways.py` as it is set up.

`--write` stores what was measured in `bench/results/peers.json`, and the tables that follow from it in README.md and
docs/benchmarks.md. Nothing but the loopback interface is used once all is installed. It takes at most twelve minutes.
"""

from __future__ import annotations

import argparse
import datetime
import http.client
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.gateways import LEFT_OUT, PEERS, Absent, Gateway, Ready, prepared, routebook
from bench.peer_tables import FIGURES, RESULTS, TESTS, Form, Test, stored, whole_tables, write_pages
from bench.proxy import (
    PROMPT,
    Subject,
    Wire,
    before_others,
    end,
    free_port,
    measure,
    pinned,
    progress,
    running,
    tree,
    wire,
)
from routebook import __version__

START_SECONDS = 120.0
SCRAPE_SECONDS = 5.0
"""How often the metrics of Routebook are asked for meanwhile; Prometheus does it every 15 seconds."""

WARM_UP, WARM_UP_SECONDS = Test(Form.WHOLE, 16), 1.0
"""What each is asked before anything counts."""

FILLER = "The quick brown fox jumps over the lazy dog, and nobody minds. "


@dataclass(frozen=True, slots=True)
class Running:
    """A gateway that serves: its process, how it is asked, and how long it took to answer for the first time."""

    gateway: Gateway
    subject: Subject
    options: tuple[str, ...]
    seconds: float


def body(form: Form, model: str) -> str:
    """A request's body; compact, as clients send it."""
    asked: dict[str, Any] = {"model": model, "messages": list(PROMPT), "max_tokens": 256}
    match form:
        case Form.LARGE:
            asked["messages"] = [{"role": "user", "content": FILLER * (65_536 // len(FILLER))}]
        case Form.BURST:
            asked["stream"] = True
        case Form.PACED:  # The model API looks for the word; not every gateway hands on a field that it does not need.
            asked |= {"stream": True, "messages": [*PROMPT, {"role": "user", "content": "Be well paced."}]}
    return json.dumps(asked, separators=(",", ":"))


@contextmanager
def serving(gateway: Gateway, home: str, upstream: int, by: Wire, folder: Path) -> Iterator[Running]:
    """Start a gateway, wait until it has answered a request, and end it with the block; `RuntimeError` where it does not."""
    folder.mkdir(exist_ok=True)
    names = {"home": home, "folder": folder, "port": free_port(), "upstream": upstream}
    for name, text in gateway.files.items():
        (folder / name).write_text(text.format(**names))
    environment = os.environ | {key: value.format(**names) for key, value in gateway.environment.items()}
    command = [word.format(**names) for word in gateway.command]
    began = time.monotonic()
    with open(folder / "log", "wb") as log, pinned(by.proxy_cores):
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, env=environment
        )
    try:
        headers = tuple(each.format(**names) for each in gateway.headers)
        port = _until_it_answers(gateway, process, None if gateway.says_port else names["port"], headers, folder)
        options = ["-p", gateway.path]
        for header in headers:
            options += ["-H", header]
        yield Running(gateway, Subject(gateway.name, port, process.pid), tuple(options), time.monotonic() - began)
    finally:
        end(process)


def _until_it_answers(
    gateway: Gateway, process: subprocess.Popen[bytes], port: Any, headers: tuple[str, ...], folder: Path
) -> int:
    """Ask until it answers well; returns where it listens."""
    sent = {"Content-Type": "application/json", **dict(each.split(": ", 1) for each in headers)}
    said: Any = None
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        if gateway.says_port:
            port = next((int(line) for line in (folder / "log").read_text().split() if line.isdigit()), None)
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port or 1, timeout=START_SECONDS)
            connection.request("POST", gateway.path, body(Form.WHOLE, gateway.model), sent)
            answer = connection.getresponse()
            said = answer.status, answer.read()[:500]
            connection.close()
            if answer.status == 200:
                return int(port)
        except (OSError, http.client.HTTPException) as error:
            said = error
        time.sleep(0.1)
    log = (folder / "log").read_text(errors="replace")[-1000:]
    raise RuntimeError(f"{gateway.name} does not serve: {said}\n{log}")


def memory_mib(pid: int) -> float:
    """Resident memory of a process tree. What several processes share is counted in each."""
    pages = 0
    for each in tree(pid):
        try:
            pages += int(Path(f"/proc/{each}/statm").read_text().split()[1])
        except OSError:
            pass
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def start(stack: ExitStack, by: Wire, folder: Path, only: set[str]) -> tuple[list[Running], dict[str, str]]:
    """Start the model API and everything that is to be compared; and why others are not."""
    upstream, admin = free_port(), free_port()
    stack.enter_context(running([*by.upstream, str(upstream)], upstream, by.load_cores, folder))
    found = [Running(Gateway("direct", "", "", ()), Subject("direct", upstream), (), 0.0)]
    left_out = dict(LEFT_OUT)
    own = folder / "Routebook"
    own.mkdir()
    for gateway in (*PEERS[:3], routebook(upstream, own, admin), *PEERS[3:]):
        if only and gateway.name not in only:
            continue
        progress(f"installing and starting {gateway.name}")
        try:
            match prepared(gateway):
                case Ready(ready, home):
                    place = folder / gateway.name.replace(" ", "-")
                    found.append(stack.enter_context(serving(ready, home, upstream, by, place)))
                case Absent(why):
                    left_out[gateway.name] = why
        except RuntimeError as error:
            print(f"\n{error}", file=sys.stderr)
            left_out[gateway.name] = "did not start here"
    if any(each.gateway.name == "Routebook" for each in found):
        stack.enter_context(scraping(f"http://127.0.0.1:{admin}/metrics"))
    return found, left_out


@contextmanager
def scraping(url: str) -> Iterator[None]:
    """Ask for metrics now and then while the block runs, as Prometheus does."""
    over = threading.Event()

    def scrape() -> None:
        while not over.wait(SCRAPE_SECONDS):
            with urllib.request.urlopen(url, timeout=30) as answer:
                answer.read()

    thread = threading.Thread(target=scrape, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def run(each: Running, test: Test, seconds: float, folder: Path, by: Wire) -> dict[str, Any]:
    """One run of one test."""
    question = folder / "body.json"
    question.write_text(body(test.form, each.gateway.model))
    longer = max(seconds, test.form.least_seconds) * each.gateway.patience
    found = measure(each.subject, test.clients, longer, question, by, each.options)
    return {key: round(found[key], 1) for key in FIGURES}


def compare(rounds: int, seconds: float, only: set[str], quick: bool) -> dict[str, Any]:
    """Measure everything in turn, round by round; what was found, as it is stored."""
    with tempfile.TemporaryDirectory(prefix="routebook-bench-") as name, before_others(), ExitStack() as stack:
        folder = Path(name)
        by = wire(folder)
        compared, left_out = start(stack, by, folder, only)
        told = {each.gateway.name: described(each) for each in compared if each.subject.pid}
        for each in compared:
            run(each, WARM_UP, WARM_UP_SECONDS, folder, by)
        runs: dict[str, dict[str, list[dict[str, Any]]]] = {}
        for number in range(rounds):
            for test in TESTS[:: 3 if quick else 1]:
                for each in compared:
                    progress(f"round {number + 1} of {rounds}: {test.name}: {each.gateway.name}")
                    found = run(each, test, seconds, folder, by)
                    runs.setdefault(test.name, {}).setdefault(each.gateway.name, []).append(found)
        for each in compared:
            if each.subject.pid:
                told[each.gateway.name]["mib_after"] = round(memory_mib(each.subject.pid), 1)
        progress("")
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "command": "make bench-peers",
        "machine": f"{len(os.sched_getaffinity(0))} cores, one for the gateway and one for load and model API",
        "python": platform.python_version(),
        "rounds": rounds,
        "seconds": seconds,
        "gateways": told,
        "left_out": left_out,
        "runs": runs,
    }


def described(each: Running) -> dict[str, Any]:
    """What is known of a gateway before it is measured."""
    return {
        "version": each.gateway.version or __version__,
        "what": each.gateway.what,
        "needs": each.gateway.needs,
        "seconds_to_answer": round(each.seconds, 1),
        "mib_before": round(memory_mib(each.subject.pid or 0), 1),
    }


def main() -> int:
    """Measure, print, and store where that is asked for; 1 where any request failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--only", default="", help="names of gateways, comma-separated")
    parser.add_argument("--quick", action="store_true", help="one short round of some tests")
    parser.add_argument("--write", action="store_true", help="store the results, and write the tables of the documents")
    args = parser.parse_args()
    if args.write and (args.quick or args.only):
        parser.error("--write stores a whole measurement: without --quick and --only")
    only = set(filter(None, args.only.split(",")))
    rounds, seconds = (1, 0.5) if args.quick else (args.rounds, args.seconds)
    results = compare(rounds, seconds, only, args.quick)
    print(whole_tables(results))
    if args.write:
        RESULTS.write_text(stored(results))
        write_pages(results)
    failed = sum(each["failures"] for test in results["runs"].values() for runs in test.values() for each in runs)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
