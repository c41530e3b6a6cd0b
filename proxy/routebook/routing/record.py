"""The decision record, as two values ready for JSON: what was decided and why, and how it ended.

It is a published interface (`schemas/decision-record.schema.json`): names stay, meanings stay. Money is nano-dollars,
times are seconds, `time` is UTC. No word of a prompt or an answer, no key, ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import zip_longest
from typing import Any, Final

import msgspec

from routebook import __version__
from routebook.chat.loss import Loss
from routebook.ledger.claims import Refusal
from routebook.policy.facts import Value
from routebook.policy.rules import Decision, Step
from routebook.routing.answer_cache import Recalled
from routebook.routing.attempts import Attempt, Meaning
from routebook.routing.candidates import Candidate, Dropped, Plan, Stick
from routebook.routing.demand import LiveDemand
from routebook.routing.endings import NORMAL
from routebook.routing.facts import RequestFacts
from routebook.routing.memory import AccountKey, Recollection
from routebook.routing.meter import NOTHING, Metered, saved
from routebook.routing.outcomes import UNCONSTRAINED, Outcome, Refuse, Within
from routebook.routing.pipelines import Spoken
from routebook.routing.sizes import ESTIMATE, SMALL

SCHEMA_VERSION: Final = 1

MOST_LOSSES: Final = 50
LONGEST_PATH: Final = 120
"""Kinds of losses that an attempt's line holds, and characters of a place: fields of a client may have any name."""

UNREAD: Final = "unread"
"""The outcome of a request that ended before it could be decided."""

Line = dict[str, Any]
"""One line of the journal, ready for JSON."""


class Heading(msgspec.Struct, frozen=True, gc=False):
    """What stands at the head of a record: its id, the process that wrote it, the policy's digest, when it began
    (seconds since 1970), the W3C trace it belongs to, and the keyed digest of its prompt (None: not known)."""

    identity: str
    instance: str
    policy: str
    now: float
    trace: str | None = None
    prompt: str | None = None


def decided_line(
    heading: Heading,
    facts: RequestFacts,
    demand: LiveDemand,
    decision: Decision[Outcome],
    plan: Plan | None,
    draw: float,
    keyless: Iterable[AccountKey] = (),
    asked_within: Within = UNCONSTRAINED,
    recalled: Recalled | None = None,
    piped: tuple[Plan, Plan] | None = None,
) -> Line:
    """The first line, written before anything goes upstream. `plan` is None where no route was decided, `recalled`
    where the rule keeps no answers. `piped` are the plans without words (who could have spoken the answer alone, and may
    not) and for its voice, where a pipeline serves.

    With the policy that it names it is enough to decide again (`routing.replay`).
    """
    asked, client, rule = facts.asked, facts.client, decision.rule
    line: Line = {
        **_head(heading),
        "operation": asked.operation,
        "dialect": asked.dialect,
        "requested": asked.model,
        "stream": asked.stream,
        "client": client.name,
        "team": client.team,
        "rule": None,
        "outcome": "none",
        "where": None,
        "asked": _asked(facts, demand, plan, asked_within),
        "facts": {key: plain(value) for key, value in facts.recorded.items()},
        "steps": [_step(step) for step in decision.steps],
        "candidates": [],
        "draw": {"draw": draw},
    }
    if rule is not None:
        line["rule"], line["where"] = rule.name, f"{rule.location.file}:{rule.location.line}"
        line["outcome"] = "refuse" if isinstance(rule.outcome, Refuse) else "route"
    if plan is not None:
        line["candidates"] = [_kept(each, plan.judged is not None) for each in plan.kept] + [
            _dropped(each) for each in plan.dropped
        ]
        line["draw"].update(_drawn(plan))
        if plan.memory is not None and (memory := _memory(plan.memory)):
            line["memory"] = memory
        if plan.stick is not None:
            line["stick"] = _stick(plan.stick)
    if piped is not None:
        line["pipeline"] = _piped(*piped)
    if recalled is not None:
        line["cache"] = recalled.line()
    if keyless:
        line["keyless"] = [list(key) for key in sorted(keyless)]
    return line


