"""Portkey's configs: a tree of strategies over targets, as rules.

A tree is laid out as the alternatives that its conditions make, in the order in which they decide; each is a plan: the
targets in the order in which they are tried, with the weights by which the first is drawn.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import product

from routebook.routing.drafting import Draft, Entry, Value, fresh, route, seconds, slug, whole_weights
from routebook.routing.importing.assumptions import CAPABILITIES, NO_SUCH_MODEL, OF_EVERYTHING
from routebook.routing.importing.portkey_queries import condition_of
from routebook.routing.importing.report import Variable
from routebook.routing.importing.source import Part
from routebook.routing.vendors import VENDORS, Vendor, base_of, unwritten, vendor

MOST_RULES = 500
"""Rules that a tree may come to: nested conditions multiply."""

_GUARDS = "guardrails are not carried: a rule may refuse by `patterns`, and `guards` mask, or ask a service of yours"
_ELSEWHERE = {
    "input_guardrails": _GUARDS,
    "output_guardrails": _GUARDS,
    "before_request_hooks": _GUARDS,
    "after_request_hooks": _GUARDS,
    "forward_headers": "headers of clients are not passed on, but for those that docs/protocols.md names",
    "prompt_id": "prompts are not kept here: clients send them",
    "strict_open_ai_compliance": "answers are in the client's own dialect",
    "openai_organization": "no header of its own is sent to a provider",
    "openai_project": "no header of its own is sent to a provider",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """One alternative: the conditions that all hold, and the models in order with their weights."""

    when: tuple[Value, ...] = ()
    weights: dict[str, Decimal] = field(default_factory=dict)
    terms: Entry = field(default_factory=dict)


def draft_of(root: Part, models: Sequence[str]) -> Draft:
    """The policy that a config means. `models` are what clients ask for, where targets do not say a model."""
    draft = Draft()
    tree = _Tree(draft, models)
    asked = list(dict.fromkeys(models)) if tree.leaves_models_open(root) else []
    if asked:
        for model in asked:
            _write(draft, tree.plans(root, model), model)
        draft.rule("no-such-model", None, {"refuse": NO_SUCH_MODEL})
    else:
        _write(draft, tree.plans(root, None), None)
    _settings(root, draft)
    if draft.models:
        root.notes.remark(OF_EVERYTHING)
    return draft


def _write(draft: Draft, plans: Sequence[Plan], model: str | None) -> None:
    decided = False
    for plan in plans:
        if decided or not plan.weights:
            continue
        conditions = [*([{"request.model": model}] if model else []), *plan.when]
        name = f"{model or 'all'}{f'-{len(draft.rules) + 1}' if plan.when else ''}"
        outcome = route(list(plan.weights), whole_weights(plan.weights), plan.terms)
        draft.rule(name, _together(conditions), outcome)
        decided = not plan.when
    if not decided and model is None and draft.rules:
        draft.rule(
            "nothing-matches", None, {"refuse": {"status": 400, "message": "no condition matches", "code": "no_target"}}
        )


def _together(conditions: Sequence[Value]) -> Value | None:
    if len(conditions) <= 1:
        return conditions[0] if conditions else None
    merged: Entry = {}
    for condition in conditions:
        if not isinstance(condition, dict) or set(condition) & set(merged):
            return {"all_of": list(conditions)}
        merged |= condition
    return merged


class _Tree:
    """Reads strategies and targets; a target becomes a model once, wherever in the tree it is met."""

    def __init__(self, draft: Draft, models: Sequence[str]) -> None:
        self._draft, self._models = draft, models
        self._made: dict[tuple[str, str], str | None] = {}

    def leaves_models_open(self, part: Part) -> bool:
        """Whether some target says no model, so that it is the client's that counts."""
        targets = part.get("targets")
        if targets is not None and part.get("strategy") is not None:
            return any(self.leaves_models_open(each) for each in targets.items())
        return self._model_of(part) is None and _is_target(part)

    def plans(self, part: Part, asked: str | None) -> list[Plan]:
        """The alternatives of a tree, the first that matches decides. `asked` is the model that the client asks for."""
        targets, strategy = part.get("targets"), part.get("strategy")
        if targets is None:
            return self._leaf(part, asked)
        items, mode = targets.items(), "single" if strategy is None else strategy.word("mode") or "single"
        self._speak_of(part, strategy)
        if mode == "conditional" and strategy is not None:
            found = self._conditional(strategy, items, asked)
        elif mode == "single":
            found = self.plans(items[0], asked) if items else []
        else:
            found = self._several(items, mode, asked)
        terms = _terms(part, part.get("override_params"))
        return [Plan(plan.when, plan.weights, {**terms, **plan.terms}) for plan in found]

    def _speak_of(self, part: Part, strategy: Part | None) -> None:
        name = part.get("name")
        if name is not None:
            name.carried("the name by which a condition chooses it")
        if strategy is None:
            return
        mode = strategy.get("mode")
        if mode is not None and mode.text() == "loadbalance":
            mode.changed("`pick: weighted`: where the one that was drawn fails, the others are tried")
        elif mode is not None:
            mode.carried("the order of a route, or of rules")
        codes = strategy.get("on_status_codes")
        if codes is not None:
            codes.changed(
                "the next is tried after any failure that another might not have, as docs/life-of-a-request.md says"
            )

    def _several(self, items: Sequence[Part], mode: str, asked: str | None) -> list[Plan]:
        """Every alternative of each target with every one of the others; what decides first stays first."""
        plans = [self.plans(item, asked) or [Plan()] for item in items]
        shares = [_share(item) if mode == "loadbalance" else None for item in items]
        found: list[Plan] = []
        for some in product(*plans):
            if len(found) == MOST_RULES:
                items[0].left(f"the conditions within come to more than {MOST_RULES} rules; what is beyond is left out")
                break
            when = tuple(condition for plan in some for condition in plan.when)
            found.append(Plan(when, _merged(some, shares), _same([plan.terms for plan in some if plan.weights])))
        return found

    def _conditional(self, strategy: Part, items: Sequence[Part], asked: str | None) -> list[Plan]:
        named = {each.word("name"): each for each in items}
        found: list[Plan] = []
        reached: set[str] = set()
        conditions = strategy.get("conditions")
        for each in [] if conditions is None else conditions.items():
            query, then = each.get("query"), each.get("then")
            target = named.get(None if then is None else then.text())
            if query is None or then is None or target is None:
                each.left("no target has the name that it leads to")
                continue
            when = condition_of(query)
            if when is None:
                then.left("its condition cannot be written, so nothing leads there by it")
                continue
            then.carried("the route of its rule")
            reached.add(target.path)
            found += [
                Plan(((when,) if when else ()) + plan.when, plan.weights, plan.terms)
                for plan in self.plans(target, asked)
            ]
        default = strategy.get("default")
        target = None if default is None else named.get(default.text())
        if default is not None and target is None:
            default.left("no target has this name")
        elif default is not None and target is not None:
            default.carried("the rule behind the others")
            found += self.plans(target, asked)
        for each in items:
            if each.path not in reached and each is not target:
                each.left("nothing that could be carried leads there")
        return found

    def _leaf(self, part: Part, asked: str | None) -> list[Plan]:
        key = (part.path, asked or "")
        if key not in self._made:
            self._made[key] = self._model(part, asked)
        model = self._made[key]
        terms = _terms(part, part.get("override_params"))
        return [] if model is None else [Plan((), {model: Decimal(1)}, terms)]

    def _model_of(self, part: Part) -> str | None:
        params = part.get("override_params")
        return None if params is None else params.word("model")

    def _model(self, part: Part, asked: str | None) -> str | None:
        if not _is_target(part):
            return None
        written = self._model_of(part)
        model = written or asked
        found, provider = self._provider(part, model or "")
        if found is None or provider is None:
            part.left("which API it calls is not written in the source, or no dialect speaks it")
            return None
        if model is None:
            part.left("the target leaves the model to the client: name with `--model` what clients ask for")
            return None
        _say(part, "name", "the name by which a condition chooses it")
        _say(part, "weight", "its share")
        params = part.get("override_params")
        if params is not None:
            _say(params, "model", "the model's `id`")
        identity = model.rpartition("/")[2] if model.startswith("@") else model
        # two targets may call one model in two ways, and a name stands for one of them
        entry: Entry = {"provider": provider, "id": identity, "capabilities": list(CAPABILITIES)}
        for name, there in self._draft.models.items():
            if {"id": name, **there} == entry or there == entry:
                return name
        name = fresh(f"{provider}/{slug(identity)}", self._draft.models)
        self._draft.models[name] = entry
        return name

    def _provider(self, part: Part, model: str) -> tuple[Vendor | None, str | None]:
        named = part.get("provider") or part.get("virtual_key")
        slugged = model.split("/")[0] if model.startswith("@") and "/" in model else None
        text = slugged or (None if named is None else named.text())
        if text is None:
            return None, None
        found = vendor(text.removeprefix("@")) or _guessed(text)
        if found is None:
            return None, None
        host = part.get("custom_host")
        address = None if host is None else host.text()
        base = base_of(found, address) if address and address.startswith("http") else found.base_url
        if host is not None:
            host.carried("the provider's `base_url`")
        if base is None:
            address = unwritten(f"{slug(text)}-base")
            (named or part).left(f"the address is not written in the source: write it in place of `{address}`")
            base = base_of(found, address)
        return found, self._account(part, named, text, found, base)

    def _account(self, part: Part, named: Part | None, text: str, found: Vendor, base: str) -> str | None:
        key, account = part.get("api_key"), {"name": "main"}
        entry: Entry = {"dialect": found.dialect, "base_url": base}
        if key is not None:
            variable = key.secret(_variable(text), f"the key of `{text}`")
            if variable is None:
                return None
        elif text != found.name or text.startswith("@"):
            variable = _variable(text)
            if named is not None:
                named.changed(
                    f"the key that Portkey keeps under this name is read from `{variable}`; taken to be of `{found.name}`"
                )
            part.notes.variables.setdefault(variable, _kept(variable, text, named or part))
        else:
            variable = found.variable or ""
        written: Entry = {**account, "key": {"env": variable}} if variable else {"name": "none"}
        _say(part, "provider", f"the vendor `{found.name}`")
        if found.name == "azure":
            entry["key_header"] = "api-key"
        timeout = part.get("request_timeout")
        value = None if timeout is None else timeout.number()
        if timeout is not None and value is not None and value >= 1:
            timeout.changed("the time until the answer begins")
            entry["timeouts"] = {"first_byte": seconds(value / 1000)}
        entry["accounts"] = [written]
        return self._draft.provider(text.removeprefix("@"), entry)


