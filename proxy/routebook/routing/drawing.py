"""What a request draws on: the budgets and limits that count it, and its worst case for each candidate.

What can be known when a policy is taken is worked out then (`Drawing`); which budgets and limits count a request is
found out once (`RequestDraws`), and what it may cost is worked out for each candidate that is about to be called.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from routebook.catalogue.models import Model
from routebook.catalogue.providers import AccountLimits
from routebook.documents.quantities import Unit
from routebook.ledger.bounds import Amounts, longest_answer, worst_cases
from routebook.ledger.budgets import Budget, Limit
from routebook.ledger.claims import Claim, Kind, Refusal, Why
from routebook.ledger.draws import Need, ScopeValue, account_draws, budget_draws, is_spent_at_once, limit_draws, scopes
from routebook.ledger.pot_names import ALL
from routebook.ledger.windows import slice_of
from routebook.policy.conditions import ALWAYS, holds
from routebook.policy.coverage import tests_of
from routebook.policy.facts import Ask
from routebook.routing.candidates import Candidate
from routebook.routing.demand import Demand
from routebook.routing.fact_table import FACTS, WRITING_DOWN
from routebook.routing.outcomes import Caps
from routebook.routing.policy import Policy

_OF_CANDIDATE: Final = frozenset({"model", "provider"})
_FORM: Final = "request.form."
_UNLIMITED: Final = AccountLimits()


_MATCHES: Final = "prompt.matches."
_WORDS: Final = "prompt"
"""The field of a form that holds words of a prompt: where patterns or guards look at prompts, it must be known."""


class Drawing:
    """Every budget and limit of a policy, ready to be drawn on. `asked` are the budgets that rules ask about, `form_fields` the fields of forms;
    `counts_all` says that none of them asks which request it counts."""

    def __init__(self, policy: Policy) -> None:
        self.budgets = tuple(policy.budgets.values())
        self.limits = tuple(policy.limits.values())
        self.settings = policy.settings
        whens = [*(budget.when for budget in self.budgets), *(limit.when for limit in self.limits)]
        self.counts_all = all(when == ALWAYS for when in whens)
        conditions = (*(rule.when for rule in policy.rules), *(each.when for each in policy.guarantees))
        asked = {
            FACTS.argument(test.fact) for each in conditions for test in tests_of(each) if _is_of_budget(test.fact)
        }
        guards = [guard.when for guard in policy.guards.values()]
        tasks = [task.when for task in policy.tasks]
        every = [test.fact for each in (*whens, *conditions, *guards, *tasks) for test in tests_of(each)]
        fields = {fact.removeprefix(_FORM) for fact in every if fact.startswith(_FORM)}
        searched = bool(policy.guards) or any(fact.startswith(_MATCHES) for fact in every)
        self.form_fields = frozenset(fields | {_WORDS} if searched else fields)
        self.asked = tuple(budget for budget in self.budgets if budget.name in asked)
        accounts = [each for provider in policy.catalogue.providers.values() for each in provider.accounts]
        limited = any(account.limits != _UNLIMITED for account in accounts)
        self._draws = bool(self.budgets or self.limits or limited)

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
        return [
            (budget, [(budget.pots + scope, slice_of(budget, now).first) for scope in scopes(budget.per, ask)])
            for budget in self.asked
            if budget.per not in _OF_CANDIDATE
        ]


class RequestDraws:
    """What one request draws on; `who` is the client in whose name it queues."""

    __slots__ = ("_ask", "_asked", "_budgets", "_demand", "_drawing", "_limits", "_now", "who")

    def __init__(self, drawing: Drawing, ask: Ask, demand: Demand, who: str, cap: int | None, now: float) -> None:
        self.who = who
        self._drawing = drawing
        self._ask = ask
        self._demand = demand
        self._now = now
        wanted = demand.max_output
        self._asked = wanted if cap is None else cap if wanted is None else min(wanted, cap)
        if drawing.counts_all:
            self._budgets: Sequence[Budget] = drawing.budgets
            self._limits: Sequence[Limit] = drawing.limits
        else:
            self._budgets = [budget for budget in drawing.budgets if holds(budget.when, ask)]
            self._limits = [limit for limit in drawing.limits if holds(limit.when, ask)]

    def __repr__(self) -> str:
        return f"<RequestDraws of {self.who} on {len(self._budgets)} budgets, {len(self._limits)} limits>"

    def needs(self, candidate: Candidate, again: bool = False, prompt: int | None = None) -> tuple[Need, ...] | Refusal:
        """What it needs at most of each pot, should this candidate serve it; `again` where another was called before
        it, so that the request has been counted; `prompt` the tokens of its prompt at most, where those are not the request's own. A model whose price is not known cannot be paid for out of a budget of
        money."""
        model = candidate.model
        at_most, of_prompt = self._worst(model, prompt)

        def value(per: str) -> ScopeValue:
            return model.name if per == "model" else model.provider.name if per == "provider" else self._ask(per)

        needs: list[Need] = []
        orphans = self._drawing.settings.orphans
        for budget in self._budgets:
            draws = budget_draws(budget, value, at_most, self._now, orphans, of_prompt)
            if draws is None:
                claim = Claim(budget.pots + ALL, Kind.WINDOW, budget.limit, 0)
                return Refusal(claim, 0, None, Why.UNPRICED)
            needs += draws
        for limit in self._limits:
            draws = limit_draws(limit, value, at_most)
            needs += [draw for draw in draws if not is_spent_at_once(draw.claim)] if again else draws
        if candidate.account.limits is not _UNLIMITED and candidate.account.limits != _UNLIMITED:
            needs += account_draws(model.provider.name, candidate.account, at_most)
        return tuple(needs)

    def caps(self, caps: Caps) -> Caps:
        """The rule's caps, and the answer's bound that the policy sets where a client names none and a budget or limit counts
        what it costs."""
        most = self._drawing.settings.injected_max_output
        if most is None or self._asked is not None or not self._bounded:
            return caps
        return replace(caps, max_output=most)

    @property
    def _bounded(self) -> bool:
        """Whether how long the answer may be matters: a budget counts money or tokens, or a limit tokens a minute."""
        for budget in self._budgets:
            if budget.unit is not Unit.COUNT:
                return True
        return any(limit.tokens_per_minute is not None for limit in self._limits)

    def _worst(self, model: Model, prompt: int | None) -> tuple[Amounts, Amounts]:
        """What it uses at most of a model, and what its prompt alone does."""
        demand = self._demand
        needs, talks = demand.needs, demand.operation == "realtime"
        return worst_cases(
            model.price,
            demand.most_tokens if prompt is None else prompt,
            self._answer(model),
            demand.choices,
            talks or "audio_in" in needs or demand.operation in WRITING_DOWN,
            talks or "audio_out" in needs,
            demand.most_ms,
            demand.characters,
        )

    def _answer(self, model: Model) -> int:
        """The longest answer that a model may give."""
        if self._demand.operation == "embeddings":
            return 0
        asked = self._asked
        if asked is None and self._bounded:
            asked = self._drawing.settings.injected_max_output
        return longest_answer(model, asked)


def _is_of_budget(fact: str) -> bool:
    return fact.startswith("budget.")
