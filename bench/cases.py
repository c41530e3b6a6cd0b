"""A policy's own tests: seconds to suggest them, to run them, and to see what they reach, by the number of rules.

    python bench/cases.py [--quick]

The policy is that of the proofs (`bench/proofs.py`). Cases are suggested for all of it, then so many are run. Times are CPU
times of the process.
"""

from __future__ import annotations

import argparse
import itertools
import platform
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.proofs import policy, seconds
from routebook.routing.cases.case import PolicyTest
from routebook.routing.cases.coverage import Tally, coverage
from routebook.routing.cases.judging import Verdicted, judge
from routebook.routing.cases.running import Runner
from routebook.routing.cases.suggesting import Left, Suggestion, suggest
from routebook.routing.cases.witnesses import Witnesses
from routebook.routing.policy import Policy
from routebook.routing.reading.loading import load_sources

RULES = (10, 100, 300, 1000)

CASES = 1000
"""Tests that are run."""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure a policy's own tests.")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
    args = parser.parse_args()
    cases = 50 if args.quick else CASES
    print(f"Python {platform.python_version()}, {platform.machine()}; seconds")
    print(
        f"{'rules':<8}{'branches':>9}{'suggest':>10}{'cases':>8}{f'run {cases:,}':>10}{'reach':>8}  coverage of the cases"
    )
    for rules in RULES[:2] if args.quick else RULES:
        print(line(rules, cases), flush=True)
    return 0


def line(rules: int, count: int) -> str:
    """One size, measured."""
    loaded = load_sources([("bench.yaml", policy(rules, min(5, rules // 2), 20, broken=False))], proving=False).policy
    assert loaded is not None
    found: list[Suggestion | Left] = []
    suggesting = seconds(lambda: found.extend(suggest(Runner(loaded), Tally(loaded), Witnesses(loaded))))
    cases = [each.case for each in found if isinstance(each, Suggestion)]
    many = list(itertools.islice(itertools.cycle(cases), count))
    verdicts: list[Verdicted] = []
    running = seconds(lambda: verdicts.extend(run(loaded, many)))
    tally = Tally(loaded)
    reaching = seconds(lambda: [tally.add(verdict.came) for verdict in verdicts])
    whole = coverage(tally, Witnesses(loaded)).whole
    assert not any(verdict.faults for verdict in verdicts)
    return (
        f"{rules:<8,}{whole.of:>9,}{suggesting:>10.2f}{len(cases):>8,}{running:>10.2f}{reaching:>8.2f}"
        f"  {float(whole.percent):.1f} %, {whole.unreachable:,} out of reach"
    )


def run(loaded: Policy, cases: list[PolicyTest]) -> list[Verdicted]:
    """What came of each."""
    runner = Runner(loaded)
    return [judge(runner, case) for case in cases]


if __name__ == "__main__":
    sys.exit(main())
