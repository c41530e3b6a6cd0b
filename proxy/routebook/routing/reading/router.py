"""`settings.router`: the weights that a policy judges prompts by, and the qualities that their file holds of its models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from routebook.catalogue.models import Catalogue, Model
from routebook.documents.names import check_name
from routebook.documents.nodes import Mapping, Node, Scalar
from routebook.documents.problems import Problems
from routebook.documents.reading import Fields, kind_of
from routebook.policy.coverage import tests_of
from routebook.routing.own_tasks import TASK, OwnTask
from routebook.routing.reading.terms import Terms
from routebook.scoring.tasks import TASKS
from routebook.scoring.weighing import USUAL, BadWeights, Weights, weights_of

ROUTER_KEYS = {
    "weights": "a file beside the policy, of `routebook router train`, by which prompts are judged instead of the shipped "
    "weights; the qualities in it stand in place of those that models declare",
    "tasks": "classes of task of your own: names with the conditions under which a request is of them, tried in this order "
    "before the scorer's classes",
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
    fields = Fields.of(node, ROUTER_KEYS, problems, "`router`")
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


def named_tasks(settings: Mapping) -> tuple[str, ...]:
    """The names of a policy's own classes of task, as far as its settings can be read; `usual` and those of the scorer are taken."""
    return tuple(key.text for key, _ in _tasks(settings) if key.text not in TASKS and key.text != USUAL)


def read_tasks(settings: Mapping, terms: Terms) -> tuple[OwnTask, ...]:
    """A policy's own classes of task, in the order in which they are written."""
    router = settings.get("router")
    node = router.get("tasks") if isinstance(router, Mapping) else None
    if node is not None and not isinstance(node, Mapping) and not (isinstance(node, Scalar) and node.is_null):
        terms.problems.error(
            "document.wrong-type",
            f"expected names with conditions under `tasks`, found {kind_of(node)}",
            node.location,
            "write `tasks: {contracts: {prompt.matches.clause: true}}`",
        )
    return tuple(_read_task(key, node, terms) for key, node in _tasks(settings))


def _tasks(settings: Mapping) -> tuple[tuple[Scalar, Node], ...]:
    router = settings.get("router")
    node = router.get("tasks") if isinstance(router, Mapping) else None
    return tuple(node) if isinstance(node, Mapping) else ()


def _read_task(key: Scalar, node: Node, terms: Terms) -> OwnTask:
    check_name(key, terms.problems, "a class of task")
    if key.text in TASKS or key.text == USUAL:
        terms.problems.error(
            "policy.taken-task",
            f"`{key.text}` is a word of the scorer's own",
            key.location,
            "give the class another name",
        )
    when = terms.condition(node)
    asked = next((it for it in tests_of(when) if it.fact == TASK or it.fact.startswith(("budget.", "guard."))), None)
    if asked is not None:
        fact = asked.fact.partition("[")[0]
        terms.problems.error(
            "policy.circular-task",
            f"the class `{key.text}` rests on `{fact}`, which may rest on classes",
            key.location,
            "a class may ask about the request, its prompt and its caller, the time and models",
            [(asked.location, "where it is asked")],
        )
    return OwnTask(key.text, when, key.location)


def _is_name(text: str) -> bool:
    return text.endswith(SUFFIX) and "/" not in text and "\\" not in text and not text.startswith(".")


def _refuse(node: Node, problems: Problems, message: str, hint: str | None) -> None:
    problems.error("policy.bad-router", message, node.location, hint)
