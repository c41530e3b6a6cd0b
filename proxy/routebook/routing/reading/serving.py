"""Whether a route could ever serve what its own rule implies: found before any request is turned away.

Only what a rule's condition plainly demands counts (its tests that stand under no alternative): the operation, what the
request cannot do without, and the least size of the prompt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from routebook.catalogue.models import Catalogue, Model
from routebook.catalogue.reading_models import expand
from routebook.documents.problems import Problems
from routebook.policy.conditions import Every, HasAll, HasAny, InIntervals, OneOf, Predicate, Test
from routebook.policy.coverage import needed
from routebook.policy.rules import Rule
from routebook.routing.outcomes import REQUESTED, Outcome, Route
from routebook.routing.pipelines import SPOKEN_NEED


@dataclass(frozen=True, slots=True)
class Demand:
    """What every request that a rule matches asks of a model; `operations` None: anything."""

    operations: frozenset[str] | None
    needs: frozenset[str]
    tokens: int

    def refusal(self, model: Model) -> str | None:
        """Why a model can never serve such a request, with numbers; None where it may."""
        if self.operations is not None and not self.operations & model.operations:
            return f"`{model.name}` serves {_listed(model.operations)}, not {_listed(self.operations)}"
        if lacking := self.needs - model.capabilities:
            return f"`{model.name}` lacks {_listed(lacking)}"
        # several texts to embed have a context each, so their tokens together say nothing
        if model.context is not None and model.context < self.tokens and "embeddings" not in model.operations:
            return f"`{model.name}` has a context of {model.context} tokens, the prompt has at least {self.tokens}"
        return None


def report_routes_to_nowhere(rules: Sequence[Rule[Outcome]], catalogue: Catalogue, problems: Problems) -> None:
    """Add an error for each route none of whose candidates could ever serve what its rule implies."""
    for rule in rules:
        if not isinstance(rule.outcome, Route) or REQUESTED in rule.outcome.to:
            continue
        demand = demand_of(needed(rule.when))
        names = rule.outcome.to
        if rule.outcome.pipeline is not None and SPOKEN_NEED in demand.needs:
            names, demand = rule.outcome.pipeline.text, replace(demand, needs=demand.needs - {SPOKEN_NEED})
        models = [catalogue.models[name] for name in expand(names, catalogue.pools) if name in catalogue.models]
        refusals = [refusal for model in models if (refusal := demand.refusal(model)) is not None]
        if models and len(refusals) == len(models):
            problems.error(
                "policy.route-to-nowhere",
                f"no model of `{rule.name}` can serve what its condition asks for",
                rule.location,
                "; ".join(refusals),
            )


def demand_of(tests: Iterable[Test]) -> Demand:
    """What tests that must all hold demand of a model."""
    operations: frozenset[str] | None = None
    needs: frozenset[str] = frozenset()
    tokens = 0
    for test in tests:
        if test.missing_holds or test.predicate is None:
            continue
        for predicate in _parts(test.predicate):
            match test.fact, predicate:
                case "request.operation", OneOf(words):
                    operations = words if operations is None else operations & words
                case "request.needs", HasAll(members):
                    needs |= members
                case "request.needs", HasAny(members) if len(members) == 1:
                    needs |= members
                case "prompt.tokens", InIntervals(intervals):
                    tokens = max(tokens, int(min((each.low or 0 for each in intervals), default=0)))
                case _:
                    pass
    return Demand(operations, needs, tokens)


def _parts(predicate: Predicate) -> Iterator[Predicate]:
    if isinstance(predicate, Every):
        for each in predicate.predicates:
            yield from _parts(each)
    else:
        yield predicate


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in sorted(words))
