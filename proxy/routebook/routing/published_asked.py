"""The schema of what a request asked for, as a decision record says it."""

from __future__ import annotations

from routebook.documents import schema as build
from routebook.documents.schema import Schema
from routebook.routing.outcomes import Affinity, Mode
from routebook.routing.sizes import BYTES, ESTIMATE, EXACT, GIVEN
from routebook.scoring.tasks import TASKS

_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_SECONDS: Schema = {"type": "number", "minimum": 0}
_MAYBE_COUNT: Schema = {"type": ["integer", "null"], "minimum": 0}
_MAYBE_SECONDS: Schema = {"type": ["number", "null"], "minimum": 0}
_TEXTS = build.listed(_TEXT)

_ASKED = {
    "bytes": "size of the body",
    "needs": "capabilities that the request cannot do without",
    "max_output": "tokens of answer the client allows; null where it names no limit",
    "choices": "answers asked for",
    "messages": "messages in the prompt",
    "images": "images in the prompt",
    "tools": "tools offered",
    "most_tokens": "an upper bound of the prompt's tokens",
    "most_ms": "milliseconds of sound that are to be written down, at most",
    "characters": "characters of text that are to be spoken",
    "texts": "texts to embed",
    "tokens": "the prompt's estimated tokens",
    "tokens_by": "how they were found: by `bytes` alone where nothing depends on them more closely, by an `estimate` of the "
    "text, `exact` where they were counted; `given` in tests",
    "estimates": "the estimates for other families of tokenizers, where a candidate is of one",
    "counted": "tokens by family of tokenizers, where they were counted to see whether the prompt fits",
    "fact_by": "how the fact `prompt.tokens` was found, where that is no estimate: by `bytes`, which decide all conditions "
    "on it, or `exact`",
    "ignored_tags": "tags that the client may not set",
    "within": "constraints that the client declared",
    "judged": "how hard what the user wrote last is, where anybody asked",
}
_JUDGED = {
    "task": "the class of task: the policy's own, else the scorer's",
    "complexity": "how hard, from 0 to 1",
    "difficulty": "the same in log-odds",
    "gain": "how much a strong model gains, in log-odds",
    "scorer": "the digest of the weights that judged",
    "signals": "what counted most, and what it adds to the difficulty of an everyday turn",
    "scored": "the scorer's class, where `task` is the policy's own; empty elsewhere",
}


def asked_schema() -> Schema:
    """The group `asked`."""
    within = build.growing(
        {
            "cost": "nano-dollars at most",
            "first_token": "seconds at most",
            "first_audio": "seconds at most to the first sound",
            "quality": "at least",
            "regions": "where the provider may stand",
            "models": "the models of which one must serve",
            "mode": "how to choose, where the rule weighs quality and cost",
            "affinity": "how the conversation is to stay on its model",
        },
        {
            "cost": _MAYBE_COUNT,
            "first_token": _MAYBE_SECONDS,
            "first_audio": _SECONDS,
            "quality": {"type": ["number", "null"]},
            "regions": {"type": ["array", "null"], "items": _TEXT},
            "models": _TEXTS,
            "mode": build.word([mode.value for mode in Mode]),
            "affinity": build.word([affinity.value for affinity in Affinity]),
        },
        ["cost", "first_token", "quality", "regions"],
    )
    values = {
        "bytes": _COUNT,
        "needs": _TEXTS,
        "max_output": _MAYBE_COUNT,
        "choices": _COUNT,
        "messages": _MAYBE_COUNT,
        "images": _MAYBE_COUNT,
        "tools": _MAYBE_COUNT,
        "most_tokens": _COUNT,
        "most_ms": _COUNT,
        "characters": _COUNT,
        "texts": _COUNT,
        "tokens": _COUNT,
        "tokens_by": build.word([BYTES, ESTIMATE, EXACT, GIVEN]),
        "estimates": build.named(_COUNT),
        "counted": build.named(_COUNT),
        "fact_by": build.word([BYTES, EXACT]),
        "ignored_tags": _TEXTS,
        "within": within,
        "judged": _judged(),
    }
    return build.growing(_ASKED, values)


def _judged() -> Schema:
    number: Schema = {"type": "number"}
    values = {
        "task": build.text(tuple(TASKS)),
        "complexity": {"type": "number", "minimum": 0, "maximum": 1},
        "difficulty": number,
        "gain": number,
        "scorer": _TEXT,
        "signals": build.listed({"type": "array", "minItems": 2, "maxItems": 2}),
        "scored": {"enum": ["", *TASKS]},
    }
    return build.growing(_JUDGED, values, [key for key in _JUDGED if key != "scored"])
