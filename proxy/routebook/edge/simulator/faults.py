"""Faults that the simulated upstream commits when it is asked to.

A fault is words, separated by commas or spaces: `429 retry-after=2`, `slow=3s`, `cut=200`. They stand behind an `@` in
the model's name (`gpt-small@429`: a policy can so declare a model that always fails), in the header `x-simulate`, or in
the request's metadata under `simulate`; what comes later in this list adds to and overrules what came before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from routebook.documents.quantities import Unit, parse_quantity

WORDS = {
    "400..599": "answer with this status",
    "retry-after=SECONDS": "say so in the header of a failing answer",
    "slow=DURATION": "begin to answer after this time",
    "pace=DURATION": "time between two events of a stream",
    "tokens=COUNT": "length of the answer",
    "cut=BYTES": "drop the connection after so many bytes of the body",
    "stall=EVENTS": "fall silent after so many events of a stream, and stay connected",
    "error-event=EVENTS": "send an error event after so many events, and end the stream",
    "go-away=EVENTS": "announce after so many events of a Live session that it ends, and end it three thousand tokens later",
    "hang": "never answer, and stay connected",
    "garbage": "answer with something that is not JSON",
    "chance=SHARE": "commit the fault in this share of the requests only (`10%`)",
}
"""Every word with what it does; the documentation is made of it."""


class UnknownFault(ValueError):
    """Words that name no fault; the message is for the author of the request."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is to go wrong with one answer. Times in seconds; None and False: nothing of the kind."""

    status: int | None = None
    retry_after: str | None = None
    slow: float = 0.0
    pace: float | None = None
    tokens: int | None = None
    cut: int | None = None
    stall: int | None = None
    error_event: int | None = None
    go_away: int | None = None
    hang: bool = False
    garbage: bool = False
    chance: float = 1.0


def parse_fault(words: str, start: Fault = Fault()) -> Fault:
    """The fault that these words describe, on top of `start`; raises UnknownFault."""
    changes: dict[str, Any] = {}
    for word in words.replace(",", " ").split():
        name, equals, value = word.partition("=")
        if not equals and name.isdigit() and 400 <= int(name) <= 599:
            changes["status"] = int(name)
        elif not equals and name in ("hang", "garbage"):
            changes[name] = True
        elif name in _READERS and (read := _READERS[name](value)) is not None:
            changes[name.replace("-", "_")] = read
        else:
            raise UnknownFault(f"`{word}` is no fault; there are: {', '.join(WORDS)}")
    return replace(start, **changes)


def fault_of(model: str, header: str | None, metadata: Mapping[str, Any], start: Fault = Fault()) -> Fault:
    """The fault that a request asks for, from the three places, on top of `start`; raises UnknownFault."""
    fault = parse_fault(model.partition("@")[2], start)
    fault = parse_fault(header or "", fault)
    return parse_fault(str(metadata.get("simulate") or ""), fault)


def _quantity(unit: Unit) -> Callable[[str], Any]:
    return lambda text: parse_quantity(text, unit)


_READERS: dict[str, Callable[[str], Any]] = {
    "retry-after": lambda text: text or None,
    "slow": _quantity(Unit.DURATION),
    "pace": _quantity(Unit.DURATION),
    "tokens": _quantity(Unit.COUNT),
    "cut": _quantity(Unit.BYTES),
    "stall": _quantity(Unit.COUNT),
    "error-event": _quantity(Unit.COUNT),
    "go-away": _quantity(Unit.COUNT),
    "chance": _quantity(Unit.SHARE),
}
