"""Why a request went where it went, as values: for one that is on record, and for one that was never sent.

The calculation is the one that served the request (`routing.replay`), so what is said here is what happened; where a
record and the calculation differ, the record is shown and the difference is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from routebook.documents.problems import Location
from routebook.policy.explain import RuleAccount, explain, walk_lines
from routebook.policy.facts import Ask, Value
from routebook.policy.rules import Decision
from routebook.routing.candidates import Candidate, Dropped, Plan
from routebook.routing.cases.case import Expectation, PolicyTest, SentRequest
from routebook.routing.cases.running import Runner
from routebook.routing.facts import FACTS
from routebook.routing.given import clock_facts, given_facts, memory_of, plan_for_given
from routebook.routing.outcomes import Outcome, Route
from routebook.routing.planning import Planner
from routebook.routing.policy import Policy
from routebook.routing.reasons import in_words
from routebook.routing.record import UNREAD
from routebook.routing.replay import decide_again, differences, recorded_facts
from routebook.routing.telling.wording import outcome_in_words


@dataclass(frozen=True, slots=True)
class CandidateExplained:
    """Who was considered: kept in order, or dropped; `reason` is the stable code, `words` say it with numbers.

    `cost` is nano-dollars at most, None where it is unknown or was not worked out; `account` is `provider/account`,
    None where the verdict is the model's, whoever pays; `quality` is predicted of its answer, 0 to 1, None where nobody
    judged the prompt. `likely` is nano-dollars that it is likely to cost, None where nobody compared that.
    """

    model: str
    account: str | None
    kept: bool
    reason: str
    words: str
    cost: int | None = None
    quality: float | None = None
    likely: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything there is to say about one decision; texts are for people.

    `record` and `ending` are the lines of the journal, None for a request that was never sent and for one that still
    runs. `notes` are what a reader must know to trust the rest. `seen` are the facts that were asked for (None:
    missing), and `policy` the one that decided, where it is known.
    """

    rule: str | None
    where: str | None
    outcome: str
    path: tuple[str, ...]
    rules: tuple[RuleAccount, ...]
    candidates: tuple[CandidateExplained, ...]
    notes: tuple[str, ...] = ()
    record: Mapping[str, Any] | None = None
    ending: Mapping[str, Any] | None = None
    seen: Mapping[str, Value | None] = field(default_factory=dict)
    policy: Policy | None = None


def explain_given(policy: Policy, given: Mapping[str, Value], now: float) -> Explanation:
    """What a request with these facts would meet at `now` (seconds since 1970; facts about time that are given come
    first). Accounts are ready and nothing was measured, unless facts say otherwise."""
    clock = {key: value for key, value in clock_facts(policy, now).items() if key.partition("[")[0] not in given}
    facts = given_facts(policy, {**clock, **given})
    decision = policy.tree.decide(facts)
    seen, rule = dict(facts.seen), decision.rule
    plan = None
    if rule is not None and isinstance(rule.outcome, Route):
        memory = memory_of(policy, given)
        plan = plan_for_given(Planner(policy), rule.outcome, rule.name, facts.given, memory=memory)
    taken = sorted({key.partition("[")[0] for key in seen if key in clock} - set(given))
    notes = (f"not given, so taken from the clock: {', '.join(taken)}",) if taken else ()
    return _explanation(policy, decision, seen, candidates_of(plan), notes)


def explain_sent(policy: Policy, request: SentRequest, given: Mapping[str, Value], now: float) -> Explanation:
    """The same of a request as a client sends it; facts that no request says of itself may be given beside it. Raises
    ValueError where the service would turn it away unread."""
    clock = {key: value for key, value in clock_facts(policy, now).items() if key.partition("[")[0] not in given}
    case = PolicyTest("sent", {**clock, **given}, Expectation(), Location("request", 1, 1), request)
    came = Runner(policy).run(case)
    if came.fault is not None:
        raise ValueError(came.fault)
    facts = _Asked(came.ask)
    decision = policy.tree.decide(facts)
    return _explanation(policy, decision, facts.seen, candidates_of(came.plan), ())


class _Asked:
    """Facts, and which of them were asked for."""

    def __init__(self, ask: Ask) -> None:
        self.seen: dict[str, Value | None] = {}
        self._ask = ask

    def __call__(self, key: str) -> Value | None:
        value = self.seen[key] = self._ask(key)
        return value


def explain_record(policy: Policy | None, record: Mapping[str, Any], ending: Mapping[str, Any] | None) -> Explanation:
    """Why a recorded request went where it went. `policy` is the one that served it, None where it is not known."""
    candidates = tuple(_recorded(line) for line in record["candidates"])
    if record["outcome"] == UNREAD:
        return Explanation(None, None, UNREAD, (), (), (), (), record, ending)
    if policy is None:
        note = f"the policy {record['policy']} is not kept here, so only what the record holds is shown"
        outcome = {"route": "route", "refuse": "refuse", "none": "no rule matched"}.get(record["outcome"], "")
        return Explanation(
            record["rule"], record["where"], outcome, _recorded_path(record), (), candidates, (note,), record, ending
        )
    again = decide_again(policy, record)
    notes = tuple(f"deciding again gives something else: {difference}" for difference in differences(record, again))
    known = recorded_facts(record)
    found = _explanation(policy, again.decision, {key: known.get(key) for key in record["facts"]}, candidates, notes)
    return replace(found, rule=record["rule"], where=record["where"], record=record, ending=ending)


def candidates_of(plan: Plan | None) -> tuple[CandidateExplained, ...]:
    """The candidates of a plan: those kept in their order, then those dropped."""
    if plan is None:
        return ()
    return (*map(_kept, plan.kept), *map(_dropped, plan.dropped))


def _explanation(
    policy: Policy,
    decision: Decision[Outcome],
    facts: Mapping[str, Value | None],
    candidates: tuple[CandidateExplained, ...],
    notes: tuple[str, ...],
) -> Explanation:
    rule = decision.rule
    return Explanation(
        rule=None if rule is None else rule.name,
        where=None if rule is None else f"{rule.location.file}:{rule.location.line}",
        outcome="no rule matched" if rule is None else outcome_in_words(rule.outcome),
        path=tuple(walk_lines(decision.steps, len(policy.rules), FACTS)),
        rules=explain(policy.rules, facts, None if rule is None else rule.name),
        candidates=candidates,
        notes=notes,
        seen=facts,
        policy=policy,
    )


def _kept(candidate: Candidate) -> CandidateExplained:
    return CandidateExplained(
        candidate.name,
        "/".join(candidate.key),
        True,
        candidate.reason,
        candidate.words,
        candidate.estimated_cost,
        candidate.quality,
        candidate.expected_cost,
        candidate.seconds,
    )


def _dropped(dropped: Dropped) -> CandidateExplained:
    return CandidateExplained(dropped.name, dropped.account, False, dropped.reason, dropped.words)


def _recorded(line: Mapping[str, Any]) -> CandidateExplained:
    return CandidateExplained(
        line["model"],
        line.get("account"),
        line["verdict"] == "kept",
        line["reason"],
        in_words(line["reason"], line.get("numbers") or {}),
        line.get("cost"),
        line.get("quality"),
        line.get("expected_cost"),
        line.get("seconds"),
    )


def _recorded_path(record: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(f"{step['fact']}: {step['standing']} rules still stood" for step in record["steps"])
