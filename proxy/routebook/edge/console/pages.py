"""The console's part of the table of routes."""

from __future__ import annotations

from routebook.edge.admin.route import Route
from routebook.edge.console import budgets, decision, decisions, entering, overview, policy

ROUTES: tuple[Route, ...] = (
    *overview.ROUTES,
    *decisions.ROUTES,
    *decision.ROUTES,
    *policy.ROUTES,
    *budgets.ROUTES,
    *entering.ROUTES,
)
