"""Why a decision came out as it did: every condition of every rule up to the one that decided, with the value it saw.

Everything is worked out from the rules and the facts that were asked for, by the same `test_holds` that decides;
nothing of it is computed while a request waits. A fact that nobody asked for is said to be that: the walk did not
need it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from routebook.documents.problems import Location
from routebook.documents.quantities import Unit
from routebook.policy.conditions import AllOf, AnyOf, Condition, Named, Test, test_holds
from routebook.policy.facts import FactTable, Value
from routebook.policy.rules import Outcome, Rule, Step
from routebook.policy.saying import say_value


class Verdict(enum.Enum):
    """What became of a condition."""

    HELD = "held"
    FAILED = "did not hold"
    MISSING = "did not hold: the fact is missing"
    NOT_ASKED = "not asked"

    @property
    def is_no(self) -> bool:
        """Whether the condition did not hold."""
        return self in (Verdict.FAILED, Verdict.MISSING)


@dataclass(frozen=True, slots=True)
class Account:
    """A condition and what became of it. A test has the `fact` and the `value` it saw (None: missing, or not asked);
    a joined or named condition has `parts`."""

    text: str
    verdict: Verdict
    fact: str | None = None
    value: Value | None = None
    unit: Unit | None = None
    parts: tuple[Account, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleAccount:
    """A rule and what became of its conditions; `decided` is true of the one that decides."""

    name: str
    location: Location
    decided: bool
    verdict: Verdict
    conditions: tuple[Account, ...]

    @property
    def why_not(self) -> tuple[Account, ...]:
        """The tests that kept the rule from deciding: the first that failed, or of alternatives all that did."""
        return () if self.decided else tuple(_reasons(self.conditions))


def explain(
    rules: Sequence[Rule[Outcome]], facts: Mapping[str, Value | None], decided: str | None
) -> tuple[RuleAccount, ...]:
    """The account of every rule up to the one named `decided`, or of all rules where none decided.

    `facts` are those that were asked for, None where the answer was that the fact is missing.
    """
    accounts: list[RuleAccount] = []
    for rule in rules:
        whole = account_of(rule.when, facts)
        conditions = whole.parts if isinstance(rule.when, AllOf) else (whole,)
        accounts.append(RuleAccount(rule.name, rule.location, rule.name == decided, whole.verdict, conditions))
        if rule.name == decided:
            break
    return tuple(accounts)


def account_of(condition: Condition, facts: Mapping[str, Value | None]) -> Account:
    """What became of one condition, with all its parts."""
    match condition:
        case Test(fact):
            if fact not in facts:
                return Account(condition.text, Verdict.NOT_ASKED, fact, unit=condition.unit)
            return Account(condition.text, _verdict_of(condition, facts[fact]), fact, facts[fact], condition.unit)
        case AllOf(parts):
            accounts = tuple(account_of(part, facts) for part in parts)
            return Account("all of", _joined(accounts, until=False), parts=accounts)
        case AnyOf(parts):
            accounts = tuple(account_of(part, facts) for part in parts)
            return Account("any of", _joined(accounts, until=True), parts=accounts)
        case Named(name, inner):
            account = account_of(inner, facts)
            return Account(
                f"condition `{name}`", account.verdict, parts=account.parts if isinstance(inner, AllOf) else (account,)
            )


def _verdict_of(test: Test, value: Value | None) -> Verdict:
    if test_holds(test, value):
        return Verdict.HELD
    return Verdict.MISSING if value is None and test.predicate is not None else Verdict.FAILED


def _joined(accounts: Iterable[Account], *, until: bool) -> Verdict:
    """Of all: the first failure decides; of any (`until`): the first that held. What was not asked leaves it open."""
    verdicts = [account.verdict for account in accounts]
    for verdict in verdicts:
        if verdict is Verdict.HELD and until or verdict.is_no and not until:
            return verdict
    if Verdict.NOT_ASKED in verdicts:
        return Verdict.NOT_ASKED
    return Verdict.FAILED if until else Verdict.HELD


def _reasons(conditions: Iterable[Account]) -> Iterator[Account]:
    failed = next((account for account in conditions if account.verdict.is_no), None)
    if failed is None:
        return
    if not failed.parts:
        yield failed
    elif failed.text == "any of":
        for part in failed.parts:
            yield from _reasons((part,))
    else:
        yield from _reasons(failed.parts)


def walk_lines(steps: Iterable[Step], rules: int, table: FactTable) -> list[str]:
    """The path through the tree as text, a line for each question: `prompt.tokens = 90k -> 3 of 12 rules still stand`."""
    return [
        f"{step.fact} = {say_value(step.fact, step.value, table)} -> {step.standing} of {rules} "
        f"{'rule' if rules == 1 else 'rules'} still {'stands' if step.standing == 1 else 'stand'}"
        for step in steps
    ]


def rule_lines(account: RuleAccount, table: FactTable) -> list[str]:
    """One rule's account as text: its name and place, then its conditions with what they saw, indented."""
    outcome = "decides" if account.decided else "does not match" if account.verdict.is_no else account.verdict.value
    lines = [f"{account.name} ({account.location}) {outcome}"]
    if not account.conditions:
        lines.append("  no condition: it matches every request")
    for condition in account.conditions:
        lines += _condition_lines(condition, table, "  ")
    return lines


def _condition_lines(account: Account, table: FactTable, indent: str) -> list[str]:
    if account.fact is None:
        lines = [f"{indent}{account.text}: {account.verdict.value}"]
        for part in account.parts:
            lines += _condition_lines(part, table, indent + "  ")
        return lines
    return [f"{indent}{account.text}: {said(account, table)}"]


def said(account: Account, table: FactTable) -> str:
    """What became of one test, in words: `held (90k)`, `did not hold (1k)`, `did not hold: the fact is missing`."""
    if account.fact is None or account.verdict in (Verdict.MISSING, Verdict.NOT_ASKED):
        return account.verdict.value
    return f"{account.verdict.value} ({say_value(account.fact, account.value, table, account.unit)})"


def why_not_line(account: RuleAccount, table: FactTable) -> str:
    """Why one rule did not decide, on one line."""
    reasons = "; ".join(f"{reason.text}: {said(reason, table)}" for reason in account.why_not)
    return f"{account.name}: {reasons or 'not looked at'}"
