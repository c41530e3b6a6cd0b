"""One request that was never sent, by its facts or as a client would send it, under a policy: what pages show of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from routebook.policy.facts import Value
from routebook.policy.given import parse_given
from routebook.routing.cases.case import SentRequest
from routebook.routing.drawings.one_way import draw_way
from routebook.routing.drawings.svg import as_svg
from routebook.routing.policy import Policy
from routebook.routing.telling.explanation import Explanation, explain_given, explain_sent

PATHS = ("/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1/embeddings")
"""Where requests are sent, as the page offers it."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What somebody wrote: facts, one a line; or a body in JSON, with where it is sent, by whom, with which headers."""

    given: str = ""
    body: str = ""
    path: str = PATHS[0]
    client: str = ""
    headers: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether nothing was written."""
        return not self.given.strip() and not self.body.strip()


def explained(policy: Policy, request: Tried, now: float) -> Explanation:
    """What becomes of it; raises ValueError with a message for its author."""
    given: dict[str, Value] = dict(
        parse_given(line.strip(), policy.facts) for line in request.given.split("\n") if line.strip()
    )
    if not request.body.strip():
        return explain_given(policy, given, now)
    headers = []
    for line in request.headers.split("\n"):
        name, colon, value = line.partition(":")
        if line.strip() and not colon:
            raise ValueError(f"`{line.strip()}` is no header; write `name: value`")
        if line.strip():
            headers.append((name.strip().lower(), value.strip()))
    sent = SentRequest(request.path, request.body.encode("utf-8", "replace"), tuple(headers), request.client or None)
    return explain_sent(policy, sent, given, now)


def tried(policy: Policy, request: Tried) -> dict[str, Any]:
    """The same ready for JSON, with its picture."""
    try:
        found = explained(policy, request, time.time())
    except ValueError as error:
        return {"fault": str(error)}
    sketch = draw_way(found)
    return {
        "rule": found.rule,
        "where": found.where,
        "outcome": found.outcome,
        "candidates": [
            {"model": each.model, "account": each.account, "kept": each.kept, "words": each.words, "cost": each.cost}
            for each in found.candidates
        ],
        "notes": list(found.notes),
        "picture": None if sketch is None else as_svg(sketch, within=f"p{policy.digest}-"),
    }
