"""How the ledger stands, as metrics: budgets, queues, and the store that several hosts share.

Scopes may be clients' own words, and as many as there are clients. So a budget `per` something shows those of its
scopes that have used most, and no others.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Final

from routebook.documents.quantities import NANO, Unit
from routebook.edge.ledger.desk import Desk
from routebook.edge.ledger.owner import Owner
from routebook.edge.ledger.store_breaker import StoreBreaker
from routebook.edge.metrics import Family, Labels
from routebook.edge.scrape import Fact
from routebook.ledger.budgets import Budget, Counting
from routebook.ledger.pot_names import pot_named
from routebook.ledger.standing import BudgetStanding, standings

MOST_SCOPES: Final = 20
"""Scopes of one budget that are shown: those of which most is settled and held."""

USED = Family(
    "routebook_budget_used",
    "gauge",
    "What is settled and held of a budget in the window that counts now: dollars, tokens or requests. Of a budget `per` "
    f"something, the {MOST_SCOPES} scopes that have used most.",
    ("budget", "scope", "unit"),
)
LIMIT = Family(
    "routebook_budget_limit",
    "gauge",
    "The limit of a budget, for each of its scopes: dollars, tokens or requests.",
    ("budget", "unit"),
)
WAITING = Family(
    "routebook_queue_waiting",
    "gauge",
    "Requests that wait for a limit, by what it counts and its name.",
    ("kind", "name"),
)
WAITED = Family(
    "routebook_queue_wait_seconds",
    "histogram",
    "How long requests waited for a limit, served in the end or not, by what it counts and its name.",
    ("kind", "name"),
)
STORE_AWAY = Family(
    "routebook_shared_ledger_away", "gauge", "1 while the store that several hosts share is taken to be away."
)
STORE_CHANGES = Family(
    "routebook_shared_ledger_breaker_transitions",
    "counter",
    "How often the breaker before the shared store opened and closed.",
    ("to",),
)
STORE_FAILURES = Family(
    "routebook_shared_ledger_failures",
    "counter",
    "How often the shared store failed to answer, by reason.",
    ("reason",),
)

_UNITS: Final = {Unit.MONEY: "dollars", Unit.TOKENS: "tokens", Unit.COUNT: "requests"}


def ledger_facts(counting: Counting, owner: Owner) -> list[Fact]:
    """How the budgets and queues of a policy stand, as their owner counts, and the store that hosts share, if they do."""
    figures = owner.figures()
    found = standings(counting.budgets, figures.settled, figures.held, figures.exceeded, figures.now)
    return [
        Fact(USED, [row for each in found for row in _used(each)]),
        Fact(LIMIT, [((each.name, _UNITS[each.unit]), _in_dollars(each, each.limit)) for each in counting.budgets]),
        Fact(WAITING, list(_waiting(owner.desk).items())),
        Fact(WAITED, list(owner.desk.waited.items())),
        *([] if owner.breaker is None else store_facts(owner.breaker)),
    ]


def store_facts(breaker: StoreBreaker) -> list[Fact]:
    """How the shared store fares."""
    return [
        Fact(STORE_AWAY, [((), float(breaker.is_open))]),
        Fact(STORE_CHANGES, [((to,), float(breaker.changes[to])) for to in ("opened", "closed")]),
        Fact(STORE_FAILURES, [((reason,), float(count)) for reason, count in breaker.failures.items()]),
    ]


def _used(each: BudgetStanding) -> Iterator[tuple[Labels, float]]:
    """What is used of a budget, by those who have used most of it."""
    budget = each.budget
    for scope in heapq.nlargest(MOST_SCOPES, each.scopes, key=lambda one: one.settled + one.held):
        labels = budget.name, scope.scope, _UNITS[budget.unit]
        yield labels, _in_dollars(budget, scope.settled + scope.held)


def _in_dollars(budget: Budget, amount: int) -> float:
    return amount / NANO if budget.unit is Unit.MONEY else float(amount)


def _waiting(desk: Desk) -> dict[Labels, float]:
    """How many wait, by what a limit counts and its name; none where somebody has waited."""
    waiting: dict[Labels, float] = dict.fromkeys(desk.waited, 0.0)
    for pot, number in desk.waiting().items():
        labels = pot_named(pot)[:2]
        waiting[labels] = waiting.get(labels, 0.0) + number
    return waiting
