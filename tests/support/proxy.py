"""The program under test: as the process that people run, or inside the test where speed matters.

async with running_proxy(tmp_path, policy) as proxy:      # `routebook serve`, supervisor and workers
    ...
    proxy.write_policy(other)
    proxy.process.send_signal(signal.SIGHUP)

async with in_process(tmp_path, policy) as proxy:         # the same exchange code in this event loop
    ...
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from routebook.edge.gateway import Gateway
from routebook.edge.identity.book import KeyBook
from routebook.edge.journal.writer import Journal
from routebook.edge.metrics import Metrics
from routebook.edge.processes.state import find_running
from routebook.edge.server import Listener, start_server
from routebook.edge.tls.pair import Files, context_of, read_pair
from routebook.routing.reading.loading import load_sources
from tests.support.certificates import Written
from tests.support.processes import descendants, run_command, start, stop

READY_SECONDS = 30.0
"""A proxy that is not ready by then has failed to start, even on a busy machine."""

ENDED = "ended"


def small_policy(upstream: str, rules: str = "  - {name: everything, route: {to: [small]}}", more: str = "") -> str:
    """A policy with one provider at this base URL, two models without a key, and these rules."""
    return f"""\
version: 1
providers:
  scripted: {{dialect: openai, base_url: "{upstream}", region: eu, accounts: [{{name: main}}]}}
models:
  small: {{provider: scripted, id: small-1, price: {{input: 1, output: 2}}, context: 128k, max_output: 16k,
          capabilities: [tools, vision, json_schema], quality: 0.5}}
  large: {{provider: scripted, id: large-1, price: {{input: 10, output: 20}}, context: 400k, max_output: 64k,
          capabilities: [tools, vision, json_schema, reasoning], quality: 0.9}}
{more}
rules:
{rules}
"""


@dataclass(slots=True)
class Record:
    """One decision record: its two lines, the second None while the exchange runs, and what later lines say it held."""

    decided: dict[str, Any]
    ended: dict[str, Any] | None = None
    held: list[dict[str, Any]] = field(default_factory=list)


def read_records(state_dir: Path) -> dict[str, Record]:
    """Every record of the journals in a state directory, by id. A line that is torn or doubled fails the test."""
    records: dict[str, Record] = {}
    endings: dict[str, dict[str, Any]] = {}
    holds: list[dict[str, Any]] = []
    for segment in sorted((state_dir / "journal").glob("*.jsonl")):
        for text in segment.read_bytes().split(b"\n")[:-1]:
            line = json.loads(text)
            if line["event"] == ENDED:
                assert line["id"] not in endings, f"two endings of {line['id']}"
                endings[line["id"]] = line
            elif line["event"] == "held":
                holds.append(line)
            elif line["event"] == "feedback":
                continue
            else:
                assert line["id"] not in records, f"two decisions of {line['id']}"
                records[line["id"]] = Record(line)
    for name, line in endings.items():
        assert name in records, f"an ending without a decision: {line}"
        records[name].ended = line
    for line in holds:
        records[line["id"]].held.append(line)
    return records


@dataclass(slots=True)
class Proxy:
    """A served policy. `url` is the root, `base_url` what an SDK is given (ends in `/v1`)."""

    url: str
    state_dir: Path
    policy_dir: Path

    @property
    def base_url(self) -> str:
        """The address for an SDK."""
        return f"{self.url}/v1"

    def records(self) -> dict[str, Record]:
        """Every record so far, by id."""
        return read_records(self.state_dir)

    async def record(self, identity: str, timeout: float = 5.0) -> Record:
        """The record of one request, once it has ended."""
        return (await self.ended_records(lambda records: identity in records, timeout))[identity]

    async def only_record(self, timeout: float = 5.0) -> Record:
        """The single record there is, once it has ended."""
        records = await self.ended_records(lambda records: len(records) == 1, timeout)
        return next(iter(records.values()))

    async def ended_records(self, enough: Any = bool, timeout: float = 5.0) -> dict[str, Record]:
        """All records, once `enough(records)` holds and each has ended; fails the test after `timeout` seconds."""
        end = time.monotonic() + timeout
        while True:
            records = self.records()
            if enough(records) and all(record.ended is not None for record in records.values()):
                return records
            assert time.monotonic() < end, f"records are not complete: {records}"
            await asyncio.sleep(0.01)

    def write_policy(self, policy: str | Mapping[str, str]) -> None:
        """Put these files in place of the policy's; a text is `policy.yaml`."""
        write_policy(self.policy_dir, policy)


