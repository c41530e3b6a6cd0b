"""What of a policy's budgets and limits will not do what its author expects: said before the first request is refused.

A budget holds the worst case of a call before it is made. So a model without a price, one whose answers nothing bounds,
and a budget smaller than any worst case are sound policies that serve nobody, or few.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from routebook.catalogue.models import Catalogue, Model
from routebook.catalogue.reading_models import expand
from routebook.documents.problems import Problems
from routebook.documents.quantities import Unit
from routebook.ledger.bounds import UNKNOWN_OUTPUT, longest_answer, worst_case
from routebook.ledger.budgets import LARGEST_SHARED, Budget
from routebook.policy.conditions import Condition
from routebook.policy.coverage import needed, tests_of
from routebook.policy.rules import Rule
from routebook.routing.fact_table import WRITING_DOWN
from routebook.routing.facts import FACTS
from routebook.routing.outcomes import REQUESTED, Outcome, Route
from routebook.routing.policy import Settings
from routebook.routing.reading.serving import demand_of
from routebook.routing.reasons import count, dollars


@dataclass(frozen=True, slots=True)
class Use:
    """A model as a rule may send a chat to it. `asked` is the bound of the answer that the policy sets where the client
    names none; None: it sets none."""

    model: Model
    asked: int | None

    @property
    def answer(self) -> int:
        """The longest answer, in tokens."""
        return longest_answer(self.model, self.asked)

    @property
    def is_bounded(self) -> bool:
        """Whether anything bounds the answer."""
        return not self.asked is self.model.max_output is self.model.context is None


def check_amounts(conditions: Iterable[Condition], budgets: Mapping[str, Budget], problems: Problems) -> None:
    """Add a problem for each test that compares what is left or used of a budget with something that it does not count:
    `10` of a budget in money would be ten nano-dollars."""
    tests = {
        test.location: test
        for condition in conditions
        for test in tests_of(condition)
        if test.unit is not None and test.fact.startswith("budget.")
    }
    for test in tests.values():
        budget = budgets.get(FACTS.argument(test.fact) or "")
        if budget is None or (test.unit is Unit.MONEY) == (budget.unit is Unit.MONEY):
            continue
        counts, example = _COUNTED[budget.unit]
        problems.error(
            "policy.wrong-amount",
            f"the budget `{budget.name}` counts {counts}, and `{test.text}` asks for something else",
            test.location,
            f"write a share, such as `10%`, or an amount of what it counts, such as `{example}`",
            [(budget.location, "the budget")],
        )


_COUNTED = {Unit.MONEY: ("money", "$10"), Unit.TOKENS: ("tokens", "100k"), Unit.COUNT: ("requests", "100")}
"""What a budget counts, and how an amount of it is written."""


def report_money(
    budgets: Iterable[Budget],
    rules: Sequence[Rule[Outcome]],
    catalogue: Catalogue,
    settings: Settings,
    problems: Problems,
) -> None:
    """Warn of budgets that nothing could be paid from, and of models that budgets cannot count well."""
    said: set[tuple[str, str]] = set()
    for budget in budgets:
        if not budget.can_be_shared:
            _say_too_large(budget, problems)
        if budget.unit is Unit.COUNT or not budget.limit:
            continue
        uses = [use for use in _uses(rules, catalogue, settings) if _may_count(budget, use.model)]
        for use in uses:
            for code, message, hint in _faults(use, budget):
                if (code, use.model.name) not in said:
                    said.add((code, use.model.name))
                    problems.warning(code, message, use.model.location, hint, [(budget.location, "the budget")])
        _say_too_small(budget, uses, problems)


def _uses(rules: Sequence[Rule[Outcome]], catalogue: Catalogue, settings: Settings) -> Iterator[Use]:
    """Every way in which a rule may send a request to a model."""
    for rule in rules:
        if isinstance(rule.outcome, Route):
            to = catalogue.models if REQUESTED in rule.outcome.to else expand(rule.outcome.to, catalogue.pools)
            demand = demand_of(needed(rule.when))
            cap = rule.outcome.caps.max_output
            for name in to:
                model = catalogue.models.get(name)
                if model is not None and demand.refusal(model) is None:
                    yield Use(model, settings.injected_max_output if cap is None else cap)


def _may_count(budget: Budget, model: Model) -> bool:
    return demand_of(needed(budget.when)).refusal(model) is None


def _faults(use: Use, budget: Budget) -> Iterator[tuple[str, str, str]]:
    """What is wrong with a model that a budget may count: code, message and hint."""
    model, chats = use.model, "chat" in use.model.operations
    writes = not model.operations.isdisjoint(WRITING_DOWN)
    price = model.price
    kinds = [("input", price.input, True), ("output", price.output, chats), ("audio_input", price.audio_input, writes)]
    if price.heard_ms is not None or price.characters is not None:
        kinds = []  # it is paid by length
    unpriced = [kind for kind, price, is_used in kinds if price is None and is_used]
    if budget.unit is Unit.MONEY and unpriced:
        named = " and ".join(f"`{kind}`" for kind in unpriced)
        yield (
            "ledger.unpriced-model",
            f"`{model.name}` has no price for {named}, so it serves nothing that the budget `{budget.name}` counts",
            "give it a `price`; where it costs nothing, `price: {input: 0, output: 0}`",
        )
    if chats and not use.is_bounded:
        yield (
            "ledger.unbounded-answer",
            f"nothing bounds the answers of `{model.name}`: of the budget `{budget.name}`, a request may hold {UNKNOWN_OUTPUT:,} tokens",
            "give it a `max_output`, or set `settings.default_max_output`",
        )


def _say_too_small(budget: Budget, uses: Iterable[Use], problems: Problems) -> None:
    """Warn where a chat whose client bounds no answer fits into the budget by no model."""
    worst = [
        (amount, use.model.name)
        for use in uses
        if "chat" in use.model.operations
        and (amount := worst_case(use.model.price, 1, use.answer).of(budget.unit)) is not None
    ]
    if not worst or min(worst)[0] <= budget.limit:
        return
    least, name = min(worst)
    shown = dollars(least) if budget.unit is Unit.MONEY else f"{count(least)} tokens"
    problems.warning(
        "ledger.budget-too-small",
        f"a request that does not say how long its answer may be never fits into the budget `{budget.name}`: "
        f"it holds {shown} even for `{name}`",
        budget.location,
        "raise the limit, or bound answers by `settings.default_max_output`, such as `4k`",
    )


def _say_too_large(budget: Budget, problems: Problems) -> None:
    most = dollars(LARGEST_SHARED) if budget.unit is Unit.MONEY else f"{LARGEST_SHARED:,}"
    problems.warning(
        "ledger.limit-too-large",
        f"the limit of `{budget.name}` is more than several hosts could share: {most} at most",
        budget.location,
        "on one host it is kept all the same",
    )
