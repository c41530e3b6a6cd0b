"""Budgets as JSON Schema: from the tables that their reader uses, for editors."""

from __future__ import annotations

from routebook.documents import schema as build
from routebook.documents.quantities import Unit
from routebook.documents.schema import Schema
from routebook.ledger.budgets import WINDOWS
from routebook.ledger.reading import BUDGET_KEYS, SCOPES

_AMOUNT = r"[0-9][0-9_.]*\s*[kKMGB]?"


def budget_schemas() -> dict[str, Schema]:
    """The definition `budget`; what it counts by is open, because any fact may stand there."""
    limit = build.one_of_kinds(
        build.quantity(Unit.MONEY), build.matching(rf"{_AMOUNT}\s*(tokens?|requests?)", ["20M tokens", "1000 requests"])
    )
    budget = {
        "limit": limit,
        "window": build.one_of_kinds(build.word(WINDOWS), build.quantity(Unit.DURATION)),
        "per": {"type": "string", "examples": [*SCOPES, "label.NAME"]},
        "zone": {"type": "string", "default": "UTC"},
        "when": build.ref("condition"),
    }
    return {"budget": build.record(BUDGET_KEYS, budget, ["limit", "window"])}
