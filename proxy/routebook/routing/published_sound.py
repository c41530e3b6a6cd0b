"""What a record says of sound: a form with a file in it, a spoken answer of two models, and what was coded anew."""

from __future__ import annotations

from typing import Final

from routebook.documents import schema as build
from routebook.documents.schema import Schema

_TEXT: Final[Schema] = {"type": "string"}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_MONEY = _COUNT
_SECONDS: Final[Schema] = {"type": "number", "minimum": 0}


def form_schema() -> Schema:
    """The schema of `form`."""
    return build.growing(
        {
            "bytes": "bytes that have come",
            "held": "where: `memory`, `disk`, or `nowhere`, so that it could not be sent again",
            "streamed": "whether it was passed on while it came",
        },
        {"bytes": _COUNT, "held": build.word(["memory", "disk", "nowhere"]), "streamed": build.flag(False)},
        ["bytes", "held", "streamed"],
    )


def pipeline_schema() -> Schema:
    """The schema of `pipeline`."""
    return build.growing(
        {"native": "who was dropped", "speech": "the candidates for its voice, in order"},
        {"native": build.listed(build.ref("candidate")), "speech": build.listed(build.ref("candidate"))},
        ["native", "speech"],
    )


def speech_schema() -> Schema:
    """The schema of `speech`."""
    return build.growing(
        {
            "model": "the model that spoke",
            "account": "its provider and account",
            "sentences": "how many it spoke to their end",
            "characters": "of what it was given",
            "milliseconds": "of sound",
            "cost": "nano-dollars",
            "first_audio": "seconds from the request to its first sound",
            "code": "why it broke off",
        },
        {
            "model": _TEXT,
            "account": _TEXT,
            "sentences": _COUNT,
            "characters": _COUNT,
            "milliseconds": _COUNT,
            "cost": _MONEY,
            "first_audio": _SECONDS,
            "code": _TEXT,
        },
        ["model", "account", "sentences", "characters", "milliseconds", "cost"],
    )


def transcoded_schema() -> Schema:
    """The schema of each of `transcoded`."""
    return build.growing(
        {
            "from": "the format that it came in",
            "to": "the format that it went on in",
            "bytes": "that came",
            "made": "bytes that came of it",
            "seconds": "how long that took, the wait for a place included",
        },
        {"from": _TEXT, "to": _TEXT, "bytes": _COUNT, "made": _COUNT, "seconds": _SECONDS},
        ["from", "to", "bytes", "made", "seconds"],
    )
