"""From a route to a plan: every candidate passes the same checks, in the same order, on every hop.

What can be known when a policy is taken is worked out then (`Planner`); what depends on the request is checked against
each candidate until the first check that it fails.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from routebook.catalogue.callers import Client
from routebook.catalogue.models import Model
from routebook.catalogue.providers import Account
from routebook.ledger.cost import MILLION
from routebook.policy.facts import Ask
from routebook.routing.candidates import Candidate, Dropped, Plan
from routebook.routing.constraints import UNCONSTRAINED
from routebook.routing.demand import Demand, Size
from routebook.routing.in_force import SPOKEN
from routebook.routing.memory import AccountKey, Memory, Recollection
from routebook.routing.outcomes import REQUESTED, Pick, Route, Within
from routebook.routing.picking import by_weight, ordered
from routebook.routing.policy import Guarantee, Policy
from routebook.routing.reach import forbidden_by, label_of, may_hold

FIT_MARGIN: Final = 1.3
"""Real token counts stay below this multiple of the estimate for 95 texts of 100."""

_NO_ACCOUNT: Final = Account("none")


@dataclass(frozen=True, slots=True)
class _Target:
    """A model as the policy fixes it: its accounts, and the guarantees that may keep requests from it."""

    model: Model
    accounts: tuple[Account, ...]
    forbidding: tuple[Guarantee, ...]


class Planner:
    """Makes plans under one policy. `keyless` are accounts whose declared key is not set here."""

    def __init__(self, policy: Policy, keyless: Collection[AccountKey] = ()) -> None:
        self.policy = policy
        self.keyless = frozenset(keyless)
        self._targets = {name: _Target(model, model.provider.accounts or (_NO_ACCOUNT,),
                                       forbidden_by(model, policy.guarantees))
                         for name, model in policy.catalogue.models.items()}

    def __repr__(self) -> str:
        return f"<Planner of {self.policy.digest}: {len(self._targets)} models>"

    def plan(self, route: Route, rule: str, demand: Demand, ask: Ask, client: Client, memory: Memory, *, at: float,
             draw: float, asked_within: Within = UNCONSTRAINED) -> Plan:
        """Who may serve the request, in order, and who may not and why.

        `ask` answers the facts that guarantees need; `asked_within` are the client's own constraints. Raises
        ProtocolError where the request turns out to be malformed.
        """
        return _Planning(self, route, rule, demand, ask, client, Recollection(memory), at, draw, asked_within).plan()

    def target(self, name: str) -> _Target:
        """A model's fixed part."""
        return self._targets[name]

    def expand(self, names: Iterable[str]) -> list[str]:
        """Names of models and pools as models, each once, in order; unknown names are left out."""
        pools = self.policy.catalogue.pools
        found: dict[str, None] = {}
        for name in names:
            if name in self._targets:
                found[name] = None
            elif name in pools:
                found.update(dict.fromkeys(pools[name].models))
        return list(found)


