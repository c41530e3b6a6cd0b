"""Who waits, and whose turn it is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from routebook.ledger.fair_queue import FairQueue


def served(queue: FairQueue[int]) -> list[int]:
    """All tickets in the order of their turns."""
    turns = []
    while (ticket := queue.next()) is not None:
        turns.append(ticket)
    return turns


def test_clients_take_turns() -> None:
    """A client with many requests waiting delays another's by one; of one client, whoever came first."""
    queue = FairQueue[int](10)
    for who, ticket in (("a", 1), ("a", 2), ("a", 3), ("b", 4), ("c", 5), ("b", 6)):
        assert queue.join(who, ticket)
    assert served(queue) == [1, 4, 5, 2, 6, 3]


def test_a_client_that_had_its_turn_waits_for_the_others() -> None:
    """Also where it comes back at once."""
    queue = FairQueue[int](10)
    queue.join("a", 1)
    queue.join("b", 2)
    queue.join("c", 3)
    assert queue.next() == 1
    queue.join("a", 4)
    assert served(queue) == [2, 3, 4]


def test_a_full_queue_takes_nobody() -> None:
    """Until somebody leaves or has a turn; a ticket that waits already keeps its place."""
    queue = FairQueue[int](2)
    assert (queue.join("a", 1), queue.join("b", 2), queue.join("c", 3), queue.join("b", 2)) == (True, True, False, True)
    assert (queue.leave(1), queue.leave(1), queue.join("c", 3), len(queue)) == (True, False, True, 2)
    assert served(queue) == [2, 3]
    assert (queue.first, queue.next(), queue.place(2), len(queue)) == (None, None, None, 0)
    assert not FairQueue[int](0).join("a", 1)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=30), st.integers(0, 30))
def test_a_place_is_how_many_are_served_before(arrivals: list[tuple[str, bool]], gone: int) -> None:
    """For every ticket, wherever the turns have got to, and whoever left."""
    queue = FairQueue[int](100)
    for ticket, (who, turn) in enumerate(arrivals):
        queue.join(who, ticket)
        if turn:
            queue.next()
    queue.leave(gone)
    places = {ticket: queue.place(ticket) for ticket in range(len(arrivals))}
    assert (
        queue.first == min((place, ticket) for ticket, place in places.items() if place is not None)[1]
        if len(queue)
        else queue.first is None
    )
    turns = served(queue)
    assert places == {ticket: turns.index(ticket) if ticket in turns else None for ticket in range(len(arrivals))}
