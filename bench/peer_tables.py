"""What the comparison with other gateways found, as tables: a short one for the README, all of it for docs/benchmarks.md."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from bench.pages import markdown_table, write_block

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results" / "peers.json"
README, PAGE = ROOT / "README.md", ROOT / "docs" / "benchmarks.md"

FLOOR = "aiohttp relay"
"""The subject that ratios are taken to."""

ONLY_ON_THE_PAGE = ("haproxy",)
"""What the short table leaves out: it costs what nginx costs."""

FIGURES = ("rps", "cpu_us", "p50", "p99", "first_p50", "first_p99", "requests", "failures", "all")
"""What is kept of a run. Times are in microseconds; `cpu_us` is CPU time of the gateway for each of `all` requests."""


class Form(Enum):
    """What is asked: a small chat answered whole, one with a prompt of 64 KiB, and streams of 50 events, which the model API
    sends at once or 10 ms apart."""

    WHOLE = "a small chat, answered whole"
    LARGE = "a prompt of 64 KiB, answered whole"
    BURST = "a stream of 50 events, sent at once"
    PACED = "a stream of 50 events, 10 ms apart"

    @property
    def least_seconds(self) -> float:
        """How long a run must last at the least, for each client to ask several times."""
        return 3.0 if self is Form.PACED else 0.0


@dataclass(frozen=True, slots=True)
class Test:
    """A form, asked over so many connections, each of which asks again as soon as it is answered."""

    form: Form
    clients: int

    @property
    def name(self) -> str:
        """As results and tables have it."""
        return f"{self.form.name.lower()}, {self.clients}"


TESTS = (
    *(Test(form, clients) for form in (Form.WHOLE, Form.LARGE, Form.BURST) for clients in (1, 16, 64)),
    Test(Form.PACED, 16),
)

Results = Mapping[str, Any]
"""What `bench/peers.py` stores."""


def stored(results: Results) -> str:
    """The results as a file: a line for each subject of each test."""
    head = {key: value for key, value in results.items() if key != "runs"}
    tests = ",\n".join(
        f"  {json.dumps(test)}: {{\n"
        + ",\n".join(f"    {json.dumps(name)}: {json.dumps(runs)}" for name, runs in subjects.items())
        + "\n  }"
        for test, subjects in results["runs"].items()
    )
    return json.dumps(head, indent=1)[:-2] + f',\n "runs": {{\n{tests}\n }}\n}}\n'


def load(path: Path = RESULTS) -> Results:
    """What was stored."""
    results: Results = json.loads(path.read_text("utf-8"))
    return results


def write_pages(results: Results) -> None:
    """Write the tables into their pages."""
    write_block(README, "peers", short_table(results))
    write_block(PAGE, "peers", whole_tables(results))


def median(results: Results, test: str, name: str, key: str) -> float | None:
    """Over the rounds; None where it was not measured, or nothing was answered in the time that counts."""
    answered = "all" if key == "cpu_us" else "requests"
    found = [each[key] for each in results["runs"].get(test, {}).get(name, ()) if each[answered]]
    return statistics.median(found) if found else None


def names_of(results: Results) -> list[str]:
    """The gateways, in the order in which they were measured."""
    return list(results["gateways"])


def short_table(results: Results) -> str:
    """One row for each gateway: what a second of a core is good for, what is added, and memory."""
    rows = []
    for name in names_of(results):
        if name in ONLY_ON_THE_PAGE:
            continue
        cells = [_per_second(results, test, name) for test in ("whole, 64", "large, 64", "burst, 64")]
        ratio = _ratio(results, "whole, 64", name)
        added = _milliseconds(_added(results, "whole, 1", name, "p50"))
        first = _milliseconds(_added(results, "paced, 16", name, "first_p50"))
        memory = f"{results['gateways'][name]['mib_after']:,.0f}"
        strong = f"**{name}**" if name == "Routebook" else name
        rows.append([f"{strong} {results['gateways'][name]['version']}", *cells, ratio, added, first, memory])
    head = ["a second of one core", "chats", "64 KiB prompts", "streams", "CPU a chat", "adds", "first event", "MiB"]
    return (
        markdown_table(head, rows) + f"\nMeasured {results['date']} by `{results['command']}`, {_machine(results)}.\n"
    )


def whole_tables(results: Results) -> str:
    """Everything that was measured."""
    where = f"{_machine(results)}, Python {results['python']}, medians of {results['rounds']} interleaved rounds"
    parts = [f"Measured {results['date']} by `{results['command']}`: {where}.\n"]
    tests = {test.name: test for test in TESTS}
    for name in results["runs"]:
        clients = tests[name].clients
        parts.append(f"\n### {tests[name].form.value}: {clients} {'client' if clients == 1 else 'clients'}\n\n")
        parts.append(_test_table(results, name))
    parts += ["\n### Memory, and the start\n\n", _memory_table(results)]
    parts += ["\n### Not measured\n\n", *(f"- {name}: {why}.\n" for name, why in results["left_out"].items())]
    return "".join(parts)


def _test_table(results: Results, test: str) -> str:
    rows = []
    for name in ["direct", *names_of(results)]:
        runs = results["runs"][test].get(name)
        if not runs:
            continue
        direct = name == "direct"
        rows.append(
            [
                "no gateway" if direct else name,
                "-" if direct else _number(median(results, test, name, "cpu_us"), ",.0f"),
                "-" if direct else _ratio(results, test, name),
                "-" if direct else _per_second(results, test, name),
                _number(median(results, test, name, "rps"), ",.0f"),
                *("-" if direct else _milliseconds(_added(results, test, name, key)) for key in ("p50", "p99")),
                *("-" if direct else _milliseconds(_added(results, test, name, "first_p50")) for _ in (1,)),
                f"{sum(each['failures'] for each in runs):,}",
            ]
        )
    head = [
        "",
        "CPU, us",
        "x relay",
        "a second of CPU",
        "answers/s",
        "added p50, ms",
        "added p99, ms",
        "first byte, ms",
    ]
    return markdown_table([*head, "failed"], rows)


def _memory_table(results: Results) -> str:
    rows = [
        [
            f"{name} {told['version']}",
            f"{told['mib_before']:,.0f}",
            f"{told['mib_after']:,.0f}",
            f"{told['seconds_to_answer']:.1f}",
            told["what"],
            told["needs"],
        ]
        for name, told in results["gateways"].items()
    ]
    return markdown_table(
        [
            "",
            "MiB at rest",
            "MiB after all tests",
            "seconds to the first answer",
            "what it is",
            "what it needs at the start",
        ],
        rows,
    )


def _machine(results: Results) -> str:
    return f"on {results['machine']}"


def _per_second(results: Results, test: str, name: str) -> str:
    used = median(results, test, name, "cpu_us")
    return _number(1e6 / used if used else None, ",.0f")


def _ratio(results: Results, test: str, name: str) -> str:
    used, floor = median(results, test, name, "cpu_us"), median(results, test, FLOOR, "cpu_us")
    return f"{used / floor:.2f}x" if used is not None and floor else "-"


def _added(results: Results, test: str, name: str, key: str) -> float | None:
    found, direct = median(results, test, name, key), median(results, test, "direct", key)
    return None if found is None or direct is None else found - direct


def _milliseconds(microseconds: float | None) -> str:
    return "-" if microseconds is None else f"{microseconds / 1000:,.2f}"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
