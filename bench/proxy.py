"""What the proxy costs: the same requests directly, through nginx, through a bare aiohttp relay and through Routebook.

    python bench/proxy.py [--rounds 3] [--seconds 3] [--only routebook,aiohttp]

A model API and a load generator (C, compiled with gcc on first use; see `wire.py` for machines without it) share one
core; each proxy has another one, with one worker. Every round measures all of them in turn, so that drift of the
machine falls on all alike; medians over the rounds are shown. CPU is that of the proxy's whole process tree, from the
operating system: journal, index and supervisor are in it. Trust ratios, not absolute figures.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TICKS = os.sysconf("SC_CLK_TCK")

PROMPT = [
    {"role": "system", "content": "Answer in one short sentence."},
    {"role": "user", "content": "What is the capital of France, and on which river does it lie?"},
]

LONG = [{"role": "user", "content": "How does the river bend there? " * 2100}]
"""A prompt of 64 KiB."""

TESTS: dict[str, tuple[int, dict[str, Any]]] = {
    "json, 1 client": (1, {}),
    "json, 64 clients": (64, {}),
    "json, a prompt of 64 KiB, 64 clients": (64, {"messages": LONG}),
    "burst of 50 events, 64 clients": (64, {"stream": True}),
    "50 events 10 ms apart, 64 clients": (64, {"stream": True, "user": "paced"}),
}
"""Each test: connections, and what the request says beside the prompt."""

POLICY = """\
version: 1
providers:
  bench: {{dialect: openai, base_url: "http://127.0.0.1:{upstream}/v1", accounts: [{{name: main}}]}}
models:
  bench: {{provider: bench, id: bench-1, price: {{input: 1, output: 2}}, context: 128k, max_output: 16k}}
  other: {{provider: bench, id: bench-2, price: {{input: 5, output: 9}}, context: 400k, max_output: 64k}}
rules:
  - {{name: tagged, when: {{tags: {{any: [phi]}}}}, route: {{to: [other]}}}}
  - {{name: long, when: {{prompt.tokens: {{at_least: 32k}}}}, route: {{to: [other]}}}}
  - {{name: as-asked, route: {{to: requested}}}}
