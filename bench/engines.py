"""The same rules for other engines: each turns a policy of `policies.tenant` into its own language.

Every engine is asked for the first rule that matches, as the number of the rule. Engines that are not installed are
left out, and said to be.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from bench.policies import TABLE, Sheet
from routebook.policy.conditions import AllOf, Condition, Glob, HasAll, HasAny, InIntervals, Not, OneOf, Predicate, Test
from routebook.policy.rules import Rule, first_match
from routebook.policy.tree import DecisionTree

Rules = Sequence[Rule[int]]
Decide = Callable[[Any], int]
"""From a request, prepared for the engine, to the number of the rule that decides."""

Engine = tuple[Decide, Callable[[Sheet], Any]]
"""How an engine decides, and how it wants its requests; preparing them is not measured."""

NAMES = {
    "client.team": "team",
    "request.model": "model",
    "tags": "tags",
    "prompt.tokens": "tokens",
    "budget.month.left": "left",
}
SHARES = 1000
"""Shares are compared as whole thousandths where a language has no fractions."""


def tests_of(condition: Condition) -> list[tuple[str, Predicate]]:
    """The fact's short name and the predicate of every test of a rule that is a plain conjunction."""
    parts = condition.conditions if isinstance(condition, AllOf) else (condition,)
    return [
        (NAMES[part.fact], part.predicate) for part in parts if isinstance(part, Test) and part.predicate is not None
    ]


def tree(rules: Rules) -> Engine:
    """Routebook's compiled tree, steps looked at."""
    compiled = DecisionTree(rules, TABLE)

    def decide(ask: Any) -> int:
        decision = compiled.decide(ask)
        assert decision.rule is not None
        assert decision.steps is not None
        return decision.rule.outcome

    return decide, lambda facts: facts.get


def as_it_reads(rules: Rules) -> Engine:
    """The meaning of the language, walked rule by rule."""

    def decide(ask: Any) -> int:
        rule = first_match(rules, ask)
        assert rule is not None
        return rule.outcome

    return decide, lambda facts: facts.get


def closures(rules: Rules) -> Engine:
    """A linear scan as a careful programmer writes it: a list of compiled functions per rule, cheap tests first."""
    compiled = [tuple(_closure(name, predicate) for name, predicate in tests_of(rule.when)) for rule in rules]

    def decide(facts: Any) -> int:
        for number, tests in enumerate(compiled):
            for name, test in tests:
                if not test(facts[name]):
                    break
            else:
                return number
        return -1

    return decide, short


def short(facts: Sheet) -> dict[str, Any]:
    """A request under the short names."""
    return {NAMES[name]: value for name, value in facts.items()}


def with_list(facts: Sheet) -> dict[str, Any]:
    """A request under the short names, for languages that have lists but no sets."""
    known = short(facts)
    return {**known, "tags": sorted(known["tags"])}


def _closure(name: str, predicate: Predicate) -> tuple[str, Callable[[Any], bool]]:
    match predicate:
        case OneOf(words):
            return name, words.__contains__
        case Glob(pattern):
            prefix = pattern[:-1]
            return name, lambda text: bool(text.startswith(prefix))
        case HasAny(members):
            return name, lambda tags: not members.isdisjoint(tags)
        case HasAll(members):
            return name, members.issubset
        case Not(HasAny(members)):
            return name, members.isdisjoint
        case InIntervals((interval,)):
            return name, interval.contains
        case _:
            raise ValueError(predicate)


def cel(rules: Rules) -> Engine:
    """common-expression-language (Rust): one compiled expression per rule, asked in order."""
    import cel as library

    programs = [
        library.compile(" && ".join(_cel(name, test) for name, test in tests_of(rule.when)) or "true") for rule in rules
    ]

    def decide(context: Any) -> int:
        for number, program in enumerate(programs):
            if program.execute(context):
                return number
        return -1

    return decide, lambda facts: library.Context(with_list(facts))


def _cel(name: str, predicate: Predicate) -> str:
    match predicate:
        case OneOf(words):
            return f"{name} in {json.dumps(sorted(words))}"
        case Glob(pattern):
            return f"{name}.startsWith({json.dumps(pattern[:-1])})"
        case HasAny(members):
            return f"{name}.exists(t, t in {json.dumps(sorted(members))})"
        case HasAll(members):
            return " && ".join(f"{json.dumps(member)} in {name}" for member in sorted(members))
        case Not(HasAny(members)):
            return f"!{name}.exists(t, t in {json.dumps(sorted(members))})"
        case InIntervals():
            return " && ".join(f"{name} {bound}" for bound in _bounds(predicate))
        case _:
            raise ValueError(predicate)