def _kept(variable: str, text: str, part: Part) -> Variable:
    return Variable(variable, f"the key that Portkey keeps as `{text}`", part.location, False)


def _variable(text: str) -> str:
    plain = re.sub("[^A-Z0-9]+", "_", text.removeprefix("@").upper()).strip("_")
    name = plain if plain[:1].isalpha() else f"KEY_{plain}"
    return name if name.endswith("KEY") else f"{name}_API_KEY"


def _guessed(text: str) -> Vendor | None:
    """The vendor that somebody's name for a key speaks of."""
    words = re.split("[^a-z0-9]+", text.lower())
    for each in VENDORS:
        if each.name in words and each.name != "vllm":
            return vendor(each.name)
    if {"vertex", "bedrock", "aws", "sagemaker"} & set(words):
        return None
    starts = {
        "claude": "anthropic",
        "gpt": "openai",
        "palm": "gemini",
        "google": "gemini",
        "grok": "xai",
        "oai": "openai",
    }
    return next((vendor(name) for begin, name in starts.items() for word in words if word.startswith(begin)), None)


def _is_target(part: Part) -> bool:
    return any(
        part.get(name) is not None for name in ("provider", "virtual_key", "api_key", "override_params", "custom_host")
    )


def _share(part: Part) -> Decimal:
    weight = part.get("weight")
    value = None if weight is None else weight.number()
    return Decimal(1) if value is None or value < 0 else value


