"""How many workers and hosts a load needs, by what was measured and by simulation beyond it.

    python bench/capacity.py --rps 2000 --stream-seconds 8              # streams of 8 s, 40 events a second
    python bench/capacity.py --rps 300 --answer-seconds 3 --p99 5       # whole answers, 5 ms added for 99 of 100 requests
    python bench/capacity.py --rps 50 --prompt large --idle 2000 --hosts-of 8 --format json
    python bench/capacity.py --measure --write                          # measure this machine, and write docs/capacity.md

A worker is a process with an event loop: it serves requests in steps, and between the steps of one whatever else has come
(`bench/queues.py`). Work is dealt to workers by connection, which is as good as by chance, so each is a queue of its own. What
a request costs, and the shape of its time, come from `bench/results/capacity.json`; the number of workers is the least with
which 99 of 100 requests are delayed no longer than asked for, and no worker is busier than four fifths.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.queues import Draw, Kind, alone, mean_of, quantile, shaped

RESULTS = Path(__file__).resolve().parent / "results" / "capacity.json"
EVENTS = 50
"""Events of the streams that were measured."""

BUSIEST = 0.8
"""How busy a worker, a supervisor or a Redis may be: beyond it waits grow faster than load, and there is no room for a peak."""

SAMPLES = 8_000
"""Requests that are simulated for an answer; eighty of them are the hundredth that waits longest."""

STEPS = 4
"""Steps of a request, each of which begins when the loop wakes for it: it is read and decided, its budget is held and it is
recorded, its answer comes, its answer ends."""

PAUSES = 2
"""The longest hundredths of the measured times: what happens now and then to whoever is there (the collector of Python's
memory, another process), and takes as long whatever is asked."""

Measured = Mapping[str, Any]
"""What `bench/capacity_measure.py` found."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of the service. `rps` requests a second, each a stream of so many seconds and events a second, or, with
    `stream_seconds` 0, answered whole after `answer_seconds`; `idle` connections beside; `p99` milliseconds that 99 of 100
    requests may be delayed; `cores` of a host, one of them for its supervisor and the system."""

    rps: float
    stream_seconds: float = 0.0
    events: float = 40.0
    answer_seconds: float = 3.0
    prompt: str = "small"
    idle: int = 0
    p99: float = 10.0
    cores: int = 8


@dataclass(frozen=True, slots=True)
class Need:
    """What that takes. `busy` is the share of its time in which a worker works; `added_p50` and `added_p99` are milliseconds;
    `supervisor` and `redis` are shares of a core, of each host's supervisor and of the one Redis (0 on one host)."""

    workers: int
    hosts: int
    busy: float
    added_p50: float
    added_p99: float
    under_way: int
    memory_mib: int
    descriptors: int
    supervisor: float
    redis: float
    redis_commands: float
    journal_gb_a_day: float
    index_gb_a_day: float


def load_measured(path: Path = RESULTS) -> Measured:
    """What was measured."""
    found: Measured = json.loads(path.read_text("utf-8"))
    return found


def request_seconds(measured: Measured, prompt: str = "small") -> float:
    """A worker's CPU seconds for a request: the dearer of those of a worker that is busy and of one that is idle in between,
    which mostly needs more, for it finds less to do each time it wakes."""
    states = measured["service"]["large" if prompt == "large" else "whole"]
    return max(float(states[state]["worker_us"]) for state in ("light", "busy")) / 1e6


def event_seconds(measured: Measured) -> float:
    """A worker's CPU seconds for each event of a stream that comes alone."""
    service = measured["service"]
    whole = service["paced"]["busy"]["worker_us"] - service["whole"]["busy"]["worker_us"]
    return max(0.0, float(whole)) / EVENTS / 1e6


def owner_seconds(measured: Measured) -> float:
    """A supervisor's CPU seconds for a request: what workers draw of budgets, and the index."""
    return float(measured["service"]["whole"]["busy"]["owner_us"]) / 1e6


