"""In which order candidates are tried: `pick`, and how a provider's accounts share them. All that this follows from is
recorded: the draw, whose turn it is, the place of a conversation."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import gcd
from typing import Final, TypeVar

from routebook.catalogue.providers import Account, Spread
from routebook.routing.candidates import Candidate
from routebook.routing.memory import AccountKey, Memory
from routebook.routing.outcomes import BANDS, Pick, Route

T = TypeVar("T")

_UNKNOWN: Final = float("inf")

Way = tuple[Account, AccountKey, str]
"""An account, its key in memory, and its path in records."""


def ordered(candidates: Sequence[Candidate], route: Route, memory: Memory, draw: float) -> list[Candidate]:
    """The candidates in the order in which they are tried. Equal ones keep the order of the route."""
    found = list(candidates)
    match route.pick:
        case Pick.IN_ORDER:
            pass
        case Pick.CHEAPEST | Pick.BEST | Pick.BALANCED:
            found = _within_band(found, BANDS[route.pick] if route.band is None else route.band)
        case Pick.FASTEST:
            found.sort(key=lambda each: _UNKNOWN if each.first_token is None else each.first_token)
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


def spread(
    ways: Sequence[Way], how: Spread, memory: Memory, draw: float, model: str, conversation: Callable[[], int]
) -> Sequence[Way]:
    """A provider's accounts in the order in which they are tried for a model. `conversation` says where in a million the
    request's conversation has its place."""
    match how:
        case Spread.DRAIN_FIRST:
            return ways
        case Spread.STICKY:
            return by_rendezvous(ways, conversation())
        case Spread.ROUND_ROBIN:
            return in_turn(ways, memory.turn(ways[0][1][0]))
    found = by_weight(ways, lambda each: each[0].weight, draw, model)
    if how is Spread.LEAST_BUSY:
        found.sort(key=lambda each: memory.in_flight(each[1]) / each[0].weight)
    return found


def in_turn(ways: Sequence[Way], turn: int) -> list[Way]:
    """The accounts from the one whose turn it is: over a whole round each is first as often as its weight says, and its
    turns are spread over the round."""
    turns = _round(tuple(way[0].weight for way in ways))
    start = turn % len(turns)
    return [ways[index] for index in dict.fromkeys((*turns[start:], *turns[:start]))]


@lru_cache(maxsize=64)
def _round(weights: tuple[int, ...]) -> tuple[int, ...]:
    """Whose turn it is, all through a round."""
    scale = gcd(*weights)
    turns = sorted(
        ((2 * nth + 1) / weight, index) for index, weight in enumerate(weights) for nth in range(weight // scale)
    )
    return tuple(index for _, index in turns)


def by_rendezvous(ways: Sequence[Way], point: int) -> list[Way]:
    """The accounts in the order of one conversation (rendezvous hashing; Thaler, Ravishankar 1998): an account that
    rests, or goes, moves its own conversations and no other's."""

    def place(way: Way) -> float:
        digest = hashlib.blake2b(point.to_bytes(8, "big") + way[2].encode(), digest_size=8).digest()
        share: float = _fraction(digest) ** (1 / way[0].weight)
        return share

    return sorted(ways, key=place, reverse=True)


def _weighted(found: list[Candidate], weights: Mapping[str, int], draw: float) -> list[Candidate]:
    names = list(dict.fromkeys(each.name for each in found))
    if weights:
        names = by_weight(names, lambda name: weights.get(name, 0), draw, "models")
        place = {name: index for index, name in enumerate(names)}
        return sorted(found, key=lambda each: place[each.name])
    return by_weight(found, lambda each: each.account.weight, draw, "accounts")


def _within_band(found: list[Candidate], band: float | None) -> list[Candidate]:
    """The cheapest of those whose predicted quality is at most a band below the best, then the others by quality; by
    cost alone where there is no band."""
    if not found or band is None:
        return sorted(found, key=_cost)
    floor = max(map(_quality, found)) - band
    return sorted(
        found, key=lambda each: (_quality(each) < floor, _cost(each) if _quality(each) >= floor else -_quality(each))
    )


def _cost(candidate: Candidate) -> float:
    return _UNKNOWN if candidate.estimated_cost is None else candidate.estimated_cost


def _quality(candidate: Candidate) -> float:
    return 0.0 if candidate.quality is None else candidate.quality


def _chance(draw: float, salt: str, index: int) -> float:
    """A number from above 0 to below 1 that follows from the draw, independent of those of other items."""
    return _fraction(hashlib.blake2b(struct.pack("<dI", draw, index) + salt.encode(), digest_size=8).digest())


def _fraction(digest: bytes) -> float:
    return (int.from_bytes(digest, "big") + 0.5) / 2**64
