"""Why a model was not chosen: what decided, where else the policy names the model, and what would choose it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from routebook.documents.visible import visible
from routebook.policy.conditions import AllOf
from routebook.policy.explain import RuleAccount, account_of, said
from routebook.policy.facts import Value
from routebook.policy.saying import say_value
from routebook.routing.facts import FACTS
from routebook.routing.outcomes import REQUESTED, Refuse, Route
from routebook.routing.policy import Policy
from routebook.routing.record import plain
from routebook.routing.telling.explanation import Explanation
from routebook.routing.telling.money import refusal_in_words
from routebook.routing.telling.nearest import Change, Given, Nearest

MOST_RULES = 12
"""Rules that a text names; JSON holds all of them."""


@dataclass(frozen=True, slots=True)
class Naming:
    """A rule that may lead to the model. `how` is the name in its route that stands for it, `when` whether it comes
    before the rule that decided, after it, or is it; `why` says what kept it from deciding."""

    rule: str
    where: str
    how: str
    when: str
    why: str


@dataclass(frozen=True, slots=True)
class WhyNot:
    """The answer: `chosen` where the model was chosen after all, `why` in sentences, the rules that may lead to it, and
    the smallest change of facts that would choose it (None: none was found)."""

    model: str
    chosen: bool
    why: tuple[str, ...]
    naming: tuple[Naming, ...]
    change: Change | None = None


def why_not(policy: Policy, found: Explanation, given: Given, model: str) -> WhyNot:
    """Why an explained request did not go to a model of the policy; `given` are the request's facts."""
    lines, chosen = _standing(policy, found, model)
    if chosen:
        return WhyNot(model, True, tuple(lines), ())
    client = None if found.record is None else found.record["client"]
    name = client or given.get("client.name")
    declared = policy.clients.get(name) if isinstance(name, str) else None
    if declared is not None and declared.models is not None and model not in declared.models:
        lines.append(f"Besides, the client `{declared.name}` may not use it.")
    change = Nearest(policy, given, model).change()
    if change is not None and not change.facts and change.place == 1:
        lines.append("With every account ready and nothing measured, the same request would go to it.")
        change = None
    return WhyNot(model, False, tuple(lines), tuple(_naming(policy, found, given, model)), change)


def facts_of_record(record: Mapping[str, Any], seen: Mapping[str, Value | None]) -> dict[str, Value]:
    """The facts that a record holds of its request, whether rules asked for them or not."""
    asked = record["asked"]
    facts: dict[str, Value | None] = {
        "request.operation": record["operation"],
        "request.dialect": record["dialect"],
        "request.model": record["requested"],
        "request.stream": record["stream"],
        "request.max_output": asked.get("max_output"),
        "request.needs": frozenset(asked.get("needs", ())),
        "prompt.bytes": asked.get("bytes"),
        "prompt.tokens": asked.get("tokens"),
        "client.name": record["client"],
        **seen,
    }
    return {fact: value for fact, value in facts.items() if value is not None}


def _standing(policy: Policy, found: Explanation, model: str) -> tuple[list[str], bool]:
    """What became of the model under the rule that decided, in sentences, and whether it was chosen."""
    decided = next((rule for rule in policy.rules if rule.name == found.rule), None)
    if decided is None:
        return [f"`{model}` was not chosen: no rule matched the request."], False
    by = f"the rule `{decided.name}` decided ({found.where})"
    if isinstance(decided.outcome, Refuse):
        return [f"`{model}` was not chosen: {by}, and it refuses: {found.outcome}."], False
    kept = list(dict.fromkeys(each.model for each in found.candidates if each.kept))
    served = None if found.ending is None else found.ending.get("model")
    if served == model or (served is None and found.ending is None and kept[:1] == [model]):
        return [f"`{model}` was chosen: {by}, and it came first of those who may serve the request."], True
    dropped = [each for each in found.candidates if not each.kept and each.model == model]
    if model in kept:
        place = f"It is a candidate, in place {kept.index(model) + 1} of {len(kept)}: {found.outcome}."
        lines = [f"`{model}` was not chosen: {by}, and `{served or kept[0]}` was. {place}"]
    elif dropped:
        words = "; ".join(
            dict.fromkeys(f"{each.words}{f' ({each.account})' if each.account else ''}" for each in dropped)
        )
        lines = [f"`{model}` was not chosen: {by}, and it was passed over: {words}."]
    else:
        lines = [f"`{model}` was not chosen: {by}, and its route does not lead to it: {found.outcome}."]
    return [*lines, *_happened(found, model)], False


