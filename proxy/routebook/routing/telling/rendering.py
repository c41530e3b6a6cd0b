"""Explanations as text for people, and as JSON for programs: the same content in both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from routebook.documents.visible import visible
from routebook.policy.explain import Account, RuleAccount, rule_lines, why_not_line
from routebook.routing.affinity import SAVES, WORSE
from routebook.routing.endings import end_in_words
from routebook.routing.facts import FACTS
from routebook.routing.reasons import count, dollars, seconds
from routebook.routing.record import UNREAD, plain
from routebook.routing.sizes import EXACT
from routebook.routing.telling.explanation import CandidateExplained, Explanation
from routebook.routing.telling.money import held_lines, settled_lines

MOST_RULES = 40
"""Rules before the one that decided that a text names; JSON holds all of them."""


def as_text(found: Explanation, way: Iterable[str] = ()) -> str:
    """The whole story, the answer first; `way` is the walk as a drawing, in lines, where there is one."""
    blocks = [
        story(found),
        _list("How the rules were walked:", list(way) or found.path),
        _own(found),
        _others(found),
        _list("Candidates, in the order in which they are tried:", _candidates(found.candidates)),
    ]
    if found.record is not None:
        blocks.append(_list("Budgets and limits:", held_lines(found.record)))
    if found.ending is not None:
        blocks.append(_list("Attempts:", _attempts(found.ending.get("attempts", ()))))
        blocks.append(list(_ending(found.ending)))
    if found.record is not None and found.ending is not None:
        blocks.append(_list("Settled:", settled_lines(found.record, found.ending)))
    blocks.append([f"Note: {note}" for note in found.notes])
    return "\n".join("\n".join(map(visible, block)) + "\n" for block in blocks if block)


def as_json(found: Explanation) -> dict[str, Any]:
    """The same as JSON values; sets are sorted lists, money is nano-dollars."""
    return {
        "version": 1,
        "id": None if found.record is None else found.record["id"],
        "rule": found.rule,
        "where": found.where,
        "outcome": found.outcome,
        "walk": list(found.path),
        "rules": [_rule_json(rule) for rule in found.rules],
        "candidates": [
            {
                "model": each.model,
                "account": each.account,
                "verdict": "kept" if each.kept else "dropped",
                "reason": each.reason,
                "words": each.words,
                "cost": each.cost,
                "quality": each.quality,
                "expected_cost": each.likely,
                "seconds": each.seconds,
            }
            for each in found.candidates
        ],
        "notes": list(found.notes),
        "decided": found.record,
        "ended": found.ending,
    }


def story(found: Explanation) -> list[str]:
    """What was asked, who decided and what became of the conversation, in sentences."""
    lines = [] if found.record is None else [*_asked(found.record), *_guards(found.record.get("guards", ()))]
    if found.record is not None and found.record["outcome"] == UNREAD:
        return lines
    if found.rule is None:
        return [*lines, "No rule matched."]
    lines.append(f"The rule `{found.rule}` decided ({found.where}): {found.outcome}.")
    if found.record is not None:
        probed = (found.record.get("draw") or {}).get("probed")
        lines += [f"{probed[0]} by {probed[1]} was tried first to measure it anew."] if probed else []
        lines += _billed((found.record.get("memory") or {}).get("billed"))
        lines += [*_stick(found.record.get("stick")), *_cache(found.record.get("cache"))]
    return lines


def _asked(record: Mapping[str, Any]) -> Iterator[str]:
    asked, team = record["asked"], f" of team {record['team']}" if record["team"] else ""
    yield f"Decision {record['id']} of {record['time']}, under policy {record['policy']}"
    if record["outcome"] == UNREAD:
        yield f"The request for {record['operation']} ended before it could be decided."
        return
    size = f"{asked['bytes']:,} bytes"
    if asked.get("tokens") is not None:
        counted = asked.get("tokens_by") == EXACT
        size += f", {asked['tokens']:,} tokens as counted" if counted else f", about {count(asked['tokens'])} tokens"
    stream = " as a stream" if record["stream"] else ""
    yield f"The client `{record['client']}`{team} asked `{record['requested']}` for {record['operation']}{stream}: {size}"
    if record.get("shadow"):
        yield f"It is a copy of {record['shadow']['of']}: nobody was given its answer, and its cost is its own."
    if asked.get("judged"):
        yield _judged(asked["judged"])
    if asked.get("needs"):
        yield f"The request needs {', '.join(asked['needs'])}"
    if asked.get("ignored_tags"):
        yield f"Tags that this client may not set were ignored: {', '.join(asked['ignored_tags'])}"


def _billed(ratios: Mapping[str, float] | None) -> list[str]:
    """How estimates of the prompt were corrected."""
    if not ratios:
        return []
    told = ", ".join(f"{model} {ratio:g}" for model, ratio in sorted(ratios.items()))
    return [f"To one token that is estimated of a prompt, upstreams have billed of late: {told}."]


def _judged(line: Mapping[str, Any]) -> str:
    """What the scorer made of the prompt, and what counted most."""
    task = line["task"].replace("_", " ")
    counted = ", ".join(f"{name} {adds:+.2f}" for name, adds in line["signals"]) or "nothing in particular"
    scored = line.get("scored")
    looks = f"looks like `{task}`"
    if scored:
        looks = f"is `{line['task']}` by the policy's own class (the scorer: `{scored.replace('_', ' ')}`)"
    return (
        f"What the user wrote last {looks}, of complexity {line['complexity']:.2f} (0 to 1); "
        f"compared with an everyday turn: {counted}"
    )


def _stick(line: Mapping[str, Any] | None) -> Iterator[str]:
    """What became of the conversation."""
    if line is None:
        return
    before = line["from"]
    place = "" if before is None else f"{before['model']} by {before['account']}"
    match line["event"]:
        case "retain":
            gain, loss = line.get("gain"), line.get("loss")
            weighed = (
                f": another would save {dollars(gain)}, and moving costs {dollars(loss or 0)}"
                if gain and gain > 0
                else ""
            )
            yield f"The conversation stays with {place}{weighed}."
        case "switch" if line["why"] == SAVES:
            saved, cost = dollars(line["gain"]), dollars(line["loss"])
            yield f"The conversation was with {place} and moves: another saves {saved} a request, and moving costs {cost}."
        case "switch" if line["why"] == WORSE:
            yield f"The conversation was with {place} and moves: another is much better for this prompt."
        case "switch":
            yield f"The conversation was with {place} and cannot stay there: {line['why']}."
        case _:
            yield "The conversation is new here, and stays with whoever answers."


def _guards(lines: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """What guards did before anything was decided."""
    for line in lines:
        match line["result"]:
            case "masked":
                said = (
                    f"masked something in {count(line['texts'])} texts: what was decided about, and sent, is without it"
                )
            case "unmasked":
                said = "found something where it cannot be masked, so nothing was sent"
            case "judged":
                said = f"said `{line['verdict']}`"
            case "failed":
                said = f"could not be asked ({line['error']})"
            case _:
                said = "found nothing"
        yield f"The guard `{line['guard']}` {said} ({line['seconds'] * 1000:.1f} ms)."


def _cache(line: Mapping[str, Any] | None) -> Iterator[str]:
    """What was found among the kept answers."""
    if line is None:
        return
    if line["hit"]:
        yield f"The answer to {line['of']} was used again, {_took(line['age'])} old: nobody was called."
    elif "bypass" in line:
        yield f"The client wanted a fresh answer (`Cache-Control: {line['bypass']}`)."
    else:
        yield "No answer was kept that could be used again."


def _own(found: Explanation) -> list[str]:
    """The deciding rule's conditions, each with the value it saw."""
    own = next((rule for rule in found.rules if rule.decided), None)
    return (
        []
        if own is None
        else [
            "Why it matched:",
            *(f"  {line.strip() if not line.startswith('    ') else line}" for line in rule_lines(own, FACTS)[1:]),
        ]
    )