def unread_line(heading: Heading, operation: str) -> Line:
    """The first line of a request that ended before it could be decided: nobody knew who asked, or what for."""
    return {
        **_head(heading),
        "operation": operation,
        "dialect": None,
        "requested": None,
        "stream": False,
        "client": None,
        "team": None,
        "rule": None,
        "outcome": UNREAD,
        "where": None,
        "asked": {},
        "facts": {},
        "steps": [],
        "candidates": [],
        "draw": None,
    }


class Ending(msgspec.Struct, frozen=True, gc=False):
    """How an exchange ended. `error` is the stable code of what failed, None where nothing did; `candidate` who
    answered, `served` what the answer says it came from; `lost` what calls may have cost that brought no answer, in
    nano-dollars; `first_token` and `seconds` count from the request's start; `recalled` holds the answer that was used
    again, where one was; `losses` is what of the answer could not be said to the client, `spoken` its voice where
    another model lent it one, and `first_audio` when the first of its sound went to the client."""

    end: str = NORMAL
    status: int = 200
    error: str | None = None
    metered: Metered = NOTHING
    lost: int = 0
    candidate: Candidate | None = None
    served: str | None = None
    finish: str | None = None
    attempts: Sequence[Attempt] = ()
    first_token: float | None = None
    seconds: float = 0.0
    recalled: Recalled | None = None
    losses: Sequence[Loss] = ()
    spoken: Spoken | None = None
    first_audio: float | None = None


def ended_line(identity: str, now: float, ending: Ending) -> Line:
    """The second line, written before the last byte goes to the client."""
    metered, candidate = ending.metered, ending.candidate
    line: Line = {
        "id": identity,
        "time": utc(now),
        "end": ending.end,
        "status": ending.status,
        "error": ending.error,
        "model": None,
        "account": None,
        "served": ending.served,
        "finish": ending.finish,
        "usage": metered.usage.parts(),
        "usage_by": metered.by,
        "input": metered.usage.total_input,
        "output": metered.usage.total_output,
        "cost": metered.cost.total + ending.lost,
        "cost_parts": {**metered.cost.parts, "lost": ending.lost} if ending.lost else metered.cost.parts,
        "attempts": [
            _attempt(each, following, ending) for each, following in zip_longest(ending.attempts, ending.attempts[1:])
        ],
        "first_token": _rounded(ending.first_token),
        "seconds": _rounded(ending.seconds),
    }
    if ending.first_audio is not None:
        line["first_audio"] = _rounded(ending.first_audio)
    if (spoken := ending.spoken) is not None:
        line["speech"] = spoken.line()
        line["cost"] += spoken.cost
        parts = {f"speech_{kind}": cost for kind, cost in (spoken.parts or {}).items()}
        line["cost_parts"] = {**line["cost_parts"], **parts}
        line["attempts"].append(_spoken_attempt(spoken, ending.seconds))
    if candidate is not None:
        line["model"], line["account"] = candidate.name, candidate.path
    recalled = ending.recalled
    if recalled is not None and recalled.answer is not None:
        line["model"], line["cached"] = recalled.model.name, saved(recalled.model, recalled.answer.usage)
    if metered.cost.unpriced:
        line["unpriced"] = list(metered.cost.unpriced)
    return line


def barred_part(candidate: Candidate, bar: tuple[str, float, str]) -> Line:
    """A candidate that was to be called and no longer may: reason, seconds, because of what."""
    reason, seconds, because = bar
    numbers = {"seconds": _rounded(seconds), "because": because}
    return {"model": candidate.name, "account": candidate.path, "reason": reason, "numbers": numbers}


def hold_part(draws: Sequence[Sequence[str | int]], refusals: Iterable[tuple[Candidate, Refusal]]) -> Line:
    """What a decided request holds of budgets, as `[pot, start, amount, orphan]`, and which candidates a budget or a
    limit did not allow."""
    part: Line = {"draws": draws}
    refused = [
        {
            "model": candidate.name,
            "account": candidate.path,
            "pot": refusal.claim.pot,
            "need": refusal.claim.amount,
            "drawn": refusal.drawn,
            "limit": refusal.claim.limit,
            "retry_after": _rounded(refusal.retry_after),
            "why": refusal.why.value,
        }
        for candidate, refusal in refusals
    ]
    if refused:
        part["refused"] = refused
    return part