def _happened(found: Explanation, model: str) -> Iterator[str]:
    """What a budget or a limit said, and what calls brought."""
    for refused in () if found.record is None else (found.record.get("hold") or {}).get("refused", ()):
        if refused["model"] == model:
            yield f"{refusal_in_words(refused)}."
    for attempt in () if found.ending is None else found.ending.get("attempts", ()):
        if attempt["model"] == model:
            status = f"status {attempt['status']}" if attempt.get("status") is not None else "no answer"
            code = f" ({attempt['code']})" if attempt.get("code") else ""
            yield f"It was called by {attempt['account']}: {status}{code}."


def _naming(policy: Policy, found: Explanation, given: Given, model: str) -> Iterator[Naming]:
    """Every rule that may lead to the model, in order."""
    accounts = {account.name: account for account in found.rules}
    place = "before"
    for rule in policy.rules:
        if rule.name == found.rule:
            place = "decided"
        how = _how(policy, rule.outcome, model) if isinstance(rule.outcome, Route) else None
        if how is not None:
            account = accounts.get(rule.name)
            if account is None:
                whole = account_of(rule.when, {**given, **found.seen})
                parts = whole.parts if isinstance(rule.when, AllOf) else (whole,)
                account = RuleAccount(rule.name, rule.location, False, whole.verdict, parts)
            yield Naming(rule.name, str(rule.location), how, place, _why(account, place, found.rule))
        if place == "decided":
            place = "after"


def _how(policy: Policy, route: Route, model: str) -> str | None:
    pools = policy.catalogue.pools
    for name in route.to:
        if name == model:
            return "by name"
        if name in pools and model in pools[name].models:
            return f"in the pool `{name}`"
    return "where it is what was asked for" if REQUESTED in route.to else None


def _why(account: RuleAccount, place: str, decided: str | None) -> str:
    if place == "decided":
        return "it decided"
    reasons = "; ".join(f"{reason.text}: {said(reason, FACTS)}" for reason in account.why_not)
    if reasons:
        return reasons
    open_ = [each.text for each in account.conditions if not each.verdict.is_no and each.verdict.value == "not asked"]
    if open_:
        return f"not looked at, since `{decided}` comes first; it depends on {', '.join(open_)}"
    return f"its conditions hold, but `{decided}` comes first"


def as_text(found: WhyNot) -> str:
    """The answer for people: why first, then what would choose it."""
    blocks = [list(found.why)]
    if not found.chosen:
        blocks.append(list(_rules(found)))
        blocks.append(list(_changes(found)))
    return "\n".join("\n".join(map(visible, block)) + "\n" for block in blocks if block)


def _rules(found: WhyNot) -> Iterator[str]:
    if not found.naming:
        yield f"No rule leads to `{found.model}`."
        return
    yield f"Rules that may lead to `{found.model}`:"
    for each in found.naming[:MOST_RULES]:
        place = {"before": "before the one that decided", "after": "after it", "decided": "the one that decided"}
        yield f"  {each.rule} ({each.where}), {place[each.when]}, {each.how}: {each.why}"
    if len(found.naming) > MOST_RULES:
        yield f"  ... {len(found.naming) - MOST_RULES} more (`--format json` holds them all)"


def _changes(found: WhyNot) -> Iterator[str]:
    change = found.change
    if change is None or (change.place > 1 and not change.facts):
        yield f"No small change of the request's facts was found that would choose `{found.model}`."
        return
    yield (
        "The smallest change that would choose it:"
        if change.place == 1
        else (f"The smallest change that would make it a candidate, in place {change.place}:")
    )
    for fact, was, becomes in change.facts:
        yield f"  {fact}: {say_value(fact, becomes, FACTS)} instead of {say_value(fact, was, FACTS)}"
    yield f"  then the rule `{change.rule}` decides"
    if change.example is not None:
        yield f"  shown by: {change.example.command}"


def as_json(found: WhyNot) -> dict[str, Any]:
    """The answer for programs: sets are sorted lists."""
    change = found.change
    return {
        "version": 1,
        "model": found.model,
        "chosen": found.chosen,
        "why": list(found.why),
        "rules": [
            {"name": each.rule, "where": each.where, "how": each.how, "place": each.when, "why": each.why}
            for each in found.naming
        ],
        "change": None
        if change is None
        else {
            "facts": [
                {"fact": fact, "was": plain(was), "becomes": plain(becomes)} for fact, was, becomes in change.facts
            ],
            "rule": change.rule,
            "place": change.place,
            "command": None if change.example is None else change.example.command,
        },
    }
