"""The console's part of the table of routes."""

from __future__ import annotations

from routebook.edge.admin.route import Route
from routebook.edge.console import (
    budgets,
    decision,
    decisions,
    entering,
    history,
    models,
    overview,
    policy,
    savings,
    talk,
    what_if,
)

ROUTES: tuple[Route, ...] = (
    *overview.ROUTES,
    *decisions.ROUTES,
    *decision.ROUTES,
    *policy.ROUTES,
    *budgets.ROUTES,
    *models.ROUTES,
    *talk.ROUTES,
    *savings.ROUTES,
    *what_if.ROUTES,
    *history.ROUTES,
    *entering.ROUTES,
)
