"""What other gateways would do with a request, worked out from their configuration alone, for imports to be held against.

Each reference is written from the gateway's published behaviour and knows nothing of a policy. An answer says with which
chance each upstream model is called first, and in which stages the others follow; None where the request is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

Shares = dict[str, Fraction]


@dataclass(frozen=True, slots=True)
class Answer:
    """Who is called first, with which chance each; and the stages of who follows: those of one before those of the next."""

    first: Shares
    stages: tuple[frozenset[str], ...]


def even(names: Sequence[str], weights: Sequence[float | None]) -> Shares:
    """Chances by weights; the same for all where nobody has any."""
    exact = [Fraction(str(weight or 0)) for weight in weights]
    total = sum(exact)
    found: Shares = {}
    for name, weight in zip(names, exact, strict=True):
        share = weight / total if total else Fraction(1, len(names))
        if share:
            found[name] = found.get(name, Fraction(0)) + share
    return found


# LiteLLM


def litellm(config: Mapping[str, Any], model: str, tags: Sequence[str] = (), tokens: int = 10) -> Answer | None:
    """Its router: aliases, tags, `order`, a draw by the first measure that the first deployment has, then fallbacks."""
    router = {**config.get("litellm_settings", {}), **config.get("router_settings", {})}
    alias = router.get("model_group_alias", {}).get(model, model)
    group = alias["model"] if isinstance(alias, dict) else alias
    served = [each for each in config["model_list"] if _is_served(each)]
    own = [each for each in served if each["model_name"] == group]
    if not own:
        return None
    larger = _listed(router.get("context_window_fallbacks", []), group)
    limits = [each.get("model_info", {}).get("max_input_tokens") for each in own]
    if larger and all(limits) and tokens > max(limits):
        return _litellm_plan(served, larger[0], larger[1:])
    if router.get("enable_tag_filtering"):
        own = _by_tags(own, tags)
    fallbacks = _listed(router.get("fallbacks", []), group)
    if fallbacks is None:
        fallbacks = [each for each in router.get("default_fallbacks", []) if each != group]
    return _litellm_plan(served, group, fallbacks, own)


def _is_served(deployment: Mapping[str, Any]) -> bool:
    prefix = deployment["litellm_params"]["model"].split("/")[0]
    mode = deployment.get("model_info", {}).get("mode", "chat")
    return prefix not in ("bedrock",) and "*" not in deployment["model_name"] and mode in ("chat", "embedding")


def _listed(fallbacks: Sequence[Mapping[str, list[str]]], group: str) -> list[str] | None:
    return next((each[group] for each in fallbacks if group in each), None)


def _by_tags(own: list[Any], tags: Sequence[str]) -> list[Any]:
    tagged = [each for each in own if set(tags) & set(each["litellm_params"].get("tags", []))]
    default = [each for each in own if "default" in each["litellm_params"].get("tags", [])]
    return tagged if tags and tagged else default or own


def _litellm_plan(served: list[Any], group: str, fallbacks: Sequence[str], own: list[Any] | None = None) -> Answer:
    own = [each for each in served if each["model_name"] == group] if own is None else own
    params = [each["litellm_params"] for each in own]
    lowest = min(each.get("order", 0) for each in params)
    ready = [each for each in params if each.get("order", 0) == lowest]
    measure = next((name for name in ("weight", "rpm", "tpm") if ready[0].get(name) is not None), None)
    first = even(
        [_upstream(each) for each in ready], [None if measure is None else each.get(measure) for each in ready]
    )
    stages = [frozenset(map(_upstream, params))]
    for name in fallbacks:
        stages.append(frozenset(_upstream(each["litellm_params"]) for each in served if each["model_name"] == name))
    return Answer(first, tuple(stage for stage in stages if stage))


def _upstream(params: Mapping[str, Any]) -> str:
    return str(params["model"]).split("/", 1)[-1]


# Portkey


def portkey(config: Mapping[str, Any], metadata: Mapping[str, str], params: Mapping[str, Any]) -> Answer | None:
    """Its gateway: strategies all the way down; conditions over `metadata` and `params` of the request."""
    if "targets" not in config:
        model = config.get("override_params", {}).get("model", params.get("model"))
        carried = config.get("provider") != "bedrock"
        return Answer({str(model): Fraction(1)}, (frozenset({str(model)}),)) if carried else None
    targets, strategy = config["targets"], config["strategy"]
    match strategy["mode"]:
        case "conditional":
            named = {each["name"]: each for each in targets}
            for condition in strategy["conditions"]:
                if _meets(condition["query"], {"metadata": metadata, "params": params}):
                    return portkey(named[condition["then"]], metadata, params)
            return portkey(named[strategy["default"]], metadata, params)
        case "loadbalance":
            found = [portkey(each, metadata, params) for each in targets]
            first: Shares = {}
            chances = even([str(number) for number in range(len(targets))], [each.get("weight", 1) for each in targets])
            for number, answer in enumerate(found):
                assert answer is not None
                for name, share in answer.first.items():
                    first[name] = first.get(name, Fraction(0)) + share * chances.get(str(number), Fraction(0))
            return Answer(first, (frozenset(first),))
        case _:
            answers = [answer for each in targets if (answer := portkey(each, metadata, params)) is not None]
            return Answer(answers[0].first, tuple(stage for answer in answers for stage in answer.stages))


def _meets(query: Mapping[str, Any], context: Mapping[str, Mapping[str, Any]]) -> bool:
    for key, asked in query.items():
        if key == "$or":
            return any(_meets(each, context) for each in asked)
        if key == "$and":
            return all(_meets(each, context) for each in asked)
        kind, name = key.split(".")
        value = context[kind].get(name)
        operators = asked if isinstance(asked, dict) else {"$eq": asked}
        if not all(_holds(operator, value, than) for operator, than in operators.items()):
            return False
    return True


def _holds(operator: str, value: Any, than: Any) -> bool:
    match operator:
        case "$eq":
            return bool(value == than)
        case "$ne":
            return bool(value != than)
        case "$in":
            return value in than
        case "$nin":
            return value not in than
        case "$regex":
            import re

            return value is not None and re.search(than, value) is not None
        case _:
            if value is None:
                return False
            return {"$gt": value > than, "$gte": value >= than, "$lt": value < than, "$lte": value <= than}[operator]


# Bifrost


@dataclass(frozen=True, slots=True)
class BifrostRequest:
    """A request as its routing sees it; `key` is the name of the virtual key."""

    model: str
    key: str | None = None
    headers: Mapping[str, str] | None = None
    kind: str = "chat_completion"


def bifrost(config: Mapping[str, Any], request: BifrostRequest) -> Answer | None:
    """Its routing rules, from the narrowest scope; else the providers of the virtual key, else what was asked for."""
    governance = config.get("governance", {})
    key = next((each for each in governance.get("virtual_keys", []) if each["name"] == request.key), {})
    for rule in sorted(governance.get("routing_rules", []), key=lambda each: (_rank(each), each.get("priority", 0))):
        if rule.get("enabled", True) and _in_scope(rule, key) and _matches(rule["cel_expression"], request):
            names = [f"{each['provider']}/{each['model']}" for each in rule["targets"]]
            first = even(names, [each["weight"] for each in rule["targets"]])
            stages = [frozenset(names), *(frozenset({each}) for each in rule.get("fallbacks", []))]
            return Answer(_served(config, first), tuple(_all_served(config, stage) for stage in stages))
    if "/" in request.model:
        first = _served(config, {request.model: Fraction(1)})
        return Answer(first, (frozenset(first),)) if first else None
    configs = [each for each in key.get("provider_configs", []) if _offers(config, each, request.model)]
    if not configs:
        return None
    first = even([f"{each['provider']}/{request.model}" for each in configs], [each["weight"] for each in configs])
    served = _served(config, first)
    return Answer(served, (frozenset(served),))


def _offers(config: Mapping[str, Any], listed: Mapping[str, Any], model: str) -> bool:
    served = any(_may(key, model) for key in config["providers"].get(listed["provider"], {}).get("keys", []))
    return served and ("*" in listed["allowed_models"] or model in listed["allowed_models"])


def _rank(rule: Mapping[str, Any]) -> int:
    return ("virtual_key", "team", "customer", "global").index(rule.get("scope", "global"))


def _in_scope(rule: Mapping[str, Any], key: Mapping[str, Any]) -> bool:
    owner = {"virtual_key": "id", "team": "team_id", "customer": "customer_id"}.get(rule.get("scope", "global"))
    return owner is None or key.get(owner) == rule["scope_id"]


class _Text(str):
    """A text with the methods that CEL has."""

    def startsWith(self, text: str) -> bool:
        return self.startswith(text)

    def contains(self, text: str) -> bool:
        return text in self


class _Absent(Exception):
    """A header that is not there: the rule does not match."""


class _Headers(dict[str, str]):
    def __missing__(self, name: str) -> str:
        raise _Absent(name)


def _matches(expression: str, request: BifrostRequest) -> bool:
    """CEL as Python reads it: the same but for three signs, and for an absent header, beside which a true side of `||`
    still counts."""
    if "complexity_tier" in expression:
        return False
    sides = expression.split("||") if "(" not in expression.split("||")[0] else [expression]
    headers = _Headers({name: _Text(value) for name, value in (request.headers or {}).items()})
    names = {
        "headers": headers,
        "model": _Text(request.model.split("/")[-1]),
        "request_type": request.kind,
        "true": True,
    }
    return any(_evaluated(side, names) for side in sides)


def _evaluated(side: str, names: Mapping[str, Any]) -> bool:
    python = side.replace("&&", " and ").replace("!=", "<>").replace("!", " not ").replace("<>", "!=").strip()
    try:
        return bool(eval(python, {"__builtins__": {}}, dict(names)))
    except _Absent:
        return False


def _served(config: Mapping[str, Any], shares: Shares) -> Shares:
    """The upstream ids behind `provider/model`, by the weights of the keys that may serve it."""
    found: Shares = {}
    for name, share in shares.items():
        provider, _, model = name.partition("/")
        keys = [each for each in config["providers"].get(provider, {}).get("keys", []) if _may(each, model)]
        ids = [each.get("azure_key_config", {}).get("deployments", {}).get(model, model) for each in keys]
        for identity, chance in even([f"{provider}:{each}" for each in ids], [each["weight"] for each in keys]).items():
            found[identity] = found.get(identity, Fraction(0)) + share * chance
    return found


def _all_served(config: Mapping[str, Any], names: frozenset[str]) -> frozenset[str]:
    return frozenset(_served(config, dict.fromkeys(names, Fraction(1))))


def _may(key: Mapping[str, Any], model: str) -> bool:
    return key.get("enabled", True) and model in key["models"] and "bedrock_key_config" not in key
