"""What judging prompts costs: microseconds by prompt size and kind, of the scorer alone and of a whole decision.

    python bench/scorer.py [--quick]

Times are CPU times of the process, each prompt's best of three, the median over many prompts that are all different. A decision reads the body, decides the rule and plans the route; with the scorer the route weighs predicted quality,
without it the cheapest wins. Then what the three ways to weigh quality and cost send to the large model.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.arms import ARMS, COMPLEX, POLICY, SIMPLE, first, policy_of, shares
from routebook.routing.planning import Planner
from routebook.scoring.shipped import shipped

SIZES = (300, 4 * 1024, 64 * 1024, 1024 * 1024)
"""Characters of a prompt."""

GATES = {4 * 1024: 500.0}
"""Microseconds that the scorer may take at a size, in the median."""

MOST = 1000.0
"""Microseconds that it may take at any size, in the median."""

ROUNDS = 3
"""How often each prompt is judged; the best counts, for others on the machine only ever add."""

WORDS = tuple(" ".join((*SIMPLE, *COMPLEX)).split())
CODE = (
    "def f(x):",
    "    return x + 1",
    "for i in range(10):",
    "    total[i] = i * 3.5",
    "class A:",
    "    pass",
    "}",
    "{",
)
CHINESE = "请解释为什么天空是蓝色的并且给出三个例子说明光的散射现象然后证明这个结论"


def prose(dice: random.Random) -> str:
    """A word of English."""
    return dice.choice(WORDS) + " "


def code(dice: random.Random) -> str:
    """A line of a program."""
    return dice.choice(CODE) + f"  # {dice.randrange(1000)}\n"


def chinese(dice: random.Random) -> str:
    """A few signs of Chinese."""
    start = dice.randrange(len(CHINESE) - 3)
    return CHINESE[start : start + 3] + "，"


KINDS: dict[str, Callable[[random.Random], str]] = {"prose": prose, "code": code, "Chinese": chinese}


def main() -> int:
    """Measure and print; 1 where a figure misses what the project promises."""
    parser = argparse.ArgumentParser(description="Measure the scorer.")
    parser.add_argument("--quick", action="store_true", help="few prompts, to see that it works")
    count = 5 if parser.parse_args().quick else 120
    print(f"Python {platform.python_version()}, {platform.machine()}; scorer {shipped().version} ({shipped().digest})")
    kept = alone(count)
    decisions(count)
    return 0 if arms() and kept else 1


def prompts(kind: str, size: int, count: int) -> list[str]:
    """Prompts of a size, all different."""
    dice = random.Random(size)
    some = [KINDS[kind](dice) for _ in range(size)]
    found = []
    for _ in range(count):
        start, text = dice.randrange(len(some)), ""
        while len(text) < size:
            text += "".join(some[start:] or some)[:size]
            start = 0
        found.append(text[:size])
    return found


def figures(run: Callable[[str], object], some: Sequence[str]) -> tuple[float, float]:
    """Median and 99th percentile of microseconds."""
    run(some[0])
    gc.collect()
    gc.disable()
    times = []
    for each in some:
        taken = []
        for _ in range(ROUNDS):
            began = time.process_time_ns()
            run(each)
            taken.append(time.process_time_ns() - began)
        times.append(min(taken) / 1000)
    gc.enable()
    times.sort()
    return statistics.median(times), times[min(len(times) - 1, len(times) * 99 // 100)]


def alone(count: int) -> bool:
    """The scorer; whether the promises are kept."""
    print("\nScorer alone, us: median / 99th percentile\n" + row("prompt", [f"{size:,}" for size in SIZES]))
    kept = True
    for kind in KINDS:
        cells = []
        for size in SIZES:
            middle, high = figures(shipped().score, prompts(kind, size, count if size < SIZES[-1] else 5))
            kept = kept and middle <= GATES.get(size, MOST)
            cells.append(f"{middle:,.0f} / {high:,.0f}")
        print(row(kind, cells), flush=True)
    print(f"promised: {GATES[SIZES[1]]:.0f} us at {SIZES[1]:,} and {MOST:.0f} us at any size, in the median")
    return kept


def decisions(count: int) -> None:
    """A whole decision with the scorer, and without."""
    print("\nA decision on a request, us: with the scorer / without\n" + row("prompt", [f"{size:,}" for size in SIZES]))
    with_it, without = (
        policy_of(POLICY.format(rules=f"  - {{name: any, route: {{to: [large, small], {terms}}}}}"))
        for terms in ("pick: balanced", "pick: cheapest")
    )
    planners = Planner(with_it), Planner(without)
    for kind in KINDS:
        cells = []
        for size in SIZES:
            some = prompts(kind, size, count if size < SIZES[-1] else 5)
            on = figures(lambda prompt: first(with_it, planners[0], prompt), some)[0]
            off = figures(lambda prompt: first(without, planners[1], prompt), some)[0]
            cells.append(f"{on:,.0f} / {off:,.0f}")
        print(row(kind, cells), flush=True)
    size = len(json.dumps({"messages": [{"role": "user", "content": ""}]}))
    print(f"(writing and reading the body, {size} bytes and the prompt, is part of both)")


def arms() -> bool:
    """What each arm sends to the large model; whether simple prompts never go there more often than complex ones."""
    print(f"\nTo the large model, of {len(SIMPLE)} simple and {len(COMPLEX)} complex prompts")
    found = shares()
    for arm, share in found.items():
        print(f"  {arm:10} {ARMS[arm]:28} {share.simple:2} simple, {share.complex:2} complex")
    return all(share.simple <= share.complex for share in found.values())


def row(name: str, cells: Sequence[str]) -> str:
    """A line of a table."""
    return f"{name:12}" + "".join(f"{cell:>18}" for cell in cells)


if __name__ == "__main__":
    sys.exit(main())
