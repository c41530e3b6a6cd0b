"""The decision record as JSON Schema: what others who read the journal may build on.

One line of the journal is the `decided` or the `ended` line of a record, or a `held` line between the two. Names keep their meaning within a version
of the schema; new ones may come, so a reader passes over what it does not know.
"""

from __future__ import annotations

from routebook.chat.usage import KINDS
from routebook.documents import schema as build
from routebook.documents.schema import Schema
from routebook.routing.affinity import ELSEWHERE, SAVES, WORSE, Event
from routebook.routing.endings import PHASE_WORDS, WHO_WORDS, Phase, Who
from routebook.routing.published_asked import asked_schema
from routebook.routing.published_candidates import barred_schema, candidate_schema, refused_schema
from routebook.routing.published_guards import guard_schema
from routebook.routing.published_session import USAGE_BY, session_schema
from routebook.routing.published_sound import form_schema, pipeline_schema, speech_schema, transcoded_schema
from routebook.routing.reasons import REASONS
from routebook.routing.record import SCHEMA_VERSION, UNREAD

_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_SECONDS: Schema = {"type": "number", "minimum": 0}
_MONEY: Schema = {"type": "integer", "minimum": 0}
_MAYBE_TEXT: Schema = {"type": ["string", "null"]}
_MAYBE_COUNT: Schema = {"type": ["integer", "null"], "minimum": 0}
_MAYBE_SECONDS: Schema = {"type": ["number", "null"], "minimum": 0}
_START: Schema = {"type": "integer"}
_DRAW: Schema = {"type": "array", "prefixItems": [_TEXT, _START, _COUNT, _COUNT], "minItems": 4, "maxItems": 4}
_SETTLED: Schema = {"type": "array", "prefixItems": [_TEXT, _START, _COUNT], "minItems": 3, "maxItems": 3}
_TEXTS = build.listed(_TEXT)
_CODE = build.matching("[a-z]+[.][a-z0-9]+(-[a-z0-9]+)*")
_NUMBERS: Schema = {"type": "object"}

_LINE = {
    "event": "which of the lines this is",
    "id": "the record's id: time-ordered, the same in all its lines and in the client's `x-routebook-decision`",
    "time": "when the line was written, UTC",
}

_DECIDED = {
    **_LINE,
    "schema": "version of this schema",
    "instance": "the process that decided",
    "version": "version of the program",
    "policy": "digest of the policy in force",
    "trace": "the W3C trace that the request belongs to",
    "parent": "the client's span in that trace",
    "prompt": "keyed digest of the prompt: equal prompts have equal digests, and nothing else can be learned from it",
    "operation": "what the client asked for",
    "dialect": "what the client speaks",
    "requested": "the model that the client named",
    "stream": "whether the answer was to be streamed",
    "client": "who called",
    "team": "the client's team",
    "rule": "the rule that decided; null where none matched",
    "outcome": "what the rule does",
    "where": "file and line of the rule",
    "asked": "what the request needed; sizes, never words",
    "facts": "every fact that was read, by name; null where it was missing",
    "steps": "the walk through the decision tree, question by question",
    "candidates": "everybody who was considered, those kept first in the order in which they are tried",
    "draw": "the random draw and the place in a split, enough to decide again",
    "memory": "what was read of earlier measurements",
    "stick": "what became of the conversation, under a rule that sticks or where the request goes on from an answer",
    "cache": "what was found among the kept answers, under a rule that keeps them",
    "pipeline": "where two models serve a spoken answer: why nobody spoke it alone, and who might speak; `candidates` are who "
    "might write it",
    "shadow": "where this is a copy of a request whose answer was thrown away: the record of the request itself",
    "guards": "what the guards of the policy did, in their order, those that let nothing pass too; never a word of the prompt",
    "keyless": "accounts (provider, name) whose key was not set",
    "barred": "candidates that were kept, and began to rest before they were called",
    "hold": "what is held of budgets until the record ends, and which candidates a budget or limit did not allow",
}
"""The keys of the `decided` line."""

_SOMETIMES = {
    "memory",
    "keyless",
    "trace",
    "parent",
    "prompt",
    "stick",
    "cache",
    "hold",
    "barred",
    "shadow",
    "guards",
    "pipeline",
}
"""Those of them that stand there only where there is something to say."""

_OUTCOMES = {
    "route": "it sends the request to a model",
    "refuse": "it answers with an error",
    "none": "no rule matched",
    UNREAD: "the request ended before it was decided",
}
"""What a rule comes to."""

