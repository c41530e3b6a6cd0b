"""Replay and diff: seconds to decide recorded requests again, by how many there are, and to compare policies, by their rules.

    python bench/replay.py [--quick]

Records of a policy of a hundred rules for teams, made by deciding and planning some thousand random requests and written
again and again under new ids, two lines each, as a proxy with 64 requests in flight writes them. They are replayed as
operators do it, by `routebook replay`: each under its own policy (`own`); under one with another rule in front
(`a rule`), where most plans are known to be what they were; and under one with other prices (`prices`), where every
plan is made again. Wall-clock seconds, with as many processes as there are processors.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.proofs import policy as proven_policy
from routebook.catalogue.callers import Client
from routebook.chat.usage import Usage
from routebook.edge.journal.records import first_id
from routebook.edge.journal.snapshots import save_snapshot
from routebook.edge.journal.writer import DIRECTORY, ROTATE_BYTES
from routebook.protocols.openai_chat.request import read_chat
from routebook.routing.comparing.regions import compare
from routebook.routing.demand import LiveDemand
from routebook.routing.facts import RequestFacts
from routebook.routing.memory import Remembered
from routebook.routing.meter import metered
from routebook.routing.outcomes import Route
from routebook.routing.planning import Planner
from routebook.routing.policy import Policy
from routebook.routing.reading.loading import load_sources
from routebook.routing.record import Ending, Heading, decided_line, ended_line

SIZES = (10_000, 100_000, 1_000_000)
"""Records."""

GATE, PROCESSORS = 60.0, 2
"""Seconds of the clock that a replay of a million records may take, on so many processors."""

DIFFS = ((10, 2, 10), (100, 10, 20), (1000, 20, 50))
"""Rules, guarantees and models of policies that are compared."""

RULES, MODELS, DISTINCT, IN_FLIGHT = 100, 10, 4000, 64
BEGAN = 1_763_719_200.0


def main() -> int:
    """Measure and print; 1 where a figure misses what the project promises."""
    parser = argparse.ArgumentParser(description="Measure replay.")
    parser.add_argument("--quick", action="store_true", help="few records, to see that it works")
    args = parser.parse_args()
    sizes, diffs = (SIZES[:1], DIFFS[:2]) if args.quick else (SIZES, DIFFS)
    print(
        f"Python {platform.python_version()}, {platform.machine()}, {len(os.sched_getaffinity(0))} processors; seconds"
    )
    print(f"{'records':>10}{'MB':>8}{'own':>18}{'a rule':>18}{'prices':>18}")
    kept = True
    with tempfile.TemporaryDirectory() as folder:
        served, policies = prepared(Path(folder))
        pairs = list(lines(served, DISTINCT))
        for count in sizes:
            state = Path(folder) / f"var-{count}"
            size = write_journal(state, pairs, count)
            save_snapshot(state, served.digest, served.sources)
            times = [replayed(state, "--own", count)]
            times += [replayed(state, f"--policy={path}", count) for path in policies]
            shown = "".join(f"{clock:>9.1f} ({cpu / PROCESSORS:>5.1f})" for clock, cpu in times)
            print(f"{count:>10,}{size / 1e6:>8,.0f}{shown}", flush=True)
            kept = kept and (count < SIZES[-1] or max(cpu for _, cpu in times) / PROCESSORS <= GATE)
            for path in (state / DIRECTORY).iterdir():
                path.unlink()
    print(f"\n{'rules':>10}" + "".join(f"{name:>18}" for name in ("same", "a rule", "wide", "bounds", "order")))
    for size in diffs:
        found = [f"{cpu:>9.2f} {changes:>8}" for cpu, changes in compared(*size)]
        print(f"{size[0]:>10,}" + "".join(found) + "   (with the regions found)", flush=True)
    return 0 if kept else 1


def compared(rules: int, guarantees: int, models: int) -> Iterator[tuple[float, int]]:
    """CPU seconds to compare a policy with others, and how many regions are found."""
    text = proven_policy(rules, guarantees, models, broken=False)
    before, _, body = text.partition("rules:\n")
    own = [line for line in body.splitlines() if line.startswith("  - {name: r")]
    shuffled = random.Random(1).sample(own, len(own))
    front = "  - {name: new, when: {%s}, route: {to: [m0, m2]}}\n"
    old = read(text)
    for other in (
        text,
        f"{before}rules:\n{front % 'client.team: team-3'}{body}",
        f"{before}rules:\n{front % 'prompt.tokens: {at_least: 10k, below: 12k}'}{body}",
        text.replace("at_least: 8k", "at_least: 9k"),
        text.replace("\n".join(own), "\n".join(shuffled)),
    ):
        new = read(other)
        began = time.process_time()
        found = compare(old, new)
        yield time.process_time() - began, len(found.moved)


def read(text: str) -> Policy:
    """A policy, not proven."""
    policy = load_sources([("bench.yaml", text)], proving=False).policy
    assert policy is not None
    return policy


def prepared(folder: Path) -> tuple[Policy, list[Path]]:
    """The policy that served, and files of those that are proposed."""
    text = proven_policy(RULES, 5, MODELS, broken=False)
    text += "clients:\n" + "".join(f"  c{number}: {{team: team-{number}}}\n" for number in range(RULES // 10))
    rule = "rules:\n  - {name: new, when: {client.team: team-3}, route: {to: [m0, m2]}}\n"
    proposed = {"rule.yaml": text.replace("rules:\n", rule), "prices.yaml": text.replace("input: 1,", "input: 2,")}
    for name, content in proposed.items():
        (folder / name).write_text(content)
    return read(text), [folder / name for name in proposed]


def lines(policy: Policy, count: int) -> Iterator[tuple[bytes, bytes]]:
    """The two lines of random records."""
    dice = random.Random(1)
    planner = Planner(policy)
    for _ in range(count):
        facts, draw = request(policy, dice), dice.random()
        decision, demand = policy.tree.decide(facts), LiveDemand(facts)
        assert decision.rule is not None and isinstance(decision.rule.outcome, Route)
        plan = planner.plan(
            decision.rule.outcome, decision.rule.name, demand, facts, facts.client, facts.memory, at=0.0, draw=draw
        )
        line = decided_line(Heading(ID, "w1", policy.digest, facts.now), facts, demand, decision, plan, draw)
        usage = Usage(input=dice.randrange(90_000), output=dice.randrange(4000))
        first = plan.kept[0] if plan.kept else None
        counted = {} if first is None else {"candidate": first, "metered": metered(first.model, usage, 0, 0)}
        ending: dict[str, Any] = ended_line(ID, facts.now + 1, Ending(seconds=1.0, first_token=0.3, **counted))
        yield tuple(
            orjson.dumps({"event": name, **part}) + b"\n" for name, part in (("decided", line), ("ended", ending))
        )  # type: ignore[misc]


ID = "0" * 26


def request(policy: Policy, dice: random.Random) -> RequestFacts:
    """A random request of one of the teams."""
    body = {
        "model": dice.choice((f"m{dice.randrange(MODELS)}", f"gpt-{dice.randrange(9)}-x")),
        "messages": [{"role": "user", "content": "word " * dice.randrange(20)}],
        "max_tokens": dice.choice((100, 1000, 4000)),
    }
    tags = ",".join(f"tag-{dice.randrange(60)}" for _ in range(dice.randrange(4)))
    client: Client = dice.choice(list(policy.clients.values()))
    asked = read_chat(json.dumps(body).encode())
    memory = Remembered()
    return RequestFacts(asked, client, {"x-routebook-tags": tags}, BEGAN + dice.random() * 86_400, policy, memory)


def write_journal(state: Path, pairs: list[tuple[bytes, bytes]], count: int) -> int:
    """Write so many records, in segments; returns the bytes."""
    folder = state / DIRECTORY
    folder.mkdir(parents=True)
    whole, size, number = 0, ROTATE_BYTES, 0
    file = open(os.devnull, "wb")  # noqa: SIM115 - replaced by each segment
    running: deque[tuple[bytes, bytes]] = deque()
    stem = ID.encode()
    for index in range(count + IN_FLIGHT):
        data = b""
        if index < count:
            identity = (first_id(BEGAN + index / 100)[:16] + f"{index:010d}").encode()
            decided, ended = pairs[index % len(pairs)]
            data = decided.replace(stem, identity, 1)
            running.append((identity, ended))
        if index >= IN_FLIGHT and running:
            identity, ended = running.popleft()
            data += ended.replace(stem, identity, 1)
        if size >= ROTATE_BYTES:
            file.close()
            file, size, number = open(folder / f"w1-{number:08d}.jsonl", "wb"), 0, number + 1  # noqa: SIM115
        file.write(data)
        size += len(data)
        whole += len(data)
    file.close()
    return whole


def replayed(state: Path, under: str, count: int) -> tuple[float, float]:
    """Seconds of a replay, by the clock and of CPU time, which must have gone through all records."""
    command = [sys.executable, "-m", "routebook", "replay", under, "--state-dir", str(state), "--format", "json"]
    began, used = time.perf_counter(), cpu_of_children()
    done = subprocess.run(command, capture_output=True, check=True)
    seconds, used = time.perf_counter() - began, cpu_of_children() - used
    found = json.loads(done.stdout)
    assert found["records"] == count and found["unreadable"] == 0, found
    assert found.get("alike", count) == count and not found.get("undecidable", 0), found
    return seconds, used


def cpu_of_children() -> float:
    """CPU seconds of all processes that were started and have ended, and of theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    sys.exit(main())
