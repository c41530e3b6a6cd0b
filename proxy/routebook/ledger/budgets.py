"""Budgets as declared: how much, over which window, for whom."""

from __future__ import annotations

from dataclasses import dataclass

from routebook.documents.problems import Location
from routebook.documents.quantities import Unit
from routebook.policy.conditions import ALWAYS, Condition

WINDOWS = ("minute", "hour", "day", "week", "month")
"""Calendar windows; `rolling` ones are written as a duration."""


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit over a window. `limit` is nano-dollars, tokens or requests, as `unit` says (MONEY, TOKENS, COUNT).

    `per` is the fact that each has an own count for (`client.team`), None for all together. `rolling` is seconds.
    """

    name: str
    limit: int
    unit: Unit
    window: str | None
    rolling: float | None
    location: Location
    per: str | None = None
    zone: str = "UTC"
    when: Condition = ALWAYS
    allowance: int | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """What may be drawn a minute and at the same time, for each of what `per` counts by; None is unlimited.

    A request may queue for `wait` seconds, among at most `places`.
    """

    name: str
    location: Location
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent: int | None = None
    per: str | None = None
    when: Condition = ALWAYS
    wait: float = 0.0
    places: int = 0