def _others(found: Explanation) -> list[str]:
    """Why no earlier rule decided: one line each."""
    others = [rule for rule in found.rules if not rule.decided]
    if not others:
        return []
    left_out = len(others) - MOST_RULES
    shown = others if left_out <= 0 else others[-MOST_RULES:]
    lines = [f"  {why_not_line(rule, FACTS)}" for rule in shown]
    more = [f"  ... {left_out} rules before these (`--format json` holds them all)"] if left_out > 0 else []
    return ["Why no rule before it did:" if found.rule else "Why no rule did:", *more, *lines]


def _candidates(candidates: Iterable[CandidateExplained]) -> Iterator[str]:
    place = 0
    for each in candidates:
        place += each.kept
        mark = f"{place}." if each.kept else "-"
        account = f" by {each.account}" if each.account else ""
        cost = f", costs at most {dollars(each.cost)}" if each.kept and each.cost is not None else ""
        likely = f", {dollars(each.likely)} is likely" if each.kept and each.likely is not None else ""
        wait = f", answers in about {seconds(each.seconds)}" if each.kept and each.seconds is not None else ""
        good = f", predicted quality {each.quality:.2f}" if each.kept and each.quality is not None else ""
        verdict = "" if each.kept else "passed over: "
        yield f"{mark:3}{each.model}{account}: {verdict}{each.words}{cost}{likely}{wait}{good}"


