"""What a record says of a session, as JSON Schema: how it was closed, and what each response used."""

from __future__ import annotations

from typing import Final

from routebook.documents import schema as build
from routebook.documents.schema import Schema

_TEXT: Schema = {"type": "string"}
_MAYBE_TEXT: Schema = {"type": ["string", "null"]}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_SECONDS: Schema = {"type": "number", "minimum": 0}

USAGE_BY: Final = {
    "measured": "the upstream counted",
    "estimated": "counted here, from sizes",
    "held": "nobody knows, so what was held is booked",
    "orphan": "its process died, so what its hold says of that is booked",
    "nothing": "no answer came, nothing is charged",
    "cached": "nobody was called, the answer was there already",
}
"""How a usage may be known."""

_SESSION = {
    "closed_by": "who ended the session: `client`, `upstream`, `time` or `gateway`",
    "close_code": "the WebSocket close code that came, or went out; 1006 where somebody left without one",
    "responses": "a line for each response, in the order in which they ended",
    "more_responses": "how many further ones there were; their usage and cost are in the sums",
    "inside": "how long messages were in the proxy, from their reading to their writing, by direction",
    "transcribed_seconds": "seconds written down by a model that is paid by the second",
}
_INSIDE = {
    "messages": "how many there were",
    "p50": "seconds that half of them were shorter than, to the width of a bucket of `routebook_session_message_seconds`",
    "longest": "seconds of the longest",
}
_RESPONSE = {
    "id": "the upstream's id of the response; null for what was said by the client and written down",
    "status": "the upstream's word, `unconfirmed` where nobody saw the end, `transcription` where it was the client's words, `delegation` where a model behind the session did a task",
    "reason": "the upstream's word for why it is not whole",
    "asked": "when it was asked for, or its hold was made, in seconds since the record began",
    "spoke": "when the first of it came",
    "sounded": "when the first of its sound came",
    "ended": "when it was over",
    "usage": "tokens by kind",
    "usage_by": "how the usage is known",
    "cost": "nano-dollars",
    "unpriced": "kinds that were used and have no price",
}


def session_schema() -> Schema:
    """The part `session` of the line `ended`."""
    response = {
        "id": _MAYBE_TEXT,
        "status": _TEXT,
        "reason": _TEXT,
        "asked": _SECONDS,
        "spoke": _SECONDS,
        "sounded": _SECONDS,
        "ended": _SECONDS,
        "usage": build.ref("tokens"),
        "usage_by": build.word(USAGE_BY),
        "cost": _COUNT,
        "unpriced": build.listed(_TEXT),
    }
    inside = build.growing(
        _INSIDE, {"messages": _COUNT, "p50": _SECONDS, "longest": _SECONDS}, ["messages", "p50", "longest"]
    )
    directions = {"to_client": "those of the upstream", "to_upstream": "those of the client"}
    values = {
        "closed_by": _TEXT,
        "close_code": _COUNT,
        "responses": build.listed(build.growing(_RESPONSE, response, ["id", "status", "usage", "usage_by", "cost"])),
        "more_responses": _COUNT,
        "inside": build.growing(directions, {"to_client": inside, "to_upstream": inside}, []),
        "transcribed_seconds": _SECONDS,
    }
    return build.growing(_SESSION, values, ["responses"])