_STICK = {
    "event": "whether the conversation is new here, stays, or cannot stay",
    "from": "the model and account that answered last; null where the conversation is new here",
    "why": "the reason for which that may not serve it, as a candidate's; `route.elsewhere`: it is not in the route; "
    "`route.saves`: another saves more than the move costs; `route.quality`: another is much better for this prompt",
    "gain": "nano-dollars a request that the first of the others is likely to save",
    "loss": "nano-dollars that moving to it costs once, because it has nothing of the conversation in its cache",
    "bound": "true where the conversation goes on from what only its provider has: it stays as long as it may",
}
_CACHE = {
    "hit": "whether a kept answer was used",
    "of": "the record of the request that the answer was first given to",
    "age": "seconds since then",
    "bypass": "the word of the client's `Cache-Control` that asked for a fresh answer",
}
_CACHED = {"usage": "tokens by kind", "cost": "nano-dollars that they would cost now"}
_STEP = {
    "fact": "the fact that was asked",
    "standing": "rules that still stood after the answer",
    "missing": "true where the fact was missing",
}
_MEASURES = {
    "heard_ms": "milliseconds of sound that is paid by its length",
    "characters": "characters of text that is spoken, where that is paid by its length",
}
_HELD = {
    **_LINE,
    "draws": "what is held from now on, in place of all that was held before: pot, start of the slice, amount, orphan",
}
"""The keys of the `held` line: a call was added to the record, or one was over."""

_HOLD = {
    "draws": "what is held, worst case: pot, start of the slice (seconds since 1970), amount in nano-dollars, tokens or "
    "requests, and the orphan: what of it is settled should the process die before the record ends",
    "refused": "candidates that were not called because a budget or a limit had not enough left",
}
_ENDED = {
    **_LINE,
    "end": "two letters: by whom the exchange was ended, and in which phase; `--` is the normal end, `GX` a crash",
    "status": "HTTP status of the answer; null where nobody knows",
    "error": "the stable code of what failed",
    "model": "the model that answered",
    "account": "the provider and account that answered",
    "served": "the model that the answer says it came from",
    "finish": "why the model stopped",
    "usage": "tokens by kind, kinds without any left out",
    "usage_by": "how the usage is known",
    "input": "tokens in, cached ones included",
    "output": "tokens out, reasoning included",
    "cost": "nano-dollars",
    "cost_parts": "nano-dollars by kind of token",
    "cached": "what the answer used that was used again, when it was first given; null where nobody counted",
    "form": "of a form with a file: its bytes, where what came of it was held, and whether it was passed on while it came",
    "settled": "what was used of each pot: pot, start of the slice, amount",
    "exceeded": "nano-dollars that the calls cost beyond what was held for them",
    "unpriced": "kinds of tokens that were used and have no price: the cost is a lower bound",
    "attempts": "every call, in order",
    "session": "of a session: how it was closed, and what each response used",
    "speech": "the voice of a pipeline: who spoke how many sentences, and what that cost; the rest of the line is the writer's",
    "transcoded": "sound whose format was changed on its way, in or out",
    "first_token": "seconds from the request to the first token",
    "first_audio": "seconds from the request to the first sound, where the answer was to be spoken",
    "seconds": "seconds from the request to the end",
    "instance": "the process whose record this is, where another wrote the line",
    "crashed": "true where the process died before it could write this line",
}
"""The keys of the `ended` line."""

_FEEDBACK = {
    **_LINE,
    "by": "the client who got the answer, or `an operator`",
    "model": "the model that had answered",
    "task": "the class of task; empty where the prompt was not judged",
    "quality": "from 0 to 1",
}
"""The keys of the `feedback` line: somebody said how good the answer was. Of several, the first counts."""

_ATTEMPT = {
    "model": "the model",
    "account": "provider and account",
    "status": "HTTP status of the upstream; null where none came",
    "code": "the stable code of what failed; null for an answer",
    "upstream_code": "what the upstream's error body calls it",
    "started": "seconds after the request came",
    "first_byte": "seconds after the request came",
    "ended": "seconds after the request came",
    "retry_after": "seconds that the upstream asked to wait",
    "next": "the model that was tried after it; null where none was left",
    "cost": "nano-dollars that a call without an answer may have cost all the same",
    "losses": "what of the request, or of the answer, did not arrive as it was meant, where dialects differ",
}

_LOSS = {
    "feature": "its name in docs/protocols.md",
    "path": "where it stood first, in the neutral form; never what stood there",
    "done": "what was done",
    "why": "why it was not carried",
    "times": "how often, where more than once",
}

_USAGE_BY = {
    "measured": "the upstream counted",
    "estimated": "counted here, from sizes",
    "held": "nobody knows, so what was held is booked",
    "orphan": "its process died, so what its hold says of that is booked",
    "nothing": "no answer came, nothing is charged",
    "cached": "nobody was called, the answer was there already",
}


