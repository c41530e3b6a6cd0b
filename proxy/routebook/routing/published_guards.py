"""What a record says of guards, as JSON Schema."""

from __future__ import annotations

from routebook.documents import schema as build
from routebook.documents.schema import Schema

RESULTS = {
    "clean": "there was nothing to mask",
    "masked": "what was found was replaced, and the request is sent so",
    "unmasked": "something stands where it cannot be masked, so nothing was sent",
    "judged": "the service gave its word",
    "failed": "the service gave none in time",
}
"""What comes of a guard."""

_GUARD = {
    "guard": "its name",
    "result": "what came of it",
    "texts": "how many texts of the request were changed",
    "verdict": "the service's word",
    "error": "why there is none",
    "seconds": "how long it took",
}
"""The keys of one guard's line."""


def guard_schema() -> Schema:
    """One guard that looked at the request."""
    values = {
        "guard": {"type": "string"},
        "result": build.word(RESULTS),
        "texts": {"type": "integer", "minimum": 0},
        "verdict": {"type": "string"},
        "error": {"type": "string"},
        "seconds": {"type": "number", "minimum": 0},
    }
    return build.growing(_GUARD, values, ["guard", "result", "seconds"])
