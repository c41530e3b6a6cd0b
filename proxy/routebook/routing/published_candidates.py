"""The schemas of candidates, as a decision record says them: considered, refused by a budget, barred at the last moment."""

from __future__ import annotations

from routebook.documents import schema as build
from routebook.documents.schema import Schema
from routebook.ledger.claims import Why
from routebook.routing.reasons import REASONS

_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_SECONDS: Schema = {"type": "number", "minimum": 0}
_MAYBE_TEXT: Schema = {"type": ["string", "null"]}
_MAYBE_COUNT: Schema = {"type": ["integer", "null"], "minimum": 0}
_MAYBE_SECONDS: Schema = {"type": ["number", "null"], "minimum": 0}
_NUMBERS: Schema = {"type": "object"}

_MONEY: Schema = {"type": "integer", "minimum": 0}

_CANDIDATE = {
    "model": "the model",
    "account": "provider and account",
    "verdict": "whether it may serve the request",
    "reason": "a stable code",
    "numbers": "what the reason rests on; seconds, nano-dollars, tokens",
    "cost": "nano-dollars that the request costs at most; null where a price is unknown",
    "expected_cost": "nano-dollars that the request is likely to cost, where candidates are compared by that",
    "first_token": "seconds to the first token, as measured of late, or declared",
    "first_audio": "seconds to the first sound, as measured of late, or declared, where that is constrained",
    "seconds": "seconds that a client is likely to wait, for the first token of a stream or for all of anything else",
    "quality": "the quality that is predicted of its answer, from 0 to 1, where the prompt was judged for it",
}

_REFUSED = {
    "model": "the model",
    "account": "provider and account",
    "pot": "the budget or limit, and for whom: kind, name and scope",
    "need": "how much was needed",
    "drawn": "how much was settled and held already",
    "limit": "how much there is",
    "retry_after": "seconds after which it may suffice; null where it never does",
    "why": "why it was refused",
}

_BARRED = {
    "model": "the model",
    "account": "provider and account",
    "reason": "a stable code",
    "numbers": "for how many seconds, because of what",
}
"""The keys of a candidate that began to rest."""


def candidate_schema() -> Schema:
    """Who was considered, kept or dropped."""
    values = {
        "model": _TEXT,
        "account": _MAYBE_TEXT,
        "verdict": build.word(["kept", "dropped"]),
        "reason": build.word(list(REASONS)),
        "numbers": _NUMBERS,
        "cost": _MAYBE_COUNT,
        "expected_cost": _MONEY,
        "first_token": _SECONDS,
        "first_audio": _SECONDS,
        "seconds": _SECONDS,
        "quality": {"type": "number", "minimum": 0, "maximum": 1},
    }
    return build.growing(_CANDIDATE, values, ["model", "account", "verdict", "reason"])


def refused_schema() -> Schema:
    """A candidate that a budget or a limit did not allow."""
    values = {
        "model": _TEXT,
        "account": _MAYBE_TEXT,
        "pot": _TEXT,
        "need": _COUNT,
        "drawn": _COUNT,
        "limit": _COUNT,
        "retry_after": _MAYBE_SECONDS,
        "why": build.word(
            {
                Why.EXHAUSTED.value: "not enough is left",
                Why.UNAVAILABLE.value: "the store that several hosts share does not answer",
                Why.QUEUE_FULL.value: "too many wait for it already",
                Why.QUEUE_TIMEOUT.value: "its turn did not come in time",
                Why.UNPRICED.value: "its price is not known, and the budget counts money",
            }
        ),
    }
    return build.growing(_REFUSED, values, list(_REFUSED))


def barred_schema() -> Schema:
    """A candidate that was kept and began to rest."""
    values = {"model": _TEXT, "account": _TEXT, "reason": build.word(list(REASONS)), "numbers": {"type": "object"}}
    return build.growing(_BARRED, values, list(_BARRED))
