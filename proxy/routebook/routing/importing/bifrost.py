"""Bifrost's `config.json`: providers with keys, routing rules in CEL, virtual keys with budgets and rates.

A client asks for `provider/model`, which is also the model's name here. Which models there are is what keys, virtual keys,
rules and fallbacks name; where all of these say `*`, nobody knows, and whoever imports has to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from routebook.routing.drafting import Draft, Entry, fresh, route, seconds, slug, whole_weights
from routebook.routing.importing.assumptions import CAPABILITIES, OF_EVERYTHING
from routebook.routing.importing.bifrost_governance import read_governance
from routebook.routing.importing.bifrost_rules import RuleReader
from routebook.routing.importing.source import Part
from routebook.routing.vendors import Vendor, azure_at, base_of, compatible, unwritten, vendor

_ELSEWHERE = {
    "client": "settings of its own server; `settings` has what counts here",
    "server": "settings of its own server; `settings` has what counts here",
    "config_store": "the policy's files are the only source",
    "logs_store": "records stand in the state directory: docs/operating.md",
    "framework": "prices stand in the catalogue, and are not fetched",
    "$schema": "the schema of the source",
    "env_label": "a name for its web interface",
    "source_of_truth": "the policy's files are the only source",
    "version": "how empty lists are read was taken into account",
}
_LOST = {
    "mcp": "MCP is not served",
    "plugins": "there are no plugins",
    "vector_store": "answers are kept by `cache` on a rule, not by likeness",
    "encryption_key": "set what protects the state directory on the machine; a key is never taken over",
    "auth_config": "the admin listener has tokens of its own: `routebook admin token create`",
    "otel": "metrics are served for Prometheus",
    "alerting": "there are no alerts of its own: watch the metrics",
}


@dataclass(frozen=True, slots=True)
class Way:
    """One key of a provider: the models it serves (None: all), its share, and where and how it calls."""

    part: Part
    models: frozenset[str] | None
    refused: frozenset[str]
    weight: Decimal
    base: str
    account: Entry
    ids: dict[str, str]

    def serves(self, model: str) -> bool:
        """Whether the key may be used for a model."""
        return (self.models is None or model in self.models) and model not in self.refused


def draft_of(root: Part, models: Sequence[str]) -> Draft:
    """The policy that a configuration means. `models` (`openai/gpt-5.6`) are what clients ask for beside those it names."""
    draft = Draft()
    providers = _Providers(draft, root)
    for name in sorted(_named(root, providers.ways) | {name for name in models if "/" in name}):
        providers.add(name)
    if draft.models:
        root.notes.remark(OF_EVERYTHING)
    elif providers.ways:
        root.notes.remark("The source names no model: name with `--model openai/gpt-5.6` what clients ask for.")
    reader = RuleReader(draft, root)
    choices = read_governance(root, draft, reader)
    reader.read()
    for choice in choices:
        choice.write(draft)
    for model, weights in providers.variants.items():
        draft.rule(model, {"request.model": model}, route(list(weights), whole_weights(weights)))
    _finish(draft, providers)
    for name, part in root.entries():
        if name in _ELSEWHERE:
            part.meaningless(_ELSEWHERE[name])
        elif name in _LOST:
            part.left(_LOST[name])
    return draft


def _finish(draft: Draft, providers: _Providers) -> None:
    hidden = {name for weights in providers.variants.values() for name in weights}
    asked = [name for name in draft.models if name not in hidden]
    if asked and hidden:
        draft.rule("as-asked", {"request.model": asked}, {"route": {"to": "requested"}})
    elif asked:
        draft.rule("as-asked", None, {"route": {"to": "requested"}})
    if hidden:
        refusal: Entry = {"status": 404, "message": "there is no such model", "code": "model_not_found"}
        draft.rule("no-such-model", None, {"refuse": refusal})


class _Providers:
    """The providers of a configuration with their keys. `variants` are models that several addresses serve."""

    def __init__(self, draft: Draft, root: Part) -> None:
        self._draft = draft
        self.ways: dict[str, list[Way]] = {}
        self.variants: dict[str, dict[str, Decimal]] = {}
        self._timeouts: dict[str, Entry] = {}
        self._kinds: dict[str, Vendor] = {}
        lenient = root.word("version") == "1"
        listed = root.get("providers")
        for name, part in [] if listed is None else listed.entries():
            self._read(name, part, lenient)

    def add(self, name: str) -> None:
        """Declare a model `provider/model`, once for each address that serves it."""
        provider, _, model = name.partition("/")
        ways = [way for way in self.ways.get(provider, []) if way.serves(model)]
        places: dict[tuple[str, str], list[Way]] = {}
        for way in ways:
            places.setdefault((way.base, way.ids.get(model, model)), []).append(way)
        if len(places) == 1:
            [(place, of)] = places.items()
            self._declare(fresh(name, self._draft.models), provider, place, of)
            return
        weights: dict[str, Decimal] = {}
        for number, (place, of) in enumerate(places.items(), 1):
            variant = self._declare(fresh(f"{name}@{number}", self._draft.models), provider, place, of)
            weights[variant] = sum((way.weight for way in of), Decimal(0))
        if weights:
            self.variants[name] = weights

    def _declare(self, name: str, provider: str, place: tuple[str, str], ways: Sequence[Way]) -> str:
        base, identity = place
        kind = self._kinds[provider]
        shares = whole_weights({str(number): way.weight for number, way in enumerate(ways)})
        accounts: list[Entry] = []
        for number, way in enumerate(ways):
            weight = max(1, shares[str(number)])
            accounts.append({**way.account, **({"weight": weight} if len(ways) > 1 else {})})
        dialect, base = compatible(kind, base) if "embed" in identity else (kind.dialect, base)
        entry: Entry = {"dialect": dialect, "base_url": base, "accounts": accounts}
        if kind.name == "azure":
            entry["key_header"] = "api-key"
        entry |= self._timeouts.get(provider, {})
        held = self._draft.provider(provider, entry)
        model: Entry = {"provider": held, "id": identity, "capabilities": list(CAPABILITIES)}
        if "embed" in identity:
            model = {"provider": held, "id": identity, "operations": ["embeddings"]}
        self._draft.models[name] = model
        return name

    def _read(self, name: str, part: Part, lenient: bool) -> None:
        custom, network = part.get("custom_provider_config"), part.get("network_config")
        based = None if custom is None else custom.get("base_provider_type")
        kind = vendor(name) if based is None else vendor(based.text() or "")
        if kind is None or name in ("vertex", "bedrock"):
            part.left(f"no dialect of Routebook speaks the API of `{name}`")
            return
        if based is not None:
            based.carried("the dialect of the provider")
        self._kinds[name] = kind
        address = None if network is None else network.get("base_url")
        text = None if address is None else address.text()
        if address is not None and text is not None and text.startswith("http"):
            address.carried("the provider's `base_url`")
        self._network(name, part, network)
        keys = part.get("keys")
        items = [] if keys is None else keys.items()
        ways = [way for number, each in enumerate(items) if (way := self._way(name, kind, each, number, text, lenient))]
        if not items:
            ways = [Way(part, None, frozenset(), Decimal(1), self._base(part, name, kind, text), {"name": "none"}, {})]
            part.carried("a provider that takes no key")
        self.ways[name] = ways

    def _base(self, part: Part, name: str, kind: Vendor, text: str | None) -> str:
        if text is not None and text.startswith("http"):
            return base_of(
                kind, f"{text.rstrip('/')}/v1" if kind.dialect == "openai" and not _versioned(text) else text
            )
        if kind.base_url is not None and text is None:
            return kind.base_url
        address = unwritten(slug(text.removeprefix("env.") if text else f"{name}-base"))
        part.left(f"the address is not written in the source: write it in place of `{address}`")
        return base_of(kind, address)

    def _way(self, name: str, kind: Vendor, part: Part, number: int, text: str | None, lenient: bool) -> Way | None:
        if part.get("enabled") is not None and not part.is_on("enabled"):
            part.meaningless("a key that is switched off")
            return None
        own = f"{name}-{part.word('name') or number + 1}"
        account: Entry = {"name": slug(part.word("name") or f"key-{number + 1}")}
        value = part.get("value")
        if value is not None:
            variable = value.secret(re.sub("[^A-Z0-9]+", "_", own.upper()).strip("_") + "_KEY", f"a key of `{name}`")
            if variable is None:
                return None
            account["key"] = {"env": variable}
        weight = part.get("weight")
        share = None if weight is None else weight.number()
        if weight is not None:
            weight.carried("the account's `weight`")
        for label in ("name", "id"):
            _say(part, label, "the account's name")
        models, refused = _listed(part, "models", lenient), _listed(part, "blacklisted_models", True)
        base, ids = self._own_base(part, name, kind, text)
        aliases = part.get("aliases")
        for alias, inner in [] if aliases is None else aliases.entries():
            ids[alias] = inner.text() or alias
            inner.carried("the model's `id`")
        return Way(part, models, refused or frozenset(), Decimal(1) if share is None else share, base, account, ids)

    def _own_base(self, part: Part, name: str, kind: Vendor, text: str | None) -> tuple[str, dict[str, str]]:
        """The address of a key that has one of its own, and the ids that it knows models by."""
        ids: dict[str, str] = {}
        for config, word in (
            ("azure_key_config", "endpoint"),
            ("ollama_key_config", "url"),
            ("vllm_key_config", "url"),
            ("sgl_key_config", "url"),
        ):
            own = part.get(config)
            if own is None:
                continue
            address = own.get(word)
            if address is not None and (address.text() or "").startswith("http"):
                address.carried("the provider's `base_url`")
            deployments = own.get("deployments")
            for model, inner in [] if deployments is None else deployments.entries():
                ids[model] = inner.text() or model
                inner.carried("the model's `id`: its deployment")
            version = own.get("api_version")
            base = self._base(address or own, f"{name}-{word}", kind, None if address is None else address.text())
            older = None if version is None or kind.name != "azure" else azure_at(base, version.text())
            if version is not None and older is not None:
                version.carried("the version in the provider's `base_url`, whose path names the deployment")
            elif version is not None:
                version.changed("Azure's v1 API is called, which takes no version")
            return older or base, ids
        return self._base(part, name, kind, text), ids

    def _network(self, name: str, part: Part, network: Part | None) -> None:
        if network is not None:
            timeout = network.get("default_request_timeout_in_seconds")
            value = None if timeout is None else timeout.number()
            if timeout is not None and value is not None and 0 < value <= 86400:
                timeout.changed("the time until the answer begins")
                self._timeouts[name] = {"timeouts": {"first_byte": seconds(value)}}
            retries = network.get("max_retries")
            number = None if retries is None else retries.number()
            if retries is not None and number is not None and number >= 1:
                again = int(min(number, Decimal(9)))
                self._draft.settings["retries"] = {"attempts": min(20, 4 + again), "rounds": again + 1}
                retries.changed("the whole route is gone through again so many times, whoever the provider is")
            for word in (
                "retry_backoff_initial",
                "retry_backoff_initial_ms",
                "retry_backoff_max",
                "retry_backoff_max_ms",
            ):
                each = network.get(word)
                if each is not None:
                    each.left("how long to wait before another round is `settings.retries.backoff`, for all providers")
        pool = part.get("concurrency_and_buffer_size")
        if pool is not None:
            pool.left("how many requests run at the same time is a limit of the account: `limits: {concurrent: 100}`")


def _versioned(address: str) -> bool:
    return re.search(r"/v\d|/openai|/compat", address) is not None


def _listed(part: Part, name: str, lenient: bool) -> frozenset[str] | None:
    """The models of a list; None for all of them."""
    listed = part.get(name)
    if listed is None:
        return None
    texts = frozenset(
        text for each in listed.items() if (text := each.text()) is not None and each.node is not listed.node
    )
    listed.carried("which models a key may be used for")
    if "*" in texts or (not texts and lenient):
        return None if name == "models" else frozenset()
    return texts


def _named(root: Part, ways: dict[str, list[Way]]) -> set[str]:
    """Every `provider/model` that the source speaks of."""
    found = {f"{name}/{model}" for name, of in ways.items() for way in of for model in (way.models or ())}
    found |= {f"{name}/{model}" for name, of in ways.items() for way in of for model in way.ids}
    governance = root.get("governance")
    for rule in _items(governance, "routing_rules"):
        for target in _items(rule, "targets"):
            if target.word("provider") and target.word("model"):
                found.add(f"{target.word('provider')}/{target.word('model')}")
        found |= {text for each in _items(rule, "fallbacks") if (text := each.text()) and not text.endswith("/")}
    for key in _items(governance, "virtual_keys"):
        for config in _items(key, "provider_configs"):
            models = [each.text() for each in _items(config, "allowed_models")]
            found |= {f"{config.word('provider')}/{model}" for model in models if model and model != "*"}
    return {name for name in found if name.partition("/")[0] in ways}


def _items(part: Part | None, name: str) -> Iterable[Part]:
    listed = None if part is None else part.get(name)
    return [] if listed is None else listed.items()


def _say(part: Part, name: str, text: str) -> None:
    found = part.get(name)
    if found is not None:
        found.carried(text)
