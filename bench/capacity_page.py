"""The blocks of docs/capacity.md, from what was measured and what follows from it."""

from __future__ import annotations

from pathlib import Path

from bench.capacity import BUSIEST, Load, Measured, Need, delays_of, event_seconds, need, owner_seconds, request_seconds
from bench.pages import markdown_table, write_block
from bench.queues import quantile

PAGE = Path(__file__).resolve().parent.parent / "docs" / "capacity.md"

LOADS = (
    Load(50, answer_seconds=3),
    Load(500, answer_seconds=3),
    Load(2000, answer_seconds=3),
    Load(10_000, answer_seconds=3),
    Load(50, prompt="large"),
    Load(500, prompt="large"),
    Load(50, stream_seconds=8),
    Load(500, stream_seconds=8),
    Load(2000, stream_seconds=8),
)
"""The loads that the page reckons."""

VOICE_FRAMES = 50
"""Frames a second of a session of voice, each way."""


def write_page(measured: Measured) -> None:
    """Write all blocks."""
    for name, text in blocks(measured).items():
        write_block(PAGE, name, text)


def blocks(measured: Measured) -> dict[str, str]:
    """The blocks by name."""
    return {
        "core": core_table(measured),
        "walls": walls_table(measured),
        "growth": growth_table(measured),
        "loads": loads_table(measured),
        "held against": held_against(measured),
    }


def core_table(measured: Measured) -> str:
    """What one core does."""
    service = measured["service"]
    rows = []
    for name, form in (
        ("a small chat, answered whole", "whole"),
        ("a prompt of 64 KiB, read for its tokens", "large"),
        ("a stream of 50 events that come at once", "burst"),
        ("a stream of 50 events that come one by one", "paced"),
    ):
        light, busy = service[form].get("light"), service[form]["busy"]
        rows.append(
            [
                name,
                f"{light['worker_us']:,.0f}" if light else "-",
                f"{busy['worker_us']:,.0f}",
                f"{1e6 / busy['worker_us']:,.0f}",
                f"{busy['owner_us']:,.0f}",
            ]
        )
    head = ["CPU of a request, us", "worker, idle in between", "worker, busy", "a second of a worker", "supervisor"]
    event = f"An event of a stream that comes alone costs a worker {event_seconds(measured) * 1e6:,.0f} us."
    rest = measured["at_rest"]
    idle = f"A service of which nothing is asked takes {rest['worker'] + rest['owner']:.1%} of a core."
    return f"{_measured(measured)}\n{markdown_table(head, rows)}\n{event} {idle}\n"


def walls_table(measured: Measured) -> str:
    """Where it ends, in the order in which one comes there."""
    ledger = measured["ledger"]
    worker = BUSIEST / request_seconds(measured)
    rows = [
        ["a worker: one core", f"{worker:,.0f} small chats a second", "more workers"],
        [
            "the supervisor: budgets and index of a host, drawn ahead",
            f"{BUSIEST / owner_seconds(measured):,.0f} requests a second, {BUSIEST / owner_seconds(measured) / worker:,.0f} workers",
            "another host",
        ],
        [
            "the supervisor where a budget is nearly spent: each request asks",
            f"{BUSIEST * 1e6 / ledger['tight']['owner_us']:,.0f} requests a second",
            "another host; or a larger budget",
        ],
    ]
    for name, what in (
        ("redis leases", "a shared Redis, drawn ahead"),
        ("redis tight", "a shared Redis where a budget is nearly spent"),
    ):
        if name in ledger:
            found = ledger[name]
            rows.append(
                [
                    what,
                    f"{BUSIEST * 1e6 / found['redis_us']:,.0f} requests a second of all hosts, {found['redis_commands']:.2f} commands each",
                    "budgets apart, each group of hosts with its own Redis",
                ]
            )
    return markdown_table(["wall", f"at {BUSIEST:.0%} of a core", "what then"], rows)


def growth_table(measured: Measured) -> str:
    """What grows with what."""
    kept, disk = measured["waiting"], measured["disk"]

    def line(what: str, memory: str, descriptors: str = "-", bytes_: str = "-") -> list[str]:
        return [what, memory, descriptors, bytes_]

    rows = [
        line("a service", f"{kept['owner_mib']:,.0f} MiB"),
        line("a worker", f"{kept['worker_mib']:,.0f} MiB"),
        line("an idle connection", f"{kept['connection_kib']:,.0f} KiB", f"{kept['connection_descriptors']:.0f}"),
        line(
            "a request that waits for its answer",
            f"{kept['request_kib']:,.0f} KiB",
            f"{kept['request_descriptors']:.0f}",
        ),
        line("a stream that runs", f"{kept['stream_kib']:,.0f} KiB", f"{kept['stream_descriptors']:.0f}"),
        line("a session of voice, silent", f"{kept['session_kib']:,.0f} KiB", "2"),
        line(
            "a request that is over",
            "-",
            "-",
            f"{disk['journal_bytes']:,} of journal, {disk['index_bytes']:,} of index",
        ),
    ]
    return markdown_table(["each", "memory", "descriptors", "bytes on disk"], rows)


def loads_table(measured: Measured) -> str:
    """What some loads need."""
    rows = []
    for load in LOADS:
        found: Need = need(measured, load)
        what = (
            f"streams of {load.stream_seconds:g} s"
            if load.stream_seconds
            else f"answers after {load.answer_seconds:g} s"
        )
        if load.prompt == "large":
            what = f"64 KiB, {what}"
        rows.append(
            [
                f"{load.rps:,.0f}",
                what,
                f"{found.workers:,}",
                f"{found.hosts:,}",
                f"{found.busy:.0%}",
                f"{found.added_p50:.2f}",
                f"{found.added_p99:.2f}",
                f"{found.under_way:,}",
                f"{found.memory_mib:,}",
                f"{found.journal_gb_a_day:,.0f}",
                f"{found.supervisor:.1%}",
                f"{found.redis_commands:,.0f}" if found.redis_commands else "-",
            ]
        )
    head = [
        "requests a second",
        "kind",
        "workers",
        "hosts",
        "busy",
        "added p50, ms",
        "added p99, ms",
        "under way",
        "MiB",
    ]
    return markdown_table([*head, "GB of journal a day", "supervisor", "Redis commands a second"], rows)


def held_against(measured: Measured) -> str:
    """What is reckoned beside what was measured."""
    rows = []
    for run in measured["runs"]:
        reckoned, found = delays_of(measured, run)
        cells = [f"{run['rate']:,}", f"{run['rate'] * (run['worker_us'] + run['owner_us']) / 1e6:.0%}"]
        cells += [f"{found[each] * 1e3:.2f} / {quantile(reckoned, each / 100) * 1e3:.2f}" for each in (50, 90, 95, 99)]
        rows.append(cells)
    head = ["requests a second", "busy", "p50", "p90", "p95", "p99"]
    return f"Milliseconds added, measured / reckoned:\n\n{markdown_table(head, rows)}"


def _measured(measured: Measured) -> str:
    return f"Measured {measured['date']} by `python bench/capacity.py --measure --write`, on {measured['machine']}, Python {measured['python']}.\n"
