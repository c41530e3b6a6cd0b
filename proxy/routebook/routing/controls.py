"""A client's own word on how its request is routed, in the terms of Azure's model router: `routing_config` in the body.

The names are Azure's (learn.microsoft.com, "Per-request routing controls for model router"): it counts where the header
`Foundry-Features: ModelRouterControls=V1Preview` asks for the controls, and `model_selection_details` come back with the
answer. Here as there they narrow what is allowed and never widen it: `models` leaves of a route's candidates those that
it names, `mode` chooses among what is left where the rule weighs quality and cost, and not where it names an order, and
`session_affinity` keeps a conversation on its model there, among those that may serve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Final, Literal

import msgspec

from routebook.routing.attempts import Attempt
from routebook.routing.candidates import Stick
from routebook.routing.outcomes import BANDS, Affinity, Mode, Outcome, Pick, Route, Within

CONTROLS_FIELD: Final = "routing_config"
DETAILS_FIELD: Final = "model_selection_details"
CONTROLS_HEADER: Final = "foundry-features"
CONTROLS_FEATURE: Final = "modelroutercontrols=v1preview"

_NEWLINE: Final = 10

PICKS: Final[Mapping[Mode, tuple[Pick, float]]] = {
    Mode.BALANCED: (Pick.BALANCED, 0.02),
    Mode.COST: (Pick.CHEAPEST, 0.06),
    Mode.QUALITY: (Pick.BEST, 0.0),
}
"""How each mode picks, and how far below the best predicted quality the cheapest is taken."""

KEPT: Final = 3600.0
"""Seconds for which a conversation stays that a client alone keeps together; where a rule does, its `stick` says it."""

_MOST_MODELS: Final = 100
_LONGEST_SESSION: Final = 256

_Strategy = Literal["adaptive", "sticky", "none"]


class _Affinity(msgspec.Struct):
    """How a conversation is kept on its model; both names of the field have been seen."""

    strategy: _Strategy | None = None
    mode: _Strategy | None = None
    session_id: Annotated[str, msgspec.Meta(min_length=1, max_length=_LONGEST_SESSION)] | None = None


class _Controls(msgspec.Struct, forbid_unknown_fields=True):
    mode: Literal["balanced", "cost", "quality"] | None = None
    models: Annotated[list[str], msgspec.Meta(min_length=1, max_length=_MOST_MODELS)] | None = None
    require_parameters: bool | None = None
    session_affinity: _Affinity | None = None


def are_wanted(headers: Mapping[str, str]) -> bool:
    """Whether the client asks for the controls, by header."""
    said = headers.get(CONTROLS_HEADER)
    return said is not None and CONTROLS_FEATURE in (each.strip().lower() for each in said.split(","))


def controlled(within: Within, written: bytes | memoryview | None) -> Within:
    """The client's constraints with what its `routing_config` adds. Raises ValueError with a message for the client."""
    if written is None:
        return within
    try:
        said = msgspec.json.decode(written, type=_Controls | None)
    except msgspec.DecodeError as error:
        raise ValueError(f"`{CONTROLS_FIELD}` cannot be read: {error}") from error
    if said is None:
        return within
    models = None if said.models is None else frozenset(said.models)
    affinity = said.session_affinity or _Affinity()
    strategy = affinity.strategy or affinity.mode or (None if affinity.session_id is None else "adaptive")
    return msgspec.structs.replace(
        within,
        models=models,
        mode=None if said.mode is None else Mode(said.mode),
        affinity=None if strategy is None else Affinity(strategy),
        session=affinity.session_id,
    )


def stick_of(route: Route, within: Within) -> float | None:
    """For how many seconds a conversation stays, from one answer to the next: as the rule says, or where that weighs
    quality and cost and says nothing, as the client asks. None: it is decided anew each time."""
    match within.affinity:
        case None:
            return route.stick
        case Affinity.NONE:
            return None
        case _:
            return KEPT if route.stick is None and route.pick in BANDS else route.stick


def affinity_of(outcome: Outcome | None, within: Within) -> Affinity:
    """In which way a request's conversation stays: weighed against what moving saves, or wherever it may."""
    if within.affinity is not None:
        return within.affinity
    weighs = isinstance(outcome, Route) and outcome.pick in (Pick.CHEAPEST, Pick.BALANCED)
    return Affinity.ADAPTIVE if weighs else Affinity.STICKY


def in_mode(route: Route, within: Within) -> Route:
    """The route with the client's mode, where it weighs quality and cost."""
    if within.mode is None or route.pick not in BANDS:
        return route
    pick, band = PICKS[within.mode]
    return replace(route, pick=pick, band=band)


def mode_of(outcome: Outcome | None, within: Within) -> Mode | None:
    """The mode in which a request's model is chosen; None where its rule names an order, or no model."""
    if not isinstance(outcome, Route) or outcome.pick not in BANDS:
        return None
    return within.mode or next(mode for mode, (pick, _) in PICKS.items() if pick is outcome.pick)


def with_details(body: bytes, details: Mapping[str, Any]) -> bytes:
    """An answer of Chat Completions or Responses with these `model_selection_details`; any other body as it is."""
    try:
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return body
    if "choices" not in fields and bytes(fields.get("object", b"")) != b'"response"':
        return body
    return msgspec.json.encode({**fields, DETAILS_FIELD: details})


def with_details_in_events(events: bytes, details: Mapping[str, Any]) -> bytes:
    """The first events of a stream with these `model_selection_details` in the first chunk of a completion, or in the
    response that was just created; any others as they are."""
    start = 0
    while (start := events.find(b"data:", start)) >= 0:
        start += len(b"data:")
        if start > len(b"data:") and events[start - len(b"data:") - 1] != _NEWLINE:
            continue
        end = events.find(b"\n", start)
        end = len(events) if end < 0 else end
        told = _event_with(events[start:end], details)
        if told is not None:
            return b"%b %b%b" % (events[:start], told, events[end:])
    return events


def _event_with(data: bytes, details: Mapping[str, Any]) -> bytes | None:
    try:
        fields = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        if "choices" in fields:
            return msgspec.json.encode({**fields, DETAILS_FIELD: details})
        if bytes(fields.get("type", b"")) != b'"response.created"':
            return None
        response = msgspec.json.decode(fields["response"], type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, KeyError):
        return None
    return msgspec.json.encode({**fields, "response": {**response, DETAILS_FIELD: details}})


def selection_details(
    mode: Mode | None, attempts: Sequence[Attempt], stick: Stick | None, affinity: Affinity
) -> dict[str, Any]:
    """`model_selection_details` of an answer: the mode, who was tried and how that ended, and what became of the
    conversation's model. Latencies are milliseconds from the request's start to its first call."""
    details: dict[str, Any] = {}
    if mode is not None:
        details["mode"] = mode.value
    if attempts:
        tried = [{"model": each.candidate.name, "result": _result(each)} for each in attempts]
        details["routing_trace"] = [{"latency_ms": round(attempts[0].started * 1000), "attempts": tried}]
    if stick is not None:
        details["session_affinity"] = {"mode": affinity.value, "decision": stick.event}
    return {"model_router_details": details}


def _result(attempt: Attempt) -> dict[str, Any]:
    outcome = attempt.outcome
    result: dict[str, Any] = {} if outcome.status is None else {"status": outcome.status}
    if outcome.failure is not None:
        result["error"] = {"code": outcome.failure}
    return result
