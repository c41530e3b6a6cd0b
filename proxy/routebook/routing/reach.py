"""Guarantees at run time: which of them speak of a model, and which of them hold for a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from routebook.catalogue.models import Model, Price
from routebook.policy.conditions import AllOf, AnyOf, Condition, Named, Test, test_holds
from routebook.policy.facts import Ask
from routebook.routing.policy import Guarantee, Reach


def forbidden_by(model: Model, guarantees: Sequence[Guarantee]) -> tuple[Guarantee, ...]:
    """The guarantees that keep a model from every request for which they hold."""
    return tuple(each for each in guarantees if reaches(each.reach, model) == each.never)


def reaches(reach: Reach, model: Model) -> bool:
    """Whether a model has every attribute that is given. What a model does not declare, it does not have."""
    provider = model.provider
    return (
        (reach.models is None or model.name in reach.models)
        and (reach.providers is None or provider.name in reach.providers)
        and (reach.regions is None or model.region in reach.regions)
        and all(label_of(model, name) in values for name, values in reach.labels.items())
        and (reach.capabilities is None or reach.capabilities <= model.capabilities)
        and (reach.price_at_most is None or _costs_at_most(model.price, reach.price_at_most))
    )


def label_of(model: Model, name: str) -> str | None:
    """A label of the model, or of its provider where the model has none of that name."""
    own: Mapping[str, str] = model.labels
    return own.get(name, model.provider.labels.get(name))


def may_hold(condition: Condition, ask: Ask) -> bool:
    """Whether a guarantee's condition holds, or cannot be ruled out because a fact is missing.

    A guarantee protects; what is not known must not lift it. Negation stands inside tests only, so taking a test of a
    missing fact for met never makes a whole condition fail.
    """
    match condition:
        case Test(predicate=None):
            return test_holds(condition, ask(condition.fact))
        case Test():
            value = ask(condition.fact)
            return value is None or test_holds(condition, value)
        case AllOf(conditions):
            return all(may_hold(each, ask) for each in conditions)
        case AnyOf(conditions):
            return any(may_hold(each, ask) for each in conditions)
        case Named(_, inner):
            return may_hold(inner, ask)


def _costs_at_most(price: Price, limit: int) -> bool:
    kinds = (
        price.input,
        price.cached_input,
        price.cache_write,
        price.audio_input,
        price.output,
        price.reasoning,
        price.audio_output,
        price.cached_audio_input,
    )
    known = [rate for rate in kinds if rate is not None]
    return bool(known) and max(known) <= limit
