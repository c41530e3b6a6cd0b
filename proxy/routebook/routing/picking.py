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
from routebook.routing.expecting import CHEAPER, FASTER, PROBED, due, keep_leading
from routebook.routing.memory import AccountKey, Memory, Place
from routebook.routing.outcomes import BANDS, Pick, Route

T = TypeVar("T")

_UNKNOWN: Final = float("inf")

Way = tuple[Account, AccountKey, str]
"""An account, its key in memory, and its path in records."""


LEARNING: Final = frozenset({Pick.FASTEST, *BANDS})
"""Ways to pick whose order follows from what was learnt of answers."""


def ordered(
    candidates: Sequence[Candidate], route: Route, memory: Memory, draw: float, leader: Place | None = None
) -> list[Candidate]:
    """The candidates in the order in which they are tried. Equal ones keep the order of the route; `leader` is who came
    first the last time."""
    found = list(candidates)
    match route.pick:
        case Pick.IN_ORDER:
            pass
        case Pick.CHEAPEST | Pick.BEST | Pick.BALANCED:
            found = _within_band(found, band_of(route), leader)
        case Pick.FASTEST:
            found.sort(key=_seconds)
            found = keep_leading(found, leader, _seconds, FASTER)
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


def to_probe(
    found: Sequence[Candidate], route: Route, draw: float, alike: Callable[[Candidate], int | None]
) -> int | None:
    """Whom of those behind the first this request tries anew: one that only what was learnt some time ago speaks
    against; None for most requests. The draw decides. `alike` is what a candidate would cost if its answers were like
    those of the first."""
    if route.pick not in LEARNING or len(found) < 2 or not probes(draw):
        return None
    if route.pick is Pick.FASTEST:
        return due(found, lambda each: True)
    floor, first = _floor(found, band_of(route)), _cost(found[0])

    def could_lead(each: Candidate) -> bool:
        cost = None if each.age is None or _quality(each) < floor else alike(each)
        return cost is not None and cost <= first

    return due(found, could_lead)


def probes(draw: float) -> bool:
    """Whether this request may be used to measure anew who was too slow for a limit."""
    return falls_within(draw, "probe", PROBED)


def falls_within(draw: float, salt: str, share: float) -> bool:
    """Whether the draw is among this share of all draws; another `salt`, an independent share."""
    return _chance(draw, salt, 0) < share


def band_of(route: Route) -> float | None:
    """How far below the best predicted quality the cheapest is taken; None: however far."""
    return BANDS.get(route.pick) if route.band is None else route.band


def _floor(found: Sequence[Candidate], band: float | None) -> float:
    return 0.0 if band is None else max(map(_quality, found)) - band


def _within_band(found: list[Candidate], band: float | None, leader: Place | None) -> list[Candidate]:
    """The cheapest of those whose predicted quality is at most a band below the best, then the others by quality; by
    cost alone where there is no band."""
    if not found:
        return found
    floor = _floor(found, band)
    near = sorted((each for each in found if _quality(each) >= floor), key=_cost)
    below = sorted((each for each in found if _quality(each) < floor), key=lambda each: -_quality(each))
    return [*keep_leading(near, leader, _cost, CHEAPER), *below]


def _cost(candidate: Candidate) -> float:
    """What it is likely to cost; at most, where nobody worked out more."""
    cost = candidate.estimated_cost if candidate.expected_cost is None else candidate.expected_cost
    return _UNKNOWN if cost is None else cost


def _seconds(candidate: Candidate) -> float:
    return _UNKNOWN if candidate.seconds is None else candidate.seconds


def _quality(candidate: Candidate) -> float:
    return 0.0 if candidate.quality is None else candidate.quality


def _chance(draw: float, salt: str, index: int) -> float:
    """A number from above 0 to below 1 that follows from the draw, independent of those of other items."""
    return _fraction(hashlib.blake2b(struct.pack("<dI", draw, index) + salt.encode(), digest_size=8).digest())


def _fraction(digest: bytes) -> float:
    return (int.from_bytes(digest, "big") + 0.5) / 2**64
