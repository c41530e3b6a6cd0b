"""`settings.router`: the weights that a policy judges prompts by, and the qualities that their file holds of its models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from routebook.catalogue.models import Catalogue, Model
from routebook.documents.nodes import Mapping, Node, Scalar
from routebook.documents.problems import Problems
from routebook.documents.reading import Fields
from routebook.scoring.weighing import USUAL, BadWeights, Weights, weights_of

ROUTER_KEYS = {
    "weights": "a file beside the policy, of `routebook router train`, by which prompts are judged instead of the shipped "
    "weights; the qualities in it stand in place of those that models declare"
}
"""The keys of `settings.router`, with what they mean."""

SUFFIX = ".json"
"""How the name of a file of weights ends."""

Attached = Callable[[str], str | None]
"""The text of a file beside the policy; None where there is none that can be read."""


def named_weights(settings: Mapping) -> str | None:
    """The file of weights that a policy names, as far as its settings can be read."""
    router = next((node for key, node in settings if key.text == "router"), None)
    node = None if not isinstance(router, Mapping) else next((n for key, n in router if key.text == "weights"), None)
    return node.text if isinstance(node, Scalar) and _is_name(node.text) else None


def read_router(settings: Mapping, attached: Attached, problems: Problems) -> Weights | None:
    """The weights that the settings name; None where they name none, or what they name cannot be used."""
    node = next((node for key, node in settings if key.text == "router"), None)
    if node is None or (isinstance(node, Scalar) and node.is_null):
        return None
    fields = Fields.of(node, ROUTER_KEYS, problems, "`router`", ("weights",))
    named = None if fields is None else fields.node("weights")
    if named is None:
        return None
    if not isinstance(named, Scalar) or not _is_name(named.text):
        _refuse(
            named, problems, "`weights` is no name of a file", f"name a file beside the policy that ends in `{SUFFIX}`"
        )
        return None
    text = attached(named.text)
    if text is None:
        _refuse(
            named, problems, f"`{named.text}` cannot be read", "`routebook router train --out FILE` writes such a file"
        )
        return None
    try:
        return weights_of(text)
    except BadWeights as error:
        _refuse(named, problems, f"`{named.text}` holds no weights: {error}", None)
        return None


def requalified(catalogue: Catalogue, weights: Weights | None) -> Catalogue:
    """The catalogue with the qualities of models that the weights know."""
    if weights is None or not weights.qualities:
        return catalogue
    return replace(catalogue, models={name: _known(model, weights) for name, model in catalogue.models.items()})


def _known(model: Model, weights: Weights) -> Model:
    row = weights.qualities.get(model.name)
    if row is None:
        return model
    by_task = {task: quality for task, quality in row.items() if task != USUAL}
    return replace(model, quality=row[USUAL], qualities={**model.qualities, **by_task})


def _is_name(text: str) -> bool:
    return text.endswith(SUFFIX) and "/" not in text and "\\" not in text and not text.startswith(".")


def _refuse(node: Node, problems: Problems, message: str, hint: str | None) -> None:
    problems.error("policy.bad-router", message, node.location, hint)
