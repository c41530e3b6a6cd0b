"""The `guarantees` section: what must hold for every request, on every hop."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from routebook.catalogue.models import Model, Pool
from routebook.catalogue.providers import Provider
from routebook.catalogue.reading_models import expand, read_dollars
from routebook.documents.names import check_name, read_reference, suggestion
from routebook.documents.nodes import Node, Scalar
from routebook.documents.problems import Location
from routebook.documents.reading import Fields, read_texts
from routebook.policy.conditions import ALWAYS
from routebook.routing.policy import Guarantee, Reach
from routebook.routing.reach import label_of
from routebook.routing.reading.terms import Terms

GUARANTEE_KEYS = {
    "name": "the guarantee's name, in records",
    "when": "for which requests (default: all)",
    "only": "the models that may serve them",
    "never": "the models that may not",
}
"""The keys of one guarantee, with what they mean."""

REACH_KEYS = {
    "model": "models and pools",
    "provider": "providers",
    "region": "where the provider stands",
    "labels": "labels of the model or its provider, each with one value or several",
    "capability": "what the model can do",
    "price": "`{at_most: 5}`: dollars per million tokens, of whatever kind",
}
"""The keys of `only` and `never`: a model is meant where all of those given fit."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The names that guarantees may use, each kind with all that the policy declares."""

    models: dict[str, Model]
    pools: dict[str, Pool]
    targets: Collection[str]
    providers: dict[str, Provider]
    provider_names: Collection[str]
    capabilities: Collection[str]

    @property
    def regions(self) -> frozenset[str]:
        """Where any of the providers stands."""
        return frozenset(each.region for each in self.providers.values() if each.region is not None)


def read_guarantees(items: Iterable[Node], terms: Terms, scope: Scope) -> tuple[Guarantee, ...]:
    """The guarantees in order; their names are unique."""
    found: list[Guarantee] = []
    first: dict[str, Location] = {}
    for item in items:
        fields = Fields.of(item, GUARANTEE_KEYS, terms.problems, "a guarantee", ("name",))
        if fields is None:
            continue
        node = fields.node("name")
        name = node.text if isinstance(node, Scalar) else ""
        place = fields.location if node is None else node.location
        if isinstance(node, Scalar):
            check_name(node, terms.problems, "a guarantee")
        if name in first:
            terms.problems.error(
                "document.duplicate-name",
                f"two guarantees are named `{name}`",
                place,
                "records name the guarantee that kept a model out; choose another name",
                related=[(first[name], "the first one")],
            )
        first.setdefault(name, place)
        when = fields.node("when")
        condition = ALWAYS if when is None else terms.condition(when)
        reach, never = _read_reach(fields, name, scope)
        found.append(Guarantee(name, condition, reach, never, place))
    return tuple(found)


def _read_reach(fields: Fields, name: str, scope: Scope) -> tuple[Reach, bool]:
    only, never = fields.node("only"), fields.node("never")
    if (only is None) == (never is None):
        fields.problems.error(
            "policy.no-promise",
            f"the guarantee `{name}` needs `only` or `never`, one of the two",
            fields.location,
            "write `only: {region: eu}` or `never: {model: [...]}`",
        )
    node = only if only is not None else never
    inner = None if node is None else Fields.of(node, REACH_KEYS, fields.problems, "a guarantee's models")
    if node is None or inner is None:
        return Reach(), False
    if not inner.mapping.entries:
        fields.problems.error(
            "policy.no-promise",
            f"the guarantee `{name}` names no models",
            node.location,
            "say which: " + ", ".join(f"`{key}`" for key in REACH_KEYS),
        )
    if only is None and inner.node("price") is not None:
        fields.problems.error(
            "policy.no-promise",
            "`never` cannot forbid cheap models",
            node.location,
            "to keep dear ones out write `only: {price: {at_most: 5}}`",
        )
    return _reach_of(inner, scope), only is None


def _reach_of(fields: Fields, scope: Scope) -> Reach:
    models = _references(fields, "model", scope.targets, "policy.unknown-model", "a model or pool of this policy")
    return Reach(
        models=None if models is None else frozenset(expand(models, scope.pools)),
        providers=_references(
            fields, "provider", scope.provider_names, "policy.unknown-provider", "a provider of this policy"
        ),
        regions=_references(fields, "region", scope.regions, "policy.unknown-region", "a region of any provider"),
        labels=_read_labels(fields, scope),
        capabilities=_references(fields, "capability", scope.capabilities, "document.unknown-word", "a capability"),
        price_at_most=_read_price(fields),
    )


def _references(fields: Fields, name: str, known: Collection[str], code: str, what: str) -> frozenset[str] | None:
    if fields.node(name) is None:
        return None
    found = (
        read_reference(item, known, fields.problems, code, what) for item in fields.items(name, f"a list, each {what}")
    )
    return frozenset(text for text in found if text is not None)


def _read_labels(fields: Fields, scope: Scope) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for key, node in fields.named("labels", "a mapping of labels"):
        found[key.text] = frozenset(read_texts(node, fields.problems))
        borne = {label for model in scope.models.values() if (label := label_of(model, key.text)) is not None}
        for text in sorted(found[key.text] - borne):
            fields.problems.warning(
                "policy.unknown-label",
                f"no model has the label `{key.text}: {text}`",
                node.location,
                suggestion(text, borne) if borne else "labels stand at models and providers, as `labels: {NAME: TEXT}`",
            )
    return found


def _read_price(fields: Fields) -> int | None:
    node = fields.node("price")
    inner = None if node is None else Fields.of(node, ("at_most",), fields.problems, "`price`", ("at_most",))
    most = None if inner is None else inner.node("at_most")
    return None if most is None else read_dollars(most, fields.problems)
