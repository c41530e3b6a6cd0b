"""Sums over ten minutes, kept beside the rows of the index: what a rule, a model, a client, a team had, and what was
settled of each budget.

A row of the index is looked at when somebody asks for it; sums over all of them would take longer with every day. These
are written in the same transaction as the rows, and a record counts when both its lines are there: once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

BUCKET_SECONDS: Final = 600
"""How much time one sum covers."""

KINDS: Final = ("all", "rule", "model", "client", "team")
"""What sums are kept of; besides, `pot` holds what was settled of each pot of a budget, as `cost`, in the pot's unit."""

TALLY_TABLE: Final = """
CREATE TABLE IF NOT EXISTS tally(kind TEXT, bucket INTEGER, name TEXT, requests INTEGER, failed INTEGER, cost INTEGER,
    input INTEGER, output INTEGER, seconds REAL, last TEXT, PRIMARY KEY(kind, bucket, name)) WITHOUT ROWID;
"""
"""What a database needs that holds such sums. `bucket` counts ten minutes since 1970."""

_WHOLE = (
    'SELECT id, client, team, rule, model, "end", cost, input, output, seconds FROM decision '
    "WHERE place IS NOT NULL AND end_place IS NOT NULL AND "
)
_ADD = """
INSERT INTO tally VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    requests = requests + excluded.requests, failed = failed + excluded.failed, cost = cost + excluded.cost,
    input = input + excluded.input, output = output + excluded.output, seconds = seconds + excluded.seconds,
    last = max(last, excluded.last)
"""
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

    def __repr__(self) -> str:
        return f"<Tallies of {len(self._sums)} names>"

    def count(
        self, database: sqlite3.Connection, decided: Mapping[str, tuple[Any, ...]], ended: Mapping[str, tuple[Any, ...]]
    ) -> None:
        """Count what this batch completes: records whose other line stands in the database already, and whole ones."""
        for identity in decided.keys() | ended.keys():
            if identity in decided and identity in ended:
                _, _, client, team, rule = decided[identity][:5]
                _, end, model, *used = ended[identity][:7]
                self._count((identity, client, team, rule, model, end, *used), 1)
                continue
            for row in database.execute(f"{_WHOLE} id = ?", (identity,)):
                self._count(row, 1)

    def settle(self, identity: str, draws: Iterable[tuple[str, int, int]]) -> None:
        """Count what one record settled of pots."""
        bucket = bucket_of(identity)
        if bucket is not None:
            for pot, _, amount in draws:
                self._add(("pot", bucket, pot), (1, 0, amount, 0, 0, 0.0), identity)

    def write(self, database: sqlite3.Connection) -> None:
        """Add all that was counted."""
        database.executemany(_ADD, [(*key, *sums) for key, sums in self._sums.items()])

    @classmethod
    def forget(cls, database: sqlite3.Connection, segment: int) -> None:
        """Take back what the records of a segment counted, before their rows go."""
        tallies = cls()
        for row in database.execute(f"{_WHOLE} (segment = ?1 OR end_segment = ?1)", (segment,)):
            tallies._count(row, -1)
        tallies.write(database)
        database.execute("DELETE FROM tally WHERE requests <= 0")

    def _count(self, row: tuple[Any, ...], sign: int) -> None:
        identity, client, team, rule, model, end, cost, tokens_in, tokens_out, seconds = row
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
        for kind, name in zip(KINDS, ("", rule, model, client, team), strict=True):
            if name is not None:
                self._add((kind, bucket, name), sums, identity)

    def _add(self, key: tuple[str, int, str], sums: tuple[float, ...], identity: str) -> None:
        found = self._sums.get(key)
        if found is None:
            self._sums[key] = [*sums, identity]
            return
        for place, amount in enumerate(sums):
            found[place] += amount
        found[-1] = max(found[-1], identity)


def select(
    database: sqlite3.Connection, schema: str, kind: str, first: int, step: int, name: str | None = None
) -> list[Sum]:
    """Sums of a kind from a bucket on, `step` buckets in one (0: all in one), by name and time."""
    group = f"bucket / {step} * {step}" if step else "0"
    query = (
        f"SELECT name, {group} AS since, SUM(requests), SUM(failed), SUM(cost), SUM(input), SUM(output), SUM(seconds), "
        f"MAX(last) FROM {schema}.tally WHERE kind = ? AND bucket >= ?{' AND name = ?' if name is not None else ''} "
        "GROUP BY name, since"
    )
    values = (kind, first) if name is None else (kind, first, name)
    return [Sum(*row) for row in database.execute(query, values)]