def lost(losses: Iterable[Loss]) -> list[Line]:
    """What was lost, each kind once with its first place and how often; never what stood there."""
    lines: dict[tuple[str, str, str], Line] = {}
    for loss in losses:
        key = loss.feature, loss.done.value, loss.why
        line = lines.get(key)
        if line is not None:
            line["times"] = line.get("times", 1) + 1
        elif len(lines) < MOST_LOSSES:
            path = loss.path[:LONGEST_PATH]
            lines[key] = {"feature": loss.feature, "path": path, "done": loss.done.value, "why": loss.why}
    return list(lines.values())


def utc(now: float) -> str:
    """Seconds since 1970 as `2026-11-21T10:00:00.123Z`."""
    millis = int(now * 1000)
    return f"{_second(millis // 1000)}.{millis % 1000:03d}Z"


def plain(value: Value | None) -> Any:
    """A fact's value as JSON has it: a set becomes a sorted list."""
    return sorted(value) if isinstance(value, frozenset) else value


@lru_cache(maxsize=16)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _head(heading: Heading) -> Line:
    line: Line = {
        "id": heading.identity,
        "time": utc(heading.now),
        "schema": SCHEMA_VERSION,
        "instance": heading.instance,
        "version": __version__,
        "policy": heading.policy,
    }
    if heading.trace is not None:
        line["trace"] = heading.trace
    if heading.prompt is not None:
        line["prompt"] = heading.prompt
    return line


def _asked(facts: RequestFacts, demand: LiveDemand, plan: Plan | None, within: Within) -> Line:
    asked = facts.asked
    line: Line = {
        "bytes": asked.body_bytes,
        "needs": sorted(demand.needs),
        "max_output": demand.max_output,
        "choices": demand.choices,
    }
    if asked.body_bytes <= SMALL or asked.was_read:
        line["messages"], line["images"], line["tools"] = asked.messages, asked.images, asked.tools
    if plan is not None:
        line["most_tokens"], line["texts"] = demand.most_tokens, demand.texts
        if demand.most_ms:
            line["most_ms"] = demand.most_ms
        if demand.characters:
            line["characters"] = demand.characters
        if plan.size is not None:
            line["tokens"], line["tokens_by"] = plan.size.tokens, plan.size.by
        if plan.estimates:
            line["estimates"] = plan.estimates
        if plan.counted:
            line["counted"] = plan.counted
    if facts.sized is not None and facts.sized.by != ESTIMATE:
        line["fact_by"] = facts.sized.by
    if facts.was_judged:
        line["judged"] = msgspec.to_builtins(facts.judged)
    if facts.ignored_tags:
        line["ignored_tags"] = list(facts.ignored_tags)
    if within is not UNCONSTRAINED:
        line["within"] = {
            "cost": within.cost,
            "first_token": within.first_token,
            "quality": within.quality,
            "regions": None if within.regions is None else sorted(within.regions),
        }
        if within.first_audio is not None:
            line["within"]["first_audio"] = within.first_audio
        if within.models is not None:
            line["within"]["models"] = sorted(within.models)
        if within.mode is not None:
            line["within"]["mode"] = within.mode.value
        if within.affinity is not None:
            line["within"]["affinity"] = within.affinity.value
    return line


def _piped(native: Plan, speech: Plan) -> Line:
    """Why nobody speaks the answer alone, and who may lend it a voice."""
    kept = [_kept(each, False) for each in speech.kept]
    return {
        "native": [_dropped(each) for each in native.dropped],
        "speech": kept + [_dropped(each) for each in speech.dropped],
    }


def _drawn(plan: Plan) -> Line:
    """What chance decided besides the draw itself."""
    line: Line = {}
    if plan.point is not None:
        line["point"], line["share"] = plan.point, plan.share
    if plan.place is not None:
        line["conversation"] = plan.place
    if plan.probed is not None:
        line["probed"] = list(plan.probed)
    return line


def _stick(stick: Stick) -> Line:
    before = stick.before
    line: Line = {"event": stick.event, "from": None if before is None else {"model": before[0], "account": before[1]}}
    if stick.why is not None:
        line["why"] = stick.why
    if stick.gain is not None:
        line["gain"], line["loss"] = stick.gain, stick.loss
    if stick.bound:
        line["bound"] = True
    return line


def _step(step: Step) -> Line:
    line: Line = {"fact": step.fact, "standing": step.standing}
    if step.value is None:
        line["missing"] = True
    return line


