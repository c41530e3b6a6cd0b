"""Where shapes stand: nothing lies over anything else, and every arrow leads down."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routebook.routing.drawings.layout import Link, Placed, lay_out, nearest_rising

Graph = tuple[list[tuple[float, float]], list[Link]]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Boxes of any size; arrows from earlier ones to later ones, with words or without."""
    count = draw(st.integers(1, 14))
    size = st.tuples(st.integers(10, 300), st.integers(10, 90))
    sizes = [(float(width), float(height)) for width, height in draw(st.lists(size, min_size=count, max_size=count))]
    pairs = list(itertools.combinations(range(count), 2))
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=20)) if pairs else []
    return sizes, [Link(source, target, draw(st.integers(0, 200)), 16.0) for source, target in chosen]


def overlapping(placed: Placed, sizes: list[tuple[float, float]]) -> list[tuple[int, int]]:
    """Pairs of boxes that lie over each other."""
    rooms = [(x, y, x + width, y + height) for (x, y), (width, height) in zip(placed.corners, sizes, strict=True)]
    return [
        (one, other)
        for one, other in itertools.combinations(range(len(rooms)), 2)
        if rooms[one][0] < rooms[other][2] - 0.01
        and rooms[other][0] < rooms[one][2] - 0.01
        and rooms[one][1] < rooms[other][3] - 0.01
        and rooms[other][1] < rooms[one][3] - 0.01
    ]


@settings(max_examples=80, deadline=None)
@given(graphs(), st.booleans())
def test_no_box_lies_over_another_and_all_are_within(graph: Graph, sideways: bool) -> None:
    """For any boxes and arrows, from top to bottom as well as from left to right."""
    sizes, links = graph
    placed = lay_out(sizes, links, sideways=sideways)
    assert overlapping(placed, sizes) == []
    for (x, y), (width, height) in zip(placed.corners, sizes, strict=True):
        assert x >= -0.01 and y >= -0.01
        assert x + width <= placed.width + 0.01 and y + height <= placed.height + 0.01


@settings(max_examples=80, deadline=None)
@given(graphs())
def test_every_arrow_leads_down_and_its_words_lie_on_no_box(graph: Graph) -> None:
    """From the lower edge of its source to the upper edge of its target; words have a row of their own."""
    sizes, links = graph
    placed = lay_out(sizes, links)
    for link, way in zip(links, placed.ways, strict=True):
        heights = [way.start[1], way.out[1], *(y for pair in way.through for _, y in pair), way.end[1]]
        assert heights == sorted(heights) and heights[0] < heights[-1]
        assert abs(way.start[1] - placed.corners[link.source][1] - sizes[link.source][1]) < 0.01
        assert abs(way.end[1] - placed.corners[link.target][1]) < 0.01
        x, y = way.words
        words = (x - link.width / 2, y, link.width, 0.0)
        for (left, top), (width, height) in zip(placed.corners, sizes, strict=True):
            apart = words[0] >= left + width - 0.01 or words[0] + words[2] <= left + 0.01
            assert apart or not top + 0.01 < y < top + height - 0.01


def test_a_circle_cannot_be_laid_out() -> None:
    """Said at once, not looked for until the end of days."""
    with pytest.raises(ValueError, match="circle"):
        lay_out([(1, 1), (1, 1), (1, 1)], [Link(0, 1), Link(1, 2), Link(2, 1)])


def test_crossings_are_taken_out_where_they_can_be() -> None:
    """Two parents, each with its own children: their arrows do not cross, whatever the order they were given in."""
    sizes = [(50.0, 20.0)] * 7
    placed = lay_out(sizes, [Link(0, 1), Link(0, 2), Link(1, 4), Link(2, 3), Link(1, 6), Link(2, 5)])
    x = [corner[0] for corner in placed.corners]
    assert (x[1] < x[2]) == (max(x[4], x[6]) < min(x[3], x[5]))


@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(1, 5)), min_size=1, max_size=8))
def test_places_are_as_near_as_can_be_to_those_wished_for(wishes: list[tuple[int, int]]) -> None:
    """The least squares under the order: no block of them can move up or down and be nearer."""
    found = nearest_rising([(float(wish), float(weight)) for wish, weight in wishes], [0.0] * len(wishes))
    assert all(one <= other + 1e-9 for one, other in itertools.pairwise(found))

    def cost(values: list[float]) -> float:
        return sum(weight * (value - wish) ** 2 for value, (wish, weight) in zip(values, wishes, strict=True))

    for step in (-0.01, 0.01):
        for begin, end in itertools.combinations(range(len(found) + 1), 2):
            moved = [value + step * (begin <= place < end) for place, value in enumerate(found)]
            if all(one <= other for one, other in itertools.pairwise(moved)):
                assert cost(moved) >= cost(found) - 1e-6
