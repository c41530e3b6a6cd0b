"""Kills one part after the other of what `run.py` runs, by chance, and says what: a line of JSON for each.

    python deploy/hosts/kill.py --seconds 60 --every 3

`worker` and `host` are killed (SIGKILL) and `redis` too; `restart` is the host's orderly end (SIGTERM), `pause-redis` and
`pause-worker` are stopped for a while, so that connections stand and nothing is answered. What was killed is started again by
`run.py`, or, a worker, by its supervisor; the next kill does not wait for that.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

KINDS = ("worker", "host", "redis", "restart", "pause-redis", "pause-worker")
PAUSE_SECONDS = 2.0


def arguments() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(prog="kill.py", description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("var/hosts"), help="of `run.py` (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=60, help="for how long (default: %(default)s)")
    parser.add_argument("--every", type=float, default=3, help="mean seconds between two kills (default: %(default)s)")
    parser.add_argument(
        "--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="what is done (default: all of it)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of chance (default: %(default)s)")
    return parser


def workers_of(host: dict[str, Any]) -> list[int]:
    """The process ids of a host's workers, as its admin listener says; none where it does not answer."""
    try:
        with urllib.request.urlopen(f"{host['admin']}/policy", timeout=2) as answer:
            return [int(each["pid"]) for each in json.loads(answer.read())["workers"]]
    except (OSError, ValueError):
        return []


def victim(kind: str, now: dict[str, Any], dice: random.Random) -> tuple[str, int] | None:
    """Whom it meets, by name and process id; None where nobody of the kind is there."""
    host = dice.choice(now["hosts"])
    if kind in ("redis", "pause-redis"):
        return ("redis", now["redis"]) if now["redis"] else None
    if kind in ("host", "restart"):
        return (host["name"], host["pid"]) if host["pid"] else None
    workers = workers_of(host)
    return (f"{host['name']} worker", dice.choice(workers)) if workers else None


def strike(kind: str, pid: int) -> None:
    """Do it."""
    if kind.startswith("pause"):
        os.kill(pid, signal.SIGSTOP)
        time.sleep(PAUSE_SECONDS)
        os.kill(pid, signal.SIGCONT)
    else:
        os.kill(pid, signal.SIGTERM if kind == "restart" else signal.SIGKILL)


def main() -> int:
    """Kill for a while; 0, or 1 where `run.py` does not run."""
    args = arguments().parse_args()
    dice = random.Random(args.seed)
    end = time.monotonic() + args.seconds
    turns: list[str] = []
    while time.monotonic() < end:
        try:
            now = json.loads((args.folder / "hosts.json").read_text())
        except OSError as error:
            print(f"kill.py: there is nothing to kill: {error}", file=sys.stderr)
            return 1
        # every kind gets its turn before any gets another
        turns = turns or dice.sample(args.kinds, len(args.kinds))
        kind = turns.pop()
        if (found := victim(kind, now, dice)) is not None:
            name, pid = found
            try:
                strike(kind, pid)
                print(json.dumps({"at": round(time.time(), 3), "kind": kind, "who": name, "pid": pid}), flush=True)
            except ProcessLookupError:
                pass
        time.sleep(max(0.0, min(dice.expovariate(1 / args.every), end - time.monotonic())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
