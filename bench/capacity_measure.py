"""What `bench/capacity.py` reckons with, measured: one worker with everything on, as `bench/gateways.py` sets it up.

CPU for each request of the worker, of the supervisor (where budgets are owned) and of all else; the shape of service times;
two runs at random moments, to hold the reckoning against; memory and descriptors of whatever waits; bytes on disk; and what
a shared Redis is asked. Load and model API have one core, the service another one.
"""

from __future__ import annotations

import asyncio
import datetime
import os
import platform
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import sessions
from bench.gateways import Gateway, program, routebook
from bench.ledger import ANSWER, KINDS, Kind, question, until_it_answers
from bench.peer_tables import Form
from bench.peers import Running, body, serving
from bench.proxy import Subject, Wire, before_others, free_port, measure, progress, running, tree, wire

LIGHT, BUSY = 1, 32
"""Clients that ask again at once: one leaves a worker idle in between, so many keep it busy."""

EVERYBODY = 64
"""Clients for whom a budget is nearly spent, as `bench/ledger.py` sets it up."""

SHARES = (0.3, 0.55)
"""How busy a worker is made at random moments, to hold the reckoning against."""

RUN, RANDOM_RUN, TRIES = 3.0, 5.0, 3
"""Seconds of a run; and how often it is repeated, for anything else on the machine adds to it."""

HELD, SESSIONS = 1000, 400
"""Requests, and sessions of voice, that wait while memory is looked at."""


def cpu_of(pid: int) -> float:
    """CPU seconds of one process, of all its threads, to the nanosecond, and of none below it."""
    total = 0
    for each in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        total += int(each.read_text().split()[0])
    return total / 1e9


def parts(pid: int) -> dict[str, list[int]]:
    """The processes of a service: its supervisor, which owns budgets and writes the index, and all below it, its workers."""
    return {"owner": [pid], "worker": tree(pid)[1:]}


def split_run(
    each: Running, clients: int, seconds: float, question: Path, by: Wire, *more: str, refused: float = 0.0
) -> dict[str, Any]:
    """One run, with CPU microseconds for each request of each part of the service; `refused` is the share that may fail."""
    assert each.subject.pid
    kinds = parts(each.subject.pid)
    before = {name: sum(map(cpu_of, pids)) for name, pids in kinds.items()}
    found = measure(each.subject, clients, seconds, question, by, (*each.options, *more))
    used = {name: sum(map(cpu_of, pids)) - before[name] for name, pids in kinds.items()}
    found |= {f"{name}_us": round(value / max(found["all"], 1) * 1e6, 1) for name, value in used.items()}
    assert found["failures"] <= found["requests"] * refused, found
    return found