def record_schema() -> Schema:
    """The schema of one line of the journal."""
    definitions = {
        "decided": _decided(),
        "ended": _ended(),
        "held": build.growing(_HELD, {**_line("held"), "draws": build.listed(_DRAW)}, ["event", "id", "draws"]),
        "feedback": build.growing(
            _FEEDBACK,
            {
                **_line("feedback"),
                "by": _TEXT,
                "model": _TEXT,
                "task": _TEXT,
                "quality": {"type": "number", "minimum": 0, "maximum": 1},
            },
            list(_FEEDBACK),
        ),
        "hold": build.growing(
            _HOLD, {"draws": build.listed(_DRAW), "refused": build.listed(build.ref("refused"))}, ["draws"]
        ),
        "refused": refused_schema(),
        "asked": asked_schema(),
        "candidate": candidate_schema(),
        "attempt": _attempt(),
        "step": build.growing(
            _STEP, {"fact": _TEXT, "standing": _COUNT, "missing": {"const": True}}, ["fact", "standing"]
        ),
        "tokens": build.growing(
            {kind: _MEASURES.get(kind, f"{kind.replace('_', ' ')} tokens") for kind in KINDS},
            {kind: _COUNT for kind in KINDS},
        ),
    }
    either: Schema = {
        "type": "object",
        "required": ["event"],
        "oneOf": [build.ref("decided"), build.ref("held"), build.ref("ended"), build.ref("feedback")],
    }
    return build.document(
        either,
        f"urn:routebook:schema:decision-record:{SCHEMA_VERSION}",
        "A line of Routebook's decision journal",
        definitions,
    )


def _line(event: str) -> dict[str, Schema]:
    return {
        "event": {"const": event},
        "id": build.matching("[0-9A-HJKMNP-TV-Z]{26}"),
        "time": build.matching("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z", ["2026-11-21T10:00:00.123Z"]),
    }


def _decided() -> Schema:
    fact: Schema = {"type": ["boolean", "number", "string", "array", "null"], "items": _TEXT}
    values = {
        **_line("decided"),
        "schema": {"const": SCHEMA_VERSION},
        "instance": _TEXT,
        "version": _TEXT,
        "policy": build.matching("[0-9a-f]{16}"),
        "operation": _TEXT,
        "dialect": _MAYBE_TEXT,
        "requested": _MAYBE_TEXT,
        "trace": build.matching("[0-9a-f]{32}"),
        "parent": build.matching("[0-9a-f]{16}"),
        "prompt": build.matching("[0-9a-f]{32}"),
        "stream": {"type": "boolean"},
        "client": _MAYBE_TEXT,
        "team": _MAYBE_TEXT,
        "rule": _MAYBE_TEXT,
        "outcome": build.word(_OUTCOMES),
        "where": _MAYBE_TEXT,
        "asked": build.ref("asked"),
        "facts": build.named(fact),
        "steps": build.listed(build.ref("step")),
        "candidates": build.listed(build.ref("candidate")),
        "draw": build.one_of_kinds(_draw(), {"type": "null"}),
        "memory": _memory(),
        "stick": _stick(),
        "cache": _recalled(),
        "pipeline": pipeline_schema(),
        "shadow": build.growing({"of": "its id"}, {"of": _TEXT}, ["of"]),
        "keyless": build.listed(build.listed(_TEXT, 2)),
        "guards": build.listed(guard_schema()),
        "barred": build.listed(barred_schema()),
        "hold": build.ref("hold"),
    }
    return build.growing(_DECIDED, values, [key for key in _DECIDED if key not in _SOMETIMES])


def _draw() -> Schema:
    return build.growing(
        {
            "draw": "from 0 to 1",
            "point": "the request's place in a split, from 0 to 1",
            "share": "the model or pool that the place chose",
            "conversation": "the place of the conversation among a provider's accounts, in parts per million",
            "probed": "model and account that were tried first to measure them anew",
        },
        {
            "draw": {"type": "number"},
            "point": {"type": ["number", "null"]},
            "share": _MAYBE_TEXT,
            "conversation": _COUNT,
            "probed": build.listed(_TEXT, 2),
        },
        ["draw"],
    )


def _recalled() -> Schema:
    values = {"hit": build.flag(), "of": _TEXT, "age": _SECONDS, "bypass": build.word(["no-cache", "no-store"])}
    return build.growing(_CACHE, values, ["hit"])


