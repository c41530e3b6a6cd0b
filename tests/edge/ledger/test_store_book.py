"""What a host believes that it is entitled to, and which counters the store has to be told of."""

from __future__ import annotations

from routebook.edge.ledger.store import HostState, Want
from routebook.edge.ledger.store_book import KEEP_STORED, EntitlementBook
from routebook.ledger.claims import Claim, Counter, Kind

CLAIM = Claim("budget/b/-", Kind.WINDOW, 1000, 10, 3600, 3600, 7200)
COUNTER = CLAIM.counter
WANTS = [Want(CLAIM, 10)]


def granted(book: EntitlementBook, amount: int) -> None:
    """The store has granted so much."""
    book.granted(WANTS, {COUNTER: amount})


def state(settled: int, held: int, entitled: int) -> dict[Counter, HostState]:
    """What the desk says of the one counter."""
    return {COUNTER: HostState(settled, held, entitled, Kind.WINDOW, CLAIM.first, CLAIM.ends)}


def test_a_grant_is_believed_and_giving_back_lowers_it() -> None:
    """The belief is what was granted, less what the desk no longer keeps, and never below what it used."""
    book = EntitlementBook()
    granted(book, 100)
    book.note(state(20, 30, 80))
    assert book[COUNTER] == 80
    book.note(state(20, 30, 0))
    assert book[COUNTER] == 50


def test_what_is_being_acquired_is_not_given_back() -> None:
    """Between the store's answer and the desk's hearing of it, what the desk says does not know of it yet."""
    book = EntitlementBook()
    book.begin([COUNTER])
    book.begin([COUNTER])
    granted(book, 100)
    book.note(state(0, 0, 0))
    assert book[COUNTER] == 100
    assert book.strays(10) == []
    book.end([COUNTER])
    book.note(state(0, 0, 0))
    assert book[COUNTER] == 100
    book.end([COUNTER])
    book.note(state(0, 0, 0))
    assert book[COUNTER] == 0


def test_what_nobody_received_is_told_to_the_store() -> None:
    """A grant that was not heard of is astray until the store has the figure that is believed."""
    book = EntitlementBook()
    granted(book, 100)
    book.not_received({COUNTER: 60})
    assert (book[COUNTER], book.strays(10)) == (40, [COUNTER])
    told = book.state(COUNTER, as_told=False)
    assert (told.settled, told.entitled) == (KEEP_STORED, 40)
    book.heard({COUNTER: 100})
    assert book.strays(10) == [COUNTER]
    book.heard({COUNTER: 40})
    assert book.strays(10) == []


def test_what_may_have_been_granted_is_told_to_the_store() -> None:
    """Where an answer was lost nothing is believed, and the store may count too much."""
    book = EntitlementBook()
    book.lost(WANTS)
    assert (book[COUNTER], book.strays(10)) == (0, [COUNTER])


def test_what_the_desk_does_not_have_is_not_believed() -> None:
    """When everything is told, a counter that the desk does not list is given back."""
    book = EntitlementBook()
    granted(book, 100)
    assert book.note_all({}) == []
    assert (book[COUNTER], book.strays(10)) == (0, [COUNTER])


def test_windows_that_are_over_are_forgotten() -> None:
    """A counter is known for a while after its window, and then no longer; rates are never in the book."""
    book = EntitlementBook()
    granted(book, 100)
    rate = Claim("requests/r/-", Kind.RATE, 60, 1)
    book.granted([Want(rate, 1)], {rate.counter: 1})
    book.forget_past(7200)
    assert list(book.known()) == [COUNTER]
    book.forget_past(7261)
    assert not book.known()
    assert book[COUNTER] == 0


def test_slots_that_nobody_has_are_forgotten() -> None:
    """What is drawn on at the same time has no window: it is forgotten when none of it is left here."""
    book = EntitlementBook()
    claim = Claim("slots/s/-", Kind.SLOTS, 5, 1)
    book.granted([Want(claim, 1)], {claim.counter: 1})
    book.forget_past(10**9)
    assert list(book.known()) == [claim.counter]
    book.note({claim.counter: HostState(0, 0, 0, Kind.SLOTS)})
    book.forget_past(10**9)
    assert not book.known()
