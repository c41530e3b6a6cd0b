"""The `budgets` and `limits` sections: money, tokens or requests over a window; rates, and requests at the same time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from routebook.catalogue.reading_providers import read_queue
from routebook.documents.bounds import whole
from routebook.documents.names import check_name
from routebook.documents.nodes import Mapping, Node, Scalar, Sequence
from routebook.documents.problems import Problems, did_you_mean
from routebook.documents.quantities import Unit, parse_quantity
from routebook.documents.reading import Fields, read_text
from routebook.ledger.budgets import WINDOWS, Budget, Limit
from routebook.policy.conditions import ALWAYS, Condition
from routebook.policy.facts import FactTable
from routebook.policy.reading import read_zone

BUDGET_KEYS = {
    "limit": "how much: `$500`, `20M tokens` or `1000 requests`",
    "window": "over which time: minute, hour, day, week or month of the calendar, or a rolling duration such as `24h`",
    "per": "for whom each: client, team, tag, model, provider, label.NAME or the name of a fact (default: all together)",
    "zone": "the time zone in which days begin (default UTC)",
    "when": "which requests count (default: all)",
    "on_store_down": "what holds while a store that several hosts share is away: `deny`, or `{allowance: $2}` for each host",
}
"""The keys of one budget, with what they mean."""

STORE_DOWN_KEYS = {"allowance": "how much each host may draw in a window meanwhile, in the unit of the limit"}
"""The keys of `on_store_down`, with what they mean."""

LIMIT_KEYS = {
    "requests_per_minute": "requests a minute",
    "tokens_per_minute": "tokens a minute, both ways together",
    "concurrent": "requests at the same time",
    "per": "for whom each: as of a budget (default: all together)",
    "when": "which requests count (default: all)",
    "queue": "who may wait where a limit is reached (default: nobody)",
}
"""The keys of one limit, with what they mean."""

ACCOUNT: Final = "account"
"""What the pots of accounts are named by, so no limit can be."""

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
            _read_scope(fields, table, "a budget"),
            zone,
            ALWAYS if when is None else read_when(when),
            _read_allowance(fields, limit, unit),
        )
    return budgets


def read_limits(
    entries: Iterable[tuple[Scalar, Node]], table: FactTable, read_when: Callable[[Node], Condition], problems: Problems
) -> dict[str, Limit]:
    """The limits by name; `read_when` reads a condition in the policy's own terms."""
    limits: dict[str, Limit] = {}
    for key, node in entries:
        check_name(key, problems, "a limit", (ACCOUNT,))
        fields = Fields.of(node, LIMIT_KEYS, problems, "a limit")
        if fields is None:
            continue
        _check_limits_something(fields, key)
        when = fields.node("when")
        places, wait = read_queue(fields, (0, 0.0))
        limits[key.text] = Limit(
            key.text,
            key.location,
            whole(fields, "requests_per_minute", Unit.COUNT, "1", "1G"),
            whole(fields, "tokens_per_minute", Unit.TOKENS, "1", "1G"),
            whole(fields, "concurrent", Unit.COUNT, "1", "1M"),
            _read_scope(fields, table, "a limit"),
            ALWAYS if when is None else read_when(when),
            places,
            wait,
        )
    return limits


def _check_limits_something(fields: Fields, key: Scalar) -> None:
    words = ("requests_per_minute", "tokens_per_minute", "concurrent")
    if all(fields.node(word) is None for word in words):
        known = ", ".join(f"`{word}`" for word in words)
        fields.problems.error(
            "ledger.no-limit", f"`{key.text}` limits nothing", key.location, f"give it one of {known}"
        )


def _read_limit(fields: Fields) -> tuple[int, Unit]:
    node = fields.node("limit")
    text = None if node is None else read_text(node, fields.problems, "a limit such as `$500`")
    if node is None or text is None:
        return 0, Unit.MONEY
    amount = parse_amount(text)
    if amount is not None:
        return amount
    fields.problems.error(
        "ledger.bad-limit",
        f"`{text}` is not a limit",
        node.location,
        "write how much of what: `$500`, `20M tokens` or `1000 requests`",
    )
    return 0, Unit.MONEY


def parse_amount(text: str) -> tuple[int, Unit] | None:
    """How much of what a text says (`$500`, `20M tokens`, `1000 requests`); None where it is no amount, or of nothing."""
    for unit, pattern in ((Unit.COUNT, _REQUESTS), (Unit.TOKENS, _TOKENS), (Unit.MONEY, None)):
        match = None if pattern is None else pattern.match(text)
        if pattern is None or match is not None:
            amount = parse_quantity(match[1] if match else text, unit)
            if amount:
                return int(amount), unit
    return None


def _read_allowance(fields: Fields, limit: int, unit: Unit) -> int | None:
    node, problems = fields.node("on_store_down"), fields.problems
    if node is None:
        return None
    if not isinstance(node, Mapping):
        text = read_text(node, problems, "`deny`, or `{allowance: $2}`")
        if text is not None and text != "deny":
            hint = "write `deny` or `{allowance: $2}`"
            problems.error("document.unknown-word", f"`{text}` is no rule for an absent store", node.location, hint)
        return None
    inner = Fields.of(node, STORE_DOWN_KEYS, problems, "`on_store_down`", ("allowance",))
    value = None if inner is None else inner.node("allowance")
    text = None if value is None else read_text(value, problems, "an allowance such as `$2`")
    if value is None or text is None:
        return None
    amount = parse_amount(text)
    if amount is not None and limit and (amount[1] is not unit or amount[0] > limit):
        fault = "is more than the limit" if amount[1] is unit else "counts something else than the limit"
        problems.error("ledger.bad-allowance", f"the allowance `{text}` {fault}", value.location)
    elif amount is None:
        problems.error(
            "ledger.bad-allowance",
            f"`{text}` is not an allowance",
            value.location,
            "write how much of what, as in the limit: `$2`, `100k tokens` or `50 requests`",
        )
    return None if amount is None else amount[0]


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


def _read_scope(fields: Fields, table: FactTable, what: str) -> str | None:
    node = fields.node("per")
    if isinstance(node, Sequence):
        fields.problems.error(
            "document.wrong-type",
            f"{what} counts by one thing, found a list",
            node.location,
            "write one of them for each, under names of their own",
        )
        return None
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
        f"`{text}` is nothing that {what} can count by",
        node.location,
        did_you_mean(text, known) or "it is one of " + ", ".join(f"`{word}`" for word in known),
    )
    return None
