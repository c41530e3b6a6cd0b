"""What a record made under one policy can vouch for under another.

A recorded fact is what it is said to be only where both policies mean the same by it: the same pattern behind
`prompt.matches.NAME`, the same budget behind `budget.NAME.left`, the same client behind `client.team`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from routebook.catalogue.callers import ANONYMOUS, Client, client_named
from routebook.policy.coverage import tests_of
from routebook.policy.sameness import bare, same
from routebook.routing.facts import FACTS
from routebook.routing.guards import Webhook
from routebook.routing.outcomes import Outcome, Route
from routebook.routing.policy import Policy


class Caller(NamedTuple):
    """Who a recorded caller is under the proposed policy (None: it is not let in). `is_kept`: all that is declared of it
    is as it was; `tags_are_kept`: its tags and what it may add to them are."""

    client: Client | None
    is_kept: bool
    tags_are_kept: bool


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
        self.tasks_alike = self._tasks_alike()
        """Whether a recorded class of task is the one that the proposed policy finds."""
        self._vouched: dict[str, bool] = {}
        self._clients: dict[str, Caller] = {}
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
        if route is not None and route.judges and not self.tasks_alike:
            return False
        return self._routes[before] == self._proposed[now]

    def vouches(self, fact: str) -> bool:
        """Whether a recorded value of this fact would be the same under the policy that is proposed."""
        found = self._vouched.get(fact)
        if found is None:
            found = self._vouched[fact] = self._means_the_same(fact)
        return found

    def caller(self, name: str) -> Caller:
        """Who a recorded caller is now. Raises KeyError where that cannot be known: callers had no names then."""
        found = self._clients.get(name)
        if found is None:
            found = self._clients[name] = self._caller(name)
        return found

    def price_is_kept(self, model: str) -> bool:
        """Whether a model costs what it did."""
        found = self._prices.get(model)
        if found is None:
            then = None if self.served is None else self.served.catalogue.models.get(model)
            now = self.proposed.catalogue.models.get(model)
            found = self._prices[model] = then is not None and now is not None and then.price == now.price
        return found

    def _caller(self, name: str) -> Caller:
        served, clients = self.served, self.proposed.clients
        if not clients:
            is_anonymous = name == ANONYMOUS.name
            return Caller(ANONYMOUS, is_anonymous, is_anonymous)
        if name == ANONYMOUS.name and name not in clients:
            raise KeyError("client.name")
        now = client_named(clients, name)
        if now is ANONYMOUS:
            return Caller(None, False, False)
        then = None if served is None else client_named(served.clients, name)
        return Caller(now, then is not None and same(then, now), then is not None and _tags(then) == _tags(now))

    def _tasks_alike(self) -> bool:
        served, proposed = self.served, self.proposed
        if served is None or not same(served.tasks, proposed.tasks):
            return served is None and not proposed.tasks
        asked = {test.fact for task in proposed.tasks for test in tests_of(task.when)}
        return all(map(self._means_the_same, asked))

    def _means_the_same(self, fact: str) -> bool:
        argument = FACTS.argument(fact)
        served, proposed = self.served, self.proposed
        if fact.startswith("prompt.matches.") and argument is not None:
            return served is not None and served.patterns.get(argument) == proposed.patterns.get(argument)
        if fact.startswith("guard.") and argument is not None:
            return served is not None and _guard_alike(served, proposed, argument)
        if fact.startswith("budget.") and argument is not None:
            return served is not None and same(served.budgets.get(argument), proposed.budgets.get(argument))
        return True


def _guard_alike(served: Policy, proposed: Policy, name: str) -> bool:
    """Whether a guard says the same under both; a service may have its time limit and its failure changed."""
    one, other = served.guards.get(name), proposed.guards.get(name)
    if isinstance(one, Webhook) and isinstance(other, Webhook):
        return one.url == other.url and same(one.when, other.when)
    return same(one, other)


def _tags(client: Client) -> object:
    """What the tags of a client's requests follow from."""
    return client.tags, client.may_set_tags, None if client.tokens is None else client.tokens.claims.tags


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
