"""What a case says: a request, by its facts or as a client sends it, and what the policy must decide."""

from __future__ import annotations

from dataclasses import dataclass

from routebook.documents.problems import Location
from routebook.policy.facts import Value


@dataclass(frozen=True, slots=True)
class Bound:
    """What an amount must stay within, in its own unit; None is unbounded."""

    at_most: int | None = None
    at_least: int | None = None

    def contains(self, amount: int) -> bool:
        """Whether an amount stays within."""
        return (self.at_most is None or amount <= self.at_most) and (self.at_least is None or amount >= self.at_least)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a case expects; None expects nothing.

    `refuse` is the status of a refusal, True any refusal, and `code` what the client is told with it. `order` are the
    models that may serve, in the order in which they are tried; `dropped` those that may not, each with the codes of
    reasons of which one must be given. `cost` is nano-dollars that the first of them costs at most, `holds` what is held
    for it of budgets by name, in their units.
    """

    rule: str | None = None
    model: str | None = None
    refuse: int | bool | None = None
    code: str | None = None
    order: tuple[str, ...] | None = None
    dropped: tuple[tuple[str, frozenset[str]], ...] = ()
    cost: Bound | None = None
    holds: tuple[tuple[str, Bound], ...] = ()


@dataclass(frozen=True, slots=True)
class SentRequest:
    """A request as a client sends it: the path with its query, the body's bytes, headers by their names in lower case.

    `client` is who sends it, by the name in `clients`; None: nobody whom the policy knows.
    """

    path: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    client: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyTest:
    """One case beside the policy.

    `given` are facts by key; what is not given is missing, but for what a `request` says itself. `is_suggested` is true
    of a case that was written by the program and confirmed by nobody.
    """

    name: str
    given: dict[str, Value]
    expect: Expectation
    location: Location
    request: SentRequest | None = None
    is_suggested: bool = False

    @property
    def says(self) -> object:
        """What it gives and expects: the same for two cases that show the same."""
        return frozenset(self.given.items()), self.request, self.expect