def _stick() -> Schema:
    place = build.growing(
        {"model": "the model", "account": "provider and account"},
        {"model": _TEXT, "account": _TEXT},
        ["model", "account"],
    )
    values = {
        "event": build.word([event.value for event in Event]),
        "from": build.one_of_kinds(place, {"type": "null"}),
        "why": build.word([*REASONS, ELSEWHERE, SAVES, WORSE]),
        "gain": {"type": "integer"},
        "loss": _MONEY,
        "bound": {"const": True},
    }
    return build.growing(_STICK, values, ["event", "from"])


def _memory() -> Schema:
    row: Schema = {"type": "array", "minItems": 3}
    return build.growing(
        {
            "resting": "accounts that cool down: provider, account, seconds left, why",
            "barred": "what else kept an account from a model: provider, account, model, reason, seconds left, why",
            "turns": "whose turn it was, by provider, where accounts take turns",
            "in_flight": "requests under way: provider, account, number",
            "first_token": "seconds by model, where a rule asks",
            "first_audio": "the same to the first sound",
            "speeds": "times: provider and account (null: all that serve the model), model, seconds to the first token and to "
            "the last (medians of late), seconds since the last was measured",
            "sounds": "the same of the first sound, where that is constrained",
            "answers": "by model: tokens of an answer to this client, share of the prompt that came from a cache, answers that "
            "this is known from, seconds since the last",
            "ratings": "feedback: model, class of task, sum, number",
            "billed": "by model: tokens that its upstream bills for a prompt, to one that is estimated",
            "leader": "model and account that the rule's order put first the last time",
        },
        {
            "resting": build.listed(row),
            "barred": build.listed(row),
            "turns": build.named(_COUNT),
            "in_flight": build.listed(row),
            "first_token": build.named(_SECONDS),
            "first_audio": build.named(_SECONDS),
            "speeds": build.listed(row),
            "sounds": build.listed(row),
            "answers": build.named({"type": "array", "minItems": 4, "maxItems": 4}),
            "ratings": build.listed(row),
            "billed": build.named({"type": "number", "exclusiveMinimum": 0}),
            "leader": build.listed(_TEXT, 2),
        },
    )


def _ended() -> Schema:
    values = {
        **_line("ended"),
        "end": _end(),
        "status": {"type": ["integer", "null"]},
        "error": build.one_of_kinds(_CODE, {"type": "null"}),
        "model": _MAYBE_TEXT,
        "account": _MAYBE_TEXT,
        "served": _MAYBE_TEXT,
        "finish": _MAYBE_TEXT,
        "usage": build.ref("tokens"),
        "usage_by": build.word(USAGE_BY),
        "input": _COUNT,
        "output": _COUNT,
        "cost": _MONEY,
        "cost_parts": build.named(_MONEY),
        "cached": build.growing(
            _CACHED,
            {"usage": build.one_of_kinds(build.ref("tokens"), {"type": "null"}), "cost": _MAYBE_COUNT},
            ["usage", "cost"],
        ),
        "form": form_schema(),
        "settled": build.listed(_SETTLED),
        "exceeded": _COUNT,
        "unpriced": _TEXTS,
        "attempts": build.listed(build.ref("attempt")),
        "session": session_schema(),
        "speech": speech_schema(),
        "transcoded": build.listed(transcoded_schema()),
        "first_token": _MAYBE_SECONDS,
        "first_audio": _SECONDS,
        "seconds": _SECONDS,
        "instance": _TEXT,
        "crashed": {"const": True},
    }
    return build.growing(_ENDED, values, ["event", "id", "time", "end", "status", "error"])


def _end() -> Schema:
    codes = {
        f"{who.value}{phase.value}": f"ended by {WHO_WORDS[who]} {PHASE_WORDS[phase]}" for who in Who for phase in Phase
    }
    return build.word({"--": "it ended normally", "GX": "the process died before it ended", **codes})


def _attempt() -> Schema:
    values = {
        "model": _TEXT,
        "account": _TEXT,
        "status": {"type": ["integer", "null"]},
        "code": build.one_of_kinds(_CODE, {"type": "null"}),
        "upstream_code": _TEXT,
        "started": _SECONDS,
        "first_byte": _SECONDS,
        "ended": _SECONDS,
        "retry_after": _SECONDS,
        "next": _MAYBE_TEXT,
        "cost": _MONEY,
        "losses": build.listed(build.growing(_LOSS, _loss(), ["feature", "path", "done", "why"])),
    }
    return build.growing(_ATTEMPT, values, ["model", "account", "status", "code", "started"])


def _loss() -> dict[str, Schema]:
    done = {"refused": "so it was not sent", "dropped": "left out", "emulated": "something else stands for it"}
    return {"feature": _TEXT, "path": _TEXT, "done": build.word(done), "why": _TEXT, "times": _COUNT}
