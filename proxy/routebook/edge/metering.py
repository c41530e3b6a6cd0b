"""What a call used, where its upstream said so and where it did not, and what an answer teaches about those to come."""

from __future__ import annotations

from typing import Final, NamedTuple

from routebook.chat.usage import Usage
from routebook.edge.calls import Call
from routebook.health.learnt import Learnt
from routebook.ledger.budgets import Abandoned
from routebook.routing.candidates import Plan
from routebook.routing.demand import LiveDemand
from routebook.routing.facts import RequestFacts
from routebook.routing.meter import NOTHING, Metered, as_held, metered
from routebook.routing.record import Ending

OUTRUN: Final = "gateway.outrun"
"""The code of a call that another one was faster than."""

MAY_BE_BILLED: Final = frozenset(
    {
        OUTRUN,
        "client.gone",
        "client.stalled",
        "gateway.draining",
        "gateway.bug",
        "upstream.first-byte-timeout",
        "upstream.idle-timeout",
        "upstream.total-timeout",
        "upstream.cut",
        "upstream.error-event",
    }
)
"""Failures after which the upstream may have worked all the same: what it did is estimated, never taken for nothing."""

_OF_OTHER_KINDS: Final = frozenset({"vision", "documents", "audio_in"})
"""What is billed beside the text, so that nothing is learnt of how the text was."""


class Told(NamedTuple):
    """What of a request is needed to meter its calls: who asks, for how many answers, whether there is more than text,
    how many milliseconds of sound and how many characters to speak."""

    client: str = ""
    choices: int = 1
    has_more_than_text: bool = False
    heard_ms: int = 0
    characters: int = 0


NOBODY: Final = Told()
"""As long as nothing is decided."""


def told_of(facts: RequestFacts, demand: LiveDemand) -> Told:
    """What the request says of itself."""
    asked = facts.asked
    has_more = not _OF_OTHER_KINDS.isdisjoint(demand.needs)
    return Told(facts.client.name, max(1, demand.choices), has_more, asked.heard_ms, asked.characters)


def sound_of(reader: object) -> int:
    """How many tokens of a reader's estimate are of sound; most know of none."""
    return int(getattr(reader, "estimated_sound", 0))


def meter(
    call: Call,
    usage: Usage | None,
    code: str | None,
    prompt: int,
    output: int,
    told: Told,
    abandoned: Abandoned,
    sound: int = 0,
) -> Metered:
    """What a call used and costs. `code` is what failed, `prompt` and `output` are estimates, for where no usage is known;
    `sound` is the part of `output` that was heard."""
    if code is not None and code not in MAY_BE_BILLED and usage is None:
        return NOTHING
    found = metered(call.candidate.model, usage, prompt, output, code is None, told.heard_ms, told.characters, sound)
    if found.by == "estimated" and code is not None and abandoned is Abandoned.HOLD and call.held.needs:
        return as_held(found, call.money_held)
    return found


def learn(learnt: Learnt, told: Told, plan: Plan | None, ending: Ending, at: float) -> None:
    """Remember how long an answer was, what its prompt was billed as and how much of that came from a cache, where its
    upstream counted; `at` is monotonic seconds."""
    usage, candidate = ending.metered.usage, ending.candidate
    if candidate is None or ending.metered.by != "measured" or ending.error is not None:
        return
    prompt = usage.total_input
    estimate = None if plan is None or told.has_more_than_text else plan.estimate_for(candidate.model)
    if estimate is not None:
        learnt.billing.billed(candidate.name, estimate, prompt, at)
    cached = usage.cached_input / prompt if prompt else 0.0
    learnt.habits.answered(told.client, candidate.name, usage.total_output // told.choices, cached, at)
