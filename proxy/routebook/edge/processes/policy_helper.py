"""The helper process that reads, compiles and tests a policy: `python -m routebook.edge.processes.policy_helper PATH SECONDS`.

A hostile or broken file may exhaust memory, recurse until the stack ends or never come to an end. Here it can only
take this process with it: memory, processor time and wall-clock time are bounded, and no core is dumped.

On standard output: a length (four bytes), a JSON object (digest, problems, sources, what the policy holds), and, where
the policy may be used, its budgets and limits and then itself, both pickled.
"""

from __future__ import annotations

import math
import os
import pickle
import resource
import signal
import struct
import sys
from pathlib import Path
from typing import BinaryIO

import orjson

from routebook.documents.printing import as_text, problem_to_json
from routebook.ledger.budgets import Counting
from routebook.routing.policy import Policy
from routebook.routing.reading.loading import LoadResult, load_policy

MEMORY_BYTES = 1 << 30
"""Address space at most; 10,000 rules take about a fifth of it."""

NICENESS = 5
"""How far this process stands back behind those that serve."""

LENGTH = struct.Struct(">I")
"""How the length of the JSON object is written."""


def main(arguments: list[str]) -> int:
    """Read the policy at a path and write the result to standard output."""
    path, seconds = Path(arguments[0]), float(arguments[1])
    bound(seconds)
    # whatever a library prints must not stand between the bytes of the result
    with os.fdopen(os.dup(1), "wb") as output:
        os.dup2(2, 1)
        write_result(load_policy(path), output)
    return 0


def write_result(result: LoadResult, output: BinaryIO) -> None:
    """Write what came of reading a policy."""
    usable = result.policy is not None and not result.problems.errors
    policy = result.policy if usable else None
    head = orjson.dumps(
        {
            "digest": policy.digest if policy else None,
            "problems": [problem_to_json(problem) for problem in result.problems],
            "text": as_text(result.problems, result.documents),
            "sources": [list(source) for source in policy.sources] if policy else [],
            "holds": _holds(policy) if policy else {},
            "unkeyed": _unkeyed(policy) if policy else [],
        }
    )
    output.write(LENGTH.pack(len(head)) + head)
    if policy is not None:
        counting = Counting.of(policy.budgets.values(), policy.limits.values())
        pickle.dump(counting, output, protocol=pickle.HIGHEST_PROTOCOL)
        pickle.dump(policy, output, protocol=pickle.HIGHEST_PROTOCOL)


def _holds(policy: Policy) -> dict[str, int]:
    return {
        "rules": len(policy.rules),
        "models": len(policy.catalogue.models),
        "providers": len(policy.catalogue.providers),
        "clients": len(policy.clients),
        "tests": len(policy.tests),
    }


def _unkeyed(policy: Policy) -> list[str]:
    """The clients that the policy itself gives nothing to show who they are."""
    return [
        client.name
        for client in policy.clients.values()
        if not client.keys and client.tokens is None and not client.certificates
    ]


def bound(seconds: float) -> None:
    """Let the kernel end this process when it takes too much (the supervisor may be gone by then), and serve first."""
    os.nice(NICENESS)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.alarm(math.ceil(seconds) + 1)
    processor = math.ceil(seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (processor, processor))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