def least_disturbed(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of some runs of the same, that in which the machine had least else to do, as its longest times tell."""
    return min(runs, key=lambda run: float(run["p99"]))


def least_work(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of some runs of the same, that which took least of the processor: another's work beside it only ever adds to that."""
    return min(runs, key=lambda run: float(run["worker_us"]))


def services(each: Running, direct: Subject, folder: Path, by: Wire) -> dict[str, Any]:
    """What each form costs, where the worker is idle in between (`light`) and where it is busy; and the shape of the time of
    a chat. Of streams at a pace there is no `light`: most of a core is idle then, whatever a request costs."""
    told: dict[str, Any] = {}
    for form in Form:
        progress(f"a worker: {form.value}")
        file = folder / "body.json"
        file.write_text(body(form, "bench"))
        busy = least_work([split_run(each, BUSY, RUN / 2, file, by) for _ in range(TRIES)])
        states = {"busy": busy}
        if form is not Form.PACED:
            tries = [split_run(each, LIGHT, RUN / 2, file, by) for _ in range(TRIES)]
            states["light"] = least_work(tries)
        told[form.name.lower()] = {
            state: {key: run[key] for key in ("worker_us", "owner_us")} for state, run in states.items()
        }
        if form is Form.WHOLE:
            alone = measure(direct, LIGHT, 1.0, file, by)
            told["shape"] = [max(1, each - alone["p50"]) for each in least_disturbed(tries)["quantiles"]]
    return told


def at_rest(each: Running) -> dict[str, float]:
    """Shares of a core that a service takes of which nothing is asked."""
    assert each.subject.pid
    progress("a worker at rest")
    kinds = parts(each.subject.pid)
    before = {name: sum(map(cpu_of, pids)) for name, pids in kinds.items()}
    time.sleep(RUN)
    return {name: round((sum(map(cpu_of, pids)) - before[name]) / RUN, 4) for name, pids in kinds.items()}


def random_runs(each: Running, request_us: float, direct: Subject, folder: Path, by: Wire) -> list[dict[str, Any]]:
    """Chats at random moments, at two rates: how long they took beyond what they take without a gateway."""
    file = _warm(folder)
    found: list[dict[str, Any]] = []
    for share in SHARES:
        rate = round(share * 1e6 / request_us)
        progress(f"a worker at {rate} requests a second")
        alone = measure(direct, 256, 2.0, file, by, ("-r", str(rate)))
        run = least_disturbed([split_run(each, 256, RANDOM_RUN, file, by, "-r", str(rate)) for _ in range(TRIES)])
        found.append(
            {
                "rate": rate,
                "direct_p50": alone["p50"],
                **{key: run[key] for key in ("worker_us", "owner_us", "quantiles", "requests")},
            }
        )
    return found


def on_disk(state: Path, requests: int) -> dict[str, float]:
    """Bytes of the journal and of its index for each request."""
    journal = sum(each.stat().st_size for each in (state / "journal").iterdir())
    index = sum(each.stat().st_size for each in state.glob("index.sqlite*"))
    return {"journal_bytes": round(journal / requests), "index_bytes": round(index / requests)}


def recorded(state: Path) -> int:
    """How many requests stand in the journal."""
    return sum(each.read_bytes().count(b'"event":"decided"') for each in (state / "journal").glob("*.jsonl"))


async def hold(port: int) -> None:
    """A model API that never ends: it begins a stream with one event, and does not begin another answer."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    event = b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        size = int(asked.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        if b'"stream":true' in await reader.readexactly(size):
            writer.write(head + b"%x\r\n%s\r\n" % (len(event), event))
        await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


def resident_kib(pid: int) -> float:
    """Resident memory of one process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024


HOLDING = """\
  holding: {{dialect: openai, base_url: "http://127.0.0.1:{port}/v1", accounts: [{{name: main}}]}}
models:
  held: {{provider: holding, price: {{input: 1, output: 2}}, context: 200k, max_output: 16k}}
"""


def waiting(stack: ExitStack, by: Wire, folder: Path, upstream: int) -> dict[str, float]:
    """KiB and descriptors of a worker for each connection that is idle, each request that waits, each stream that runs."""
    holder, own = free_port(), folder / "held"
    own.mkdir()
    me = [sys.executable, str(Path(__file__).resolve()), str(holder)]
    stack.enter_context(running(me, holder, by.load_cores, folder))
    gateway = routebook(upstream, own, free_port())
    policy = own / "policy.yaml"
    policy.write_text(policy.read_text().replace("models:\n", HOLDING.format(port=holder), 1))
    each = stack.enter_context(serving(gateway, "", upstream, by, own))
    assert each.subject.pid
    [worker] = parts(each.subject.pid)["worker"]
    told = {
        "worker_mib": round(resident_kib(worker) / 1024, 1),
        "owner_mib": round(resident_kib(each.subject.pid) / 1024, 1),
    }
    for name, form in (("connection", None), ("request", Form.WHOLE), ("stream", Form.PACED)):
        progress(f"memory: {HELD} times a {name} that waits")
        memory, descriptors = resident_kib(worker), open_descriptors(worker)
        for _ in range(HELD):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", each.subject.port), 30))
            if form is not None:
                client.sendall(asked(each, body(form, "held")))
            if form is Form.PACED:
                client.recv(4096)
        # A few connections of before may close meanwhile.
        until, wanted = time.monotonic() + 60, descriptors + HELD * (1 if form is None else 2) * 0.98
        while open_descriptors(worker) < wanted:
            assert time.monotonic() < until, f"{open_descriptors(worker) - descriptors} descriptors, {HELD} x {name}"
            time.sleep(0.05)
        time.sleep(1)
        told[f"{name}_kib"] = round((resident_kib(worker) - memory) / HELD, 1)
        told[f"{name}_descriptors"] = round((open_descriptors(worker) - descriptors) / HELD, 2)
    return told


def asked(each: Running, text: str) -> bytes:
    """A request as bytes."""
    headers = "".join(f"{header}\r\n" for header in each.options[3::2])
    head = f"POST {each.gateway.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n{headers}"
    return f"{head}Content-Length: {len(text)}\r\n\r\n{text}".encode()


def open_descriptors(pid: int) -> int:
    """How many descriptors a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def voices(stack: ExitStack, by: Wire, folder: Path) -> float:
    """KiB of memory for each session of voice in which nothing is said."""
    progress(f"memory: {SESSIONS} sessions of voice")
    own, port, to = folder / "voice", free_port(), free_port()
    own.mkdir()
    core = min(by.proxy_cores)
    me = [sys.executable, str(Path(sessions.__file__).resolve()), "upstream", str(to)]
    stack.enter_context(sessions.running(me, to, min(by.load_cores), own))
    pid = stack.enter_context(sessions.running(sessions.routebook(own, port, to), port, core, own))
    return round(asyncio.run(sessions.idle(port, pid, SESSIONS, 0.0))[0], 1)


def ledgers(stack: ExitStack, by: Wire, folder: Path, upstream: int) -> dict[str, dict[str, float]]:
    """What a request costs the owner of the budgets, and a Redis that several hosts share: where workers draw on what they
    were granted before (`leases`), and where a budget is nearly spent, so that each request asks (`tight`)."""
    told: dict[str, dict[str, float]] = {}
    redis = redis_server(stack, by, folder)
    for kind in KINDS:
        if kind.workers != 1 or kind.counts == "none" or (kind.shared and redis is None):
            continue
        progress(f"budgets: {kind.name}")
        own = folder / kind.name.replace(", ", "-").replace(" ", "-")
        own.mkdir()
        (own / "policy.yaml").write_text(kind.policy(upstream))
        port = free_port()
        command = kind.command(own / "policy.yaml", port, redis[0] if redis else None)
        pid = stack.enter_context(running(command, port, by.proxy_cores, own))
        each = Running(Gateway(kind.name, "", "", ()), Subject(kind.name, port, pid), (), 0.0)
        until_it_answers(each.subject)
        run = asked_of_redis(each, kind, redis, folder, by)
        told[kind.name.removesuffix(", 1w")] = run
    return told


def asked_of_redis(
    each: Running, kind: Kind, redis: tuple[int, int] | None, folder: Path, by: Wire
) -> dict[str, float]:
    """One run, with what a shared Redis did meanwhile."""
    file = folder / "body.json"
    file.write_text(question(ANSWER // 64))
    before = redis_commands(redis[0]) if kind.shared and redis else 0
    used = cpu_of(redis[1]) if kind.shared and redis else 0.0
    # A budget that is nearly spent refuses some.
    run = split_run(each, EVERYBODY, RUN, file, by, refused=0.05)
    told = {key: run[key] for key in ("worker_us", "owner_us")}
    if kind.shared and redis:
        told["redis_commands"] = round((redis_commands(redis[0]) - before) / run["all"], 3)
        told["redis_us"] = round((cpu_of(redis[1]) - used) / run["all"] * 1e6, 2)
    return told


def redis_server(stack: ExitStack, by: Wire, folder: Path) -> tuple[int, int] | None:
    """Port and process of a Redis of our own, beside the load; None where there is none to start."""
    found = program("redis-server") or program("valkey-server")
    if found is None:
        return None
    port, own = free_port(), folder / "redis"
    own.mkdir()
    os.environ |= found[1]
    server = own / "redis-server"
    server.symlink_to(Path(found[0]).resolve())
    command = [str(server), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    return port, stack.enter_context(running(command, port, by.load_cores, own))


def redis_commands(port: int) -> int:
    """How many commands a Redis has carried out."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(b"INFO stats\r\n")
        said = connection.recv(65_536).decode()
    return int(said.partition("total_commands_processed:")[2].split()[0])


def measured_now() -> dict[str, Any]:
    """Everything, in about two minutes."""
    with tempfile.TemporaryDirectory(prefix="routebook-bench-") as name, before_others():
        folder = Path(name)
        by, upstream = wire(folder), free_port()
        assert by.compiled, "requests at random moments need the load generator in C, and so gcc"
        with running([*by.upstream, str(upstream)], upstream, by.load_cores, folder):
            direct, own = Subject("direct", upstream), folder / "service"
            own.mkdir()
            with serving(routebook(upstream, own, free_port()), "", upstream, by, own) as each:
                split_run(each, BUSY, 1.0, _warm(folder), by)
                told = {"service": services(each, direct, folder, by)}
                told["at_rest"] = at_rest(each)
                light = told["service"]["whole"]["light"]
                told["runs"] = random_runs(each, light["worker_us"] + light["owner_us"], direct, folder, by)
                told["disk"] = on_disk(own / "var", recorded(own / "var"))
            with ExitStack() as stack:
                told["ledger"] = ledgers(stack, by, folder, upstream)
            with ExitStack() as stack:
                told["waiting"] = waiting(stack, by, folder, upstream)
            with ExitStack() as stack:
                told["waiting"]["session_kib"] = voices(stack, by, folder)
        progress("")
    when = datetime.datetime.now(datetime.UTC).date().isoformat()
    cores = f"{len(os.sched_getaffinity(0))} cores, one for the service and one for load and model API"
    return {"date": when, "machine": cores, "python": platform.python_version(), **told}


def _warm(folder: Path) -> Path:
    file = folder / "body.json"
    file.write_text(body(Form.WHOLE, "bench"))
    return file


if __name__ == "__main__":
    asyncio.run(hold(int(sys.argv[1])))
