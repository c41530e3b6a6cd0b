"""What a request draws on: the budgets and limits that count it, and its worst case for each candidate.

What can be known when a policy is taken is worked out then (`Drawing`); which budgets and limits count a request is
found out once (`RequestDraws`), and what it may cost is worked out for each candidate that is about to be called.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final, Protocol

from msgspec.structs import replace as replace_struct

from routebook.catalogue.models import Model
from routebook.catalogue.providers import Account, Provider
from routebook.documents.quantities import Unit
from routebook.ledger.bounds import Amounts, worst_case
from routebook.ledger.budgets import Budget, Limit
from routebook.ledger.claims import Claim, Kind, Refusal, Why
from routebook.ledger.pot_names import ALL as NOBODY
from routebook.ledger.pot_names import budget_pots
from routebook.ledger.windows import Slice, slice_of
from routebook.policy.conditions import holds
from routebook.policy.coverage import tests_of
from routebook.policy.facts import Ask
from routebook.routing.candidates import Candidate
from routebook.routing.demand import Demand
from routebook.routing.fact_table import FACTS
from routebook.routing.holding import Need
from routebook.routing.memory import AccountKey
from routebook.routing.outcomes import Caps
from routebook.routing.policy import Policy

UNKNOWN_OUTPUT: Final = 131_072
"""Tokens of answer that are held for where neither the client, the policy nor the model's declaration bounds them."""

OF_ACCOUNTS: Final = "account"
"""The name under which what vendors grant accounts is counted."""


class Limits(Protocol):
    """What may be drawn a minute and at the same time; None is unlimited. `wait` seconds among `places` for a turn."""

    @property
    def requests_per_minute(self) -> int | None:
        """Requests a minute."""

    @property
    def tokens_per_minute(self) -> int | None:
        """Tokens a minute, both ways together."""

    @property
    def concurrent(self) -> int | None:
        """Requests at the same time."""

    @property
    def wait(self) -> float:
        """How long a request may queue."""

    @property
    def places(self) -> int:
        """How many may."""


class Drawing:
    """Every budget and limit of a policy, ready to be drawn on."""

    def __init__(self, policy: Policy) -> None:
        self.budgets = tuple(policy.budgets.values())
        self.limits = tuple(policy.limits.values())
        self.settings = policy.settings
        self.of_account: Mapping[AccountKey, tuple[Need, ...]] = {
            (provider.name, account.name): tuple(_account_needs(provider, account))
            for provider in policy.catalogue.providers.values()
            for account in provider.accounts
        }
        conditions = (*(rule.when for rule in policy.rules), *(each.when for each in policy.guarantees))
        asked = {
            FACTS.argument(test.fact)
            for condition in conditions
            for test in tests_of(condition)
            if test.fact.startswith("budget.")
        }
        self.asked = tuple(budget for budget in self.budgets if budget.name in asked)
        """The budgets that rules ask about."""
        self._draws = bool(self.budgets or self.limits or any(self.of_account.values()))

    def __repr__(self) -> str:
        return f"<Drawing of {len(self.budgets)} budgets, {len(self.limits)} limits>"

    def of(self, ask: Ask, demand: Demand, who: str, cap: int | None, now: float) -> RequestDraws | None:
        """What a request draws on; `ask` knows its facts, `cap` is the rule's on its answer, `now` seconds since 1970.
        None where nothing of the policy counts anything."""
        return RequestDraws(self, ask, demand, who, cap, now) if self._draws else None

    def pots(self, ask: Ask, now: float) -> list[tuple[Budget, list[tuple[str, int]]]]:
        """The pots of this request's scope in each budget that rules ask about, with their oldest slice that counts.

        A budget per model or provider has none before there is a candidate: such a fact is missing.
        """
        found = []
        for budget in self.asked:
            scopes = scopes_of(budget.per, ask, None)
            first = slice_of(budget, now).first
            found.append((budget, [(f"{budget_pots(budget.name, budget.unit)}{scope}", first) for scope in scopes]))
        return found


