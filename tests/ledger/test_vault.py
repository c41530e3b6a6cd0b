"""The owner's books: what is granted, and what is refused until when."""

from __future__ import annotations

import pytest

from routebook.ledger.claims import Claim, Grant, Kind, Report, Why
from routebook.ledger.vault import AHEAD, Totals, Vault
from tests.ledger.claiming import DAY, NOON, granted, part, rate, refused, rolling, slots, window

POT, START = "budget/day/-", 20_000 * DAY


def spent(amount: int, back: int = 0, number: int = 1, pot: str = POT, start: int = START) -> Report:
    return Report(((pot, start, amount),), ((pot, start, back),) if back else (), number)


def test_a_holder_is_granted_ahead_where_plenty_is_left() -> None:
    """So that most requests need not ask: some requests' worth, but no more than a share of what is left."""
    assert granted(Vault(2), "a", window(10, 10_000), plenty=True).amounts == ((POT, START, 10 + AHEAD * 10),)
    assert granted(Vault(2), "a", window(100, 10_000), plenty=True).amounts == ((POT, START, 100 + 10_000 // 8),)


def test_what_is_plenty_is_judged_by_the_whole_request_of_which_a_part_is_asked_for() -> None:
    """A holder that lacks one of a hundred is granted for more requests of a hundred, not for some more of one."""
    lacks = part(window(1, 100_000), of=100)
    assert granted(Vault(2), "a", lacks, plenty=True).amounts == ((POT, START, 1 + AHEAD * 100),)
    scarce = granted(Vault(2), "a", part(window(1, 800), of=100), plenty=True)
    assert (scarce.amounts, scarce.tight) == (((POT, START, 1),), (POT,))


def test_a_holder_is_granted_exactly_its_claim_where_little_is_left() -> None:
    """And is told to give back at once what it does not use; likewise where others wait."""
    scarce = granted(Vault(2), "a", window(10, 80), plenty=True)
    assert (scarce.amounts, scarce.tight) == (((POT, START, 10),), (POT,))
    waited = granted(Vault(2), "a", window(10, 10_000), plenty=False)
    assert (waited.amounts, waited.tight) == (((POT, START, 10),), (POT,))


def test_a_lease_is_granted_over_all_pots_or_none() -> None:
    """A refusal names the first claim that cannot be met, and nothing was drawn on the others."""
    vault = Vault()
    granted(vault, "a", slots(1))
    refusal = refused(vault, "b", window(10), slots(1), rate(5))
    assert (refusal.claim.kind, refusal.drawn) == (Kind.SLOTS, 1)
    assert vault.totals(POT) == Totals(0, 0)


def test_claims_on_one_pot_are_added_up() -> None:
    """A request that names a pot twice cannot draw more than there is."""
    vault = Vault()
    refused(vault, "a", window(600), window(600))
    granted(vault, "a", window(600), window(400))


def test_what_is_granted_is_told_with_what_all_have_drawn() -> None:
    """Holders know how full a pot is, as far as the owner does."""
    vault = Vault()
    granted(vault, "a", window(10))
    assert granted(vault, "b", window(20)).drawn == {POT: 30}


def test_reports_turn_grants_into_spending() -> None:
    """What is spent is settled, what is given back can be granted again; what was used without a hold counts too."""
    vault = Vault()
    granted(vault, "a", window(500))
    vault.report("a", spent(100, 300), NOON)
    assert vault.totals(POT) == Totals(100, 200)
    vault.report("a", spent(150, -50, number=2), NOON)
    assert vault.totals(POT) == Totals(250, 250)


def test_a_report_counts_once() -> None:
    """Heard again, or older than one that was heard, it changes nothing; neither does a report of a stranger."""
    vault = Vault()
    granted(vault, "a", window(500))
    for report in (spent(100, 100, 1), spent(50, 50, 2), spent(50, 50, 2), spent(100, 100, 1)):
        vault.report("a", report, NOON)
    vault.report("nobody", spent(70), NOON)
    assert vault.totals(POT) == Totals(150, 350)


def test_nobody_gives_back_what_it_does_not_have() -> None:
    """A holder that is out of its mind cannot make room for others."""
    vault = Vault()
    granted(vault, "a", window(100))
    vault.report("a", spent(60, 500), NOON)
    assert vault.totals(POT) == Totals(60, 60)


def test_the_journal_of_the_dead_takes_the_place_of_what_they_had() -> None:
    """Until then, all that was granted counts; afterwards only what was settled, and late reports do not."""
    vault = Vault()
    granted(vault, "a", window(900))
    vault.report("a", spent(100), NOON)
    assert refused(vault, "b", window(200)).drawn == 900
    vault.bury("a", {(POT, START): 130, ("budget/long-gone/-", 0): 7})
    vault.report("a", spent(800, number=2), NOON)
    assert vault.totals(POT) == Totals(130, 130)
    assert dict(vault.counters()) == {(POT, START): Totals(130, 130)}


def test_an_owner_begins_with_what_the_journal_says() -> None:
    """What is settled and held by processes that it never leased to counts, and changes as they end."""
    vault = Vault()
    vault.open({(POT, START): 300}, {(POT, START): 500})
    assert refused(vault, "a", window(300)).drawn == 800
    vault.foreign((POT, START), 100, -500)
    assert vault.totals(POT) == Totals(400, 400)


@pytest.mark.parametrize(("claim", "seconds"), [(window(600), DAY // 2), (window(1001), None)])
def test_a_refusal_says_when_a_window_may_have_room_again(claim: Claim, seconds: float | None) -> None:
    """At its end; never, where the claim is larger than the pot."""
    vault = Vault()
    granted(vault, "a", window(500))
    assert refused(vault, "b", claim).retry_after == seconds


def test_a_refusal_says_when_enough_will_have_left_a_rolling_window() -> None:
    """The oldest slices leave first: it waits for as many of them as it takes."""
    vault = Vault()
    for minutes, amount in ((0, 100), (10, 200), (20, 600)):
        granted(vault, "a", rolling(amount, NOON + minutes * 60), now=NOON + minutes * 60)
    now = NOON + 1800
    assert refused(vault, "a", rolling(200, now), now=now).retry_after == 3660 - 1800
    assert refused(vault, "a", rolling(400, now), now=now).retry_after == 3660 + 600 - 1800
    assert refused(vault, "a", rolling(401, now), now=now).retry_after == 3660 + 1200 - 1800


def test_slots_are_free_when_they_are_given_back() -> None:
    """Nobody knows when that is."""
    vault = Vault()
    granted(vault, "a", slots(1))
    assert refused(vault, "b", slots(1)).retry_after == 1.0
    vault.report("a", Report((), (("slots/all/-", 0, 1),), 1), NOON)
    granted(vault, "b", slots(1))


def test_a_window_that_was_left_is_not_drawn_on_again() -> None:
    """A clock that goes back draws on the newest window, whose end is then told."""
    vault = Vault()
    granted(vault, "a", window(900))
    granted(vault, "a", window(100, day=20_001), now=NOON + DAY)
    assert granted(vault, "a", window(500)).amounts == ((POT, START + DAY, 500),)
    refusal = refused(vault, "a", window(500))
    assert (refusal.claim.start, refusal.drawn, refusal.retry_after) == (START + DAY, 600, DAY + DAY // 2)


def test_a_rolling_window_that_is_drawn_on_late_counts_its_past() -> None:
    """Where the clock went back, the slices before the newest one count as they would without that."""
    vault = Vault()
    granted(vault, "a", rolling(500, NOON), now=NOON)
    granted(vault, "a", rolling(400, NOON + 600), now=NOON + 600)
    assert refused(vault, "a", rolling(200, NOON + 300), now=NOON + 300).drawn == 900


def test_a_window_of_another_length_counts_what_was_drawn_within_it() -> None:
    """A budget of a day that becomes one of ten days has drawn already what was drawn in these."""
    vault = Vault()
    granted(vault, "a", window(900))
    longer = Claim(POT, Kind.WINDOW, 1000, 200, START - 9 * DAY, START - 9 * DAY, START + DAY)
    assert refused(vault, "a", longer).drawn == 900


def test_what_no_longer_counts_is_forgotten() -> None:
    """Slices that left the window and pots whose window is over, unless somebody still holds something there."""
    vault = Vault()
    granted(vault, "a", window(100), rolling(100, NOON), rate(60), slots())
    vault.sweep(NOON + 2 * DAY)
    assert len(dict(vault.counters())) == 2
    told = Report(
        ((POT, START, 40), ("budget/rolling/-", NOON, 100), ("tokens/all/-", 0, 60)),
        ((POT, START, 60), ("slots/all/-", 0, 1)),
        1,
    )
    vault.report("a", told, NOON)
    granted(vault, "b", rolling(10, NOON + 3600), now=NOON + 3600)
    vault.sweep(NOON + 3600)
    assert vault.totals("budget/rolling/-", NOON) == Totals(100, 110)
    assert vault.totals(POT) == Totals(40, 40)
    granted(vault, "b", rolling(10, NOON + 3660), now=NOON + 3660)
    vault.sweep(NOON + 3660)
    assert vault.totals("budget/rolling/-") == Totals(0, 20)
    vault.sweep(NOON + DAY)
    assert list(vault.counters()) == [(("budget/rolling/-", NOON + offset), Totals(0, 10)) for offset in (3600, 3660)]


def test_a_window_that_was_forgotten_too_early_is_not_drawn_on_again() -> None:
    """Where the clock was a day ahead while the owner tidied up, what was drawn today is not drawn once more."""
    vault = Vault()
    granted(vault, "a", window(1000))
    vault.report("a", spent(1000), NOON)
    vault.sweep(NOON + DAY)
    assert list(vault.counters()) == []
    assert granted(vault, "a", window(1000)).amounts == ((POT, START + DAY, 1000),)
    refused(vault, "a", window(1, day=20_001), now=NOON + DAY)


def test_who_may_have_something_left_can_be_asked_for_it() -> None:
    """Holders that have granted amounts which they did not report as spent."""
    vault = Vault()
    granted(vault, "a", window(100))
    granted(vault, "b", window(100))
    granted(vault, "c", slots())
    vault.report("a", spent(100), NOON)
    assert vault.recallable(window(1)) == {"b"}
    assert vault.recallable(window(1, pot="budget/other/-")) == set()


def test_several_hosts_draw_on_entitlements() -> None:
    """What a store lets this host draw takes the place of the limit; what of that is not drawn is told."""
    vault = Vault(shared=(Kind.WINDOW,))
    assert vault.spare([window(100), slots()]) == [(window(100), 0)]
    assert refused(vault, "a", window(100)).why is Why.EXHAUSTED
    vault.entitle((POT, START), 150)
    granted(vault, "a", window(100))
    assert vault.spare([window(100)]) == [(window(100), 50)]
    vault.entitle((POT, START), None)
    assert vault.spare([window(100)]) == [(window(100), -100)]


def test_an_allowance_holds_while_the_store_is_away() -> None:
    """What is left of the entitlement first, then so much in the window; afterwards it is refused as unavailable."""
    vault = Vault(shared=(Kind.WINDOW,))
    vault.entitle((POT, START), 150)
    granted(vault, "a", window(100, allowance=30))
    refused(vault, "a", window(60, allowance=30))
    vault.away = True
    granted(vault, "a", window(60, allowance=30))
    granted(vault, "a", window(20, allowance=30))
    refusal = refused(vault, "a", window(1, allowance=30))
    assert (refusal.why, refusal.retry_after) == (Why.UNAVAILABLE, 1.0)
    assert refused(vault, "a", window(1)).why is Why.UNAVAILABLE
    assert refused(vault, "a", window(900, allowance=30)).why is Why.EXHAUSTED


def test_an_owner_that_begins_without_the_store_has_its_allowance() -> None:
    """What was drawn before it began was entitled to, and does not use the allowance up."""
    vault = Vault(shared=(Kind.WINDOW,))
    vault.open({(POT, START): 500}, {})
    vault.away = True
    granted(vault, "a", window(30, allowance=30))
    refused(vault, "a", window(1, allowance=30))


def test_a_rate_flows_back_evenly() -> None:
    """A minute's worth at once, then one after the other; the wait is told."""
    vault = Vault()
    granted(vault, "a", rate(60))
    vault.report("a", spent(60, pot="tokens/all/-", start=0), NOON)
    assert refused(vault, "a", rate(1)).retry_after == 1.0
    assert refused(vault, "a", rate(10), now=NOON + 4).retry_after == 6.0
    assert refused(vault, "a", rate(61), now=NOON + 4).retry_after is None
    assert granted(vault, "a", rate(10), now=NOON + 10).drawn == {"tokens/all/-": 60}


def test_what_is_spent_of_a_rate_adds_up() -> None:
    """Each report puts the moment further off when all has flowed back; a part of a token counts whole, and no more."""
    vault = Vault()
    granted(vault, "a", rate(50, 70))
    for number, amount in ((1, 10), (2, 25), (3, 15)):
        vault.report("a", spent(amount, number=number, pot="tokens/all/-", start=0), NOON)
    assert refused(vault, "b", rate(21, 70)).drawn == 50
    assert refused(vault, "b", rate(22, 70), now=NOON + 0.9).drawn == 49


@pytest.mark.parametrize("limit", [1, 7, 60, 61, 997])
def test_a_minutes_worth_can_be_used_one_by_one(limit: int) -> None:
    """Exactly so many requests at once, whatever the minute divides into; then one each time that one has flowed back."""
    vault = Vault()
    for number in range(1, limit + 1):
        granted(vault, "a", rate(1, limit))
        vault.report("a", spent(1, number=number, pot="tokens/all/-", start=0), NOON)
    wait = refused(vault, "a", rate(1, limit)).retry_after
    assert wait == 60 / limit
    refused(vault, "a", rate(1, limit), now=NOON + wait * 0.99)
    granted(vault, "a", rate(1, limit), now=NOON + wait + 1e-6)


def test_what_was_not_used_of_a_rate_can_be_used_at_once() -> None:
    """A request that was expected to need more than it did delays nobody."""
    vault = Vault()
    granted(vault, "a", rate(60))
    vault.report("a", spent(20, 40, pot="tokens/all/-", start=0), NOON + 5)
    granted(vault, "a", rate(40), now=NOON + 5)
    refused(vault, "a", rate(1), now=NOON + 5)


def test_a_rate_that_is_held_does_not_flow_back() -> None:
    """What a holder has and does not use is no rest for the vendor: it counts until it is spent or given back."""
    vault = Vault()
    granted(vault, "a", rate(60))
    refused(vault, "b", rate(1), now=NOON + 600)
    vault.bury("a", {})
    assert refused(vault, "b", rate(1), now=NOON + 600).retry_after == 1.0


def test_a_clock_that_goes_back_does_not_stop_a_rate() -> None:
    """What has yet to flow back is neither more nor less for it."""
    vault = Vault()
    granted(vault, "a", rate(60))
    vault.report("a", spent(60, pot="tokens/all/-", start=0), NOON)
    assert refused(vault, "a", rate(1), now=NOON - 7200).retry_after == 1.0
    granted(vault, "a", rate(1), now=NOON - 7199)


def test_a_grant_of_everything_is_a_grant_of_all_kinds() -> None:
    """One lease may draw on windows, rates and slots at the same time."""
    grant = Vault().lease("a", [window(10), rate(5), slots()], NOON, False)
    assert isinstance(grant, Grant)
    assert grant.amounts == ((POT, START, 10), ("tokens/all/-", 0, 5), ("slots/all/-", 0, 1))


def test_levels_say_how_full_rates_and_slots_are() -> None:
    """What is held or granted, and of a rate also what has not flowed back yet; looking changes nothing."""
    vault = Vault()
    granted(vault, "a", slots(), window(5), rate(30))
    granted(vault, "b", slots())
    assert dict(vault.levels(NOON)) == {"slots/all/-": 2, "tokens/all/-": 30}
    vault.report("a", spent(20, 10, pot="tokens/all/-", start=0), NOON)
    assert [dict(vault.levels(NOON + late))["tokens/all/-"] for late in (0, 5, 5, 19.5, 20)] == [20, 15, 15, 1, 0]
    granted(vault, "a", rate(60), now=NOON + 20)
