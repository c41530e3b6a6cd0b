"""Budgets and limits as JSON Schema: from the tables that their readers use, for editors."""

from __future__ import annotations

from routebook.documents import schema as build
from routebook.documents.quantities import Unit
from routebook.documents.schema import Schema
from routebook.ledger.budgets import WINDOWS
from routebook.ledger.reading import BUDGET_KEYS, LIMIT_KEYS, SCOPES, STORE_DOWN_KEYS

_AMOUNT = r"[0-9][0-9_.]*\s*[kKMGB]?"


def budget_schemas() -> dict[str, Schema]:
    """The definition `budget`; what it counts by is open, because any fact may stand there."""
    budget = {
        "limit": _amount(),
        "window": build.one_of_kinds(build.word(WINDOWS), build.quantity(Unit.DURATION)),
        "per": _scope(),
        "zone": {"type": "string", "default": "UTC"},
        "when": build.ref("condition"),
        "on_store_down": build.one_of_kinds(
            build.word(["deny"], "deny"), build.record(STORE_DOWN_KEYS, {"allowance": _amount()}, ["allowance"])
        ),
    }
    return {"budget": build.record(BUDGET_KEYS, budget, ["limit", "window"])}


def limit_schemas() -> dict[str, Schema]:
    """The definition `limit`: one of the named limits of a policy (an account's are `limits`)."""
    count, tokens = build.quantity(Unit.COUNT), build.quantity(Unit.TOKENS)
    limit = {
        "requests_per_minute": count,
        "tokens_per_minute": tokens,
        "concurrent": count,
        "per": _scope(),
        "when": build.ref("condition"),
        "queue": build.ref("queue"),
    }
    some = [{"required": [word]} for word in ("requests_per_minute", "tokens_per_minute", "concurrent")]
    return {"limit": {**build.record(LIMIT_KEYS, limit), "anyOf": some}}


def _amount() -> Schema:
    return build.one_of_kinds(
        build.quantity(Unit.MONEY), build.matching(rf"{_AMOUNT}\s*(tokens?|requests?)", ["20M tokens", "1000 requests"])
    )


def _scope() -> Schema:
    return {"type": "string", "examples": [*SCOPES, "label.NAME"]}
