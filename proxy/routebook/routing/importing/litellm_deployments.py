"""LiteLLM's `model_list`: deployments of model groups, as providers and models."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from decimal import Decimal

from routebook.routing.drafting import Draft, Entry, fresh, seconds, slug
from routebook.routing.importing.assumptions import CAPABILITIES
from routebook.routing.importing.source import Part
from routebook.routing.vendors import Vendor, azure_at, base_of, compatible, unwritten, vendor, vendor_of_model

OPERATIONS = {"chat": "chat", "responses": "chat", "completion": "completion", "embedding": "embeddings"}
"""What LiteLLM calls a mode, and the operation of it that can be served here."""

PRICES = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cached_input",
    "cache_creation_input_token_cost": "cache_write",
    "input_cost_per_audio_token": "audio_input",
    "output_cost_per_audio_token": "audio_output",
    "output_cost_per_reasoning_token": "reasoning",
}
"""Prices per token, and their names here, where they are per million."""

SUPPORTS = {
    "supports_vision": "vision",
    "supports_function_calling": "tools",
    "supports_response_schema": "json_schema",
    "supports_audio_input": "audio_in",
    "supports_audio_output": "audio_out",
    "supports_pdf_input": "documents",
    "supports_reasoning": "reasoning",
}
"""What a deployment says that it can do, and the capability."""

SIGNED = ("aws_", "vertex_", "azure_ad_token", "client_secret", "tenant_id", "watsonx", "sap_")
"""How parameters begin that belong to ways of signing in which no dialect has."""

_PER_MILLION = 1_000_000


@dataclass(slots=True)
class Deployment:
    """One deployment of a group: the model that it became, and what LiteLLM draws and filters by."""

    group: str
    part: Part
    model: str
    weight: Decimal | None = None
    rpm: Decimal | None = None
    tpm: Decimal | None = None
    order: int = 0
    tags: tuple[str, ...] = ()
    context: int | None = None
    terms: Entry = field(default_factory=dict)


class DeploymentReader:
    """Reads deployments into a draft. `enforced` is whether LiteLLM keeps to `rpm` and `tpm`, or only draws by them."""

    def __init__(self, draft: Draft, groups: dict[str, int], enforced: bool) -> None:
        self._draft, self._groups, self._enforced = draft, groups, enforced

    def read(self, part: Part) -> Deployment | None:
        """A deployment; None after noting why it cannot be carried."""
        name, params = part.word("model_name"), part.get("litellm_params")
        model = None if params is None else params.get("model")
        written = None if model is None else model.text()
        if name is None or params is None or model is None or written is None:
            part.left("this is no deployment: it names no model group, or no model")
            return None
        if "*" in name or "*" in written:
            part.left("a wildcard names no model: list the models that it stands for, each with its provider")
            return None
        found, model_id = _vendor_of(params, written)
        operation = self._operation(part)
        if found is None or operation is None:
            if operation is not None:
                part.left(f"no dialect of Routebook speaks the API of `{_prefix(written)}`")
            return None
        return self._deployment(part, params, name, found, model_id, operation)

    def _deployment(
        self, part: Part, params: Part, name: str, found: Vendor, model_id: str, operation: str
    ) -> Deployment | None:
        base = self._base(params, found)
        if base is None:
            return None
        deployment = Deployment(name, part, "")
        self._numbers(part, params, deployment)
        dialect, base = compatible(found, base) if operation == "embeddings" else (found.dialect, base)
        provider = self._provider(params, replace(found, dialect=dialect), base, deployment)
        if provider is None:
            part.left("how it signs in is not written in a way that can be carried")
            return None
        entry = self._model(part, params, provider, model_id, operation, deployment)
        alone = self._groups[name] == 1
        deployment.model = fresh(name if alone else f"{slug(name)}@{provider}", self._draft.models)
        if entry["id"] == deployment.model:
            del entry["id"]
        self._draft.models[deployment.model] = entry
        _said(part, "model_name", f"the model group is asked for under this name; the model is `{deployment.model}`")
        _said(params, "model", f"the model's `id` at the provider `{provider}`")
        return deployment

    def _operation(self, part: Part) -> str | None:
        info = part.get("model_info")
        mode = None if info is None else info.get("mode")
        if mode is None:
            model = part.get("litellm_params")
            return "embeddings" if model is not None and "embed" in (model.word("model") or "") else "chat"
        operation = OPERATIONS.get(mode.text() or "")
        if operation is None:
            part.left(f"requests of the mode `{mode.text()}` are not served here")
        else:
            mode.carried(f"it serves `{operation}`")
        return operation

    def _base(self, params: Part, found: Vendor) -> str | None:
        part = params.get("api_base") or params.get("base_url")
        text = None if part is None else part.text()
        if part is None or text is None:
            return found.base_url or self._unwritten(params, found, f"{found.name}_API_BASE".upper())
        if not text.startswith(("http://", "https://")):
            return self._unwritten(part, found, text.removeprefix("os.environ/"))
        if "@" in text.split("/")[2]:
            part.left("the address holds a user name or a key, which never stands in a policy")
            return None
        part.carried("the provider's `base_url`")
        return base_of(found, text)

    def _unwritten(self, part: Part, found: Vendor, variable: str) -> str:
        address = unwritten(slug(variable))
        part.left(f"the address is not written in the source: write it in place of `{address}`")
        return base_of(found, address)

    def _provider(self, params: Part, found: Vendor, base: str, deployment: Deployment) -> str | None:
        account: Entry = {"name": "main"}
        key, own = params.get("api_key"), slug(deployment.group).upper().replace("-", "_")
        if key is None and found.base_url is None and found.variable is None:
            account = {"name": "none"}
        elif key is None and found.variable is not None:
            account["key"] = {"env": found.variable}
            params.notes.remark(
                f"A deployment of `{found.name}` without `api_key` is taken to use `{found.variable}`, as LiteLLM does."
            )
        elif key is not None:
            name = key.secret(f"{re.sub('[^A-Z0-9_]', '_', own)}_API_KEY", f"the key of `{deployment.group}`")
            if name is None:
                return None
            account["key"] = {"env": name}
        elif found.name == "ollama":
            account = {"name": "none"}
        entry: Entry = {"dialect": found.dialect, "base_url": base}
        if (region := params.get("region_name")) is not None and (where := region.text()) is not None:
            region.carried("the provider's `region`")
            entry["region"] = where
        entry["accounts"] = [account]
        self._limits(params, deployment, account)
        self._timeouts(params, entry)
        if found.name == "azure":
            entry["key_header"] = "api-key"
            entry["base_url"] = _versioned(params, base)
        return self._draft.provider(found.name, entry)

    def _limits(self, params: Part, deployment: Deployment, account: Entry) -> None:
        said = {"requests_per_minute": deployment.rpm, "tokens_per_minute": deployment.tpm}
        limits: Entry = {name: int(value) for name, value in said.items() if value}
        for name in ("rpm", "tpm"):
            part = params.get(name) or deployment.part.get(name)
            if part is not None and self._enforced:
                part.carried("a limit of the account: one that has no room is passed over")
            elif part is not None:
                part.changed(
                    "a weight, as LiteLLM uses it with this strategy; to keep to it, write it as the account's limit"
                )
        if limits and self._enforced:
            # a quota of its own: deployments of one key have one each
            account["bucket"] = f"{slug(deployment.group)}-{deployment.part.location.line}"
            account["limits"] = limits

    def _timeouts(self, params: Part, entry: Entry) -> None:
        for name in ("timeout", "request_timeout", "stream_timeout"):
            part = params.get(name)
            value = None if part is None else part.number()
            if part is None or value is None or value <= 0:
                continue
            if name == "stream_timeout" and "timeouts" in entry:
                part.left("one time is kept for whole answers and for streams")
                continue
            entry["timeouts"] = {"first_byte": seconds(value)}
            part.changed("the time until the answer begins; how long it may go on is `timeouts.idle` and `total`")

    def _numbers(self, part: Part, params: Part, deployment: Deployment) -> None:
        for name in ("weight", "rpm", "tpm"):
            number = params.get(name) or part.get(name)
            setattr(deployment, name, None if number is None else number.number())
        _said(params, "weight", "its share among the deployments of its group")
        order = params.get("order")
        value = None if order is None else order.number()
        if order is not None and value is not None:
            deployment.order = int(value)
            order.carried("deployments of a higher order come after those of a lower one")
        tags = params.get("tags")
        if tags is not None:
            deployment.tags = tuple(text for each in tags.items() if (text := each.text()) is not None)

    def _model(
        self, part: Part, params: Part, provider: str, model_id: str, operation: str, deployment: Deployment
    ) -> Entry:
        entry: Entry = {"provider": provider, "id": model_id}
        places = [each for each in (part.get("model_info"), params) if each is not None]
        price = _prices(places)
        if price:
            entry["price"] = price
        for source, name in (("max_input_tokens", "context"), ("max_output_tokens", "max_output")):
            found = next((each for place in places if (each := place.get(source)) is not None), None)
            value = None if found is None else found.number()
            if found is not None and value is not None and value >= 1:
                found.carried(f"the model's `{name}`")
                entry[name] = int(value)
        context, most = entry.get("context"), entry.get("max_output")
        if isinstance(context, int) and isinstance(most, int) and most > context:
            entry["context"] = context + most  # LiteLLM counts the prompt alone
        deployment.context = context if isinstance(context, int) else None
        if operation == "chat":
            entry["capabilities"] = _capabilities(places)
        else:
            entry["operations"] = [operation]
        self._terms(params, deployment)
        return entry

    def _terms(self, params: Part, deployment: Deployment) -> None:
        for name, term in (
            ("max_tokens", "max_output"),
            ("temperature", "temperature"),
            ("reasoning_effort", "reasoning_effort"),
        ):
            part = params.get(name)
            text = None if part is None else part.text()
            number = None if part is None else part.number()
            if part is None or text is None:
                continue
            if name == "reasoning_effort":
                deployment.terms[term] = text
            elif number is not None and (number >= 1 if name == "max_tokens" else 0 <= number <= 2):
                deployment.terms[term] = int(number) if name == "max_tokens" else number


def _vendor_of(params: Part, written: str) -> tuple[Vendor | None, str]:
    """Who serves a model, and what the vendor calls it."""
    forced, (prefix, slash, rest) = params.word("custom_llm_provider"), written.partition("/")
    _said(params, "custom_llm_provider", "says whose API is called")
    if forced is not None:
        return vendor(forced), rest if slash and vendor(prefix) is vendor(forced) else written
    if any(name.startswith(SIGNED) for name, _ in params.entries()) and vendor(prefix) is None:
        return None, written
    if slash and prefix == "azure_ai" and params.get("api_base") is None:
        return None, rest
    if slash:
        found = vendor(prefix)
        return found, rest
    known = vendor_of_model(written)
    if known is None and (params.get("api_base") or params.get("base_url")) is not None:
        return vendor("vllm"), written
    return known, written


def _versioned(params: Part, base: str) -> str:
    """Azure's address, in the version that a deployment names."""
    version = params.get("api_version")
    older = None if version is None else azure_at(base, version.text())
    if version is not None and older is not None:
        version.carried("the version in the provider's `base_url`, whose path names the deployment")
        return older
    if version is not None:
        version.changed("Azure's v1 API is called, which takes no version")
    return base


def _prefix(written: str) -> str:
    return written.partition("/")[0]


def _prices(places: list[Part]) -> Entry:
    price: Entry = {}
    for place in places:
        for source, name in PRICES.items():
            part = place.get(source)
            value = None if part is None else part.number()
            if part is not None and value is not None and value >= 0 and name not in price:
                part.carried(f"`price.{name}`, per million tokens")
                price[name] = round(value * _PER_MILLION, 9)
    return price


def _capabilities(places: list[Part]) -> list[str]:
    lacking = set()
    for place in places:
        for source, name in SUPPORTS.items():
            part = place.get(source)
            if part is not None and part.flag() is not None:
                part.carried(f"the capability `{name}`")
                lacking |= set() if part.flag() else {name}
    return [name for name in CAPABILITIES if name not in lacking]


def _said(part: Part, name: str, text: str) -> None:
    found = part.get(name)
    if found is not None:
        found.carried(text)
