"""Sums over ten minutes and over six hours, kept beside the rows of the index: what a rule, a model, a client, a team had,
and what was settled of each budget.

A row of the index is looked at when somebody asks for it; sums over all of them would take longer with every day. These
are written in the same transaction as the rows, and a record counts when both its lines are there: once. The long ones
are the short ones added up, so that a month is not four thousand times ten minutes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

BUCKET_SECONDS: Final = 600
"""How much time one sum covers."""

LONG: Final = 36
"""How many of them one long sum covers: six hours."""

KINDS: Final = ("all", "rule", "model", "client", "team", "account")
"""What sums are kept of; besides, `pot` is what was settled of each pot of a budget, as `cost`, in the pot's unit."""

_COLUMNS = """(kind TEXT, bucket INTEGER, name TEXT, requests INTEGER, failed INTEGER, cost INTEGER, input INTEGER,
    output INTEGER, seconds REAL, last TEXT, PRIMARY KEY(kind, bucket, name)) WITHOUT ROWID"""

TALLY_TABLES: Final = f"""
CREATE TABLE IF NOT EXISTS tally{_COLUMNS};
CREATE TABLE IF NOT EXISTS tally_long{_COLUMNS};
CREATE TABLE IF NOT EXISTS tally_pot(name TEXT, bucket INTEGER, cost INTEGER, PRIMARY KEY(name, bucket)) WITHOUT ROWID;
"""
"""What a database needs that holds such sums. `bucket` counts ten minutes since 1970, and is the first of its six hours in
`tally_long`. Pots are asked for one by one and over long windows, so theirs lie together by name."""

FROM_SHORT: Final = f"""
INSERT INTO tally_long SELECT kind, bucket / {LONG} * {LONG} AS since, name, SUM(requests), SUM(failed), SUM(cost),
    SUM(input), SUM(output), SUM(seconds), MAX(last) FROM tally WHERE kind <> 'pot' GROUP BY kind, since, name;
INSERT INTO tally_pot SELECT name, bucket, cost FROM tally WHERE kind = 'pot';
DELETE FROM tally WHERE kind = 'pot';
"""
"""What makes the others of a database's short sums, where an earlier version kept no others."""

_WHOLE = (
    'SELECT id, client, team, rule, model, account, "end", cost, input, output, seconds FROM decision '
    "WHERE place IS NOT NULL AND end_place IS NOT NULL AND "
)
_ADD = """
INSERT INTO {} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    requests = requests + excluded.requests, failed = failed + excluded.failed, cost = cost + excluded.cost,
    input = input + excluded.input, output = output + excluded.output, seconds = seconds + excluded.seconds,
    last = max(last, excluded.last)
"""
_ADD_POT = "INSERT INTO tally_pot VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET cost = cost + excluded.cost"
_DIGITS = str.maketrans("0123456789ABCDEFGHJKMNPQRSTVWXYZ", "0123456789ABCDEFGHIJKLMNOPQRSTUV")


@dataclass(frozen=True, slots=True)
class Sum:
    """What a name had in some time. `cost` is nano-dollars (of a pot: what was settled, in its unit), `seconds` the sum of
    the requests' times, `last` the id of the newest record. `failed` are those that did not end well."""

    name: str
    bucket: int
    requests: int = 0
    failed: int = 0
    cost: int = 0
    input: int = 0
    output: int = 0
    seconds: float = 0.0
    last: str = ""

    def plus(self, other: Sum) -> Sum:
        """Both together."""
        return Sum(
            self.name,
            self.bucket,
            self.requests + other.requests,
            self.failed + other.failed,
            self.cost + other.cost,
            self.input + other.input,
            self.output + other.output,
            self.seconds + other.seconds,
            max(self.last, other.last),
        )


