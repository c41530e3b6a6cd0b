"""Reasons in words: every code of the candidates' table, with its numbers as people write them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from routebook.documents.quantities import NANO


def in_words(reason: str, numbers: Mapping[str, Any]) -> str:
    """The reason as one short sentence; an unknown code stands for itself."""
    words = REASONS.get(reason)
    return reason if words is None else words(numbers)


def count(number: int) -> str:
    """A count as people write it: `128k`, `1.5M`, `90,500`."""
    for scale, letter in ((1_000_000, "M"), (1_000, "k")):
        if number >= scale and number * 10 % scale == 0:
            return f"{number / scale:g}{letter}"
    return f"{number:,}"


def dollars(nano: int) -> str:
    """Nano-dollars, exactly: `$0.031`, `$12.50`. A rounded cost could look like the limit that it exceeds."""
    whole, rest = divmod(nano, NANO)
    return f"${whole:,}.{f'{rest:09d}'.rstrip('0').ljust(2, '0')}"


def seconds(duration: float) -> str:
    """A duration: `850 ms`, `12 s`, `5 min`."""
    if duration < 1:
        return f"{duration * 1000:.0f} ms"
    return f"{duration:.3g} s" if duration < 120 else f"{duration / 60:.3g} min"


def _context(numbers: Mapping[str, Any]) -> str:
    answer = f" + answer {count(numbers['max_output'])}" if numbers.get("max_output") else ""
    return f"context {count(numbers['context'])} < prompt {count(numbers['prompt'])}{answer}"


def _tight(numbers: Mapping[str, Any]) -> str:
    return (
        f"the prompt may not fit: context {count(numbers['context'])}, prompt about {count(numbers['prompt'])}, "
        f"{count(numbers['at_most'])} with the estimate's margin"
    )


def _cost(numbers: Mapping[str, Any]) -> str:
    if numbers["cost"] is None:
        return f"its price is not known, limit {dollars(numbers['limit'])}{_whose(numbers)}"
    return f"costs at most {dollars(numbers['cost'])}, limit {dollars(numbers['limit'])}{_whose(numbers)}"


def _first_token(numbers: Mapping[str, Any]) -> str:
    return f"first token after {seconds(numbers['first_token'])}, limit {seconds(numbers['limit'])}{_whose(numbers)}"


def _first_audio(numbers: Mapping[str, Any]) -> str:
    return f"first sound after {seconds(numbers['first_audio'])}, limit {seconds(numbers['limit'])}{_whose(numbers)}"


def _quality(numbers: Mapping[str, Any]) -> str:
    if numbers["quality"] is None:
        return f"its quality is not declared, {numbers['limit']:g} is asked{_whose(numbers)}"
    return f"quality {numbers['quality']:g} < {numbers['limit']:g}{_whose(numbers)}"


def _region(numbers: Mapping[str, Any]) -> str:
    return f"region {numbers['region'] or 'not declared'}, not {' or '.join(numbers['wanted'])}{_whose(numbers)}"


def _whose(numbers: Mapping[str, Any]) -> str:
    return " of the client" if numbers.get("by") == "client" else ""


def _resting(numbers: Mapping[str, Any]) -> str:
    return f"account cooling down for {seconds(numbers['seconds'])} after {numbers['because']}"


def _open(numbers: Mapping[str, Any]) -> str:
    return f"its breaker is open for {seconds(numbers['seconds'])} after {numbers['because']}"


REASONS: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "kept": lambda numbers: "may serve the request",
    "kept.tight": _tight,
    "model.unknown": lambda numbers: "no model or pool of this policy has that name",
    "model.operation": lambda numbers: f"does not serve {numbers['operation']}, only {', '.join(numbers['serves'])}",
    "model.dialect": lambda numbers: f"its provider speaks {numbers['dialect']}, which this version cannot call",
    "model.translation": lambda numbers: (
        f"its provider speaks {numbers['dialect']}, in which {numbers['operation']} of {numbers['client']} cannot be asked for"
    ),
    "model.loses": lambda numbers: (
        f"its provider speaks {numbers['dialect']}, which cannot carry {', '.join(numbers['lost'])}"
    ),
    "model.lacks": lambda numbers: f"lacks {', '.join(numbers['lacks'])}",
    "model.context": _context,
    "model.max-output": lambda numbers: (
        f"answers at most {count(numbers['max_output'])} tokens < {count(numbers['asked'])} asked for"
    ),
    "client.not-allowed": lambda numbers: f"the client `{numbers['client']}` may not use it",
    "guarantee.forbids": lambda numbers: (
        f"the guarantee `{numbers['guarantee']}` forbids it"
        + (" (a fact it depends on is missing)" if numbers.get("missing") else "")
    ),
    "within.cost": _cost,
    "within.first-token": _first_token,
    "within.first-audio": _first_audio,
    "within.quality": _quality,
    "within.region": _region,
    "within.model": lambda numbers: f"the client asks for {' or '.join(numbers['wanted'])}",
    "within.label": lambda numbers: (
        f"label {numbers['label']} is {numbers['value'] or 'not declared'}, not {numbers['wanted']}"
    ),
    "account.no-key": lambda numbers: "its key is not set",
    "account.resting": _resting,
    "account.out": lambda numbers: f"account taken out of service after {numbers['because']}",
    "account.probing": lambda numbers: f"account on trial after {numbers['because']}, one request at a time",
    "breaker.open": _open,
}
"""Every reason's code, and how it is said."""
