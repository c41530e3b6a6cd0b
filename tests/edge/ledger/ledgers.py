"""Journals with money in them, as workers write them: real files, real locks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from routebook.edge.journal.writer import Journal

Row = Sequence[object]

DAY = 1_795_219_200
"""A day's beginning (seconds since 1970)."""


def draws(*amounts: int, pot: str = "budget/all/-") -> list[list[object]]:
    """What is held: the amount, and half of it should the process die."""
    return [[pot, DAY + 60 * number, amount, amount // 2] for number, amount in enumerate(amounts)]


def begin(journal: Journal, identity: str, held: Sequence[Row] = ()) -> None:
    """The first line of a record."""
    journal.decided({"id": identity, "instance": journal.instance, "client": "c", "hold": {"draws": held}})


def end(journal: Journal, identity: str, settled: Sequence[Row] | None, cost: int = 0, **more: Any) -> None:
    """The second line of a record."""
    line: dict[str, Any] = {"id": identity, "end": "--", "cost": cost, "input": 10, "output": 5, **more}
    journal.ended(line if settled is None else line | {"settled": settled})


def spend(journal: Journal, identity: str, held: int, cost: int, pot: str = "budget/all/-") -> None:
    """A whole record that held so much and cost so much."""
    begin(journal, identity, draws(held, pot=pot))
    end(journal, identity, [[pot, DAY, cost]], cost)


def segments(state_dir: Path) -> list[Path]:
    """The files of the journal, in their order."""
    return sorted((state_dir / "journal").glob("*.jsonl"), key=lambda path: path.name.rpartition("-")[2])
