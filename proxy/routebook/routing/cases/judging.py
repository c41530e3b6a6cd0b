"""Expected against got: what of a case came out otherwise, and why, in few words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from routebook.documents.quantities import Unit
from routebook.policy.coverage import tests_of
from routebook.policy.explain import Account, RuleAccount, Verdict, explain, why_not_line
from routebook.policy.rules import Rule
from routebook.policy.saying import say_amount, say_value
from routebook.routing.candidates import Plan
from routebook.routing.cases.case import Bound, PolicyTest
from routebook.routing.cases.running import Came, Runner
from routebook.routing.facts import FACTS
from routebook.routing.outcomes import Outcome, Refuse

_SHOWN = 3
"""Conditions that a reason names before it only counts them."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that came out otherwise: `what` is the key of `expect`, `why` a short reason, or empty."""

    what: str
    expected: str
    got: str
    why: str = ""

    @property
    def words(self) -> str:
        """Expected against got."""
        return f"expected {self.expected}, got {self.got}" if self.expected else self.got


@dataclass(frozen=True, slots=True)
class Verdicted:
    """A case with what came of it, and everything that is otherwise than expected; it passes where that is nothing."""

    case: PolicyTest
    came: Came
    faults: tuple[Fault, ...]


def judge(runner: Runner, case: PolicyTest) -> Verdicted:
    """Run a case and compare."""
    came = runner.run(case)
    if came.fault is not None:
        return Verdicted(case, came, (Fault("request", "", f"the request cannot be read: {came.fault}"),))
    return Verdicted(case, came, tuple(_Judging(runner, case, came).faults()))