def _kept(candidate: Candidate, judged: bool) -> Line:
    line: Line = {
        "model": candidate.model.name,
        "account": candidate.path,
        "verdict": "kept",
        "reason": candidate.reason,
        "cost": candidate.estimated_cost,
    }
    if candidate.numbers:
        line["numbers"] = candidate.numbers
    if candidate.quality is not None and judged:
        line["quality"] = candidate.quality
    if candidate.first_token is not None:
        line["first_token"] = _rounded(candidate.first_token)
    if candidate.first_audio is not None:
        line["first_audio"] = _rounded(candidate.first_audio)
    if candidate.seconds is not None:
        line["seconds"] = _rounded(candidate.seconds)
    if candidate.expected_cost is not None:
        line["expected_cost"] = candidate.expected_cost
    return line


def _dropped(dropped: Dropped) -> Line:
    return {
        "model": dropped.name,
        "account": dropped.account,
        "verdict": "dropped",
        "reason": dropped.reason,
        "numbers": dropped.numbers,
    }


def _attempt(attempt: Attempt, following: Attempt | None, ending: Ending) -> Line:
    """One call. The one whose answer was passed on ends with the exchange, and with what the exchange failed of."""
    candidate, outcome = attempt.candidate, attempt.outcome
    meaning = outcome.meaning
    answered = meaning is Meaning.ANSWER
    ended = ending.seconds if answered else attempt.ended
    line: Line = {
        "model": candidate.model.name,
        "account": candidate.path,
        "status": outcome.status,
        "code": (ending.error if answered else None) or outcome.failure,
        "started": _rounded(attempt.started),
    }
    if attempt.first_byte is not None:
        line["first_byte"] = _rounded(attempt.first_byte)
    if ended is not None:
        line["ended"] = _rounded(ended)
    if outcome.error_code is not None:
        line["upstream_code"] = outcome.error_code
    if outcome.retry_after is not None:
        line["retry_after"] = outcome.retry_after
    if attempt.cost and not answered:
        line["cost"] = attempt.cost
    if attempt.losses or (answered and ending.losses):
        line["losses"] = lost([*attempt.losses, *(ending.losses if answered else ())])
    if meaning is Meaning.NEXT:
        line["next"] = None if following is None else following.candidate.name
    return line


def _spoken_attempt(spoken: Spoken, seconds: float) -> Line:
    """The voice's calls, as one."""
    line: Line = {
        "model": spoken.model,
        "account": spoken.account,
        "status": 200 if spoken.failed is None else None,
        "code": spoken.failed,
        "started": _rounded(spoken.started),
        "ended": _rounded(seconds),
        "cost": spoken.cost,
    }
    if spoken.first_audio is not None:
        line["first_byte"] = _rounded(spoken.first_audio)
    return line


def _memory(memory: Recollection) -> Line:
    line: Line = {}
    if memory.rests:
        line["resting"] = _listed(memory.rests)
    if memory.bars:
        line["barred"] = [[*key, model, *bar] for (key, model), bar in memory.bars.items()]
    if memory.turns:
        line["turns"] = dict(memory.turns)
    if memory.running:
        line["in_flight"] = _listed(memory.running)
    if memory.first_tokens:
        line["first_token"] = dict(memory.first_tokens)
    if memory.first_audios:
        line["first_audio"] = dict(memory.first_audios)
    for name, times in (("speeds", memory.speeds), ("sounds", memory.sounds)):
        if times:
            line[name] = [[*(key or (None, None)), model, *speed] for (key, model), speed in times.items()]
    if memory.habits:
        line["answers"] = {model: list(habit) for model, habit in memory.habits.items()}
    if memory.ratings:
        line["ratings"] = [[*of, *rating] for of, rating in memory.ratings.items()]
    if memory.ratios:
        line["billed"] = dict(memory.ratios)
    if memory.led is not None:
        line["leader"] = list(memory.led)
    return line


def _listed(by_account: Mapping[AccountKey, Any]) -> list[list[Any]]:
    return [
        [provider, account, *(value if isinstance(value, tuple) else (value,))]
        for (provider, account), value in by_account.items()
    ]


def _rounded(seconds: float | None) -> float | None:
    """Seconds to the microsecond; a third of what `round` takes to look for decimals."""
    return None if seconds is None else round(seconds * 1e6) / 1e6
