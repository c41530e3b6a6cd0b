"""A case put to the policy: decided by the compiled tree, planned by the planner that serves, held for as it would be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from routebook.catalogue.callers import ANONYMOUS, client_named
from routebook.ledger.claims import Kind, Refusal
from routebook.policy.facts import Ask, Value
from routebook.policy.rules import Rule
from routebook.protocols.errors import ProtocolError
from routebook.routing.candidates import Plan
from routebook.routing.cases.case import PolicyTest, SentRequest
from routebook.routing.constraints import asked_within
from routebook.routing.demand import Demand, LiveDemand, demand_of_facts
from routebook.routing.drawing import Drawing
from routebook.routing.facts import GivenFacts, RequestFacts
from routebook.routing.given import MIDDLE, client_of, given_facts, memory_of, zoned_facts, zoned_keys
from routebook.routing.outcomes import Outcome, Route
from routebook.routing.planning import Planner
from routebook.routing.policy import Policy

GIVEN_BESIDE = ("time.", "budget.", "model.")
"""How facts begin that no request says of itself: what may be given beside one."""

_NOT_HERE = ("time.", "budget.")
"""Those of which there is nothing where no server runs: missing, where they are not given."""


@dataclass(frozen=True, slots=True)
class Came:
    """What came of a case: the rule that decided (None: no rule matched) and the plan of its route (None: it has none).

    `ask` knows the facts; `fault` is why the request could not be read (None: it was), in words.
    """

    rule: Rule[Outcome] | None
    plan: Plan | None
    ask: Ask
    demand: Demand | None = None
    client: str = ANONYMOUS.name
    fault: str | None = None


class Runner:
    """Puts cases to one policy."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._planner = Planner(policy)
        self._drawing = Drawing(policy)
        self._zoned = zoned_keys(policy)

    def __repr__(self) -> str:
        return f"<Runner of {self.policy.digest}>"

    def run(self, case: PolicyTest) -> Came:
        """Decide a case and plan its route. What a request says that cannot be read is a fault, not an exception."""
        if case.request is None:
            return self._run_given(case.given)
        try:
            return self._run_sent(case.request, case.given)
        except (ProtocolError, ValueError) as error:
            return Came(None, None, GivenFacts(case.given), fault=str(error))

    def held(self, came: Came) -> Mapping[str, int] | None:
        """What is held for the first candidate of each budget that counts the request, by the budget's name, in its
        unit; None where nobody may serve it, or a price that must be known is not."""
        if came.plan is None or not came.plan.kept or came.demand is None or came.rule is None:
            return None
        route = came.rule.outcome
        cap = route.caps.max_output if isinstance(route, Route) else None
        draws = self._drawing.of(came.ask, came.demand, came.client, cap, now=0.0)
        needs = () if draws is None else draws.needs(came.plan.kept[0])
        if isinstance(needs, Refusal):
            return None
        found: dict[str, int] = {}
        for need in needs:
            for budget in self._drawing.budgets if need.claim.kind is Kind.WINDOW else ():
                if need.claim.pot.startswith(budget.pots):
                    found[budget.name] = max(found.get(budget.name, 0), need.claim.amount)
        return found

    def _run_given(self, given: Mapping[str, Value]) -> Came:
        facts = given_facts(self.policy, given, self._zoned)
        rule = self.policy.tree.decide(facts).rule
        demand = demand_of_facts(dict(facts.given))
        client = client_of(self.policy, given)
        plan = None
        if rule is not None and isinstance(rule.outcome, Route):
            memory = memory_of(self.policy, given)
            plan = self._planner.plan(rule.outcome, rule.name, demand, facts, client, memory, at=0.0, draw=MIDDLE)
        return Came(rule, plan, facts, demand, client.name)

    def _run_sent(self, request: SentRequest, given: Mapping[str, Value]) -> Came:
        """As the service reads a request; raises ProtocolError or ValueError where it would turn it away unread."""
        facts = self._facts_of(request, given)
        demand = LiveDemand(facts.live)
        within = asked_within(facts.live.headers, facts.live.asked)
        rule = self.policy.tree.decide(facts).rule
        plan = None
        if rule is not None and isinstance(rule.outcome, Route):
            plan = self._planner.plan(
                rule.outcome,
                rule.name,
                demand,
                facts,
                facts.live.client,
                facts.live.memory,
                at=0.0,
                draw=MIDDLE,
                asked_within=within,
            )
        return Came(rule, plan, facts, demand, facts.live.client.name)

    def _facts_of(self, request: SentRequest, given: Mapping[str, Value]) -> _SentFacts:
        # whoever has no case of this kind needs no dialect
        from routebook.protocols.dialects import PATHS

        found = PATHS.find(*request.path.partition("?")[::2])
        if found is None:
            raise ValueError(f"nothing is served at `{request.path}`")
        client = ANONYMOUS
        if request.client is not None:
            client = replace(client_named(self.policy.clients, request.client), name=request.client)
        memory = memory_of(self.policy, given)
        live = RequestFacts(found.read(request.body), client, dict(request.headers), 0.0, self.policy, memory)
        return _SentFacts(live, {**zoned_facts(self._zoned, given), **given})


class _SentFacts:
    """The facts of a request as it was sent, and beside it those that no request says of itself, which are given."""

    def __init__(self, live: RequestFacts, given: Mapping[str, Value]) -> None:
        self.live = live
        self.given = given

    def __repr__(self) -> str:
        return f"<_SentFacts of {self.live!r}>"

    def __call__(self, key: str) -> Value | None:
        if key in self.given:
            return self.given[key]
        return None if key.startswith(_NOT_HERE) else self.live(key)
