"""What a record made under one policy can vouch for under another.

A recorded fact is what it is said to be only where both policies mean the same by it: the same pattern behind
`prompt.matches.NAME`, the same budget behind `budget.NAME.left`, the same client behind `client.team`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from routebook.catalogue.callers import ANONYMOUS, Client, client_named
from routebook.policy.sameness import bare, same
from routebook.routing.facts import FACTS
from routebook.routing.outcomes import Outcome, Route
from routebook.routing.policy import Policy

OF_CLIENTS = ("client.team", "tags")
"""Facts that come from what a policy declares of a client; with them, its labels."""


class Between:
    """A policy that served (None: it is not at hand), and one that is proposed."""

    def __init__(self, served: Policy | None, proposed: Policy) -> None:
        self.served = served
        self.proposed = proposed
        self._routes = {} if served is None else {rule.name: bare(rule.outcome) for rule in served.rules}
        self._proposed = {rule.name: bare(rule.outcome) for rule in proposed.rules}
        self.outcomes: Mapping[str, Outcome] = (
            {} if served is None else {rule.name: rule.outcome for rule in served.rules}
        )
        self.plans_alike = served is not None and _plans_alike(served, proposed)
        """Whether equal routes make equal plans: what they lead to, and what keeps requests from it, is the same."""
        self._vouched: dict[str, bool] = {}
        self._clients: dict[str, tuple[Client | None, bool]] = {}
        self._prices: dict[str, bool] = {}

    def __repr__(self) -> str:
        served = None if self.served is None else self.served.digest
        return f"<Between {served} and {self.proposed.digest}>"

    def route_of(self, rule: str | None) -> Route | None:
        """The route of a rule that served, where it is known."""
        outcome = None if rule is None else self.outcomes.get(rule)
        return outcome if isinstance(outcome, Route) else None

    def plans_as_before(self, before: str | None, now: str) -> bool:
        """Whether the rule that decides now makes the plan that the other one made then."""
        if not self.plans_alike or before is None or before not in self._routes:
            return False
        route = self.route_of(before)
        if before != now and route is not None and route.split is not None:
            return False  # who has which share follows from the rule's name
        return self._routes[before] == self._proposed[now]

    def vouches(self, fact: str) -> bool:
        """Whether a recorded value of this fact would be the same under the policy that is proposed."""
        found = self._vouched.get(fact)
        if found is None:
            found = self._vouched[fact] = self._means_the_same(fact)
        return found

    def client(self, name: str) -> tuple[Client | None, bool]:
        """Who a recorded caller is now (None: the proposed policy does not let it in), and whether all that the policy
        declares of it is as it was. Raises KeyError where that cannot be known: callers had no names then."""
        found = self._clients.get(name)
        if found is None:
            found = self._clients[name] = self._client(name)
        return found

    def price_is_kept(self, model: str) -> bool:
        """Whether a model costs what it did."""
        found = self._prices.get(model)
        if found is None:
            then = None if self.served is None else self.served.catalogue.models.get(model)
            now = self.proposed.catalogue.models.get(model)
            found = self._prices[model] = then is not None and now is not None and then.price == now.price
        return found

    def _client(self, name: str) -> tuple[Client | None, bool]:
        served, clients = self.served, self.proposed.clients
        if not clients:
            return ANONYMOUS, name == ANONYMOUS.name
        if name == ANONYMOUS.name and name not in clients:
            raise KeyError("client.name")
        now = client_named(clients, name)
        if now is ANONYMOUS:
            return None, False
        return now, served is not None and same(client_named(served.clients, name), now)

    def _means_the_same(self, fact: str) -> bool:
        argument = FACTS.argument(fact)
        served, proposed = self.served, self.proposed
        if fact.startswith("prompt.matches.") and argument is not None:
            return served is not None and served.patterns.get(argument) == proposed.patterns.get(argument)
        if fact.startswith("budget.") and argument is not None:
            return served is not None and same(served.budgets.get(argument), proposed.budgets.get(argument))
        return True


def _plans_alike(served: Policy, proposed: Policy) -> bool:
    one, other = served.catalogue, proposed.catalogue
    return (
        same(_by_name(one.models.values()), _by_name(other.models.values()))
        and same(one.pools, other.pools)
        and same(served.guarantees, proposed.guarantees)
        and same(served.settings.losses, proposed.settings.losses)
    )


def _by_name(models: Iterable[object]) -> list[object]:
    return sorted(map(bare, models), key=repr)
