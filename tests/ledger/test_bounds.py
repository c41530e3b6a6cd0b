"""The most that a request can cost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from routebook.catalogue.models import Price
from routebook.chat.usage import Usage
from routebook.documents.quantities import NANO, Unit
from routebook.ledger.bounds import Amounts, used, worst_case
from routebook.ledger.cost import MILLION, cost_of

PRICE = Price(
    input=2 * NANO, cached_input=NANO // 5, cache_write=3 * NANO, output=10 * NANO, reasoning=12 * NANO, request=500
)
SOUND = replace(PRICE, audio_input=40 * NANO, audio_output=80 * NANO, cached_audio_input=40 * NANO)
rates = st.sampled_from((500_000, 500_000, 1_500_000, 1_700_000)) | st.integers(0, 20_000_000_000)
counts = st.integers(0, 3) | st.integers(0, 200_000)


def test_a_bound_takes_the_dearest_price_of_each_side() -> None:
    """Whether a token is read, cached or written to the cache, thought or said, it costs no more; and per request."""
    assert worst_case(PRICE, 1000, 200, 2) == Amounts(1000 * 3000 + 400 * 12_000 + 500, 1400, 1)


def test_sound_counts_where_it_may_go_in_or_out() -> None:
    """A price of sound has no part in a bound of text."""
    assert worst_case(SOUND, 100, 100) == worst_case(PRICE, 100, 100)
    assert worst_case(SOUND, 100, 100, hears=True).money == 100 * 40_000 + 100 * 12_000 + 500
    assert worst_case(SOUND, 100, 100, speaks=True).money == 100 * 3000 + 100 * 80_000 + 500


@pytest.mark.parametrize("kind", ["input", "cached_input", "cache_write", "output", "reasoning"])
def test_an_unknown_price_that_may_apply_leaves_no_bound_in_money(kind: str) -> None:
    """Tokens and requests are bounded all the same."""
    assert worst_case(replace(PRICE, **{kind: None}), 100, 50) == Amounts(None, 150, 1)


def test_an_unknown_price_that_cannot_apply_does_no_harm() -> None:
    """An embedding answers with no tokens, and text makes no sound."""
    assert worst_case(Price(input=NANO, cached_input=0, cache_write=0), 100, 0).money == 100_000
    assert worst_case(PRICE, 100, 100, hears=True).money is None
    assert worst_case(PRICE, 100, 100, speaks=True).money is None


@given(
    st.builds(Price, *[rates] * 7, st.integers(0, NANO)),
    st.builds(Usage, *[counts] * 7),
    st.integers(1, 4),
    st.integers(0, 100),
)
def test_no_request_costs_more_than_its_bound(price: Price, usage: Usage, choices: int, more: int) -> None:
    """To the nano-dollar: for any price, and any usage of no more tokens than the bound was asked for."""
    answer = -(-usage.total_output // choices)
    bound = worst_case(price, usage.total_input + more, answer, choices, hears=True, speaks=True)
    actual = used(usage, cost_of(usage, price))
    assert actual.money is not None and bound.money is not None
    assert actual.money <= bound.money
    assert actual.tokens <= bound.tokens


def test_a_bound_covers_what_rounding_adds() -> None:
    """A cost is rounded up kind by kind, three times half a nano-dollar here."""
    price = Price(*[MILLION // 2] * 3, None, *[MILLION // 2] * 2)
    usage = Usage(input=1, cached_input=1, cache_write=1)
    assert used(usage, cost_of(usage, price)).money == 3
    assert worst_case(price, 3, 0).money == 4


def test_a_bound_is_no_more_than_it_must_be() -> None:
    """Where prices come to whole nano-dollars a token, a request that uses all of it costs exactly that."""
    usage = Usage(cache_write=1000, reasoning=200)
    assert used(usage, cost_of(usage, PRICE)) == worst_case(PRICE, 1000, 200)


def test_what_has_no_price_is_unknown_and_not_nothing() -> None:
    """A request that used something of unknown price has no cost to settle with."""
    usage = Usage(input=10, audio_output=5)
    assert used(usage, cost_of(usage, PRICE)) == Amounts(None, 15, 1)


def test_amounts_have_the_units_that_budgets_count() -> None:
    """Money, tokens, and the request itself."""
    amounts = Amounts(7, 5, 1)
    assert [amounts.of(unit) for unit in (Unit.MONEY, Unit.TOKENS, Unit.COUNT)] == [7, 5, 1]
