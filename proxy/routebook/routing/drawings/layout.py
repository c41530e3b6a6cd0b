"""Where the shapes of a sketch stand: in layers from top to bottom, after Sugiyama, Tagawa and Toda (1981).

The words of an arrow are laid out as a box between two layers, so that they never lie over anything; a long arrow has a
point in every layer that it crosses. Within a layer the order is that of the neighbours' middles (barycentres), and
places are the nearest to what each box wants that keep the order: isotonic regression, pool adjacent violators.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field

Point = tuple[float, float]

GAP = 22.0
"""Between neighbours of a layer."""

LAYER_GAP = 20.0
"""Between a layer and the next."""

_SWEEPS = 8


@dataclass(frozen=True, slots=True)
class Link:
    """An arrow to lay out: numbers of two boxes, and how large its words are."""

    source: int
    target: int
    width: float = 0.0
    height: float = 0.0


@dataclass(frozen=True, slots=True)
class Way:
    """A link as it is drawn: where it leaves its source and its source's layer, where it enters and leaves everything
    between (straight in there, bent only between layers), where it reaches its target; and the middle of its words."""

    start: Point
    out: Point
    through: tuple[tuple[Point, Point], ...]
    end: Point

    @property
    def words(self) -> Point:
        """The middle of its words."""
        (x, y), (to_x, to_y) = self.through[0]
        return (x + to_x) / 2, (y + to_y) / 2


@dataclass(frozen=True, slots=True)
class Placed:
    """A layout: the upper left corner of every box, the way of every link, and how large the whole is.

    `sideways`: the layers follow each other from left to right, not from top to bottom.
    """

    corners: tuple[Point, ...]
    ways: tuple[Way, ...]
    width: float
    height: float
    sideways: bool = False


@dataclass(slots=True)
class _Box:
    width: float
    height: float
    layer: int
    before: list[int] = field(default_factory=list)
    after: list[int] = field(default_factory=list)
    is_box: bool = True
    x: float = 0.0


def lay_out(sizes: Sequence[tuple[float, float]], links: Sequence[Link], *, sideways: bool = False) -> Placed:
    """Place boxes of these sizes. Raises ValueError where links lead in a circle."""
    if sideways:
        turned = _lay_out(
            [(height, width) for width, height in sizes],
            [Link(link.source, link.target, link.height, link.width) for link in links],
        )
        return _turned(turned)
    return _lay_out(sizes, links)


def _turned(placed: Placed) -> Placed:
    def turned(point: Point) -> Point:
        return point[1], point[0]

    ways = (
        Way(
            turned(way.start),
            turned(way.out),
            tuple((turned(one), turned(other)) for one, other in way.through),
            turned(way.end),
        )
        for way in placed.ways
    )
    return Placed(tuple(map(turned, placed.corners)), tuple(ways), placed.height, placed.width, sideways=True)


def _lay_out(sizes: Sequence[tuple[float, float]], links: Sequence[Link]) -> Placed:
    boxes, chains = _with_links(sizes, links)
    layers = _in_order(boxes)
    _spread(boxes, layers)
    left = min((box.x - box.width / 2 for box in boxes), default=0.0)
    for box in boxes:
        box.x -= left
    tops: list[float] = []
    bottoms: list[float] = []
    y = 0.0
    for layer in layers:
        tops.append(y)
        y += max((boxes[each].height for each in layer), default=0.0)
        bottoms.append(y)
        y += LAYER_GAP
    ways: list[Way] = []
    for link, chain in zip(links, chains, strict=True):
        source, target = boxes[link.source], boxes[link.target]
        through = [
            ((boxes[each].x, tops[boxes[each].layer]), (boxes[each].x, bottoms[boxes[each].layer])) for each in chain
        ]
        start = (source.x, tops[source.layer] + source.height)
        out = source.x, bottoms[source.layer]
        ways.append(Way(start, out, tuple(through), (target.x, tops[target.layer])))
    return Placed(
        tuple((box.x - box.width / 2, tops[box.layer]) for box in boxes[: len(sizes)]),
        tuple(ways),
        max((box.x + box.width / 2 for box in boxes), default=0.0),
        bottoms[-1] if bottoms else 0.0,
    )


def _with_links(sizes: Sequence[tuple[float, float]], links: Sequence[Link]) -> tuple[list[_Box], list[list[int]]]:
    """All boxes, and for each link those that it passes: its words in the layer below its source, then a point each."""
    levels = _levels(len(sizes), links)
    boxes = [_Box(width, height, 2 * levels[number]) for number, (width, height) in enumerate(sizes)]
    chains: list[list[int]] = []
    for link in links:
        chain: list[int] = []
        last = link.source
        for layer in range(boxes[link.source].layer + 1, boxes[link.target].layer):
            size = (link.width, link.height) if not chain else (6.0, 0.0)
            boxes.append(_Box(*size, layer, is_box=False))
            chain.append(len(boxes) - 1)
            _join(boxes, last, chain[-1])
            last = chain[-1]
        _join(boxes, last, link.target)
        chains.append(chain)
    return boxes, chains


def _join(boxes: list[_Box], source: int, target: int) -> None:
    boxes[source].after.append(target)
    boxes[target].before.append(source)


def _levels(count: int, links: Sequence[Link]) -> list[int]:
    """Of each box, the length of the longest way to it."""
    waiting = [0] * count
    leaving: list[list[int]] = [[] for _ in range(count)]
    for link in links:
        waiting[link.target] += 1
        leaving[link.source].append(link.target)
    levels = [0] * count
    ready = [number for number in range(count) if not waiting[number]]
    for number in ready:
        for target in leaving[number]:
            levels[target] = max(levels[target], levels[number] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    if len(ready) < count:
        raise ValueError("the links lead in a circle")
    return levels


def _in_order(boxes: Sequence[_Box]) -> list[list[int]]:
    """The boxes of each layer, in an order with few crossings: of several sweeps, the best."""
    layers: list[list[int]] = [[] for _ in range(max((box.layer for box in boxes), default=-1) + 1)]
    seen: set[int] = set()
    pending = [number for number in reversed(range(len(boxes))) if not boxes[number].before]
    while pending:
        number = pending.pop()
        if number not in seen:
            seen.add(number)
            layers[boxes[number].layer].append(number)
            pending.extend(reversed(boxes[number].after))
    best, fewest = [list(layer) for layer in layers], _crossings(boxes, layers)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        downwards = sweep % 2 == 0
        for layer in layers[1:] if downwards else layers[-2::-1]:
            _sort(boxes, layers, layer, downwards)
        crossings = _crossings(boxes, layers)
        if crossings < fewest:
            best, fewest = [list(each) for each in layers], crossings
    return best


def _sort(boxes: Sequence[_Box], layers: Sequence[list[int]], layer: list[int], downwards: bool) -> None:
    step = -1 if downwards else 1
    around = layers[boxes[layer[0]].layer + step] if layer else []
    place = {number: index for index, number in enumerate(around)}
    own = {number: index for index, number in enumerate(layer)}

    def wanted(number: int) -> tuple[float, int]:
        neighbours = boxes[number].before if downwards else boxes[number].after
        middle = sum(place[each] for each in neighbours) / len(neighbours) if neighbours else own[number]
        return middle, own[number]

    layer.sort(key=wanted)


def _crossings(boxes: Sequence[_Box], layers: Sequence[list[int]]) -> int:
    found = 0
    for upper, lower in itertools.pairwise(layers):
        place = {number: index for index, number in enumerate(lower)}
        ends: list[int] = []
        for number in upper:
            targets = sorted(place[each] for each in boxes[number].after)
            found += sum(len(ends) - bisect_right(ends, target) for target in targets)
            for target in targets:
                insort(ends, target)
    return found


def _spread(boxes: Sequence[_Box], layers: Sequence[list[int]]) -> None:
    """Places along the layers: each box goes to the middle of its neighbours, as near as the others let it."""
    for layer in layers:
        x = 0.0
        for number in layer:
            box = boxes[number]
            box.x = x + box.width / 2
            x += box.width + GAP
    for sweep in range(2 * _SWEEPS):
        downwards = sweep % 2 == 0
        for layer in layers if downwards else reversed(layers):
            _settle(boxes, layer, above=downwards, below=not downwards)
    for layers_once in (layers, layers[::-1], layers):
        for layer in layers_once:
            _settle(boxes, layer, above=True, below=True)


def _settle(boxes: Sequence[_Box], layer: Sequence[int], *, above: bool, below: bool) -> None:
    """Move the boxes of a layer towards their neighbours in the layers above or below, or both."""
    wishes: list[tuple[float, float]] = []
    for number in layer:
        box = boxes[number]
        neighbours = [*(box.before if above else ()), *(box.after if below else ())]
        if neighbours:
            wishes.append((sum(boxes[each].x for each in neighbours) / len(neighbours), 1.0 if box.is_box else 2.0))
        else:
            wishes.append((box.x, 0.05))
    offsets, offset = [0.0] * len(layer), 0.0
    for place in range(1, len(layer)):
        offset += (boxes[layer[place - 1]].width + boxes[layer[place]].width) / 2 + GAP
        offsets[place] = offset
    for number, x in zip(layer, nearest_rising(wishes, offsets), strict=True):
        boxes[number].x = x


def nearest_rising(wishes: Sequence[tuple[float, float]], offsets: Sequence[float]) -> list[float]:
    """Numbers as near as can be to those wished for, each with its weight, that keep the distances of the offsets."""
    blocks: list[tuple[float, float, int]] = []
    for (wish, weight), offset in zip(wishes, offsets, strict=True):
        total, mass, count = (wish - offset) * weight, weight, 1
        while blocks and blocks[-1][0] / blocks[-1][1] >= total / mass:
            before, heavy, many = blocks.pop()
            total, mass, count = total + before, mass + heavy, count + many
        blocks.append((total, mass, count))
    values = [total / mass for total, mass, count in blocks for _ in range(count)]
    return [value + offset for value, offset in zip(values, offsets, strict=True)]