class _Planning:
    """One plan in the making."""

    def __init__(self, planner: Planner, route: Route, rule: str, demand: Demand, ask: Ask, client: Client,
                 memory: Recollection, at: float, draw: float, asked_within: Within) -> None:
        self.planner = planner
        self.route = route
        self.rule = rule
        self.demand = demand
        self.ask = ask
        self.client = client
        self.memory = memory
        self.at = at
        self.draw = draw
        self.asked_within = asked_within
        self.limits = [(within, by) for within, by in ((route.within, "rule"), (asked_within, "client"))
                       if within is not UNCONSTRAINED and within != UNCONSTRAINED]
        self.dropped: list[Dropped] = []
        self.verdicts: dict[str, bool] = {}
        self.size: Size | None = None

    def plan(self) -> Plan:
        """Check every target, then put those that are left in order."""
        names, point, share = self._names()
        targets = [self.planner.target(name) for name in names]
        kept: list[Candidate] = []
        for target in targets:
            fault = self._fault_of_request(target)
            if fault is None:
                kept.extend(self._by_account(target, targets))
            else:
                self.dropped.append(Dropped(target.model.name, fault[0], fault[1]))
        found = ordered(kept, self.route, self.memory, self.draw) if len(kept) > 1 else kept
        if share is not None:
            chosen = set(self.planner.expand((share,)))
            found = sorted(found, key=lambda each: each.name not in chosen)
        if any(each.reason != "kept" for each in found):
            found = sorted(found, key=lambda each: each.reason != "kept")
        return Plan(tuple(found), tuple(self.dropped), self.size, self.memory, point, share)

    def _names(self) -> tuple[list[str], int | None, str | None]:
        route, asked_for = self.route, self.demand.model
        names = [asked_for if name == REQUESTED else name for name in route.to] if REQUESTED in route.to else route.to
        found = self.planner.expand(names)
        if REQUESTED in route.to and not self.planner.expand((asked_for,)):
            self.dropped.append(Dropped(asked_for, "model.unknown"))
        if route.split is None:
            return found, None, None
        point = self.demand.split_point(route.split.by, self.rule, self.draw)
        share, start = None, 0
        for name, parts in route.split.shares:
            start += parts
            if point < start:
                share = name
                break
        return found, point, share

    def _fault_of_request(self, target: _Target) -> tuple[str, dict[str, Any]] | None:
        """The first check that the model fails for this request, whichever account pays."""
        model, demand = target.model, self.demand
        if demand.operation not in model.operations:
            return "model.operation", {"operation": demand.operation, "serves": sorted(model.operations)}
        if model.provider.dialect not in SPOKEN:
            return "model.dialect", {"dialect": model.provider.dialect}
        if not demand.needs <= model.capabilities:
            return "model.lacks", {"lacks": sorted(demand.needs - model.capabilities)}
        if (fault := self._context_fault(model)) is not None:
            return fault
        allowed = self.client.models
        if allowed is not None and model.name not in allowed:
            return "client.not-allowed", {"client": self.client.name}
        for guarantee in target.forbidding:
            if self._applies(guarantee):
                return "guarantee.forbids", {"guarantee": guarantee.name}
        return None

    def _context_fault(self, model: Model) -> tuple[str, dict[str, Any]] | None:
        demand, answer = self.demand, self._answer()
        if model.max_output is not None and answer is not None and answer > model.max_output:
            return "model.max-output", {"max_output": model.max_output, "asked": answer}
        if model.context is None or demand.texts > 1 or demand.most_tokens + (answer or 0) <= model.context:
            return None
        prompt = self._size((model,)).tokens
        if prompt + (answer or 0) > model.context:
            return "model.context", {"context": model.context, "prompt": prompt, "max_output": answer}
        return None

    def _by_account(self, target: _Target, targets: list[_Target]) -> Iterable[Candidate]:
        """The model by each account that may pay, after the constraints that depend on cost and measurement."""
        model = target.model
        cost = self._cost(model, self._size([each.model for each in targets]).tokens)
        first_token = self.memory.first_token(model.name) if self._needs_first_token() else None
        for within, by in self.limits:
            fault = _outside(model, within, cost, first_token, by)
            if fault is not None:
                self.dropped.append(Dropped(model.name, fault[0], fault[1]))
                return
        reason, numbers = self._tightness(model)
        accounts = target.accounts
        if len(accounts) > 1:
            accounts = tuple(by_weight(accounts, lambda each: each.weight, self.draw, model.name))
        for account in accounts:
            fault = self._fault_of_account((model.provider.name, account.name))
            if fault is None:
                yield Candidate(model, account, cost, first_token, reason, numbers)
            else:
                self.dropped.append(Dropped(model.name, fault[0], fault[1], account.name))

    def _fault_of_account(self, key: AccountKey) -> tuple[str, dict[str, Any]] | None:
        if key in self.planner.keyless:
            return "account.no-key", {}
        rest = self.memory.resting(key, self.at)
        return None if rest is None else ("account.resting", {"seconds": rest[0], "because": rest[1]})

    def _applies(self, guarantee: Guarantee) -> bool:
        known = self.verdicts.get(guarantee.name)
        if known is None:
            known = self.verdicts[guarantee.name] = may_hold(guarantee.when, self.ask)
        return known

    def _answer(self) -> int | None:
        """The longest answer that will be asked for: what the client wants, under the rule's cap."""
        wanted, cap = self.demand.max_output, self.route.caps.max_output
        return wanted if cap is None else cap if wanted is None else min(wanted, cap)

    def _size(self, models: Iterable[Model]) -> Size:
        """The prompt's tokens: closely where a limit, an order or a context depends on them."""
        if self.size is None:
            most = self.demand.most_tokens
            closely = (self.route.within.cost is not None or self.asked_within.cost is not None
                       or self.route.pick in (Pick.CHEAPEST, Pick.BALANCED)
                       or any(model.context is not None and most > model.context for model in models))
            self.size = self.demand.size(closely)
        return self.size

    def _tightness(self, model: Model) -> tuple[str, dict[str, Any]]:
        answer = self._answer() or 0
        if model.context is None or self.demand.texts > 1 or self.demand.most_tokens + answer <= model.context:
            return "kept", _NOTHING
        prompt = self._size((model,)).tokens
        at_most = int(prompt * FIT_MARGIN)
        if at_most + answer <= model.context:
            return "kept", _NOTHING
        return "kept.tight", {"context": model.context, "prompt": prompt, "at_most": at_most}

    def _needs_first_token(self) -> bool:
        return (self.route.pick is Pick.FASTEST or self.route.within.first_token is not None
                or self.asked_within.first_token is not None)

    def _cost(self, model: Model, prompt: int) -> int | None:
        """What the request costs at most, in nano-dollars; None where a price is unknown."""
        price = model.price
        answer = self._answer()
        if answer is None:
            answer = self.planner.policy.settings.default_max_output
        if model.max_output is not None:
            answer = min(answer, model.max_output)
        if price.input is None or (price.output is None and answer):
            return None
        dearest = max(price.output or 0, price.reasoning or 0)
        return (prompt * price.input + answer * self.demand.choices * dearest) // MILLION + price.request


_NOTHING: Final[dict[str, Any]] = {}


def _outside(model: Model, within: Within, cost: int | None, first_token: float | None,
             by: str) -> tuple[str, dict[str, Any]] | None:
    """The first constraint that a model does not meet. What is not known does not meet a limit, but for the time to
    the first token: a model that was never called could otherwise never be measured."""
    if within.cost is not None and (cost is None or cost > within.cost):
        return "within.cost", {"cost": cost, "limit": within.cost, "by": by}
    if within.first_token is not None and first_token is not None and first_token > within.first_token:
        return "within.first-token", {"first_token": first_token, "limit": within.first_token, "by": by}
    if within.quality is not None and (model.quality is None or model.quality < within.quality):
        return "within.quality", {"quality": model.quality, "limit": within.quality, "by": by}
    if within.regions is not None and model.region not in within.regions:
        return "within.region", {"region": model.region, "wanted": sorted(within.regions), "by": by}
    return _mislabelled(model, within.labels)


def _mislabelled(model: Model, labels: Mapping[str, str]) -> tuple[str, dict[str, Any]] | None:
    for name, wanted in labels.items():
        value = label_of(model, name)
        if value != wanted:
            return "within.label", {"label": name, "value": value, "wanted": wanted}
    return None