def _bounds(predicate: InIntervals, scale: int = 1) -> list[str]:
    (interval,) = predicate.intervals

    def number(bound: float) -> str:
        return str(round(bound * scale)) if scale > 1 else repr(bound)

    bounds = [] if interval.low is None else [f">{'=' if interval.low_closed else ''} {number(interval.low)}"]
    if interval.high is not None:
        bounds.append(f"<{'=' if interval.high_closed else ''} {number(interval.high)}")
    return bounds


def cedar(rules: Rules) -> Engine:
    """cedarpy (Cedar, Rust): all policies are evaluated; the first of those that permit is the first match."""
    import cedarpy

    text = "\n".join(_cedar(rule) for rule in rules)
    policies = cedarpy.PolicySet.from_str(text)
    entities = cedarpy.Entities.from_json_str("[]")

    def decide(request: Any) -> int:
        reasons = cedarpy.is_authorized(request, policies, entities).diagnostics.reasons
        return min(int(reason.removeprefix("policy")) for reason in reasons)

    def prepare(facts: Sheet) -> Any:
        known = short(facts)
        context = {**known, "tags": sorted(known["tags"]), "left": round(known["left"] * SHARES)}
        return {"principal": 'Client::"c"', "action": 'Action::"route"', "resource": 'Model::"any"', "context": context}

    return decide, prepare


def _cedar(rule: Rule[int]) -> str:
    tests = " && ".join(_cedar_test(name, predicate) for name, predicate in tests_of(rule.when))
    return f"permit(principal, action, resource){f' when {{ {tests} }}' if tests else ''};"


def _cedar_test(name: str, predicate: Predicate) -> str:
    name = f"context.{name}"
    match predicate:
        case OneOf(words):
            return f"{json.dumps(sorted(words))}.contains({name})"
        case Glob(pattern):
            return f"{name} like {json.dumps(pattern)}"
        case HasAny(members):
            return f"{name}.containsAny({json.dumps(sorted(members))})"
        case HasAll(members):
            return f"{name}.containsAll({json.dumps(sorted(members))})"
        case Not(HasAny(members)):
            return f"!{name}.containsAny({json.dumps(sorted(members))})"
        case InIntervals():
            scale = SHARES if name.endswith(".left") else 1
            return " && ".join(f"{name} {bound}" for bound in _bounds(predicate, scale))
        case _:
            raise ValueError(predicate)


def zen(rules: Rules) -> Engine:
    """zen-engine (GoRules, Rust): a decision table with one row per rule, first hit."""
    import zen as library

    decision = library.ZenEngine().create_decision(json.dumps(_zen_graph(rules)))

    def decide(request: Any) -> int:
        return int(decision.evaluate(request)["result"]["rule"])

    return decide, with_list


def _zen_graph(rules: Rules) -> dict[str, Any]:
    columns = list(NAMES.values())
    rows = []
    for rule in rules:
        tests = dict(tests_of(rule.when))
        cells = {name: _zen_cell(tests[name]) if name in tests else "" for name in columns}
        rows.append({"_id": rule.name, **cells, "rule": str(rule.outcome)})
    table = {
        "hitPolicy": "first",
        "inputs": [{"id": name, "name": name, "field": name} for name in columns],
        "outputs": [{"id": "rule", "name": "rule", "field": "rule"}],
        "rules": rows,
    }
    nodes = [("in", "inputNode", None), ("table", "decisionTableNode", table), ("out", "outputNode", None)]
    return {
        "contentType": "application/vnd.gorules.decision",
        "nodes": [
            {"id": name, "name": name, "type": kind, "position": {"x": 0, "y": 0}}
            | ({"content": content} if content else {})
            for name, kind, content in nodes
        ],
        "edges": [
            {"id": f"{source}-{target}", "sourceId": source, "targetId": target, "type": "edge"}
            for source, target in (("in", "table"), ("table", "out"))
        ],
    }


def _zen_cell(predicate: Predicate) -> str:
    match predicate:
        case OneOf(words):
            return ", ".join(json.dumps(word) for word in sorted(words))
        case Glob(pattern):
            return f"startsWith($, {json.dumps(pattern[:-1])})"
        case HasAny(members):
            return f"some($, # in {json.dumps(sorted(members))})"
        case HasAll(members):
            return " and ".join(f"some($, # == {json.dumps(member)})" for member in sorted(members))
        case Not(HasAny(members)):
            return f"none($, # in {json.dumps(sorted(members))})"
        case InIntervals():
            return " and ".join(_bounds(predicate))
        case _:
            raise ValueError(predicate)


ENGINES: dict[str, Callable[[Rules], Engine]] = {
    "routebook": tree,
    "linear scan, closures": closures,
    "linear scan, as it reads": as_it_reads,
    "common-expression-language": cel,
    "zen-engine": zen,
    "cedarpy": cedar,
}
"""Every engine by the name under which it is shown."""
