"""The helper process of the workbench: `python -m routebook.edge.console.workbench_helper SECONDS`.

An order is read from standard input, what came of it is written to standard output, both JSON. Whatever happens here can
only take this process with it: memory, processor time and wall-clock time are bounded.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from routebook.documents.printing import as_text, problem_to_json
from routebook.edge.console.trying import Tried, tried
from routebook.edge.journal.kept import KeptPolicies, policy_of
from routebook.edge.journal.records import Filters, Records, first_id
from routebook.edge.journal.sweeping import pieces_of, segments_since
from routebook.edge.processes.policy_helper import bound
from routebook.edge.replays import ProposedCounts, by_rules, counted
from routebook.routing.comparing.regions import compare
from routebook.routing.policy import Policy
from routebook.routing.reading.loading import load_sources
from routebook.routing.telling import comparisons, replays
from routebook.routing.telling.savings import Savings
from routebook.routing.telling.savings import as_json as savings_as_json

Order = Mapping[str, Any]


def main(arguments: list[str]) -> int:
    """Read an order, carry it out, write what came of it."""
    order: Order = orjson.loads(sys.stdin.buffer.read())
    bound(float(arguments[0]))
    # whatever a library prints must not stand between the bytes of the result
    with os.fdopen(os.dup(1), "wb") as output:
        os.dup2(2, 1)
        output.write(orjson.dumps(TASKS[order["task"]](order)))
    return 0


def compared(order: Order) -> dict[str, Any]:
    """What changes in meaning from one policy that served to another."""
    state_dir = Path(order["state_dir"])
    old, new = policy_of(state_dir, order["old"]), policy_of(state_dir, order["new"])
    if old is None or new is None:
        return {"missing": order["old"] if old is None else order["new"]}
    return _comparison(old, new)


def what_if(order: Order) -> dict[str, Any]:
    """What a candidate would do: its problems, one request under both policies, the difference, hours of traffic again."""
    state_dir = Path(order["state_dir"])
    running = policy_of(state_dir, order["digest"])
    loaded = load_sources([(name, text) for name, text in order["sources"]])
    found: dict[str, Any] = {
        "problems": [problem_to_json(problem) for problem in loaded.problems],
        "text": as_text(loaded.problems, loaded.documents),
        "digest": None if loaded.policy is None else loaded.policy.digest,
    }
    if loaded.policy is None or running is None:
        return found
    request = Tried(**order["request"])
    if not request.is_empty:
        found["then"], found["now"] = tried(running, request), tried(loaded.policy, request)
    tally = None
    if order["since"]:
        counts = ProposedCounts(loaded.policy, KeptPolicies([state_dir]), first_id(order["since"]))
        tally = counted(pieces_of(segments_since(state_dir, order["since"])), counts)
        found["replay"] = replays.as_json(tally)
    found["comparison"] = _comparison(running, loaded.policy, None if tally is None else by_rules(tally))
    return found


def savings(order: Order) -> dict[str, Any]:
    """What the same traffic would have cost on each model alone."""
    state_dir = Path(order["state_dir"])
    policy = policy_of(state_dir, order["digest"])
    if policy is None:
        return {"missing": order["digest"]}
    found = Savings(policy, order["by"])
    with Records(state_dir) as records:
        for record in records.walk(Filters(since=order["since"])):
            if record.decided is not None and record.ended is not None:
                found.add(record.decided, record.ended)
    return {**savings_as_json(found), "at": time.time()}


def _comparison(
    old: Policy, new: Policy, requests: Mapping[tuple[str | None, str | None], int] | None = None
) -> dict[str, Any]:
    found = compare(old, new)
    return {"headline": comparisons.headline(found), **comparisons.as_json(found, requests)}


TASKS = {"compare": compared, "what-if": what_if, "savings": savings}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
