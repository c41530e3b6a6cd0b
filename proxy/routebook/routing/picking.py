"""In which order candidates are tried: `pick`, and the shares of accounts, by one recorded draw."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from routebook.routing.candidates import Candidate
from routebook.routing.memory import Memory
from routebook.routing.outcomes import Pick, Route

T = TypeVar("T")

BAND: Final = 0.02
"""How far below the best quality `balanced` still takes the cheapest."""

_UNKNOWN: Final = float("inf")


def ordered(candidates: Sequence[Candidate], route: Route, memory: Memory, draw: float) -> list[Candidate]:
    """The candidates in the order in which they are tried. Equal ones keep the order of the route."""
    found = list(candidates)
    match route.pick:
        case Pick.IN_ORDER:
            pass
        case Pick.CHEAPEST:
            found.sort(key=_cost)
        case Pick.BEST:
            found.sort(key=lambda each: -_quality(each))
        case Pick.FASTEST:
            found.sort(key=lambda each: _UNKNOWN if each.first_token is None else each.first_token)
        case Pick.BALANCED:
            found = _balanced(found)
        case Pick.LEAST_BUSY:
            found.sort(key=lambda each: memory.in_flight(each.key) / max(1, each.account.weight))
        case Pick.WEIGHTED:
            found = _weighted(found, route.weights, draw)
    return found


def by_weight(items: Sequence[T], weight: Callable[[T], int], draw: float, salt: str) -> list[T]:
    """A random order in which an item comes first as often as its share of the weights says (Efraimidis, Spirakis
    2006), reproducible from the draw. An item without weight comes last."""

    def place(index: int, item: T) -> float:
        share = weight(item)
        return _chance(draw, salt, index) ** (1 / share) if share > 0 else -1.0

    places = {index: place(index, item) for index, item in enumerate(items)}
    return [items[index] for index in sorted(places, key=lambda index: -places[index])]


def _weighted(found: list[Candidate], weights: Mapping[str, int], draw: float) -> list[Candidate]:
    names = list(dict.fromkeys(each.name for each in found))
    if weights:
        names = by_weight(names, lambda name: weights.get(name, 0), draw, "models")
        place = {name: index for index, name in enumerate(names)}
        return sorted(found, key=lambda each: place[each.name])
    return by_weight(found, lambda each: each.account.weight, draw, "accounts")


def _balanced(found: list[Candidate]) -> list[Candidate]:
    if not found:
        return found
    floor = max(map(_quality, found)) - BAND
    return sorted(
        found, key=lambda each: (_quality(each) < floor, _cost(each) if _quality(each) >= floor else -_quality(each))
    )


def _cost(candidate: Candidate) -> float:
    return _UNKNOWN if candidate.estimated_cost is None else candidate.estimated_cost


def _quality(candidate: Candidate) -> float:
    return 0.0 if candidate.model.quality is None else candidate.model.quality


def _chance(draw: float, salt: str, index: int) -> float:
    """A number from above 0 to below 1 that follows from the draw, independent of those of other items."""
    digest = hashlib.blake2b(struct.pack("<dI", draw, index) + salt.encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") + 0.5) / 2**64