def _attempts(attempts: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for number, each in enumerate(attempts, 1):
        status = f"status {each['status']}" if each.get("status") is not None else "no answer"
        code = f" ({each['code']})" if each.get("code") else ""
        first = f", first byte after {_took(each['first_byte'])}" if each.get("first_byte") is not None else ""
        then = f", then {each['next']}" if each.get("next") else ", then nobody was left" if "next" in each else ""
        yield f"{number}. {each['model']} by {each['account']}: {status}{code}{first}{then}"
        for loss in each.get("losses", ()):
            times = f" ({loss['times']} times)" if loss.get("times") else ""
            yield f"   {loss['done']}: {loss['feature']} at `{loss['path']}`{times}: {loss['why']}"


def _ending(ending: Mapping[str, Any]) -> Iterator[str]:
    if ending.get("crashed"):
        yield f"The answer was cut, if there was one: {end_in_words(ending['end'])}"
        return
    account = f" by {ending['account']}" if ending.get("account") else ""
    by = f" from {ending['model']}{account}" if ending.get("model") else ""
    error = f" ({ending['error']})" if ending.get("error") else ""
    yield (
        f"The client got status {ending['status']}{by} in {_took(ending['seconds'])}: "
        f"{end_in_words(ending['end'])}{error}"
    )
    if ending.get("input") or ending.get("output"):
        yield (
            f"Used {count(ending['input'])} tokens in and {count(ending['output'])} out "
            f"({ending['usage_by']}), for {dollars(ending['cost'])}"
        )
    if "cached" in ending:
        yield from _saved(ending["cached"])


def _saved(cached: Mapping[str, Any]) -> Iterator[str]:
    """What the answer had used that was used again."""
    if cached["usage"] is not None:
        used = ", ".join(f"{count(tokens)} {kind.replace('_', ' ')}" for kind, tokens in cached["usage"].items())
        yield f"It had used {used or 'no'} tokens when it was first given, worth {dollars(cached['cost'])}; now it cost nothing"


def _took(duration: float) -> str:
    """A duration as measured: a whole second is too coarse for what takes a few."""
    return f"{duration:.2f} s" if 1 <= duration < 10 else seconds(duration)


def _list(title: str, lines: Iterable[str]) -> list[str]:
    found = [f"  {line}" for line in lines]
    return [title, *found] if found else []


def _rule_json(rule: RuleAccount) -> dict[str, Any]:
    return {
        "name": rule.name,
        "where": str(rule.location),
        "decided": rule.decided,
        "verdict": rule.verdict.value,
        "conditions": [_condition_json(each) for each in rule.conditions],
    }


def _condition_json(account: Account) -> dict[str, Any]:
    line: dict[str, Any] = {"text": account.text, "verdict": account.verdict.value}
    if account.fact is not None:
        line["fact"], line["value"] = account.fact, plain(account.value)
    if account.parts:
        line["parts"] = [_condition_json(part) for part in account.parts]
    return line