@dataclass(slots=True)
class RunningProxy(Proxy):
    """`routebook serve` as a process of its own."""

    process: subprocess.Popen[bytes]
    admin: str
    environment: dict[str, str] = field(default_factory=dict)
    trust: ssl.SSLContext | None = None

    @property
    def log(self) -> str:
        """What it has printed so far, standard output and error together."""
        return (self.state_dir.parent / "serve.log").read_text("utf-8", "replace")

    def hang_up(self) -> None:
        """SIGHUP: read the policy again."""
        self.process.send_signal(signal.SIGHUP)

    async def command(self, *arguments: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run another `routebook` command; `--state-dir` is not added."""
        return await asyncio.to_thread(run_command, *arguments, environment=self.environment, timeout=timeout)

    async def get_admin(self, path: str, method: str = "GET", timeout: float = 30.0) -> tuple[int, str]:
        """Ask the admin listener; returns status and body."""
        return await asyncio.to_thread(fetch, self.admin + path, method, timeout, self.trust)

    async def until(self, path: str, holds: Any, timeout: float = READY_SECONDS) -> str:
        """Ask an admin path until `holds(status, body)`; returns the body."""
        end = time.monotonic() + timeout
        while True:
            try:
                status, body = await self.get_admin(path)
                if holds(status, body):
                    return body
            except OSError:
                status, body = 0, "no answer"
            assert time.monotonic() < end, f"{path} still says {status} {body}\n{self.log}"
            await asyncio.sleep(0.02)

    def children(self) -> list[int]:
        """Process ids of all descendants."""
        return descendants(self.process.pid)


@dataclass(slots=True)
class LocalProxy(Proxy):
    """A gateway and its listener in this event loop."""

    gateway: Gateway
    listener: Listener

    def take(self, policy: str | Mapping[str, str]) -> None:
        """Swap the policy at once, without files or signals."""
        self.write_policy(policy)
        self.gateway.take(compiled(policy))


def write_policy(folder: Path, policy: str | Mapping[str, str]) -> None:
    """Write a policy directory: whole new files first, then what is no longer named goes."""
    files = {"policy.yaml": policy} if isinstance(policy, str) else dict(policy)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(path.name + ".new")
        beside.write_text(text)
        beside.replace(path)
    for path in folder.rglob("*.yaml"):
        if str(path.relative_to(folder)) not in files:
            path.unlink()


def compiled(policy: str | Mapping[str, str]) -> Any:
    """The policy of this text or these files, not proven; a problem in it fails the test."""
    files = {"policy.yaml": policy} if isinstance(policy, str) else policy
    result = load_sources(tuple(files.items()), proving=False)
    assert result.policy is not None, "\n".join(str(problem) for problem in result.problems)
    return result.policy


def fetch(url: str, method: str = "GET", timeout: float = 30.0, trust: ssl.SSLContext | None = None) -> tuple[int, str]:
    """Ask once, without proxies; returns status and body, also of a failure."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust))
    try:
        with opener.open(urllib.request.Request(url, method=method), timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@asynccontextmanager
async def running_proxy(
    folder: Path,
    policy: str | Mapping[str, str],
    *arguments: str,
    workers: int = 1,
    environment: Mapping[str, str] | None = None,
    trust: ssl.SSLContext | None = None,
) -> AsyncIterator[RunningProxy]:
    """Serve this policy with the real program until the block ends; state and log stay in `folder`. `trust` is how its
    admin listener is asked, where both speak TLS."""
    policy_dir, state_dir = folder / "rules", folder / "var"
    write_policy(policy_dir, policy)
    command = [
        sys.executable,
        "-m",
        "routebook",
        "serve",
        "--policy",
        str(policy_dir),
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--state-dir",
        str(state_dir),
        "--workers",
        str(workers),
        *arguments,
    ]
    process = start(command, folder, environment)
    proxy = RunningProxy("", state_dir, policy_dir, process, "", dict(environment or {}), trust)
    try:
        await _until_ready(proxy)
        yield proxy
    finally:
        await asyncio.to_thread(stop, process)


async def _until_ready(proxy: RunningProxy) -> None:
    end = time.monotonic() + READY_SECONDS
    while True:
        assert proxy.process.poll() is None, f"serve ended with {proxy.process.returncode}:\n{proxy.log}"
        running = find_running(proxy.state_dir)
        if running is not None and running.pid == proxy.process.pid:
            scheme = "http" if proxy.trust is None else "https"
            proxy.url, proxy.admin = f"{scheme}://{running.listen}", f"{scheme}://{running.admin}"
            with contextlib.suppress(OSError):
                if (await proxy.get_admin("/readyz"))[0] == 200:
                    return
        assert time.monotonic() < end, f"serve is not ready:\n{proxy.log}"
        await asyncio.sleep(0.05)


@asynccontextmanager
async def encrypted(proxy: LocalProxy, made: Written) -> AsyncIterator[str]:
    """Another listener of a proxy, which speaks TLS with this certificate; its address, by the name of `localhost`."""
    sock = socket.create_server(("127.0.0.1", 0))
    context = context_of(read_pair(Files(made.certificate, made.key)))
    listener = await start_server(proxy.gateway, sock, context)
    try:
        yield f"https://localhost:{sock.getsockname()[1]}"
    finally:
        await listener.drain(0)


@asynccontextmanager
async def in_process(
    folder: Path, policy: str | Mapping[str, str], *, clock: Any = None, simulate_at: str | None = None
) -> AsyncIterator[LocalProxy]:
    """Serve this policy from the running event loop, with a journal in `folder`; `clock` replaces the machine's."""
    policy_dir, state_dir = folder / "rules", folder / "var"
    write_policy(policy_dir, policy)
    journal = Journal(state_dir, "test")
    gateway = Gateway(compiled(policy), journal, Metrics(), clock, simulate_at, "test", key_book=KeyBook(state_dir))
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    listener = await start_server(gateway, sock)
    try:
        yield LocalProxy(f"http://127.0.0.1:{port}", state_dir, policy_dir, gateway, listener)
    finally:
        await listener.drain(0)
        journal.close()
