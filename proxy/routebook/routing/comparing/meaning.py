"""What a rule decides, in a form that is equal where requests fare alike: pools are the models they stand for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from routebook.catalogue.models import Catalogue
from routebook.policy.rules import Rule
from routebook.policy.sameness import Bare, bare, names_of_parts
from routebook.routing.outcomes import REQUESTED, Outcome, Route


def meaning(rule: Rule[Outcome] | None, catalogue: Catalogue) -> Bare:
    """What a rule decides (None: no rule matches). The name of a rule matters only where a split deals by it."""
    if rule is None or not isinstance(rule.outcome, Route):
        return bare(None if rule is None else rule.outcome)
    route = rule.outcome
    split = None
    if route.split is not None:
        shares = tuple((tuple(models_of((name,), catalogue)), parts) for name, parts in route.split.shares)
        split = (rule.name, route.split.by, shares)
    others = (getattr(route, name) for name in names_of_parts(route) or () if name not in ("to", "split"))
    return Route, tuple(models_of(route.to, catalogue)), split, bare(tuple(others))


def models_of(names: Iterable[str], catalogue: Catalogue) -> Iterator[str]:
    """The models that names of a route stand for, each once, in order; `requested` stands for itself."""
    seen: set[str] = set()
    for name in names:
        pool = catalogue.pools.get(name)
        for model in (name,) if pool is None else pool.models:
            if model not in seen:
                seen.add(model)
                yield model


def asks(rule: Rule[Outcome] | None) -> bool:
    """Whether what a rule decides depends on the model that a client asks for."""
    return rule is not None and isinstance(rule.outcome, Route) and REQUESTED in rule.outcome.to


def asked_otherwise(old: Catalogue, new: Catalogue) -> frozenset[str]:
    """What clients may ask for that stands for other models in two catalogues."""
    names = {*old.models, *old.pools, *new.models, *new.pools}
    return frozenset(name for name in names if _stands_for(name, old) != _stands_for(name, new))


def _stands_for(name: str, catalogue: Catalogue) -> tuple[str, ...]:
    return tuple(model for model in models_of((name,), catalogue) if model in catalogue.models)
