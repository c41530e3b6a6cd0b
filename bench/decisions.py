"""Decisions: microseconds by number of rules, against other engines; compile time and memory; a torture test.

    python bench/decisions.py [--quick] [--sizes 10,100,1000,10000]

Every engine decides the same requests for the same rules; before it is timed, its decisions are compared with the rules
as they read. Requests are warm (models and tags repeat) unless a row says otherwise. Times are CPU times of the
process, the best of several rounds (others on the machine only ever add); trust ratios, not absolute figures. Memory is
the peak of a process of its own.
"""

from __future__ import annotations

import argparse
import gc
import importlib.metadata
import platform
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.engines import ENGINES, Engine, Rules
from bench.policies import TABLE, Chaos, Sheet, sheet, tenant, wild
from routebook.policy.rules import first_match
from routebook.policy.tree import DecisionTree
from routebook.routing.fact_table import FACTS

SIZES = (10, 100, 1000, 10_000)
ROUNDS = 5
SECONDS = 0.25
"""How long one engine decides in one round at most."""

CHUNK = 20
"""Decisions between two looks at the clock."""

GATES = {10: 5.0, 10_000: 15.0}
"""Microseconds that a decision may take at so many rules, steps included, also with values never seen before."""


def main() -> int:
    """Measure and print; 1 where a figure misses what the project promises."""
    parser = argparse.ArgumentParser(description="Measure decisions against other engines.")
    parser.add_argument("--quick", action="store_true", help="small sizes and one round, to see that it works")
    parser.add_argument("--sizes", type=lambda text: tuple(map(int, text.split(","))), default=SIZES)
    parser.add_argument("--memory", nargs=2, metavar=("FAMILY", "RULES"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.memory:
        return memory_of(args.memory[0], int(args.memory[1]))
    sizes, rounds = ((10, 100), 1) if args.quick else (args.sizes, ROUNDS)
    print(f"Python {platform.python_version()}, {platform.machine()}; rules of the tenant family unless said")
    against_engines(sizes, rounds)
    kept = alone(sizes, rounds)
    compiling(sizes)
    return 0 if kept else 1


def against_engines(sizes: Sequence[int], rounds: int) -> None:
    """Microseconds a decision, and how many times that of Routebook."""
    print("\nDecision, us (times Routebook's)\n" + row("engine", [f"{size:,} rules" for size in sizes]))
    base: list[float] = []
    for name, build in ENGINES.items():
        cells = []
        for place, size in enumerate(sizes):
            try:
                figure = measured(build, tenant(size), requests(size), rounds)
            except ImportError:
                cells = ["not installed"]
                break
            if name == "routebook":
                base.append(figure)
            cells.append(f"{figure:,.1f}" + ("" if name == "routebook" else f" ({figure / base[place]:,.0f}x)"))
        print(row(labelled(name), cells), flush=True)


def labelled(name: str) -> str:
    """An engine's name with its version, where it is a package of its own."""
    try:
        return f"{name} {importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError:
        return name


def requests(size: int, *, cold: bool = False, count: int = 2000) -> list[Sheet]:
    """Requests for a policy of a size."""
    random_ = random.Random(size)
    return [sheet(random_, size, cold=cold) for _ in range(count)]


def measured(build: Callable[[Rules], Engine], rules: Rules, sheets: Sequence[Sheet], rounds: int) -> float:
    """Mean microseconds of a decision in the best round, after comparing some with the rules as they read."""
    decide, prepare = build(rules)
    for facts in sheets[:20]:
        expected = first_match(rules, facts.get)
        assert expected is not None
        found = decide(prepare(facts))
        assert found == expected.outcome, f"decided {found}, the rules say {expected.outcome}"
    prepared = [prepare(facts) for facts in sheets]
    return min(timed(decide, prepared) for _ in range(rounds))


def timed(decide: Callable[[Any], object], prepared: Sequence[Any]) -> float:
    """Mean microseconds of a decision over the requests, or as many as fit into the time."""
    gc.collect()
    gc.disable()
    started, done = time.process_time(), 0
    while done < len(prepared) and time.process_time() - started < SECONDS:
        for request in prepared[done : done + CHUNK]:
            decide(request)
        done += CHUNK
    elapsed = time.process_time() - started
    gc.enable()
    return elapsed / min(done, len(prepared)) * 1e6


def alone(sizes: Sequence[int], rounds: int) -> bool:
    """Routebook by family, warm and cold, and how many facts it asks for; whether the promises are kept."""
    print(
        "\nRoutebook alone: us with steps / without, questions asked\n"
        + row("rules and requests", [f"{size:,} rules" for size in sizes])
    )
    kept = True
    for family in (tenant, wild):
        for cold in (False, True):
            cells = []
            for size in sizes:
                rules = family(size)
                figures = [figures_of(rules, size, cold=cold) for _ in range(rounds)]
                full, bare, asked = map(min, zip(*figures, strict=True))
                kept = kept and full <= GATES.get(size, full)
                cells.append(f"{full:.1f} / {bare:.1f}, {asked:.1f}")
            print(row(f"{family.__name__}, {'never seen before' if cold else 'warm'}", cells), flush=True)
    print(
        "promised: "
        + ", ".join(f"at most {most:g} us at {size:,} rules" for size, most in GATES.items())
        + (": kept" if kept else ": MISSED")
    )
    return kept


def figures_of(rules: Rules, size: int, *, cold: bool) -> tuple[float, float, float]:
    """Microseconds with the steps spelled out, without, and the mean number of questions; by a tree of its own."""
    tree = DecisionTree(rules, TABLE)
    asks = [facts.get for facts in requests(size, cold=cold, count=4000)]
    bare = timed(tree.decide, asks[:2000])
    full = timed(lambda ask: tree.decide(ask).steps, asks[2000:])
    return full, bare, statistics.mean(len(tree.decide(ask).steps) for ask in asks[:200])


def compiling(sizes: Sequence[int]) -> None:
    """Compile time and peak memory, each in a process of its own."""
    print(
        "\nCompiling: ms, and the peak of the whole process in MB (an empty interpreter and the modules included)\n"
        + row("rules", [f"{size:,} rules" for size in sizes])
    )
    for family in ("tenant", "wild", "chaos"):
        cells = []
        for size in sizes:
            output = subprocess.run(
                [sys.executable, __file__, "--memory", family, str(size)], check=True, capture_output=True, text=True
            ).stdout.split()
            cells.append(f"{float(output[0]):,.0f} ms, {float(output[1]):,.0f} MB")
        print(row({"chaos": "chaos: every fact and operator"}.get(family, family), cells), flush=True)


def memory_of(family: str, size: int) -> int:
    """Compile in this process and decide a thousand times; print milliseconds and the peak of memory."""
    rules = {"tenant": tenant, "wild": wild, "chaos": Chaos(FACTS).rules}[family](size)
    started = time.process_time()
    tree = DecisionTree(rules, FACTS)
    elapsed = (time.process_time() - started) * 1e3
    random_, chaos = random.Random(size), Chaos(FACTS)
    for _ in range(1000):
        tree.decide(chaos.sheet(random_) if family == "chaos" else sheet(random_, size, cold=True).get)
    print(elapsed, peak())
    return 0


def peak() -> float:
    """The most memory that this process ever had, in MB. (`ru_maxrss` would count what its parent had at the fork.)"""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def row(first: str, cells: Sequence[str]) -> str:
    """One line of a table."""
    return f"  {first:<36}" + "".join(f"{cell:>22}" for cell in cells)


if __name__ == "__main__":
    sys.exit(main())
