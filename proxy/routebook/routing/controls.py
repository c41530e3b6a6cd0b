"""A client's own word on how its request is routed, in the terms of Azure's model router: `routing_config` in the body.

The names are Azure's (learn.microsoft.com, "Per-request routing controls for model router"): it counts where the header
`Foundry-Features: ModelRouterControls=V1Preview` asks for the controls, and `model_selection_details` come back with the
answer. Here as there they narrow what is allowed and never widen it: `models` leaves of a route's candidates those that
it names, `mode` chooses among what is left where the rule weighs quality and cost, and not where it names an order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Final, Literal

import msgspec

from routebook.routing.attempts import Attempt
from routebook.routing.candidates import Stick
from routebook.routing.outcomes import BANDS, Mode, Outcome, Pick, Route, Within

CONTROLS_FIELD: Final = "routing_config"
CONTROLS_HEADER: Final = "foundry-features"
CONTROLS_FEATURE: Final = "modelroutercontrols=v1preview"

PICKS: Final[Mapping[Mode, tuple[Pick, float]]] = {
    Mode.BALANCED: (Pick.BALANCED, 0.02),
    Mode.COST: (Pick.CHEAPEST, 0.06),
    Mode.QUALITY: (Pick.BEST, 0.0),
}
"""How each mode picks, and how far below the best predicted quality the cheapest is taken."""

_MOST_MODELS: Final = 100


class _Affinity(msgspec.Struct):
    """How a conversation is kept on its model: a rule's `stick` says it here, so this is read and not followed."""

    strategy: Literal["adaptive", "sticky", "none"] | None = None
    mode: str | None = None
    session_id: str | None = None


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
    return msgspec.structs.replace(within, models=models, mode=None if said.mode is None else Mode(said.mode))


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
    """An answer of Chat Completions with these `model_selection_details`; any other body as it is."""
    try:
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return body
    if "choices" not in fields:
        return body
    return msgspec.json.encode({**fields, "model_selection_details": details})


def selection_details(mode: Mode | None, attempts: Sequence[Attempt], stick: Stick | None) -> dict[str, Any]:
    """`model_selection_details` of an answer: the mode, who was tried and how that ended, and what became of the
    conversation's model. Latencies are milliseconds from the request's start to its first call."""
    details: dict[str, Any] = {}
    if mode is not None:
        details["mode"] = mode.value
    if attempts:
        tried = [{"model": each.candidate.name, "result": _result(each)} for each in attempts]
        details["routing_trace"] = [{"latency_ms": round(attempts[0].started * 1000), "attempts": tried}]
    if stick is not None:
        details["session_affinity"] = {"mode": "sticky", "decision": stick.event}
    return {"model_router_details": details}


def _result(attempt: Attempt) -> dict[str, Any]:
    outcome = attempt.outcome
    result: dict[str, Any] = {} if outcome.status is None else {"status": outcome.status}
    if outcome.failure is not None:
        result["error"] = {"code": outcome.failure}
    return result