"""

NGINX = """\
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log crit;
events {{ worker_connections 4096; }}
http {{
  access_log off; tcp_nodelay on; keepalive_requests 100000000; client_body_buffer_size 1m; client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream models {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://models; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured: where it listens, and its process (None: the upstream itself, asked directly)."""

    name: str
    port: int
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class Wire:
    """How the upstream and the load generator are started, and on which cores everything runs."""

    upstream: list[str]
    load: list[str]
    load_cores: set[int]
    proxy_cores: set[int]
    compiled: bool


def wire(folder: Path) -> Wire:
    """Compile the two C programs where gcc is at hand."""
    cores = sorted(os.sched_getaffinity(0))
    load_cores, proxy_cores = ({cores[0]}, {cores[1]}) if len(cores) > 1 else (set(cores), set(cores))
    gcc = shutil.which("gcc") or shutil.which("cc")
    if gcc is None:
        slow = [sys.executable, str(HERE / "wire.py")]
        return Wire([*slow, "upstream"], [*slow, "load"], load_cores, proxy_cores, False)
    for name in ("upstream", "load"):
        subprocess.run([gcc, "-O2", "-o", str(folder / name), str(HERE / f"{name}.c"), "-lm"], check=True)
    return Wire([str(folder / "upstream")], [str(folder / "load")], load_cores, proxy_cores, True)


@contextmanager
def running(command: list[str], port: int, cores: set[int], folder: Path) -> Iterator[int]:
    """Start a server, wait until it accepts, and end it, and all it started, with the block."""
    with open(folder / f"{port}.log", "wb") as log, pinned(cores):
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder)
    try:
        until_it_accepts(process, port, folder)
        yield process.pid
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a server and all that it started."""
    below = tree(process.pid)[1:]
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid in below:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


@contextmanager
def before_others() -> Iterator[None]:
    """In the block, and all that is started in it, this goes before everything else on the machine, where that is allowed
    (to root): what others do there should not be measured. Linux weighs sessions first, then the processes of each."""
    group = Path("/proc/self/autogroup")
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -20)
        group.write_text("-20")
    except OSError:
        pass
    try:
        yield
    finally:
        try:
            os.setpriority(os.PRIO_PROCESS, 0, usual)
            group.write_text("0")
        except OSError:
            pass


@contextmanager
def pinned(cores: set[int]) -> Iterator[None]:
    """What is started in the block runs on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def until_it_accepts(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    """Wait for a listener on this port; ends the run where the process died or took too long."""
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.1)
    sys.exit(f"{process.args!r} does not serve:\n{(folder / f'{port}.log').read_text()}")


def free_port() -> int:
    """A port that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for each in found:
        for task in Path(f"/proc/{each}/task").glob("*/children"):
            try:
                found += map(int, task.read_text().split())
            except OSError:
                pass
    return found


def cpu_seconds(pid: int, below: bool = True) -> float:
    """What a process has used, and with `below` all below it; ended children included."""
    total = 0
    for each in tree(pid) if below else [pid]:
        try:
            fields = Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
            total += sum(map(int, fields[11:15]))
        except OSError:
            pass
    return total / TICKS


def subjects(stack: ExitStack, upstream: int, cores: set[int], folder: Path, only: set[str]) -> list[Subject]:
    """Start everything that is to be compared."""
    found = [Subject("direct", upstream)]
    nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if nginx is None:
        print("nginx is not installed: left out\n")
    for name in ("nginx", "aiohttp", "routebook"):
        if (only and name not in only) or (name == "nginx" and nginx is None):
            continue
        port, own = free_port(), folder / name
        own.mkdir()
        if name == "nginx":
            (own / "nginx.conf").write_text(NGINX.format(folder=own, port=port, upstream=upstream))
            command = [str(nginx), "-p", str(own), "-c", str(own / "nginx.conf"), "-e", str(own / "error.log")]
        elif name == "aiohttp":
            command = [sys.executable, str(HERE / "bare_relay.py"), str(port), f"http://127.0.0.1:{upstream}"]
        else:
            (own / "policy.yaml").write_text(POLICY.format(upstream=upstream))
            command = [
                sys.executable,
                "-m",
                "routebook",
                "serve",
                "--policy",
                str(own / "policy.yaml"),
                "--state-dir",
                str(own / "var"),
                "--listen",
                f"127.0.0.1:{port}",
                "--admin",
                "none",
                "--log",
                "warning",
            ]
        found.append(Subject(name, port, stack.enter_context(running(command, port, cores, own))))
    return found


def measure(
    subject: Subject, connections: int, seconds: float, body: Path, by: Wire, options: Sequence[str] = ()
) -> dict[str, Any]:
    """One run of the load generator, which may be given more options; CPU is counted over the whole run, and shared among
    all its requests."""
    before = cpu_seconds(subject.pid) if subject.pid else 0.0
    command = [*by.load, *options, str(connections), str(seconds), str(subject.port), str(body)]
    with pinned(by.load_cores):
        said = subprocess.run(command, check=True, capture_output=True, timeout=seconds * 10 + 60).stdout
    result: dict[str, Any] = json.loads(said)
    used = cpu_seconds(subject.pid) - before if subject.pid else 0.0
    result["cpu_us"] = used / max(result["all"], 1) * 1e6
    return result


def table(results: dict[tuple[str, str], list[dict[str, float]]]) -> None:
    """Medians, with ratios to the bare relay and to nginx where they were measured."""

    def median(test: str, name: str, key: str) -> float | None:
        values = [each[key] for each in results.get((test, name), ())]
        return statistics.median(values) if values else None

    for test in TESTS:
        print(
            f"\n{test}\n  {'':<12}{'requests/s':>12}{'CPU us':>10}{'x aiohttp':>11}{'x nginx':>9}{'p50 ms':>9}"
            f"{'p99 ms':>9}{'added p50':>11}{'added first':>13}"
        )
        names = [name for each, name in results if each == test]
        for name in dict.fromkeys(names):
            cpu = median(test, name, "cpu_us")
            cells = [_number(median(test, name, "rps"), ",.0f"), _number(cpu if name != "direct" else None, ",.0f")]
            cells += [
                _number(_over(cpu, median(test, other, "cpu_us")) if name != "direct" else None, ".2f")
                for other in ("aiohttp", "nginx")
            ]
            cells += [_number(_over(median(test, name, key), 1000), ".2f") for key in ("p50", "p99")]
            cells += [
                _number(_less(median(test, name, key), median(test, "direct", key)), ".2f", 1000)
                for key in ("p50", "first_p50")
            ]
            failed = sum(each["failures"] for each in results[test, name])
            print(
                f"  {name:<12}{cells[0]:>12}{cells[1]:>10}{cells[2]:>11}{cells[3]:>9}{cells[4]:>9}{cells[5]:>9}"
                f"{cells[6]:>11}{cells[7]:>13}" + (f"   {failed:.0f} FAILED" if failed else "")
            )


def _over(value: float | None, other: float | None) -> float | None:
    return value / other if value is not None and other else None


def _less(value: float | None, other: float | None) -> float | None:
    return value - other if value is not None and other is not None else None


def _number(value: float | None, form: str, divide: float = 1) -> str:
    return "-" if value is None else format(value / divide, form)


def progress(what: str) -> None:
    """Say what is going on, to whoever watches."""
    if sys.stderr.isatty():
        print(f"\r{what}\033[K", end="", file=sys.stderr, flush=True)


def main() -> int:
    """Measure and print; 1 where any request failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--only", default="", help="of nginx, aiohttp, routebook; comma-separated")
    args = parser.parse_args()
    results: dict[tuple[str, str], list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory(prefix="routebook-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        by, upstream = wire(folder), free_port()
        if not by.compiled:
            print(
                "no C compiler: load and upstream are Python, so requests/s and latency are theirs; CPU is still right\n"
            )
        if by.load_cores == by.proxy_cores:
            print("one core only: load and proxy share it, so requests/s and latency say little; CPU is still right\n")
        stack.enter_context(running([*by.upstream, str(upstream)], upstream, by.load_cores, folder))
        compared = subjects(stack, upstream, by.proxy_cores, folder, set(filter(None, args.only.split(","))))
        for number in range(args.rounds):
            for test, (connections, more) in TESTS.items():
                body = folder / "body.json"
                body.write_text(json.dumps({"model": "bench", "messages": PROMPT, "max_tokens": 256, **more}))
                for subject in compared:
                    progress(f"round {number + 1} of {args.rounds}: {test}: {subject.name}")
                    results.setdefault((test, subject.name), []).append(
                        measure(subject, connections, args.seconds, body, by)
                    )
        progress("")
    print("the proxy, one worker, journal on; CPU microseconds a request of the whole process tree")
    table(results)
    return 1 if any(each["failures"] for runs in results.values() for each in runs) else 0


if __name__ == "__main__":
    sys.exit(main())
