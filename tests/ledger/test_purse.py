"""A holder's side of the ledger."""

from __future__ import annotations

from routebook.ledger.claims import Grant, Report
from routebook.ledger.purse import QUIET, Purse
from tests.ledger.claiming import DAY, filled, part, rate, slots, window

POT, START = "budget/day/-", 20_000 * DAY
TODAY, TOMORROW = (POT, START), (POT, START + DAY)
SLOTS = ("slots/all/-", 0)


def test_a_request_is_met_from_what_is_left() -> None:
    """It is told what it draws on; what is taken is not there for the next."""
    purse = filled((*TODAY, 100), (*SLOTS, 1))
    assert purse.take((window(60), slots())) == (TODAY, SLOTS)
    assert purse.take((window(60),)) is None
    assert purse.take((window(40),)) == (TODAY,)
    assert purse.take(()) == ()


def test_all_is_taken_or_nothing() -> None:
    """Where one pot does not suffice, the others are as before; also where one pot is named twice."""
    purse = filled((*TODAY, 100))
    assert purse.take((window(60), slots())) is None
    assert purse.take((window(60), window(60))) is None
    assert purse.take((window(100),)) == (TODAY,)


def test_what_is_lacking_is_what_the_owner_is_asked_for() -> None:
    """Only the pots that do not suffice, and only what they lack, of how much; a claim that can never be met is asked
    for whole."""
    purse = filled((*TODAY, 40), (*SLOTS, 1))
    assert purse.lacking((window(100), slots(), rate(5))) == (part(window(60), of=100), rate(5))
    assert purse.lacking((window(30), window(30))) == (part(window(20), of=30),)
    assert purse.lacking((window(1001),)) == (window(1001),)
    assert purse.lacking((window(40),)) == ()


def test_a_grant_of_what_is_lacking_suffices() -> None:
    """After it, the same claims are met; also on a window that has just begun."""
    purse = filled((*TODAY, 40))
    for claims in ((window(100), slots()), (window(10, day=20_001),)):
        purse.granted(Grant(tuple((claim.pot, claim.start, claim.amount) for claim in purse.lacking(claims))))
        assert purse.take(claims) is not None


def test_a_window_that_ended_is_not_drawn_on() -> None:
    """What is left of it goes back; what is held of it can still be settled."""
    purse = filled((*TODAY, 100))
    assert purse.take((window(30),)) == (TODAY,)
    assert purse.take((window(10, day=20_001),)) is None
    purse.granted(Grant(((*TOMORROW, 10),)))
    assert purse.report() == Report((), ((*TODAY, 70),), 1)
    purse.settle(TODAY, 30, 20)
    assert purse.report() == Report(((*TODAY, 20),), ((*TODAY, 10),), 2)
    assert purse.report(idle=True) is None


def test_a_grant_on_a_later_window_than_was_claimed_may_not_suffice() -> None:
    """What was left of the older one does not count towards it: what lacks is asked for once more, and then it does."""
    purse = filled((*TODAY, 40))
    for lacks in (60, 40):
        assert purse.lacking((window(100),)) == (part(window(lacks), of=100),)
        purse.granted(Grant(((*TOMORROW, lacks),)))
    assert purse.take((window(100),)) == (TOMORROW,)


def test_a_later_window_is_drawn_on_where_the_clock_went_back() -> None:
    """A window that was left is not drawn on again: the request is told the newer one."""
    purse = filled((*TODAY, 100), (*TOMORROW, 100))
    assert purse.take((window(30),)) == (TOMORROW,)


def test_what_was_not_used_can_be_used_by_the_next_request() -> None:
    """Without asking the owner, which hears what was spent."""
    purse = filled((*TODAY, 100))
    purse.take((window(100),))
    purse.settle(TODAY, 100, 30)
    assert purse.take((window(70),)) == (TODAY,)
    assert purse.report() == Report(((*TODAY, 30),), (), 1)
    assert purse.report() is None


def test_more_may_be_used_than_was_held() -> None:
    """It is taken from what is left; what is not there is reported as less than nothing, and nothing can be taken."""
    purse = filled((*TODAY, 100))
    purse.take((window(60),))
    purse.settle(TODAY, 60, 90)
    assert purse.report() == Report(((*TODAY, 90),), (), 1)
    purse.take((window(10),))
    purse.settle(TODAY, 10, 25)
    assert purse.take((window(0),)) is None
    assert purse.lacking((window(5),)) == (window(20),)
    assert purse.report() == Report(((*TODAY, 25),), ((*TODAY, -15),), 2)


def test_what_is_left_of_a_tight_pot_goes_back_at_once() -> None:
    """Also what a request gives back later; until the owner grants with both hands again."""
    purse = filled((*SLOTS, 2), tight=(SLOTS[0],))
    purse.take((slots(),))
    purse.give_back(SLOTS, 1)
    assert purse.report() == Report((), ((*SLOTS, 2),), 1)
    purse.granted(Grant(((*SLOTS, 2),)))
    purse.take((slots(),))
    purse.give_back(SLOTS, 1)
    assert purse.report() is None


def test_the_owner_can_ask_for_what_is_not_used() -> None:
    """All of it goes back with the next report, and what is held goes back when it is settled."""
    purse = filled((*TODAY, 100))
    purse.take((window(40),))
    assert purse.report() is None
    purse.tighten(POT)
    purse.tighten("budget/unknown/-")
    assert purse.report() == Report((), ((*TODAY, 60),), 1)
    purse.settle(TODAY, 40, 10)
    assert purse.report() == Report(((*TODAY, 10),), ((*TODAY, 30),), 2)


def test_what_nobody_draws_on_goes_back() -> None:
    """After some reports in which it was quiet; a request in between keeps it for longer."""
    purse = filled((*TODAY, 100))
    for _ in range(QUIET - 1):
        assert purse.report(idle=True) is None
    purse.take((window(10),))
    for _ in range(QUIET - 1):
        assert purse.report(idle=True) is None
    assert purse.report() is None
    assert purse.report(idle=True) == Report((), ((*TODAY, 90),), 1)
    purse.settle(TODAY, 10, 10)
    assert purse.report(idle=True) == Report(((*TODAY, 10),), (), 2)
    assert purse.drawn(POT) is None


def test_nothing_is_drawn_on_an_owner_that_is_gone() -> None:
    """What is held can still be settled, and nobody is left to hear of it."""
    purse = filled((*TODAY, 100))
    purse.take((window(10),))
    purse.close()
    purse.granted(Grant(((*TODAY, 100),)))
    assert purse.take((window(10),)) is None
    purse.settle(TODAY, 10, 5)
    assert purse.report() is None
    assert purse.take(()) == ()


def test_a_holder_knows_what_the_owner_said_of_all_holders() -> None:
    """The last that was said; nothing where nothing was."""
    purse = Purse()
    assert purse.drawn(POT) is None
    purse.granted(Grant(((*TODAY, 100),), (), {POT: 700}))
    assert purse.drawn(POT) == 700
