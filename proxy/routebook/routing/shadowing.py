"""Copies of requests to another model (`shadow:`): whom a copy may go to, and which requests have one.

A copy is decided like a request of its own, by the same checks: guarantees, the client's models, `within` and what the
client itself asks for hold for it too. So it can be decided again from its record.
"""

from __future__ import annotations

from routebook.ledger.cost import MILLION
from routebook.routing.outcomes import Route
from routebook.routing.picking import falls_within


def shadow_route(route: Route) -> Route | None:
    """Where the copies of a route's requests go; None where it has none."""
    return None if route.shadow is None else Route((route.shadow[0],), within=route.within, caps=route.caps)


def is_shadowed(route: Route, draw: float) -> bool:
    """Whether a request with this draw has a copy."""
    return route.shadow is not None and falls_within(draw, "shadow", route.shadow[1] / MILLION)