def _merged(plans: Sequence[Plan], shares: Sequence[Decimal | None]) -> dict[str, Decimal]:
    """One plan after the other: drawn by shares, each with what follows in it behind all; or simply in order."""
    drawn: dict[str, Decimal] = {}
    behind: dict[str, Decimal] = {}
    for number, (plan, share) in enumerate(zip(plans, shares, strict=True)):
        in_all = sum(plan.weights.values()) or Decimal(1)
        for model, weight in plan.weights.items():
            part = weight / in_all * share if share is not None else weight if number == 0 else Decimal(0)
            if part and model not in behind:
                drawn[model] = drawn.get(model, Decimal(0)) + part
            elif model not in drawn:
                behind[model] = Decimal(0)
    return {**drawn, **{model: weight for model, weight in behind.items() if model not in drawn}}


def _same(terms: Sequence[Entry]) -> Entry:
    """The terms that all have."""
    if not terms:
        return {}
    return {name: value for name, value in terms[0].items() if all(each.get(name) == value for each in terms)}


def _terms(part: Part, params: Part | None) -> Entry:
    terms: Entry = {}
    caps: Entry = {}
    for name, term in (("max_tokens", "max_output"), ("temperature", "temperature")):
        each = None if params is None else params.get(name)
        value = None if each is None else each.number()
        if each is None or value is None:
            continue
        if (term == "max_output" and value >= 1) or (term == "temperature" and 0 <= value <= 2):
            caps[term] = int(value) if term == "max_output" else value
            each.changed(
                "`set` of the rule, where all of its targets agree: a cap"
                if term == "max_output"
                else "`set` of the rule, where all of its targets agree and the client says nothing"
            )
    if caps:
        terms["set"] = caps
    cache = part.get("cache")
    age = None if cache is None else cache.get("max_age")
    time = None if age is None else age.number()
    if cache is not None and cache.word("mode") == "simple" and time is not None and 1 <= time <= 2_592_000:
        terms["cache"] = {"for": seconds(time), "shared": True}
        cache.changed("`cache` of the route: in each worker's memory, for requests that are the same to the byte")
    elif cache is not None:
        cache.left(
            "answers are kept by `cache: 10m` on a rule, for requests that are the same to the byte; say how long"
        )
    for name, said in _ELSEWHERE.items():
        each = part.get(name)
        if each is not None:
            each.left(said)
    return terms


def _settings(root: Part, draft: Draft) -> None:
    """Retries are of the whole server here; those of the config's root count, those of targets are noted."""
    retry = root.get("retry")
    attempts = None if retry is None else retry.get("attempts")
    value = None if attempts is None else attempts.number()
    if retry is not None and value is not None and value >= 0:
        again = int(min(value, Decimal(9)))
        draft.settings["retries"] = {"attempts": min(20, 4 + again), "rounds": again + 1}
        retry.changed(
            "the whole route is gone through again so many times; which failures may pass is not chosen by status"
        )
    timeout = root.get("request_timeout")
    time = None if timeout is None else timeout.number()
    if timeout is not None and time is not None and time >= 1 and root.get("targets") is not None:
        draft.settings["timeouts"] = {"first_byte": seconds(time / 1000)}
        timeout.changed("the time until an answer begins")


def _say(part: Part, name: str, text: str) -> None:
    found = part.get(name)
    if found is not None:
        found.carried(text)
