"""The `budgets` section: limits on money, tokens or requests over a window."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from routebook.documents.names import check_name
from routebook.documents.nodes import Node, Scalar
from routebook.documents.problems import Problems, did_you_mean
from routebook.documents.quantities import Unit, parse_quantity
from routebook.documents.reading import Fields, read_text
from routebook.ledger.budgets import WINDOWS, Budget
from routebook.policy.conditions import ALWAYS, Condition
from routebook.policy.facts import FactTable
from routebook.policy.reading import read_zone

BUDGET_KEYS = {
    "limit": "how much: `$500`, `20M tokens` or `1000 requests`",
    "window": "over which time: minute, hour, day, week or month of the calendar, or a rolling duration such as `24h`",
    "per": "for whom each: client, team, tag, model, provider, label.NAME or the name of a fact (default: all together)",
    "zone": "the time zone in which days begin (default UTC)",
    "when": "which requests count (default: all)",
}
"""The keys of one budget, with what they mean."""

SCOPES = {"client": "client.name", "team": "client.team", "tag": "tags", "model": "model", "provider": "provider"}
"""Short words for what a budget counts by, and the facts (or attributes of the served model) they mean."""

_REQUESTS = re.compile(r"(.*?)\s*requests?\Z")
_TOKENS = re.compile(r"(.*?)\s*tokens?\Z")


def read_budgets(
    entries: Iterable[tuple[Scalar, Node]], table: FactTable, read_when: Callable[[Node], Condition], problems: Problems
) -> dict[str, Budget]:
    """The budgets by name; `read_when` reads a condition in the policy's own terms."""
    budgets: dict[str, Budget] = {}
    for key, node in entries:
        check_name(key, problems, "a budget")
        fields = Fields.of(node, BUDGET_KEYS, problems, "a budget", ("limit", "window"))
        if fields is None:
            continue
        limit, unit = _read_limit(fields)
        window, rolling = _read_window(fields)
        when, zone_node = fields.node("when"), fields.node("zone")
        zone = (None if zone_node is None else read_zone(zone_node, problems)) or "UTC"
        budgets[key.text] = Budget(
            key.text,
            limit,
            unit,
            window,
            rolling,
            key.location,
            _read_scope(fields, table),
            zone,
            ALWAYS if when is None else read_when(when),
        )
    return budgets


def _read_limit(fields: Fields) -> tuple[int, Unit]:
    node = fields.node("limit")
    text = None if node is None else read_text(node, fields.problems, "a limit such as `$500`")
    if node is None or text is None:
        return 0, Unit.MONEY
    for unit, pattern in ((Unit.COUNT, _REQUESTS), (Unit.TOKENS, _TOKENS), (Unit.MONEY, None)):
        match = None if pattern is None else pattern.match(text)
        if pattern is None or match is not None:
            amount = parse_quantity(match[1] if match else text, unit)
            if amount:
                return int(amount), unit
    fields.problems.error(
        "ledger.bad-limit",
        f"`{text}` is not a limit",
        node.location,
        "write how much of what: `$500`, `20M tokens` or `1000 requests`",
    )
    return 0, Unit.MONEY


def _read_window(fields: Fields) -> tuple[str | None, float | None]:
    node = fields.node("window")
    text = None if node is None else read_text(node, fields.problems, "a window")
    if node is None or text is None:
        return None, None
    if text in WINDOWS:
        return text, None
    seconds = parse_quantity(text, Unit.DURATION)
    if seconds:
        return None, float(seconds)
    words = ", ".join(f"`{word}`" for word in WINDOWS)
    fields.problems.error(
        "ledger.bad-window",
        f"`{text}` is not a window",
        node.location,
        did_you_mean(text, WINDOWS) or f"it is {words}, or a rolling duration such as `24h`",
    )
    return None, None


def _read_scope(fields: Fields, table: FactTable) -> str | None:
    node = fields.node("per")
    text = None if node is None else read_text(node, fields.problems, "what to count by")
    if node is None or text is None:
        return None
    if text in SCOPES:
        return SCOPES[text]
    fact = f"client.{text}" if text.startswith("label.") else text
    if table.find(fact) is not None:
        return fact
    known = [*SCOPES, *(spec.name for spec in table if spec.name.startswith(("client.", "request.")))]
    fields.problems.error(
        "ledger.unknown-scope",
        f"`{text}` is nothing that a budget can count by",
        node.location,
        did_you_mean(text, known) or "it is one of " + ", ".join(f"`{word}`" for word in known),
    )
    return None
