"""One record as spans and measurements: what OpenTelemetry is told of a request, without a word of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from routebook.edge.telemetry import names
from routebook.routing.tracing import new_trace, span_of

Attributes = dict[str, str | int | float | bool | tuple[str, ...]]
Line = Mapping[str, Any]

_KINDS = {"cached_input": names.CACHE_READ, "cache_write": names.CACHE_CREATION, "reasoning": names.REASONING}
"""Our kinds of tokens that have an attribute of their own."""


@dataclass(frozen=True, slots=True)
class Span:
    """One span. Ids are hex digits, times nanoseconds since 1970; `error` is what failed, None where nothing did;
    `calls` whether it is a call of an upstream, or a request that was served."""

    name: str
    trace: str
    span: str
    parent: str | None
    start: int
    end: int
    calls: bool
    error: str | None = None
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measured:
    """What one record adds to a histogram."""

    name: str
    value: float
    attributes: Attributes


def spans_of(decided: Line, ended: Line) -> list[Span]:
    """The span of the request, and one for each call of an upstream."""
    identity, trace = decided["id"], decided.get("trace") or new_trace(decided["id"])
    start = _nanoseconds(decided["time"])
    usual = _usual(decided, ended)
    whole = Span(
        _name(usual),
        trace,
        span_of(identity),
        decided.get("parent"),
        start,
        start + _in_nanoseconds(ended["seconds"] or 0.0),
        False,
        ended["error"],
        usual | _usage(ended) | _ours(decided, ended),
    )
    return [whole, *(_call(whole, decided, each, number) for number, each in enumerate(ended["attempts"]))]


def measured(decided: Line, ended: Line) -> list[Measured]:
    """What a record adds to the histograms of the conventions. Tokens that were estimated are not measured."""
    usual = _usual(decided, ended)
    found = [Measured(names.DURATION, ended["seconds"] or 0.0, usual)]
    if ended["first_token"] is not None and decided["stream"]:
        found.append(Measured(names.TIME_TO_FIRST_CHUNK, ended["first_token"], usual))
    if ended["usage_by"] == "measured":
        found += [
            Measured(names.TOKEN_USAGE, ended[kind] or 0, {**usual, names.TOKEN_TYPE: kind})
            for kind in ("input", "output")
        ]
    return found


def _usual(decided: Line, ended: Line) -> Attributes:
    """What a request's span and its measurements have in common: few values each."""
    operation = str(decided["operation"])
    found: Attributes = {names.OPERATION: names.OPERATIONS.get(operation, operation)}
    if ended["account"]:
        found[names.PROVIDER] = str(ended["account"]).partition("/")[0]
    if ended["model"]:
        found[names.REQUEST_MODEL] = str(ended["model"])
    if ended["served"]:
        found[names.RESPONSE_MODEL] = str(ended["served"])
    if ended["error"]:
        found[names.ERROR] = str(ended["error"])
    return found


def _usage(ended: Line) -> Attributes:
    found: Attributes = {names.STATUS: int(ended["status"])}
    if ended["usage_by"] != "none":
        found |= {names.INPUT: ended["input"] or 0, names.OUTPUT: ended["output"] or 0}
        found |= {_KINDS[kind]: count for kind, count in ended["usage"].items() if kind in _KINDS}
    if ended["finish"]:
        found[names.FINISH_REASONS] = (str(ended["finish"]),)
    if ended["first_token"] is not None:
        found[names.FIRST_CHUNK] = ended["first_token"]
    return found


def _ours(decided: Line, ended: Line) -> Attributes:
    said = {
        "decision.id": decided["id"],
        "decision.rule": decided["rule"],
        "decision.outcome": decided["outcome"],
        "policy": decided["policy"],
        "client": decided["client"],
        "requested": decided["requested"],
        "end": ended["end"],
        "cost_nanodollars": ended["cost"],
    }
    found: Attributes = {f"{names.OURS}.{name}": value for name, value in said.items() if value is not None}
    return found | {names.REQUEST_STREAM: bool(decided["stream"])}


def _call(whole: Span, decided: Line, attempt: Line, number: int) -> Span:
    provider = str(attempt["account"]).partition("/")[0]
    operation = whole.attributes[names.OPERATION]
    attributes: Attributes = {
        names.OPERATION: operation,
        names.PROVIDER: provider,
        names.REQUEST_MODEL: attempt["model"],
        f"{names.OURS}.account": attempt["account"],
    }
    if attempt["status"] is not None:
        attributes[names.STATUS] = attempt["status"]
    if attempt["code"]:
        attributes[names.ERROR] = attempt["code"]
    ended = attempt.get("ended")
    return Span(
        f"{operation} {attempt['model']}",
        whole.trace,
        span_of(decided["id"], number),
        whole.span,
        whole.start + _in_nanoseconds(attempt["started"] or 0.0),
        whole.end if ended is None else whole.start + _in_nanoseconds(ended),
        True,
        attempt["code"],
        attributes,
    )


def _name(usual: Attributes) -> str:
    model = usual.get(names.REQUEST_MODEL)
    return f"{usual[names.OPERATION]} {model}" if model else str(usual[names.OPERATION])


def _nanoseconds(written: str) -> int:
    moment = datetime.fromisoformat(written)
    return int(moment.timestamp()) * 10**9 + moment.microsecond * 1000


def _in_nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
