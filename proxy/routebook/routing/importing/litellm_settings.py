"""LiteLLM's settings: those that have a counterpart, and what is to be said of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from routebook.documents.nodes import Scalar
from routebook.documents.quantities import Unit, parse_quantity
from routebook.routing.drafting import Draft, Entry, dollars, seconds
from routebook.routing.importing.source import Part

WINDOWS = {"1d": "day", "24h": "day", "7d": "week", "30d": "month", "1mo": "month"}
"""Durations after which LiteLLM begins anew at midnight, on Monday, on the first; others move along."""

_LOGS = "what is logged where is no part of a policy: records and metrics stand in docs/operating.md"
_OWN_DATA = "Routebook keeps its books and keys in its own state directory"
_UI = "there is no web interface"
_GUARDS = "guardrails are not carried: a rule may refuse by `patterns`, and `guards` mask, or ask a service of yours"
_CHECKS = "models are measured by the requests that they serve, not by probes"

SETTINGS: dict[str, tuple[bool, str]] = {
    "callbacks": (False, _LOGS),
    "success_callback": (False, _LOGS),
    "failure_callback": (False, _LOGS),
    "callback_settings": (False, _LOGS),
    "set_verbose": (False, _LOGS),
    "json_logs": (False, _LOGS),
    "alerting": (True, "there are no alerts of its own: watch the metrics"),
    "alerting_threshold": (True, "there are no alerts of its own: watch the metrics"),
    "alert_to_webhook_url": (True, "there are no alerts of its own: watch the metrics"),
    "database_url": (False, _OWN_DATA),
    "database_connection_pool_limit": (False, _OWN_DATA),
    "store_model_in_db": (False, "the policy's files are the only source of models"),
    "use_redis_transaction_buffer": (False, _OWN_DATA),
    "redis_host": (True, "hosts share budgets by `routebook serve --shared-ledger`"),
    "redis_port": (True, "hosts share budgets by `routebook serve --shared-ledger`"),
    "redis_password": (True, "hosts share budgets by `routebook serve --shared-ledger`"),
    "redis_url": (True, "hosts share budgets by `routebook serve --shared-ledger`"),
    "guardrails": (True, _GUARDS),
    "policies": (True, _GUARDS),
    "background_health_checks": (False, _CHECKS),
    "health_check_interval": (False, _CHECKS),
    "enable_jwt_auth": (True, "bearer tokens belong to a client: write `jwt` in `clients`"),
    "litellm_jwtauth": (True, "bearer tokens belong to a client: write `jwt` in `clients`"),
    "mcp_servers": (True, "MCP is not served"),
    "search_tools": (True, "search tools are not served"),
    "vector_store_registry": (True, "vector stores are not served"),
    "prompts": (True, "prompts are not kept here"),
    "environment_variables": (True, "set these in the environment of the service; values never stand in a policy"),
    "modify_params": (True, "requests are changed only as docs/protocols.md says"),
    "cooldown_time": (True, ""),
    "num_workers": (False, "`routebook serve --workers`"),
    "UI_USERNAME": (False, _UI),
    "UI_PASSWORD": (False, _UI),
    "optional_pre_call_checks": (
        True,
        "its checks are not carried one by one; a conversation stays by `stick` on a route",
    ),
    "enable_pre_call_checks": (False, "whether a prompt fits is always looked at, where a model's `context` is known"),
    "enable_tag_filtering": (False, "rules on `tags` do it"),
}
"""What is said of settings without a counterpart: whether something is lost, and what. Empty: read elsewhere."""

PICKS = {
    "simple-shuffle": None,
    "least-busy": "least_busy",
    "latency-based-routing": "fastest",
    "cost-based-routing": "cheapest",
    "usage-based-routing": None,
    "usage-based-routing-v2": None,
}
"""LiteLLM's strategies, and the `pick` that means the same; None for a draw by weights."""


@dataclass(frozen=True, slots=True)
class Strategy:
    """How deployments are picked; `enforced` is whether `rpm` and `tpm` are limits."""

    pick: str | None
    enforced: bool
    part: Part | None = None


def strategy(router: Sequence[Part]) -> Strategy:
    """The routing strategy, which also decides whether rates are limits or weights."""
    part = next((found for each in router if (found := each.get("routing_strategy")) is not None), None)
    text = "simple-shuffle" if part is None else part.text() or ""
    usage = text.startswith("usage-based")
    checks = [
        item.text() for each in router if (found := each.get("optional_pre_call_checks")) for item in found.items()
    ]
    limited = (
        usage or "enforce_model_rate_limits" in checks or any(each.is_on("enable_pre_call_checks") for each in router)
    )
    if part is not None and text in PICKS:
        if usage:
            part.changed("deployments are drawn by their rates, and one without room is passed over")
        else:
            part.carried(f"`pick: {PICKS[text] or 'weighted'}`")
    elif part is not None:
        part.left("no `pick` does that: deployments are drawn by their weights")
    return Strategy(PICKS.get(text), limited, part)


def read_settings(root: Part, draft: Draft, longest: int, unpriced: list[str]) -> Entry:
    """Put the settings into the draft; gives the terms that every route has."""
    places = [each for name in ("router_settings", "litellm_settings", "general_settings") if (each := root.get(name))]
    terms = _cache(places)
    _retries(places, draft, longest)
    _breaker(places, draft)
    _timeout(places, draft)
    _budgets(places, draft, unpriced)
    _master_key(places, draft)
    for place in [root, *places]:
        for name, part in place.entries():
            lost, said = SETTINGS.get(name, (False, ""))
            if said:
                part.left(said) if lost else part.meaningless(said)
    for part in _all(places, "drop_params"):
        part.changed(
            "what an API cannot carry is dropped or refused as docs/protocols.md says; `settings.losses` says otherwise"
        )
    return terms


