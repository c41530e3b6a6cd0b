"""Bifrost's governance: virtual keys as clients, teams and customers, budgets and rate limits of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from routebook.routing.drafting import Draft, Entry, Value, dollars, fresh, route, slug, whole_weights
from routebook.routing.importing.bifrost_rules import RuleReader
from routebook.routing.importing.source import Part

CALENDAR = {"1d": "day", "1w": "week", "1M": "month"}
ROLLING = {"1w": "7d", "1M": "30d", "1Y": "365d"}
_OWN_KEYS = "keys are made by `routebook keys create`; those of the source are not taken over"


def read_governance(root: Part, draft: Draft, rules: RuleReader) -> list[Choice]:
    """Clients, budgets and limits of a configuration, and the names by which rules know them.

    What comes out are the choices of clients among their providers, which stand behind all rules.
    """
    governance = root.get("governance")
    if governance is None:
        return []
    # Version 1 of the configuration reads an empty list as all, later ones as none.
    reader = _Governance(governance, draft, rules, root.word("version") == "1")
    reader.read()
    for name in ("auth_config", "complexity_analyzer_config", "pricing_overrides", "roles", "business_units"):
        part = governance.get(name)
        if part is not None:
            part.left("this has no counterpart in a policy")
    return reader.choices


@dataclass(frozen=True, slots=True)
class Choice:
    """A model that a client may ask for without its provider, and the models that it means with their weights."""

    client: str
    model: str
    weights: dict[str, Decimal]

    def write(self, draft: Draft) -> None:
        """Add its rule."""
        when: Value = {"client.name": self.client, "request.model": self.model}
        wanted = f"{self.client}-{slug(self.model)}"
        draft.rule(wanted, when, route(list(self.weights), whole_weights(self.weights)))


class _Governance:
    """Reads the lists of `governance`, which refer to each other by ids."""

    def __init__(self, part: Part, draft: Draft, rules: RuleReader, lenient: bool) -> None:
        self._part, self._draft, self._rules, self._lenient = part, draft, rules, lenient
        self._budgets = {each.word("id") or "": each for each in _items(part, "budgets")}
        self._rates = {each.word("id") or "": each for each in _items(part, "rate_limits")}
        self._teams = {each.word("id") or "": each for each in _items(part, "teams")}
        self._customers = {each.word("id") or "": each for each in _items(part, "customers")}
        self._used: set[str] = set()
        self.choices: list[Choice] = []

    def read(self) -> None:
        """Everything, the widest scope first."""
        for kind, listed, fact in (
            ("customer", self._customers, "client.label.customer"),
            ("team", self._teams, "client.team"),
        ):
            for identity, part in listed.items():
                name = part.word("name") or identity
                self._rules.names[kind][identity] = name
                for word in ("id", "name", "customer_id"):
                    _say(part, word, f"`{fact}` of the clients that belong to it")
                self._counted(part, name, {fact: name}, identity, f"{kind}_id")
        for part in _items(self._part, "virtual_keys"):
            self._client(part)
        for part in [*_items(self._part, "model_configs"), *_items(self._part, "providers")]:
            part.left("budgets of single models or providers: write one with `per: model` or `per: provider`")
        for identity, part in [*self._budgets.items(), *self._rates.items()]:
            if identity not in self._used:
                part.left("nothing that could be carried draws on it")

    def _client(self, part: Part) -> None:
        identity = part.word("id") or ""
        if part.get("is_active") is not None and not part.is_on("is_active"):
            part.meaningless("a key that is switched off")
            return
        name = fresh(part.word("name") or identity, self._draft.clients)
        self._rules.names["virtual_key"][identity] = name
        client: Entry = {}
        team, customer = self._teams.get(part.word("team_id") or ""), part.word("customer_id")
        if team is not None:
            client["team"] = team.word("name") or ""
            customer = customer or team.word("customer_id")
        holder = self._customers.get(customer or "")
        if holder is not None:
            client["labels"] = {"customer": holder.word("name") or ""}
        for word in ("id", "name", "team_id", "customer_id", "is_active", "description"):
            _say(part, word, f"the client `{name}`")
        configs = list(_items(part, "provider_configs"))
        models = self._allowed(configs)
        if not models:
            # a client without `models` may use all, so one that may use none is not made
            del self._rules.names["virtual_key"][identity]
            part.left("it may use no model that could be carried, so it is no client here")
            return
        if len(models) < len(self._draft.models):
            client["models"] = models
        self._draft.clients[name] = client
        value = part.get("value")
        if value is not None:
            value.changed(f"`routebook keys create {name}` makes its key: {_OWN_KEYS}")
        part.notes.remark(
            "Where there are clients, whoever calls needs a key; Bifrost lets callers without a virtual key in, "
            "unless it enforces authentication."
        )
        self._counted(part, name, {"client.name": name}, identity, "virtual_key_id")
        self._by_weight(name, configs, models)

    def _allowed(self, configs: list[Part]) -> list[str]:
        """The models that a client may use."""
        if not configs:
            return list(self._draft.models) if self._lenient else []
        found: list[str] = []
        for config in configs:
            provider = config.get("provider")
            prefix = f"{config.word('provider')}/"
            texts = {each.text() for each in _items(config, "allowed_models")}
            every = "*" in texts or (not texts and (self._lenient or config.get("allowed_models") is None))
            mine = [
                name
                for name in self._draft.models
                if name.startswith(prefix) and (every or name.removeprefix(prefix).partition("@")[0] in texts)
            ]
            found += mine
            if provider is not None and mine:
                provider.carried("the models of the client")
                _say(config, "allowed_models", "the models of the client")
            elif provider is not None:
                provider.left("none of its models could be carried")
            for word in ("key_ids", "budget_id", "rate_limit_id"):
                each = config.get(word)
                if each is not None and [item.text() for item in each.items()] == ["*"]:
                    each.carried("all accounts of the provider")
                elif each is not None:
                    each.left(
                        "which accounts serve a client, or a budget of one provider for one client, cannot be said"
                    )
        return found

    def _by_weight(self, name: str, configs: list[Part], may: list[str]) -> None:
        """A client that names a model without its provider is served by those that it may use, drawn by their weights."""
        served: dict[str, dict[str, Decimal]] = {}
        for config in configs:
            weight = config.get("weight")
            share = None if weight is None else weight.number()
            if weight is not None:
                weight.carried("how often the provider serves models that are asked for without one")
            prefix = f"{config.word('provider')}/"
            allowed = {each.text() for each in _items(config, "allowed_models")}
            for model in self._draft.models:
                bare = model.removeprefix(prefix).partition("@")[0]
                if model in may and (not allowed or "*" in allowed or bare in allowed) and model.startswith(prefix):
                    served.setdefault(bare, {})[model] = Decimal(0) if share is None else share
        for bare, weights in served.items():
            self.choices.append(Choice(name, bare, weights))

    def _counted(self, part: Part, name: str, when: Entry, identity: str, owner: str) -> None:
        budgets = [self._budgets.get(part.word("budget_id") or "")]
        budgets += [self._budgets.get(each.text() or "") for each in _items(part, "budget_ids")]
        budgets += [each for each in self._budgets.values() if each.word(owner) == identity and identity]
        calendar = part.is_on("calendar_aligned")
        for budget in {each.path: each for each in budgets if each is not None}.values():
            self._budget(budget, name, when, calendar)
        for inline in _items(part, "budgets"):
            self._budget(inline, name, when, calendar)
        rate = self._rates.get(part.word("rate_limit_id") or "")
        if rate is not None:
            self._rate(rate, name, when)
        for word in ("budget_id", "budget_ids", "rate_limit_id", "calendar_aligned"):
            _say(part, word, "a budget or limit of this one")

    def _budget(self, part: Part, name: str, when: Entry, calendar: bool) -> None:
        self._used.add(part.word("id") or "")
        limit, duration = part.get("max_limit"), part.get("reset_duration")
        amount = None if limit is None else dollars(limit.number())
        window = self._window(part, duration, calendar)
        if limit is None or amount is None or window is None:
            part.left("it names no amount, or no time after which it begins anew")
            return
        self._draft.budgets[fresh(f"{slug(name)}-{window}", self._draft.budgets)] = {
            "limit": amount,
            "window": window,
            "when": when,
        }
        limit.carried("a budget in money")
        part.notes.remark(
            "Models without a `price` cannot be paid for out of a budget in money: write prices before you serve."
        )
        for word in ("current_usage", "last_reset"):
            each = part.get(word)
            if each is not None:
                each.left("what was used so far is not taken over: every budget begins anew")
        for word in ("id", "virtual_key_id", "team_id", "customer_id", "calendar_aligned"):
            _say(part, word, "whose budget it is")

    def _window(self, part: Part, duration: Part | None, calendar: bool) -> str | None:
        text = None if duration is None else duration.text()
        if duration is None or text is None:
            return None
        if (calendar or part.is_on("calendar_aligned")) and text in CALENDAR:
            duration.carried("the window")
            return CALENDAR[text]
        if text[:-1].isdigit() and text[-1] in "smhd":
            found: str | None = text
        else:
            found = ROLLING.get(text)
        if found is not None:
            duration.changed("a window that moves along, where Bifrost begins anew after each")
        return found

    def _rate(self, part: Part, name: str, when: Entry) -> None:
        self._used.add(part.word("id") or "")
        _say(part, "id", "whose limit it is")
        for kind, key in (("request", "requests_per_minute"), ("token", "tokens_per_minute")):
            limit, duration = part.get(f"{kind}_max_limit"), part.get(f"{kind}_reset_duration")
            value = None if limit is None else limit.number()
            if limit is None or value is None or value < 1:
                continue
            if duration is not None and duration.text() == "1m":
                entry = self._draft.limits.setdefault(slug(name), {})
                entry |= {key: int(value), "when": when}
                limit.carried(f"a limit, `{key}`")
                duration.carried("a minute")
                continue
            window = self._window(part, duration, False)
            if window is None:
                limit.left("it names no time after which it begins anew")
                continue
            wanted = f"{slug(name)}-{kind}s-{window}"
            self._draft.budgets[fresh(wanted, self._draft.budgets)] = {
                "limit": f"{int(value)} {kind}s",
                "window": window,
                "when": when,
            }
            limit.carried(f"a budget in {kind}s")


def _items(part: Part | None, name: str) -> Iterable[Part]:
    listed = None if part is None else part.get(name)
    return [] if listed is None else listed.items()


def _say(part: Part, name: str, text: str) -> None:
    found = part.get(name)
    if found is not None:
        found.carried(text)
