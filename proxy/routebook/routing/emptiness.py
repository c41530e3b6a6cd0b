"""Why nobody is left to serve a request, as the client is told: whose limit it is, and whether waiting helps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from routebook.routing.candidates import Dropped, Plan

NAMED = 5
"""So many candidates are named with their reasons."""

TRIAL = 1.0
"""Seconds after which an account that is being tried may be ready: what a first token takes."""


@dataclass(frozen=True, slots=True)
class Unserved:
    """Why there is no candidate. `code` is stable, `status` HTTP's, `retry_after` seconds where waiting helps."""

    code: str
    status: int
    message: str
    retry_after: float | None = None


def why_empty(plan: Plan) -> Unserved:
    """The reason that a client can act on, nearest first: the name, the right to use it, the request, then the day."""
    dropped = plan.dropped
    reasons = {each.reason for each in dropped}
    words = "; ".join(f"`{each.name}`: {each.words}" for each in dropped[:NAMED])
    if reasons == {"model.unknown"}:
        return Unserved("model.unknown", 404, f"the model `{dropped[0].name}` does not exist here")
    if reasons and reasons <= {"client.not-allowed", "model.unknown"}:
        return Unserved("model.unknown", 404, f"there is no model `{dropped[0].name}` that you may use")
    waits = _waits(dropped)
    if waits:
        return Unserved(
            "policy.no-candidate", 503, f"every account that could serve the request is resting: {words}", min(waits)
        )
    if any(each.startswith(("account.", "breaker.")) for each in reasons) or not reasons:
        return Unserved("policy.no-candidate", 503, f"no candidate is ready: {words or 'the route names none'}")
    if "model.loses" in reasons and reasons <= {"model.loses", "client.not-allowed", "model.unknown"}:
        return Unserved("request.not-carried", 400, f"no model can be told everything that is asked: {words}")
    if reasons <= {"guarantee.forbids", "client.not-allowed", "model.unknown"}:
        return Unserved("policy.no-candidate", 403, f"the policy forbids every candidate: {words}")
    return Unserved("policy.no-candidate", 400, f"no candidate can serve the request: {words}")


def _waits(dropped: Sequence[Dropped]) -> list[float]:
    """After how many seconds a candidate may be ready again; an account that is out never is by itself."""
    rests = [each.numbers["seconds"] for each in dropped if each.reason in ("account.resting", "breaker.open")]
    return rests + [TRIAL for each in dropped if each.reason == "account.probing"]
