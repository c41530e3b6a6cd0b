"""Where conversations are: remembered for a while, bounded, and told to others."""

from __future__ import annotations

import json
from collections import OrderedDict
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routebook.health import affinity
from routebook.health.affinity import DIGEST, Affinities, Place

HERE, THERE = ("large", "big/main"), ("small", "home/none")


def named(name: bytes | int) -> bytes:
    """What a conversation is known by."""
    return blake2b(str(name).encode(), digest_size=DIGEST).digest()


A, B, C, OTHER = named(b"a"), named(b"b"), named(b"c"), named(b"other")


def test_a_conversation_is_where_it_was_answered_last() -> None:
    """Until that is too long ago; every answer counts anew."""
    known = Affinities()
    assert known.place_of(C, 0.0, 60.0) is None
    known.answered(C, HERE, 0.0)
    known.answered(C, THERE, 50.0)
    assert known.place_of(C, 109.9, 60.0) == THERE
    assert known.place_of(C, 110.0, 60.0) is None
    assert known.place_of(OTHER, 50.0, 60.0) is None


def test_what_one_worker_learns_the_others_know() -> None:
    """Each piece of news is told once, as it stands last, with its time, and outlives JSON."""
    one, other = Affinities(), Affinities()
    one.answered(A, HERE, 0.0)
    one.answered(A, THERE, 1.0)
    one.answered(B, HERE, 2.0)
    other.hear(json.loads(json.dumps(one.news())))
    assert other.place_of(A, 60.0, 60.0) == THERE and other.place_of(A, 61.0, 60.0) is None
    assert other.place_of(B, 60.0, 60.0) == HERE
    assert one.news() == [] and other.news() == []


def test_the_latest_answer_counts_in_whatever_order_it_is_told() -> None:
    """Two workers that answer one conversation at nearly the same time agree once they have heard of each other."""
    one, other = Affinities(), Affinities()
    one.answered(A, HERE, 1.0)
    other.answered(A, THERE, 1.5)
    from_one, from_other = one.news(), other.news()
    one.hear(from_other)
    other.hear(from_one)
    assert one.place_of(A, 2.0, 60.0) == other.place_of(A, 2.0, 60.0) == THERE


def test_no_more_than_so_many_are_kept_in_mind() -> None:
    """Who was silent for longest is forgotten; so is news that nobody fetched."""
    known = Affinities(most=3)
    for number in range(5):
        known.answered(named(number), HERE, float(number))
    assert (
        len(known) == 3 and known.place_of(named(1), 5.0, 60.0) is None and known.place_of(named(2), 5.0, 60.0) == HERE
    )
    assert sorted(row[0] for row in known.news()) == sorted(named(number).hex() for number in (2, 3, 4))


@given(
    st.integers(1, 9),
    st.lists(st.tuples(st.integers(0, 14), st.sampled_from((HERE, THERE)), st.floats(0, 100, width=16)), max_size=60),
)
def test_it_is_a_table_of_the_newest(most: int, answers: list[tuple[int, Place, float]]) -> None:
    """Whatever is answered in whatever order, it knows what a dictionary knows whose oldest go first."""
    known, plain = Affinities(most), OrderedDict[bytes, tuple[Place, float]]()
    for number, place, at in answers:
        known.answered(named(number), place, at)
        plain[named(number)] = place, at
        plain.move_to_end(named(number))
        if len(plain) > most:
            plain.popitem(last=False)
    assert len(known) == len(plain)
    for number in range(15):
        found = plain.get(named(number))
        assert known.place_of(named(number), 0.0, 1.0) == (None if found is None else found[0])
    assert sorted(known.news()) == sorted((each.hex(), *place, at) for each, (place, at) in plain.items())


def test_places_without_end_are_forgotten_with_all_that_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reloads that name ever new models do not fill the memory; the conversations begin anew, and go on."""
    monkeypatch.setattr(affinity, "MOST_PLACES", 3)
    known = Affinities()
    for number in range(4):
        known.answered(named(number), (f"model-{number}", "home/none"), 1.0)
    assert len(known) == 1 and known.place_of(named(3), 1.0, 60.0) == ("model-3", "home/none")
    assert [row[1] for row in known.news()] == ["model-3"]
