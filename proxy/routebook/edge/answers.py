"""Every way a request can fail, and what the client is told: one table.

A code is stable and says by its first word whose side failed: `request`, `caller`, `policy` and `model` speak of what
was asked, `upstream` of the model's side, `gateway` and `journal` of this program, `client` of who went away. The
answer is in the client's dialect; the code also stands in the header `x-routebook-error`.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web
from multidict import CIMultiDict

from routebook.edge.faults import CallFailed, ClientStalled
from routebook.ledger.claims import Kind as PotKind
from routebook.ledger.claims import Refusal, Why
from routebook.ledger.pot_names import pot_named
from routebook.policy.rules import Rule
from routebook.protocols.answered import Answered
from routebook.protocols.dialects import SERVED, Dialect
from routebook.protocols.errors import ProtocolError, Side
from routebook.routing.candidates import Candidate, Plan
from routebook.routing.emptiness import why_empty
from routebook.routing.endings import Who
from routebook.routing.outcomes import Outcome, Refuse


@dataclass(frozen=True, slots=True)
class Kind:
    """What a code means to a client: HTTP status, OpenAI's `type`, and who ended the exchange."""

    status: int
    type: str
    who: Who


_ASKED = "invalid_request_error"
_SERVER = "server_error"

GONE: Final = 499
"""A status that is never sent: it stands in records of clients that were not there to be told."""

PATIENCE: Final = 60.0
"""Seconds for which official clients wait before they try again; what is later is not for them to wait for."""

KINDS: Final = {
    "request.constraints": Kind(400, _ASKED, Who.CLIENT),
    "request.not-carried": Kind(400, _ASKED, Who.CLIENT),
    "request.malformed": Kind(400, _ASKED, Who.CLIENT),
    "request.encoded": Kind(415, _ASKED, Who.CLIENT),
    "request.too-large": Kind(413, _ASKED, Who.CLIENT),
    "request.slow": Kind(408, _ASKED, Who.TIME),
    "request.form-order": Kind(400, _ASKED, Who.CLIENT),
    "request.unknown-path": Kind(404, _ASKED, Who.CLIENT),
    "request.wrong-method": Kind(405, _ASKED, Who.CLIENT),
    "caller.unknown": Kind(401, "authentication_error", Who.CLIENT),
    "caller.not-granted": Kind(403, "permission_error", Who.CLIENT),
    "caller.unverifiable": Kind(503, _SERVER, Who.GATEWAY),
    "feedback.unknown-decision": Kind(404, _ASKED, Who.CLIENT),
    "feedback.unanswered": Kind(409, _ASKED, Who.CLIENT),
    "feedback.repeated": Kind(409, _ASKED, Who.CLIENT),
    "feedback.busy": Kind(503, _SERVER, Who.GATEWAY),
    "guard.unmasked": Kind(403, "permission_error", Who.POLICY),
    "guard.session": Kind(403, "permission_error", Who.POLICY),
    "guard.unavailable": Kind(503, _SERVER, Who.POLICY),
    "model.unknown": Kind(404, _ASKED, Who.CLIENT),
    "policy.refused": Kind(403, "permission_error", Who.POLICY),
    "policy.no-rule": Kind(403, "permission_error", Who.POLICY),
    "policy.no-candidate": Kind(503, _SERVER, Who.POLICY),
    "upstream.unreachable": Kind(502, _SERVER, Who.UPSTREAM),
    "upstream.private-address": Kind(502, _SERVER, Who.UPSTREAM),
    "upstream.connect-timeout": Kind(504, _SERVER, Who.TIME),
    "upstream.first-byte-timeout": Kind(504, _SERVER, Who.TIME),
    "upstream.idle-timeout": Kind(504, _SERVER, Who.TIME),
    "upstream.total-timeout": Kind(504, _SERVER, Who.TIME),
    "upstream.overloaded": Kind(429, "rate_limit_error", Who.UPSTREAM),
    "upstream.failed": Kind(502, _SERVER, Who.UPSTREAM),
    "upstream.refused-key": Kind(502, _SERVER, Who.UPSTREAM),
    "upstream.redirected": Kind(502, _SERVER, Who.UPSTREAM),
    "upstream.no-quota": Kind(503, _SERVER, Who.UPSTREAM),
    "upstream.unknown-model": Kind(502, _SERVER, Who.UPSTREAM),
    "upstream.garbled": Kind(502, _SERVER, Who.UPSTREAM),
    "upstream.encoded": Kind(502, _SERVER, Who.UPSTREAM),
    "upstream.too-large": Kind(502, _SERVER, Who.UPSTREAM),
    "upstream.disconnected": Kind(502, _SERVER, Who.UPSTREAM),
    "upstream.cut": Kind(502, _SERVER, Who.UPSTREAM),
    "upstream.error-event": Kind(502, _SERVER, Who.UPSTREAM),
    "upstream.rejected": Kind(400, _ASKED, Who.UPSTREAM),
    "session.idle": Kind(408, _ASKED, Who.TIME),
    "session.too-long": Kind(408, _ASKED, Who.TIME),
    "client.gone": Kind(GONE, _ASKED, Who.CLIENT),
    "client.stalled": Kind(GONE, _ASKED, Who.TIME),
    "budget.exhausted": Kind(429, "insufficient_quota", Who.BUDGET),
    "budget.unpriced": Kind(503, _SERVER, Who.BUDGET),
    "limit.reached": Kind(429, "rate_limit_error", Who.BUDGET),
    "limit.queue-full": Kind(429, "rate_limit_error", Who.BUDGET),
    "limit.queue-timeout": Kind(429, "rate_limit_error", Who.BUDGET),
    "ledger.unavailable": Kind(503, _SERVER, Who.BUDGET),
    "gateway.overloaded": Kind(503, _SERVER, Who.GATEWAY),
    "gateway.transcoder": Kind(503, _SERVER, Who.GATEWAY),
    "gateway.draining": Kind(503, _SERVER, Who.GATEWAY),
    "gateway.bug": Kind(500, _SERVER, Who.GATEWAY),
    "journal.unavailable": Kind(503, _SERVER, Who.GATEWAY),
}
"""Every code with its meaning."""


