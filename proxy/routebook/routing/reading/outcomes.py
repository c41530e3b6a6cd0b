"""What a rule decides, as written: `route` with its terms, `refuse` with its wording."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from routebook.catalogue.models import Model, Pool
from routebook.catalogue.reading_models import expand, report_twice
from routebook.catalogue.reading_providers import read_labels
from routebook.documents.bounds import bounded, read_bounded, whole
from routebook.documents.names import read_reference, suggestion
from routebook.documents.nodes import Mapping, Node, Scalar
from routebook.documents.problems import Problems
from routebook.documents.quantities import Unit
from routebook.documents.reading import Fields, read_word
from routebook.routing.outcomes import BANDS, REQUESTED, Caps, Pick, Pipeline, Refuse, Reuse, Route, Split, Within

ROUTE_KEYS = {
    "to": "models and pools in order of preference, or `requested`: what the client asked for",
    "pick": "how the candidates that meet every constraint are ordered (default `in_order`)",
    "band": "for `pick: balanced`, `best` or `cheapest`: how far below the best predicted quality the cheapest is taken",
    "weights": "for `pick: weighted`: how often each is first, by name",
    "within": "constraints that every candidate must meet",
    "split": "shares of the traffic, by model or pool, stable for each client",
    "stick": "how long a conversation stays on its model and account, from one answer to the next",
    "shadow": "a copy to another model, whose answer is discarded",
    "pipeline": "who writes and who speaks an answer that is to be sound, where no model of `to` can serve it",
    "set": "caps and defaults on the outgoing request",
    "cache": "how long an answer may be used again, by the client who got it",
}
"""The keys of `route`, with what they mean."""

WITHIN_KEYS = {
    "cost": "what this request may cost at most",
    "first_token": "how long the first token may take",
    "first_audio": "how long the first sound may take, of an answer that is to be heard",
    "quality": "how good the model must be at least, from 0 to 1",
    "region": "where the provider may stand, one or several",
    "labels": "labels that the model or its provider must have",
}
"""The keys of `within`, with what they mean."""

SET_KEYS = {
    "max_output": "tokens of answer at most",
    "temperature": "the temperature, from 0 to 2",
    "reasoning_effort": "how hard to think",
}
"""The keys of `set`, with what they mean."""

REFUSE_KEYS = {
    "status": "the HTTP status, 400 to 599 (default 403)",
    "message": "what the client reads",
    "code": "a word that the client's program can act on",
}
"""The keys of `refuse`, with what they mean."""

SHADOW_KEYS = {"to": "the model that gets the copy", "share": "of which share of the requests (default 100%)"}
"""The keys of `shadow`, with what they mean."""

PIPELINE_KEYS = {
    "text": "models and pools that write the answer, in order of preference",
    "speech": "models and pools that speak it, in order of preference",
    "voice": "the voice, as the speech model's provider calls it, or its `voices` (default: the one that the client names)",
}
"""The keys of `pipeline`, with what they mean."""

CACHE_KEYS = {
    "for": "how long an answer may be used again",
    "shared": "whether every client may be given it (default false: only the one who got it)",
}
"""The keys of `cache` where it says more than how long."""

SPLIT_BY = {"client": "each client stays with its share", "conversation": "each conversation stays with its share"}
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Targets:
    """What rules may route to. `names` are all models and pools declared, those that could not be read too."""

    models: dict[str, Model]
    pools: dict[str, Pool]
    names: Collection[str]


def read_route(node: Node, targets: Targets, problems: Problems) -> Route | None:
    """A route with its terms; None where it is not even a mapping."""
    fields = Fields.of(node, ROUTE_KEYS, problems, "`route`", ("to",))
    if fields is None:
        return None
    to = _read_targets(fields, targets)
    weights = _read_weights(fields, {*to, *expand(to, targets.pools)})
    pick = Pick(fields.word("pick", [each.value for each in Pick], "a way to pick", Pick.IN_ORDER.value))
    _check_weighted(fields, pick, weights, to, targets)
    stick = bounded(fields, "stick", Unit.DURATION, "1s", "30d")
    return Route(
        to,
        pick,
        weights,
        _read_within(fields),
        _read_split(fields, to, targets),
        stick,
        _read_shadow(fields, targets),
        _read_caps(fields),
        _read_cache(fields),
        _read_band(fields, pick),
        _read_pipeline(fields, targets),
    )


def _read_band(fields: Fields, pick: Pick) -> float | None:
    band = bounded(fields, "band", Unit.SCORE, "0", "1")
    node = fields.node("band")
    if node is not None and pick not in BANDS:
        fields.problems.error(
            "policy.unused-band",
            f"`band` means nothing with `pick: {pick.value}`",
            node.location,
            "write " + " or ".join(f"`pick: {each.value}`" for each in BANDS) + ", or take the band out",
        )
    return None if band is None else float(band)


def _read_targets(fields: Fields, targets: Targets) -> tuple[str, ...]:
    node = fields.node("to")
    items = fields.items("to", "a list of models and pools")
    if node is not None and not items:
        fields.problems.error(
            "policy.empty-route", "the route leads nowhere", node.location, "list at least one model, or `requested`"
        )
    known = {*targets.names, REQUESTED}
    names = [
        name
        for item in items
        if (
            name := read_reference(
                item, known, fields.problems, "policy.unknown-model", "a model or pool of this policy"
            )
        )
        is not None
    ]
    report_twice(items, fields.problems, "this route")
    _report_covered(items, targets, fields.problems)
    return tuple(dict.fromkeys(names))


def _report_covered(items: Collection[Node], targets: Targets, problems: Problems) -> None:
    """Warn where a later name adds nothing, because pools and models before it hold all of it already."""
    seen: set[str] = set()
    names: set[str] = set()
    for item in items:
        if not isinstance(item, Scalar) or item.text in names:
            continue
        names.add(item.text)
        models = set(expand([item.text], targets.pools))
        if models <= seen and item.text in targets.names:
            problems.warning(
                "policy.unreachable-candidate",
                f"`{item.text}` adds nothing to this route",
                item.location,
                "the names before it stand for the same models",
            )
        seen |= models


def _read_weights(fields: Fields, to: Collection[str]) -> dict[str, int]:
    weights: dict[str, int] = {}
    for key, node in fields.named("weights", "a mapping of weights by model or pool"):
        if key.text not in to:
            fields.problems.error(
                "policy.not-in-route",
                f"`{key.text}` has a weight but is not in `to`",
                key.location,
                suggestion(key.text, to),
            )
        value = read_bounded(node, Unit.COUNT, fields.problems, "0", "1000000")
        if value is not None:
            weights[key.text] = int(value)
    if weights and not any(weights.values()):
        key_place = fields.mapping.key("weights")
        fields.problems.error(
            "policy.bad-weights",
            "all weights are 0",
            (key_place or fields).location,
            "give at least one model a weight",
        )
    return weights


def _check_weighted(fields: Fields, pick: Pick, weights: dict[str, int], to: Collection[str], targets: Targets) -> None:
    node = fields.node("pick")
    if fields.node("weights") is not None and pick is not Pick.WEIGHTED:
        place = fields.mapping.key("weights") or fields
        fields.problems.error(
            "policy.unused-weights",
            f"`weights` mean nothing with `pick: {pick.value}`",
            place.location,
            "write `pick: weighted`, or take the weights out",
        )
    if pick is not Pick.WEIGHTED or weights or node is None:
        return
    models = [targets.models[name] for name in expand(to, targets.pools) if name in targets.models]
    if not any(account.weight != 1 for model in models for account in model.provider.accounts):
        fields.problems.error(
            "policy.no-weights",
            "`pick: weighted` has no weights to go by",
            node.location,
            "add `weights: {MODEL: 3, OTHER: 1}` to the route, or `weight` to the providers' accounts",
        )


def _read_within(fields: Fields) -> Within:
    node = fields.node("within")
    inner = None if node is None else Fields.of(node, WITHIN_KEYS, fields.problems, "`within`")
    if inner is None:
        return Within()
    cost = whole(inner, "cost", Unit.MONEY)
    first_token = bounded(inner, "first_token", Unit.DURATION, "1ms")
    first_audio = bounded(inner, "first_audio", Unit.DURATION, "1ms")
    quality = bounded(inner, "quality", Unit.SCORE, "0", "1")
    regions = None if inner.node("region") is None else frozenset(inner.texts("region"))
    return Within(cost, first_token, quality, regions, read_labels(inner), first_audio=first_audio)


def _read_split(fields: Fields, to: Collection[str], targets: Targets) -> Split | None:
    node = fields.node("split")
    if node is None:
        return None
    known_names = {*to, *expand(to, targets.pools)}
    shares: dict[str, int | None] = {}
    by = "client"
    for key, value in fields.named("split", "a mapping of shares by model or pool"):
        if key.text == "by":
            by = read_word(value, SPLIT_BY, fields.problems, "something a split can go by") or by
            continue
        if key.text not in known_names:
            fields.problems.error(
                "policy.not-in-route",
                f"`{key.text}` has a share but is not in `to`",
                key.location,
                suggestion(key.text, known_names),
            )
        share = read_bounded(value, Unit.SHARE, fields.problems, "0%", "100%")
        shares[key.text] = None if share is None else round(share * _MILLION)
    known = [share for share in shares.values() if share is not None]
    if len(known) == len(shares) and sum(known) != _MILLION:
        fields.problems.error(
            "policy.bad-split",
            f"the shares add up to {sum(known) / 10_000:g} %, not to 100 %",
            node.location,
            "each request goes to exactly one of them",
        )
    return Split(tuple((name, share or 0) for name, share in shares.items()), by)


def _read_shadow(fields: Fields, targets: Targets) -> tuple[str, int] | None:
    node = fields.node("shadow")
    inner = None if node is None else Fields.of(node, SHADOW_KEYS, fields.problems, "`shadow`", ("to",))
    target = None if inner is None else inner.node("to")
    if inner is None or target is None:
        return None
    name = read_reference(
        target, targets.names, fields.problems, "policy.unknown-model", "a model or pool of this policy"
    )
    share = bounded(inner, "share", Unit.SHARE, "0%", "100%")
    return None if name is None else (name, _MILLION if share is None else round(share * _MILLION))


def _read_pipeline(fields: Fields, targets: Targets) -> Pipeline | None:
    node = fields.node("pipeline")
    keys = ("text", "speech")
    inner = None if node is None else Fields.of(node, PIPELINE_KEYS, fields.problems, "`pipeline`", keys)
    if inner is None:
        return None
    text, speech = (_read_stage(inner, key, needs, targets) for key, needs in (("text", "chat"), ("speech", "speech")))
    return Pipeline(text, speech, inner.text("voice"))


def _read_stage(fields: Fields, key: str, needs: str, targets: Targets) -> tuple[str, ...]:
    """Models of one stage; each must be able to serve what is asked there."""
    items = fields.items(key, "a list of models and pools")
    names: list[str] = []
    for item in items:
        name = read_reference(
            item, targets.names, fields.problems, "policy.unknown-model", "a model or pool of this policy"
        )
        if name is None:
            continue
        names.append(name)
        models = [targets.models[each] for each in expand([name], targets.pools) if each in targets.models]
        if models and not any(needs in model.operations for model in models):
            fields.problems.error(
                "policy.wrong-stage",
                f"`{name}` cannot serve as `{key}` of a pipeline",
                item.location,
                f"add `{needs}` to its `operations`, or name a model that has it",
            )
    report_twice(items, fields.problems, "this pipeline")
    return tuple(dict.fromkeys(names))


def _read_caps(fields: Fields) -> Caps:
    node = fields.node("set")
    inner = None if node is None else Fields.of(node, SET_KEYS, fields.problems, "`set`")
    if inner is None:
        return Caps()
    temperature = bounded(inner, "temperature", Unit.SCORE, "0", "2")
    effort = inner.word("reasoning_effort", EFFORTS, "a reasoning effort")
    return Caps(whole(inner, "max_output", Unit.TOKENS, "1"), temperature, effort)


def _read_cache(fields: Fields) -> Reuse | None:
    """`cache: 10m`, or a mapping where it says more than how long."""
    node = fields.node("cache")
    if not isinstance(node, Mapping):
        seconds = bounded(fields, "cache", Unit.DURATION, "1s", "30d")
        return None if seconds is None else Reuse(seconds)
    inner = Fields.of(node, CACHE_KEYS, fields.problems, "`cache`", ("for",))
    if inner is None:
        return None
    seconds = bounded(inner, "for", Unit.DURATION, "1s", "30d")
    shared = inner.flag("shared")
    return None if seconds is None else Reuse(seconds, shared)


def read_refusal(node: Node, problems: Problems) -> Refuse:
    """A refusal; what is not said is as `Refuse` has it."""
    fields = None if isinstance(node, Scalar) and node.is_null else Fields.of(node, REFUSE_KEYS, problems, "`refuse`")
    if fields is None:
        return Refuse()
    status = whole(fields, "status", Unit.COUNT, "400", "599")
    message = fields.text("message", Refuse().message)
    code = fields.text("code", Refuse().code)
    return Refuse(403 if status is None else status, message or Refuse().message, code or Refuse().code)
