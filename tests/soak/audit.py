"""The audit after a long run: records complete and replayable, books equal, whatever was answered whole is recorded, nothing is held.

Each function returns what is wrong, in words; nothing is a clean audit.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.support.processes import run_command
from tests.support.proxy import Record, fetch, read_records

SETTLING = 90.0
"""Seconds within which all that was begun has ended after the last client has gone."""

HELD = re.compile(r"^(routebook_requests_in_progress|routebook_holds) ([\d.e+]+)$", re.MULTILINE)


async def settled(admin: str, seconds: float = SETTLING) -> list[str]:
    """Wait until nothing runs and nothing is held, of calls, budgets or limits."""
    end = time.monotonic() + seconds
    while True:
        found = await asyncio.to_thread(_open, admin)
        if not found or time.monotonic() > end:
            return found
        await asyncio.sleep(0.2)


def _open(admin: str) -> list[str]:
    try:
        _, text = fetch(f"{admin}/metrics")
        _, budgets = fetch(f"{admin}/budgets")
        shown = json.loads(budgets)
    except (OSError, ValueError) as error:
        return [f"{admin} does not answer: {error}"]
    found = [f"{name} is {value} after the last request" for name, value in HELD.findall(text) if float(value)]
    for limit in shown["limits"]:
        for scope in limit["scopes"]:
            if scope["concurrent"] or scope["waiting"]:
                found.append(f"limit `{limit['name']}` still counts {scope['concurrent']}, {scope['waiting']} wait")
    return found


def complete(records: Mapping[str, Record], answered: Iterable[str]) -> list[str]:
    """Every record has its end, and every answer that arrived whole has a record that ended well."""
    found = [f"{name} was decided and has no end" for name, record in records.items() if record.ended is None]
    for name in answered:
        record = records.get(name)
        if record is None:
            found.append(f"{name} was answered and has no record")
        elif record.ended is not None and record.ended["status"] not in (101, 200):
            found.append(f"{name} was answered, and its record says {record.ended['status']}")
    return found


def commanded(state_dir: Path, *words: str) -> tuple[list[str], dict[str, Any]]:
    """A command of the program that must end with 0; what it says as JSON."""
    done = run_command(*words, "--state-dir", str(state_dir), "--format", "json", timeout=1800)
    said: dict[str, Any] = {}
    try:
        said = json.loads(done.stdout)
    except ValueError:
        pass
    if done.returncode == 0:
        return [], said
    return [f"`routebook {' '.join(words)}` ends with {done.returncode}: {(done.stdout + done.stderr)[-600:]}"], said


def audited(state_dir: Path, answered: Iterable[str]) -> tuple[list[str], dict[str, int]]:
    """The books, the records and their replay; and how many there are."""
    records = read_records(state_dir)
    found = complete(records, answered)
    for words in (("ledger", "verify"), ("replay", "--own")):
        found += commanded(state_dir, *words)[0]
    cost = sum(record.ended["cost"] or 0 for record in records.values() if record.ended and record.ended.get("cost"))
    return found, {"records": len(records), "nanodollars": cost}