def _all(places: Sequence[Part], name: str) -> list[Part]:
    return [found for place in places if (found := place.get(name)) is not None]


def _number(places: Sequence[Part], name: str) -> tuple[Part, Decimal] | None:
    return next(((part, value) for part in _all(places, name) if (value := part.number()) is not None), None)


def _retries(places: Sequence[Part], draft: Draft, longest: int) -> None:
    found = _number(places, "num_retries") or _number(places, "max_retries")
    again = 0 if found is None else int(min(max(found[1], Decimal(0)), Decimal(9)))
    retries: Entry = {}
    if longest + again > 4:
        retries["attempts"] = min(20, longest + again)
    if again:
        retries["rounds"] = again + 1
    if found is not None:
        found[0].changed("every model of a route is tried in turn, and the whole route again so many times")
    if retries:
        draft.settings["retries"] = retries


def _breaker(places: Sequence[Part], draft: Draft) -> None:
    breaker: Entry = {}
    fails, rest = _number(places, "allowed_fails"), _number(places, "cooldown_time")
    if fails is not None and fails[1] >= 0:
        breaker["in_a_row"] = int(fails[1]) + 1
        fails[0].changed("a model by an account rests after so many failures in a row, not in a minute")
    if rest is not None and Decimal("0.1") <= rest[1] <= 3600:
        breaker["rest"] = seconds(rest[1])
        rest[0].changed("the first rest of a breaker; each further one is twice as long")
    elif rest is not None:
        rest[0].left("a rest is from 100 ms to an hour")
    if breaker:
        draft.settings["breaker"] = breaker


def _timeout(places: Sequence[Part], draft: Draft) -> None:
    for name in ("timeout", "request_timeout"):
        found = _number(places, name)
        if found is not None and 0 < found[1] <= 86400 and "timeouts" not in draft.settings:
            draft.settings["timeouts"] = {"first_byte": seconds(found[1])}
            found[0].changed("the time until an answer begins; how long it may go on is `timeouts.idle` and `total`")


def _cache(places: Sequence[Part]) -> Entry:
    terms: Entry = {}
    params = next(iter(_all(places, "cache_params")), None)
    for part in _all(places, "cache"):
        ttl = None if params is None else params.get("ttl")
        time = None if ttl is None else ttl.number()
        kind = "" if params is None else params.word("type") or ""
        if part.flag() is not True:
            part.carried("no answer is kept")
        elif "semantic" in kind or (params is not None and params.word("mode") == "default_off"):
            part.left("answers are kept by rules (`cache`), for requests that are the same to the byte")
        elif ttl is None or time is None or not 1 <= time <= 2_592_000:
            part.left(
                "how long an answer may be used again is not said (`ttl`): add `cache: 10m` to the rules that may"
            )
        else:
            terms["cache"] = {"for": seconds(time), "shared": True}
            part.changed("`cache` on every route: in each worker's memory, for requests that are the same to the byte")
            ttl.carried("`cache.for`")
    if params is not None:
        for name, part in params.entries():
            if name != "ttl" or not terms:
                part.meaningless("where answers are kept is not chosen: in each worker's memory")
    return terms


def _budgets(places: Sequence[Part], draft: Draft, unpriced: list[str]) -> None:
    for place in places:
        limit, window = place.get("max_budget"), place.get("budget_duration")
        value = None if limit is None else dollars(limit.number())
        over = _window("30d" if window is None else window.text())
        if limit is None or value is None or over is None:
            continue
        draft.budgets["all"] = {"limit": value, "window": over}
        limit.carried("a budget over everything")
        if window is None:
            limit.changed("a budget over everything, in a month: the source names no time after which it begins anew")
        else:
            window.carried("the budget's `window`")
        if unpriced:
            limit.changed(
                f"{len(unpriced)} models have no price in the source, and cannot be paid for out of a budget in money: "
                "write their `price` before you serve"
            )
    for part in _all(places, "provider_budget_config"):
        _provider_budgets(part, draft)


def _provider_budgets(part: Part, draft: Draft) -> None:
    said = {(each.word("budget_limit"), each.word("time_period")) for _, each in part.entries()}
    [first, *more] = said or {(None, None)}
    amount = Part(Scalar(first[0] or "", part.location), part.path, part.location, part.notes).number()
    limit, over = dollars(amount), _window(first[1])
    if more or limit is None or over is None:
        part.left("budgets of providers are the same for all (`per: provider`), and these differ")
        return
    draft.budgets["each-provider"] = {"limit": limit, "window": over, "per": "provider"}
    part.changed("a budget `per: provider`, of the providers of this policy")


def _window(text: str | None) -> str | None:
    """A window as budgets write it; None where it is none."""
    window = WINDOWS.get(text or "", text or "")
    return window if window in WINDOWS.values() or parse_quantity(window, Unit.DURATION) else None


def _master_key(places: Sequence[Part], draft: Draft) -> None:
    for part in _all(places, "master_key"):
        draft.clients["master"] = {}
        part.changed(
            "a client `master`: `routebook keys create master` makes its key; the one in the source is not taken over"
        )
