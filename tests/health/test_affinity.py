"""Where conversations are: remembered for a while, bounded, and told to others."""

from __future__ import annotations

import json

from routebook.health.affinity import Affinities

HERE, THERE = ("large", "big/main"), ("small", "home/none")


def test_a_conversation_is_where_it_was_answered_last() -> None:
    """Until that is too long ago; every answer counts anew."""
    known = Affinities()
    assert known.place_of(b"c", 0.0, 60.0) is None
    known.answered(b"c", HERE, 0.0)
    known.answered(b"c", THERE, 50.0)
    assert known.place_of(b"c", 109.9, 60.0) == THERE
    assert known.place_of(b"c", 110.0, 60.0) is None
    assert known.place_of(b"other", 50.0, 60.0) is None


def test_what_one_worker_learns_the_others_know() -> None:
    """Each piece of news is told once, as it stands last, with its time, and outlives JSON."""
    one, other = Affinities(), Affinities()
    one.answered(b"a", HERE, 0.0)
    one.answered(b"a", THERE, 1.0)
    one.answered(b"b", HERE, 2.0)
    other.hear(json.loads(json.dumps(one.news())))
    assert other.place_of(b"a", 60.0, 60.0) == THERE and other.place_of(b"a", 61.0, 60.0) is None
    assert other.place_of(b"b", 60.0, 60.0) == HERE
    assert one.news() == [] and other.news() == []


def test_the_latest_answer_counts_in_whatever_order_it_is_told() -> None:
    """Two workers that answer one conversation at nearly the same time agree once they have heard of each other."""
    one, other = Affinities(), Affinities()
    one.answered(b"a", HERE, 1.0)
    other.answered(b"a", THERE, 1.5)
    from_one, from_other = one.news(), other.news()
    one.hear(from_other)
    other.hear(from_one)
    assert one.place_of(b"a", 2.0, 60.0) == other.place_of(b"a", 2.0, 60.0) == THERE


def test_no_more_than_so_many_are_kept_in_mind() -> None:
    """Who was silent for longest is forgotten; so is news that nobody fetched."""
    known = Affinities(most=3)
    for number in range(5):
        known.answered(bytes([number]), HERE, float(number))
    assert len(known) == 3 and known.place_of(b"\1", 5.0, 60.0) is None and known.place_of(b"\2", 5.0, 60.0) == HERE
    assert sorted(row[0] for row in known.news()) == ["02", "03", "04"]
