"""Where a process's memory is, and which part of it grows: `python -m tests.soak --where`.

What a process has of the system is what Python's own allocator has (objects of at most 512 bytes, in arenas), what the C
library's has (all else), each live or free, and the rest: stacks, libraries, pages that both have not touched or have given
back. A leak grows in what is live; garbage that waits for the collector in both; fragments in what is free alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.soak.watch import MIB

INSIDE = Path(__file__).parent / "inside"
"""What is loaded into each process."""

PARTS = ("Python live", "Python free", "C live", "C free")
"""What is told in bytes."""


def environment(folder: Path) -> dict[str, str]:
    """With this, processes can be asked; what they tell stands in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return {"PYTHONPATH": str(INSIDE), "SOAK_INSIDE": str(folder)}


def ask(pids: Iterable[int]) -> None:
    """Have these processes write down where their memory is, soon."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGUSR2)


def told(folder: Path, pid: int) -> list[dict[str, Any]]:
    """What a process has told so far, in the order of its times."""
    try:
        lines = [json.loads(line) for line in (folder / f"{pid}.jsonl").read_text().splitlines()]
    except FileNotFoundError:
        return []
    return sorted(lines, key=lambda line: line["at"])


def grown(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """By how many MiB each part has grown from the first line to the last, and what waits for the garbage collector."""
    if len(lines) < 2:
        return {"told": len(lines)}
    first, last = lines[0], lines[-1]
    found: dict[str, Any] = {part: (last[part] - first[part]) / MIB for part in ("resident", *PARTS)}
    found["circles"] = max(line["circles"] for line in lines)
    most = max(lines, key=lambda line: line["circles"])
    ways: Mapping[str, int] = most["ways"]
    return found | {f"way {number}": way for number, way in enumerate(list(ways)[:3], 1)}