class RequestDraws:
    """What one request draws on; `who` is the client in whose name it queues."""

    __slots__ = ("_ask", "_asked", "_budgets", "_demand", "_drawing", "_limits", "who")

    def __init__(self, drawing: Drawing, ask: Ask, demand: Demand, who: str, cap: int | None, now: float) -> None:
        self.who = who
        self._drawing = drawing
        self._ask = ask
        self._demand = demand
        wanted = demand.max_output
        self._asked = wanted if cap is None else cap if wanted is None else min(wanted, cap)
        self._budgets: list[tuple[Budget, Slice]] = [
            (budget, slice_of(budget, now)) for budget in drawing.budgets if holds(budget.when, ask)
        ]
        self._limits = [limit for limit in drawing.limits if holds(limit.when, ask)]

    def __repr__(self) -> str:
        return f"<RequestDraws of {self.who} on {len(self._budgets)} budgets, {len(self._limits)} limits>"

    def needs(self, candidate: Candidate) -> tuple[Need, ...] | Refusal:
        """What it needs at most of each pot, should this candidate serve it. A model whose price is not known cannot
        be paid for out of a budget of money."""
        at_most = self._at_most(candidate.model)
        found: list[Need] = []
        if at_most.money is None:
            for budget, slice_ in self._budgets:
                if budget.unit is Unit.MONEY:
                    claim = Claim(
                        f"{budget_pots(budget.name, budget.unit)}{NOBODY}", Kind.WINDOW, budget.limit, 0, slice_.start
                    )
                    return Refusal(claim, 0, None, Why.UNPRICED)
        for budget, slice_ in self._budgets:
            found += self._of_budget(budget, slice_, candidate, at_most)
        for limit in self._limits:
            found += self._of_limit(limit, candidate, at_most)
        for need in self._drawing.of_account.get(candidate.key, ()):
            found.append(_sized(need, at_most.tokens) if need.unit is Unit.TOKENS else need)
        return tuple(found)

    def caps(self, caps: Caps) -> Caps:
        """The rule's caps, and the answer's bound that the policy sets where a client names none and a budget counts
        what it costs."""
        most = self._drawing.settings.injected_max_output
        if most is None or self._asked is not None or not self._budgets:
            return caps
        return replace(caps, max_output=most)

    def _at_most(self, model: Model) -> Amounts:
        demand = self._demand
        return worst_case(
            model.price,
            prompt=demand.most_tokens,
            answer=0 if demand.operation == "embeddings" else self._answer(model),
            choices=demand.choices,
            hears="audio_in" in demand.needs,
            speaks="audio_out" in demand.needs,
        )

    def _answer(self, model: Model) -> int:
        """The longest answer that a model may give."""
        asked = self._asked
        if asked is None and self._budgets:
            asked = self._drawing.settings.injected_max_output
        bounds = [each for each in (asked, model.max_output, model.context) if each is not None]
        return min(bounds) if bounds else UNKNOWN_OUTPUT

    def _of_budget(self, budget: Budget, slice_: Slice, candidate: Candidate, at_most: Amounts) -> Iterator[Need]:
        amount = at_most.of(budget.unit) or 0
        for scope in scopes_of(budget.per, self._ask, candidate):
            claim = Claim(
                f"{budget_pots(budget.name, budget.unit)}{scope}",
                Kind.WINDOW,
                budget.limit,
                amount,
                slice_.start,
                slice_.first,
                slice_.ends,
                allowance=budget.allowance,
            )
            yield Need(claim, budget.unit, self._orphan(budget.unit, amount, candidate.model))

    def _of_limit(self, limit: Limit, candidate: Candidate, at_most: Amounts) -> Iterator[Need]:
        for scope in scopes_of(limit.per, self._ask, candidate):
            for need in limit_needs(limit.name, scope, limit, by_call=False):
                yield _sized(need, at_most.tokens) if need.unit is Unit.TOKENS else need

    def _orphan(self, unit: Unit, amount: int, model: Model) -> int:
        """What is booked should the process die that makes the call."""
        match self._drawing.settings.orphans:
            case "nothing":
                return 0
            case "prompt" if unit is Unit.TOKENS:
                return min(amount, self._demand.size(closely=False).tokens)
            case "prompt" if unit is Unit.MONEY:
                return min(amount, self._demand.size(closely=False).tokens * (model.price.input or 0) // 1_000_000)
        return amount


def scopes_of(per: str | None, ask: Ask, candidate: Candidate | None) -> tuple[str, ...]:
    """The values that a request is counted under: one, or as many as a set (its tags) has members."""
    match per:
        case None:
            return (NOBODY,)
        case "model" | "provider" if candidate is None:
            return ()
        case "model" if candidate is not None:
            return (candidate.name,)
        case "provider" if candidate is not None:
            return (candidate.model.provider.name,)
    value = ask(per or "")
    if isinstance(value, frozenset):
        return tuple(sorted(value))
    return (NOBODY if value is None else str(value),)


def _account_needs(provider: Provider, account: Account) -> Iterator[Need]:
    """What an account's vendor grants it, or all accounts of its bucket together."""
    shared = account.bucket is not None
    scope = f"{provider.name}#{account.bucket}" if shared else f"{provider.name}/{account.name}"
    return limit_needs(OF_ACCOUNTS, scope, account.limits, by_call=True)


def limit_needs(name: str, scope: str, limits: Limits, *, by_call: bool) -> Iterator[Need]:
    """What a call needs of limits: one request of those a minute, one of those at a time, and tokens yet to be sized."""
    for kind, what, most, unit in (
        (Kind.RATE, "rpm", limits.requests_per_minute, Unit.COUNT),
        (Kind.RATE, "tpm", limits.tokens_per_minute, Unit.TOKENS),
        (Kind.SLOTS, "slots", limits.concurrent, Unit.COUNT),
    ):
        if most is not None:
            yield Need(
                Claim(f"{what}/{name}/{scope}", kind, most, 1, wait=limits.wait, places=limits.places),
                unit,
                by_call=by_call,
            )


def _sized(need: Need, tokens: int) -> Need:
    """A need of tokens a minute for a request of so many at most. One that may be larger than the whole minute waits for
    a full minute: its worst case is rarely its case, and it would wait for ever otherwise."""
    claim = need.claim
    return replace_struct(need, claim=replace_struct(claim, amount=max(1, min(tokens, claim.limit))))