class Failure(Exception):
    """Why a request cannot be served, in words for its client: lower case, no full stop, no address, no key.

    `shown_code` and `status` replace those of the kind where a rule has words of its own. `retry_after` is seconds. `said`
    is what an answer says of itself that was given, and paid, and could not be passed on.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        shown_code: str | None = None,
        retry_after: float | None = None,
        param: str | None = None,
        said: Answered | None = None,
    ) -> None:
        super().__init__(code, message)
        self.kind = KINDS[code]
        self.code = code
        self.message = message
        self.status = status or self.kind.status
        self.shown_code = shown_code or code
        self.retry_after = retry_after
        self.param = param
        self.said = said

    @property
    def is_told(self) -> bool:
        """Whether the client is there to hear of it."""
        return self.kind.status != GONE

    def __repr__(self) -> str:
        return f"<Failure {self.code} {self.status}: {self.message}>"


def failure_of(error: BaseException, request: web.BaseRequest) -> Failure:
    """What any exception of an exchange means; what is not foreseen is a fault of ours."""
    match error:
        case Failure():
            return error
        case CallFailed(code=code, words=words):
            return Failure(code, f"the answer broke off: {words}")
        case ProtocolError(side=Side.UPSTREAM):
            return Failure("upstream.garbled", f"the answer broke off: {error.message}")
        case ProtocolError():
            return Failure(
                "request.malformed", error.message, status=error.status, shown_code=error.code, param=error.param
            )
        case ClientStalled():
            return Failure("client.stalled", "the client took nothing for longer than allowed")
        case asyncio.CancelledError() if request.transport is not None:
            return Failure("gateway.draining", "the gateway is shutting down")
        case asyncio.CancelledError() | ConnectionError():
            return Failure("client.gone", "the client has left")
    return Failure("gateway.bug", "the gateway failed to handle this request")


def refused(
    rule: Rule[Outcome] | None, plan: Plan | None, refusals: Sequence[tuple[Candidate, Refusal]] = ()
) -> Failure:
    """Why a decision lets nobody serve a request."""
    if rule is None:
        return Failure("policy.no-rule", "no rule of the policy is for this request")
    if isinstance(rule.outcome, Refuse):
        outcome = rule.outcome
        return Failure("policy.refused", outcome.message, status=outcome.status, shown_code=outcome.code)
    assert plan is not None
    if refusals:
        return held_back([refusal for _, refusal in refusals])
    if plan.kept:
        return Failure(
            "policy.no-candidate", "every account that could serve the request has just begun to rest", retry_after=1.0
        )
    unserved = why_empty(plan)
    shown = "model_not_found" if unserved.code == "model.unknown" else None
    return Failure(
        unserved.code,
        unserved.message,
        status=unserved.status,
        shown_code=shown,
        retry_after=unserved.retry_after,
        param="model" if shown else None,
    )


def held_back(refusals: Sequence[Refusal]) -> Failure:
    """What the client hears where budgets or limits allow none of the candidates: of the one that it could have waited
    for, else of the one that allows it soonest."""
    queued = [each for each in refusals if each.why in (Why.QUEUE_FULL, Why.QUEUE_TIMEOUT)]
    soonest = min(queued or refusals, key=lambda each: math.inf if each.retry_after is None else each.retry_after)
    claim = soonest.claim
    pot = pot_named(claim.pot)
    what, name = pot.kind, pot.name
    match soonest.why:
        case Why.UNAVAILABLE:
            return Failure(
                "ledger.unavailable", f"the budget `{name}` cannot be drawn on at the moment", retry_after=1.0
            )
        case Why.UNPRICED:
            return Failure("budget.unpriced", f"the budget `{name}` counts money, and no model has a known price")
        case Why.QUEUE_FULL:
            return Failure(
                "limit.queue-full",
                f"too many requests wait {_for_what(what, name)}",
                retry_after=soonest.retry_after or claim.wait,
            )
        case Why.QUEUE_TIMEOUT:
            return Failure(
                "limit.queue-timeout",
                f"waited {claim.wait:g} s {_for_what(what, name)}",
                retry_after=soonest.retry_after or 1.0,
            )
    if claim.kind is PotKind.WINDOW:
        words = (
            f"the budget `{name}` is used up"
            if soonest.retry_after is not None
            else f"the request may cost more than the whole budget `{name}`"
        )
        return Failure("budget.exhausted", words, retry_after=soonest.retry_after)
    return Failure("limit.reached", f"too many requests {_for_what(what, name)}", retry_after=soonest.retry_after)


def _for_what(what: str, name: str) -> str:
    unit = {"tpm": "tokens a minute", "rpm": "requests a minute"}.get(what, "requests at the same time")
    return f"for the accounts of the upstream ({unit})" if name == "account" else f"for the limit `{name}` ({unit})"


def words_of(failure: Failure, dialect: Dialect) -> dict[str, Any]:
    """What else an error says beside status and message. Types are OpenAI's words; other dialects have their own. Some
    say in the body when to try again."""
    # a refusal that is the request's own fault where its kind is usually ours, or the other way round, goes by its status
    usual = failure.status // 100 == failure.kind.status // 100
    type = failure.kind.type if usual and dialect.name.startswith("openai") else None
    wait = None if failure.retry_after is None else in_seconds(failure.retry_after)
    return {"type": type, "code": failure.shown_code, "param": failure.param, "retry_after": wait}


def in_seconds(wait: float) -> int:
    """How long clients are told to wait: whole seconds, one at least."""
    return max(1, math.ceil(wait))


def answer(failure: Failure, headers: CIMultiDict[str] | None = None, dialect: Dialect = SERVED[0]) -> web.Response:
    """The failure as a response in a client's dialect, with `headers` (of the decision) added.

    Official clients retry 429 and 5xx on their own. After our own attempts are used up that only multiplies load, so
    they are told when to come back, or not to.
    """
    response = web.Response(
        body=dialect.error_body(failure.status, failure.message, **words_of(failure, dialect)),
        status=failure.status,
        headers=headers,
        content_type="application/json",
    )
    response.headers["Server"] = "routebook"
    response.headers["x-routebook-error"] = failure.code
    if (identity := response.headers.get("x-routebook-decision")) is not None and dialect.client is not None:
        response.headers.setdefault(dialect.client.request_id, identity)
    if failure.code == "caller.unknown":
        response.headers["WWW-Authenticate"] = "Bearer"
    if failure.retry_after is not None:
        response.headers["Retry-After"] = str(in_seconds(failure.retry_after))
    if _is_final(failure):
        response.headers["x-should-retry"] = "false"
    return response


def _is_final(failure: Failure) -> bool:
    """Whether a client should not try again by itself: nothing says when it would help, or that is far away."""
    if failure.retry_after is not None:
        return failure.retry_after > PATIENCE
    return failure.kind.who is Who.BUDGET or (failure.status >= 500 and failure.kind.who is not Who.GATEWAY)


_UNSAFE = re.compile(r"[^\x20-\x7e]")


def header_safe(text: str) -> str:
    """Text that may stand in a header: printable ASCII, the rest as `?`, at most 200 characters."""
    return text if text.isascii() and text.isprintable() and len(text) <= 200 else _UNSAFE.sub("?", text[:200])