class _Judging:
    """One case that was read and decided."""

    def __init__(self, runner: Runner, case: PolicyTest, came: Came) -> None:
        self.runner = runner
        self.policy = runner.policy
        self.expect = case.expect
        self.came = came
        self.by = "" if came.rule is None else f" by `{came.rule.name}`"
        self.refusal = came.rule.outcome if came.rule is not None and isinstance(came.rule.outcome, Refuse) else None

    def faults(self) -> Iterator[Fault]:
        """In the order of the keys of `expect`."""
        yield from self._of_rule()
        yield from self._of_model()
        yield from self._of_refusal()
        plan = self.came.plan
        if plan is None:
            expect = self.expect
            asked = {
                "order": expect.order is not None,
                "dropped": bool(expect.dropped),
                "cost": expect.cost is not None,
                "holds": bool(expect.holds),
            }
            yield from (
                Fault(name, f"a route with `{name}`", self._no_route()) for name, is_asked in asked.items() if is_asked
            )
            return
        yield from self._of_order(plan)
        yield from self._of_dropped(plan)
        yield from self._of_cost(plan)
        yield from self._of_holds()

    def _no_route(self) -> str:
        return "no rule" if self.came.rule is None else f"a refusal{self.by}"

    def _of_rule(self) -> Iterator[Fault]:
        wanted, rule = self.expect.rule, self.came.rule
        if wanted is None or (rule is not None and rule.name == wanted):
            return
        got = "no rule" if rule is None else f"`{rule.name}`"
        yield Fault("rule", f"rule `{wanted}`", got, self._why_not_rule(wanted))

    def _why_not_rule(self, wanted: str) -> str:
        """Why the rule did not decide: what of it did not hold, or what of the one before it did."""
        rules, decided = self.policy.rules, self.came.rule
        expected = next((rule for rule in rules if rule.name == wanted), None)
        if expected is None:
            return ""
        if decided is None or rules.index(expected) < rules.index(decided):
            account = self._account(expected)
            return why_not_line(account, FACTS) if account.why_not else ""
        held = [
            f"{each.text} ({say_value(each.fact or '', each.value, FACTS, each.unit)})"
            for each in _held(self._account(decided).conditions)
        ]
        more = f" and {len(held) - _SHOWN} more" if len(held) > _SHOWN else ""
        return f"`{decided.name}` stands before it and matches{': ' if held else ' every request'}{', '.join(held[:_SHOWN])}{more}"

    def _account(self, rule: Rule[Outcome]) -> RuleAccount:
        facts = {test.fact: self.came.ask(test.fact) for test in tests_of(rule.when)}
        return explain([rule], facts, None)[0]

    def _of_model(self) -> Iterator[Fault]:
        wanted = self.expect.model
        if wanted is None:
            return
        plan = self.came.plan
        if plan is None:
            yield Fault("model", f"model `{wanted}`", self._no_route())
            return
        first = plan.kept[0].name if plan.kept else None
        if first != wanted:
            got = "none that may serve" if first is None else f"`{first}`"
            yield Fault("model", f"model `{wanted}`", got + self.by, _why_dropped(plan, wanted))

    def _of_refusal(self) -> Iterator[Fault]:
        wanted, refusal = self.expect.refuse, self.refusal
        got = f"a route{self.by}" if self.came.rule is not None else "no rule"
        if refusal is not None:
            got = f"{refusal.status}{self.by}"
        if wanted is False and refusal is not None:
            yield Fault("refuse", "no refusal", got)
        elif wanted is True and refusal is None:
            yield Fault("refuse", "a refusal", got)
        elif wanted not in (None, True, False) and (refusal is None or refusal.status != wanted):
            yield Fault("refuse", f"a refusal with {wanted}", got)
        code = self.expect.code
        if code is not None and refusal is not None and refusal.code != code:
            yield Fault("refuse", f"the code `{code}`", f"`{refusal.code}`{self.by}")

    def _of_order(self, plan: Plan) -> Iterator[Fault]:
        wanted = self.expect.order
        order = tuple(dict.fromkeys(each.name for each in plan.kept))
        if wanted is None or wanted == order:
            return
        whys = [
            _why_dropped(plan, name) or f"`{name}` stands nowhere in the route" for name in wanted if name not in order
        ]
        yield Fault("order", f"the order {_listed(wanted)}", _listed(order) + self.by, "; ".join(whys))

    def _of_dropped(self, plan: Plan) -> Iterator[Fault]:
        for name, codes in self.expect.dropped:
            drops = list(dict.fromkeys(each.reason for each in plan.dropped if each.name == name))
            if codes & set(drops):
                continue
            got = "it kept" if any(each.name == name for each in plan.kept) else "it nowhere in the route"
            if drops:
                got = f"it dropped for {' and '.join(f'`{code}`' for code in drops)}"
            wanted = " or ".join(f"`{code}`" for code in sorted(codes))
            yield Fault("dropped", f"`{name}` dropped for {wanted}", got + self.by, _why_dropped(plan, name))

    def _of_cost(self, plan: Plan) -> Iterator[Fault]:
        bound = self.expect.cost
        if bound is None:
            return
        first = plan.kept[0] if plan.kept else None
        cost = None if first is None else first.estimated_cost
        if cost is None or not bound.contains(cost):
            got = (
                "none that may serve" if first is None else "a cost that is not known" if cost is None else _money(cost)
            )
            who = "" if first is None else f" of `{first.name}`"
            yield Fault("cost", f"a cost of {_bounds(bound, Unit.MONEY)}", got + who + self.by)

    def _of_holds(self) -> Iterator[Fault]:
        if not self.expect.holds:
            return
        held = self.runner.held(self.came)
        for name, bound in self.expect.holds:
            unit = self.policy.budgets[name].unit
            expected = f"{_bounds(bound, unit)} held of `{name}`"
            if held is None:
                yield Fault("holds", expected, "nobody who may be paid" + self.by)
            elif not bound.contains(amount := held.get(name, 0)):
                yield Fault("holds", expected, say_amount(amount, unit) + self.by)


def _why_dropped(plan: Plan, model: str) -> str:
    return next((f"`{model}`: {each.words}" for each in plan.dropped if each.name == model), "")


def _held(accounts: Sequence[Account]) -> Iterator[Account]:
    """The tests that held, which together are why a rule matched."""
    for account in accounts:
        if account.verdict is not Verdict.HELD:
            continue
        if account.parts:
            yield from _held(account.parts)
        else:
            yield account


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "nobody"


def _bounds(bound: Bound, unit: Unit) -> str:
    parts = []
    if bound.at_least is not None:
        parts.append(f"at least {say_amount(bound.at_least, unit)}")
    if bound.at_most is not None:
        parts.append(f"at most {say_amount(bound.at_most, unit)}")
    return " and ".join(parts)


def _money(nano: int) -> str:
    return say_amount(nano, Unit.MONEY)
