"""Every sheet of facts that a space tells apart, one by one: the oracle of the proofs, for small spaces."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from routebook.policy.axes import Aspect
from routebook.policy.facts import Value
from routebook.policy.regions import Space

Sheet = dict[str, Value | None]


def sheets_of(space: Space) -> Iterator[Sheet]:
    """One sheet for each combination of cells."""
    choices: dict[str, list[Value | None]] = {}
    members: dict[str, list[str]] = {}
    for axis in space.axes:
        match axis.aspect:
            case Aspect.VALUE:
                choices[axis.fact] = [value for bit, value in enumerate(axis.values) if axis.full >> bit & 1]
            case Aspect.KNOWN:
                choices[axis.fact] = [None]
            case Aspect.MEMBER:
                members.setdefault(axis.fact, []).append(axis.name)
            case Aspect.PATTERN:
                raise AssertionError("an opaque pattern has no values")
    for fact, named in members.items():
        choices.setdefault(fact, []).extend(
            frozenset(some) for size in range(len(named) + 1) for some in itertools.combinations(named, size)
        )
    for fact, found in choices.items():
        if found == [None]:
            found.append(frozenset())
    for values in itertools.product(*choices.values()):
        yield dict(zip(choices, values, strict=True))


def size_of(space: Space) -> int:
    """How many sheets there are."""
    size = 1
    for axis in space.axes:
        size *= axis.full.bit_count()
    return size