def bucket_of(identity: str) -> int | None:
    """The ten minutes that a record's id begins with; None where it is no such id."""
    at = moment_of_id(identity)
    return None if at is None else int(at // BUCKET_SECONDS)


def moment_of_id(identity: str) -> float | None:
    """When a record was begun, by its id (Unix seconds, to the millisecond); None where it is no such id."""
    try:
        return int(identity[:10].translate(_DIGITS), 32) / 1000
    except ValueError:
        return None


class Tallies:
    """Counts records of one batch, and adds the counts to a database."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, int, str], list[Any]] = {}
        self._pots: dict[tuple[str, int], int] = {}

    def __repr__(self) -> str:
        return f"<Tallies of {len(self._sums)} names>"

    def count(
        self, database: sqlite3.Connection, decided: Mapping[str, tuple[Any, ...]], ended: Mapping[str, tuple[Any, ...]]
    ) -> None:
        """Count what this batch completes: records whose other line stands in the database already, and whole ones."""
        for identity in decided.keys() | ended.keys():
            if identity in decided and identity in ended:
                _, _, client, team, rule = decided[identity][:5]
                _, end, model, *used, _, _, account = ended[identity]
                self._count((identity, client, team, rule, model, account, end, *used), 1)
                continue
            for row in database.execute(f"{_WHOLE} id = ?", (identity,)):
                self._count(row, 1)

    def settle(self, identity: str, draws: Iterable[tuple[str, int, int]]) -> None:
        """Count what one record settled of pots."""
        bucket = bucket_of(identity)
        if bucket is not None:
            for pot, _, amount in draws:
                self._pots[pot, bucket] = self._pots.get((pot, bucket), 0) + amount

    def write(self, database: sqlite3.Connection) -> None:
        """Add all that was counted."""
        database.executemany(_ADD.format("tally"), [(*key, *sums) for key, sums in self._sums.items()])
        long = Tallies()
        for (kind, bucket, name), (*sums, last) in self._sums.items():
            long._add((kind, bucket // LONG * LONG, name), sums, last)
        database.executemany(_ADD.format("tally_long"), [(*key, *sums) for key, sums in long._sums.items()])
        database.executemany(_ADD_POT, [(*key, cost) for key, cost in self._pots.items()])

    @classmethod
    def forget(cls, database: sqlite3.Connection, segment: int) -> None:
        """Take back what the records of a segment counted, before their rows go."""
        tallies = cls()
        for row in database.execute(f"{_WHOLE} (segment = ?1 OR end_segment = ?1)", (segment,)):
            tallies._count(row, -1)
        tallies.write(database)
        for table in ("tally", "tally_long"):
            database.execute(f"DELETE FROM {table} WHERE requests <= 0")

    def _count(self, row: tuple[Any, ...], sign: int) -> None:
        identity, client, team, rule, model, account, end, cost, tokens_in, tokens_out, seconds = row
        bucket = bucket_of(identity)
        if bucket is None:
            return
        failed = sign * (end != "--")
        sums = (
            sign,
            failed,
            sign * (cost or 0),
            sign * (tokens_in or 0),
            sign * (tokens_out or 0),
            sign * (seconds or 0.0),
        )
        for kind, name in zip(KINDS, ("", rule, model, client, team, account), strict=True):
            if name is not None:
                self._add((kind, bucket, name), sums, identity)

    def _add(self, key: tuple[str, int, str], sums: Iterable[float], identity: str) -> None:
        found = self._sums.get(key)
        if found is None:
            self._sums[key] = [*sums, identity]
            return
        for place, amount in enumerate(sums):
            found[place] += amount
        found[-1] = max(found[-1], identity)


_SUMMED: Final = "SUM(requests), SUM(failed), SUM(cost), SUM(input), SUM(output), SUM(seconds), MAX(last)"


def select(
    database: sqlite3.Connection, schema: str, kind: str, first: int, step: int, name: str | None = None
) -> list[Sum]:
    """Sums of a kind from a bucket on, `step` buckets in one (0: all in one), by name and time.

    One that is made of short and of long sums comes in two parts.
    """
    group = f"bucket / {step} * {step}" if step else "0"
    named, given = (" AND name = ?", [name]) if name is not None else ("", [])
    found = []
    for table, columns, condition, values in _stretches(kind, first, step):
        query = f"SELECT name, {group} AS since, {columns} FROM {schema}.{table} WHERE {condition}{named}"
        found += [Sum(*row) for row in database.execute(f"{query} GROUP BY name, since", [*values, *given])]
    return found


def _stretches(kind: str, first: int, step: int) -> list[tuple[str, str, str, list[Any]]]:
    """Which tables hold a kind's sums from a bucket on: each with columns, a condition and its values."""
    if kind == "pot":
        return [("tally_pot", "0, 0, SUM(cost), 0, 0, 0.0, ''", "bucket >= ?", [first])]
    if step % LONG:
        return [("tally", _SUMMED, "kind = ? AND bucket >= ?", [kind, first])]
    border = -(-first // LONG) * LONG
    return [
        ("tally", _SUMMED, "kind = ? AND bucket >= ? AND bucket < ?", [kind, first, border]),
        ("tally_long", _SUMMED, "kind = ? AND bucket >= ?", [kind, border]),
    ]
