"""A box of requests as one request that `routebook explain --given` takes."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from routebook.documents.quantities import Unit
from routebook.policy.facts import Value
from routebook.policy.given import parse_given
from routebook.policy.regions import Box, Space
from routebook.policy.saying import say_value
from routebook.routing.facts import FACTS
from routebook.routing.reading.who_calls import Caller


@dataclass(frozen=True, slots=True)
class Example:
    """One request: the facts that matter with their values, and those that matter by being missing."""

    given: Mapping[str, Value]
    missing: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The request in a sentence: `client.team=interns`, no `request.max_output`."""
        without = [f"no `{fact}`" for fact in self.missing]
        return ", ".join([*(f"`{argument}`" for argument in self.arguments), *without])

    @property
    def command(self) -> str:
        """The command that shows what becomes of it."""
        given = self.arguments or ("request.operation=chat",)
        return " ".join(["routebook explain", *(f"--given {shlex.quote(argument)}" for argument in given)])

    def without(self, fact: str) -> Example:
        """The request without one of its facts."""
        left = [
            (key, value, argument) for (key, value), argument in zip(self.given.items(), self.arguments, strict=True)
        ]
        kept = [each for each in left if each[0] != fact]
        return Example({key: value for key, value, _ in kept}, self.missing, tuple(argument for *_, argument in kept))


def example_of(space: Space, box: Box, more: Mapping[str, Value] | None = None) -> Example | None:
    """A request of a box, with more facts where the box leaves them open; None where it cannot be written down."""
    values = space.example(box)
    return None if values is None else written_example({**(more or {}), **values}, units_of(space))


def example_of_caller(values: Mapping[str, Value | None], caller: Caller, units: Mapping[str, Unit]) -> Example | None:
    """A request of a client with these values, without what the client brings by itself: its name says it all."""
    if not caller.brings:
        return written_example(values, units)
    client = caller.client
    own: dict[str, Value | None] = {"client.team": client.team}
    own |= {f"client.label.{label}": text for label, text in client.labels.items()}
    shown: dict[str, Value | None] = {}
    for fact, value in values.items():
        if fact == "tags" and isinstance(value, frozenset):
            shown[fact] = value - client.tags
        elif fact not in own or own[fact] != value:
            shown[fact] = value
    return written_example({**caller.brings, **shown}, units)


def units_of(space: Space) -> dict[str, Unit]:
    """Facts whose amounts were written in a unit of their own, with the unit."""
    return {axis.fact: axis.unit for axis in space.axes if axis.unit is not None}


def written_example(values: Mapping[str, Value | None], units: Mapping[str, Unit]) -> Example | None:
    """A request with these values (None: missing), written as arguments; None where one has no written form."""
    given = {fact: value for fact, value in values.items() if value is not None and value != frozenset()}
    arguments = []
    for fact, value in given.items():
        text = _written(fact, value, units)
        if text is None:
            return None
        arguments.append(text)
    missing = tuple(sorted({fact.partition("[")[0] for fact in values if fact not in given}))
    return Example(given, missing, tuple(arguments))


def _written(fact: str, value: Value, units: Mapping[str, Unit]) -> str | None:
    unit = units.get(fact)
    name = fact.partition("[")[0] if unit is not None else fact
    match value:
        case frozenset():
            text = ",".join(sorted(value))
        case str():
            text = value
        case _:
            text = say_value(fact, value, FACTS, unit)
    if isinstance(value, str) and (spec := FACTS.find(fact)) is not None and spec.grows:
        return f"{fact}={text}"  # a policy adds words to it, which it knows itself
    try:
        key, read = parse_given(f"{name}={text}", FACTS)
    except ValueError:
        return None
    return f"{name}={text}" if (key, read) == (fact, value) else None
