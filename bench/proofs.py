"""Proofs: seconds that `check` takes to prove a policy, by rules, guarantees and models.

    python bench/proofs.py [--quick]

A policy of teams with their own rules, tags and thresholds, guarantees over teams, models in two regions: once kept, so
that all is gone through, and once broken. Times are CPU times of the process, the best of a few rounds.
"""

from __future__ import annotations

import argparse
import platform
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.policies import TABLE, tenant, wild
from routebook.policy.proofs import Ordered
from routebook.policy.regions import Space
from routebook.routing.reading.loading import load_sources

SIZES = ((10, 5, 10), (100, 10, 20), (1000, 20, 50), (3000, 20, 50))
"""Rules, guarantees and models."""

GATE = 2.0
"""Seconds that the proofs of 1,000 rules, 20 guarantees and 50 models may take."""

GATED = (1000, 20, 50)


def main() -> int:
    """Measure and print; 1 where a figure misses what the project promises."""
    parser = argparse.ArgumentParser(description="Measure proofs.")
    parser.add_argument("--quick", action="store_true", help="small sizes and one round, to see that it works")
    args = parser.parse_args()
    sizes, rounds = (SIZES[:2], 1) if args.quick else (SIZES, 3)
    print(f"Python {platform.python_version()}, {platform.machine()}; seconds")
    print(f"{'rules, guarantees, models':<30}{'reading':>10}{'proofs':>10}  found")
    kept = True
    for size in sizes:
        for broken in (False, True):
            reading, proofs, found = measured(*size, broken, rounds)
            label = f"{size[0]:,}, {size[1]}, {size[2]}" + (" (broken)" if broken else "")
            print(f"{label:<30}{reading:>10.2f}{proofs:>10.2f}  {found}", flush=True)
            kept = kept and (size != GATED or proofs <= GATE)
    print(f"\n{'dead rules and gaps alone':<30}{'tenant':>10}{'wild':>10}")
    for count, *_ in sizes:
        print(f"{count:<30,}{of_rules(tenant, count):>10.2f}{of_rules(wild, count):>10.2f}", flush=True)
    return 0 if kept else 1


def measured(rules: int, guarantees: int, models: int, broken: bool, rounds: int) -> tuple[float, float, str]:
    """Seconds to read a policy, seconds more to prove it, and what was found."""
    text = policy(rules, guarantees, models, broken)
    reading = min(seconds(lambda: load_sources([("bench.yaml", text)], proving=False)) for _ in range(rounds))
    whole = min(seconds(lambda: load_sources([("bench.yaml", text)])) for _ in range(rounds))
    problems = load_sources([("bench.yaml", text)]).problems
    codes = [problem.code for problem in problems.found]
    return (
        reading,
        max(0.0, whole - reading),
        ", ".join(f"{codes.count(code)} {code[7:]}" for code in sorted(set(codes))),
    )


def of_rules(family: Callable[[int], tuple[object, ...]], count: int) -> float:
    """Seconds to find the dead rules and the gaps of a family of policies."""
    whens = [rule.when for rule in family(count)]  # type: ignore[attr-defined]

    def prove() -> None:
        found = Ordered(Space(whens, TABLE), whens)
        list(found.standings())
        found.gap()

    return seconds(prove)


def seconds(what: Callable[[], object]) -> float:
    """CPU seconds that something takes."""
    before = time.process_time()
    what()
    return time.process_time() - before


def policy(rules: int, guarantees: int, models: int, broken: bool) -> str:
    """A policy as text. Rules stay in the region that the guarantees demand of their team, or, broken, one in fifty does
    not."""
    dice = random.Random(rules)
    teams = [f"team-{number}" for number in range(max(4, rules // 10))]
    far = [f"m{number}" for number in range(models) if number % 2]
    near = [f"m{number}" for number in range(models) if not number % 2]
    guarded = teams[:guarantees]
    lines = ["version: 1", "providers:"]
    for name, region in (("near", "eu"), ("far", "us")):
        lines.append(
            f"  {name}: {{dialect: openai, base_url: 'https://{name}.example', region: {region}, accounts: [{{name: a}}]}}"
        )
    lines.append("models:")
    lines += [
        f"  {name}: {{provider: {'near' if name in near else 'far'}, context: 1M, price: {{input: 1, output: 1}}}}"
        for name in (*near, *far)
    ]
    lines.append("rules:")
    for number in range(rules - len(guarded) - 1):
        team = dice.choice(teams)
        to = dice.sample(near if team in guarded and not (broken and number % 50 == 0) else near + far, 3)
        lines.append(f"  - {{name: r{number}, when: {{{condition(dice, team)}}}, route: {{to: [{', '.join(to)}]}}}}")
    lines += [
        f"  - {{name: last-{team}, when: {{client.team: {{any: [{team}], missing: holds}}}}, route: {{to: [{near[0]}]}}}}"
        if team == guarded[0]
        else f"  - {{name: last-{team}, when: {{client.team: {team}}}, route: {{to: [{', '.join(near[:3])}]}}}}"
        for team in guarded
    ]
    lines.append("  - {name: last, route: {to: requested}}")
    lines.append("guarantees:")
    for team in guarded:
        lines.append(f"  - {{name: g-{team}, when: {{client.team: {team}}}, only: {{region: eu}}}}")
    return "\n".join(lines) + "\n"


def condition(dice: random.Random, team: str) -> str:
    """A team, and one to three further tests."""
    tests = [
        f"tags: {{{dice.choice(('any', 'all', 'none'))}: [tag-{dice.randrange(40)}, tag-{dice.randrange(40, 60)}]}}",
        f"request.model: {{prefix: [gpt-{dice.randrange(9)}, m{dice.randrange(9)}]}}",
        f"prompt.tokens: {{{dice.choice(('at_least', 'below'))}: {dice.choice((1, 2, 4, 8, 16, 32, 64))}k}}",
        f"time.of_day: {{from: '{dice.randrange(24):02}:00', to: '{dice.randrange(24):02}:30'}}",
    ]
    return ", ".join([f"client.team: {team}", *dice.sample(tests, dice.randint(1, 3))])


if __name__ == "__main__":
    sys.exit(main())