def service_of(measured: Measured, mean: float) -> Draw:
    """Random service times of a mean, with a pause now and then. Of the longest hundredth the end is cut at twice its
    beginning: beyond that the machine had other things to do."""
    shape = [float(each) for each in measured["service"]["shape"]]
    middle, longest = shape[len(shape) // 2], [*shape[-1 - PAUSES : -1], min(shape[-1], 2 * shape[-2])]
    usual = shaped(mean, shape[: len(shape) - PAUSES])
    extra = [(each - middle) / 1e6 for each in longest]
    pause = shaped(mean_of(extra), extra)
    return lambda dice: usual(dice) + (pause(dice) if dice.random() * 100 < PAUSES else 0.0)


def delays(measured: Measured, load: Load, workers: int) -> list[float]:
    """Seconds that requests of this load are delayed by one of so many workers, sorted. Events of streams are many and short:
    they take their share of the worker, and requests have what is left of it, which is a little too cautious."""
    events = load.rps / workers * load.stream_seconds * load.events * event_seconds(measured)
    mean = request_seconds(measured, load.prompt) / (1 - events)
    return alone([Kind(load.rps / workers, service_of(measured, mean), STEPS)], SAMPLES)


def delays_of(measured: Measured, run: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    """What this reckons of a run at random moments, sorted, and what was measured of it by quantiles in hundredths: seconds.
    There the supervisor shared the worker's core."""
    mean = (run["worker_us"] + run["owner_us"]) / 1e6
    reckoned = alone([Kind(run["rate"], service_of(measured, mean), STEPS)], SAMPLES)
    return reckoned, [(each - run["direct_p50"]) / 1e6 for each in run["quantiles"]]


def work(measured: Measured, load: Load) -> float:
    """CPU seconds of workers in each second."""
    events = load.stream_seconds * load.events * event_seconds(measured)
    return load.rps * (request_seconds(measured, load.prompt) + events)


def need(measured: Measured, load: Load) -> Need:
    """What a load takes; `ValueError` where no number of workers delays so little."""
    workers = least = max(1, math.ceil(work(measured, load) / BUSIEST))
    while quantile(seen := delays(measured, load, workers), 0.99) * 1000 > load.p99:
        if workers > 10 * least + 10:
            raise ValueError(
                f"a request alone takes about {load.p99:g} ms: no number of workers keeps all of them to that"
            )
        workers += max(1, workers // 20)
    hosts = max(1, math.ceil(workers / max(1, load.cores - 1)))
    hosts = max(hosts, math.ceil(load.rps * owner_seconds(measured) / BUSIEST))
    return _need(measured, load, workers, hosts, seen)


def _need(measured: Measured, load: Load, workers: int, hosts: int, seen: Sequence[float]) -> Need:
    kept, disk = measured["waiting"], measured["disk"]
    under_way = math.ceil(load.rps * (load.stream_seconds or load.answer_seconds))
    each = kept["stream_kib"] if load.stream_seconds else kept["request_kib"]
    memory = (under_way * each + load.idle * kept["connection_kib"]) / 1024
    shared = measured["ledger"].get("redis leases") if hosts > 1 else None
    day = load.rps * 86_400 / 1e9
    return Need(
        workers=workers,
        hosts=hosts,
        busy=round(work(measured, load) / workers, 3),
        added_p50=round(quantile(seen, 0.5) * 1000, 2),
        added_p99=round(quantile(seen, 0.99) * 1000, 2),
        under_way=under_way,
        memory_mib=math.ceil(memory + workers * kept["worker_mib"] + hosts * kept["owner_mib"]),
        descriptors=math.ceil((under_way * kept["request_descriptors"] + load.idle) / workers),
        supervisor=round(load.rps / hosts * owner_seconds(measured), 3),
        redis=round(load.rps * shared["redis_us"] / 1e6, 4) if shared else 0.0,
        redis_commands=round(load.rps * shared["redis_commands"], 1) if shared else 0.0,
        journal_gb_a_day=round(day * disk["journal_bytes"], 2),
        index_gb_a_day=round(day * disk["index_bytes"], 2),
    )


def told(load: Load, found: Need) -> str:
    """The answer in words."""
    lines = [
        f"{load.rps:g} requests a second, {_kind(load)}:",
        f"  workers       {found.workers} on {found.hosts} host{'s' * (found.hosts > 1)}, each {found.busy:.0%} busy",
        f"  added         {found.added_p50:g} ms in the middle, {found.added_p99:g} ms for 99 of 100",
        f"  under way     {found.under_way:,} at a time, {found.descriptors:,} descriptors in each worker",
        f"  memory        {found.memory_mib:,} MiB of all of them",
        f"  supervisor    {found.supervisor:.1%} of a core on each host",
        f"  disk          {found.journal_gb_a_day:g} GB of journal and {found.index_gb_a_day:g} GB of index a day",
    ]
    if found.hosts > 1:
        lines.append(f"  shared Redis  {found.redis_commands:,.0f} commands a second, {found.redis:.1%} of its core")
    return "\n".join(lines)


def _kind(load: Load) -> str:
    prompt = "prompts of 64 KiB" if load.prompt == "large" else "small prompts"
    if not load.stream_seconds:
        return f"{prompt}, answered whole after {load.answer_seconds:g} s"
    return f"{prompt}, streams of {load.stream_seconds:g} s with {load.events:g} events a second"


def main() -> int:
    """Answer, or measure; 1 where what is asked for cannot be had."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usual = Load(1.0)
    parser.add_argument("--rps", type=float, help="requests a second")
    parser.add_argument(
        "--stream-seconds", type=float, default=0.0, help="how long a stream lasts (default: answered whole)"
    )
    parser.add_argument(
        "--events", type=float, default=usual.events, help="events a second of a stream (default: %(default)g)"
    )
    parser.add_argument(
        "--answer-seconds", type=float, default=usual.answer_seconds, help="how long a whole answer takes"
    )
    parser.add_argument(
        "--prompt", choices=("small", "large"), default="small", help="large: 64 KiB, read for its tokens"
    )
    parser.add_argument("--idle", type=int, default=0, help="idle connections")
    parser.add_argument(
        "--p99", type=float, default=usual.p99, help="milliseconds that 99 of 100 may be delayed (%(default)g)"
    )
    parser.add_argument(
        "--hosts-of", type=int, default=usual.cores, dest="cores", help="cores of a host (default: %(default)s)"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.add_argument(
        "--results", type=Path, default=RESULTS, help="what was measured (default: the stored measurement)"
    )
    parser.add_argument("--measure", action="store_true", help="measure this machine first, in two minutes")
    parser.add_argument("--write", action="store_true", help="store the measurement, and write docs/capacity.md")
    args = parser.parse_args()
    if args.measure:
        from bench.capacity_measure import measured_now

        args.results.write_text(stored(measured_now()))
    measured = load_measured(args.results)
    if args.write:
        from bench.capacity_page import write_page

        write_page(measured)
    if args.rps is None:
        return 0 if args.measure or args.write else _wrong(parser)
    load = Load(**{each.name: getattr(args, each.name) for each in dataclasses.fields(Load)})
    try:
        found = need(measured, load)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(dataclasses.asdict(found)) if args.format == "json" else told(load, found))
    return 0


def stored(measured: Measured) -> str:
    """The measurement as a file: a list is a line."""
    text = json.dumps(measured, indent=1)
    return re.sub(r"\[[\d\s,.]*\]", lambda found: " ".join(found[0].split()), text) + "\n"


def _wrong(parser: argparse.ArgumentParser) -> int:
    parser.print_usage(sys.stderr)
    print("capacity.py: --rps is needed, or --measure, or --write", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
