"""The most that a request can cost, held before it is sent, and what it did cost.

A bound is what makes a hold worth something: no request may come to more than was held for it. So each token counts at
the dearest price that it could have, and where such a price is unknown, there is no bound in money.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from routebook.catalogue.models import Model, Price
from routebook.chat.usage import Usage
from routebook.documents.quantities import Unit
from routebook.ledger.cost import MILLION, Cost, by_length

UNKNOWN_OUTPUT: Final = 131_072
"""Tokens of answer that are held for where neither the client, the policy nor the model's declaration bounds them."""

_INPUTS = ("input", "cached_input", "cache_write")
_OUTPUTS = ("output", "reasoning")


class Amounts(msgspec.Struct, frozen=True, gc=False):
    """What one request draws on: nano-dollars (None: nobody knows), tokens both ways, and itself."""

    money: int | None
    tokens: int
    requests: int = 1

    def of(self, unit: Unit) -> int | None:
        """The amount in the unit that a budget counts."""
        match unit:
            case Unit.MONEY:
                return self.money
            case Unit.TOKENS:
                return self.tokens
            case _:
                return self.requests


def longest_answer(model: Model, asked: int | None) -> int:
    """The tokens that a model may answer with at most, where so many are asked for (None: nobody says)."""
    bounds = [each for each in (asked, model.max_output, model.context) if each is not None]
    return min(bounds) if bounds else UNKNOWN_OUTPUT


def worst_case(
    price: Price, prompt: int, answer: int, choices: int = 1, hears: bool = False, speaks: bool = False
) -> Amounts:
    """The most that a request can use: a prompt of at most `prompt` tokens, and so many answers of at most `answer`.
    `hears` and `speaks`: whether sound may go in and come out. Money is None where a price that may apply is unknown."""
    return worst_cases(price, prompt, answer, choices, hears, speaks)[0]


def worst_cases(
    price: Price,
    prompt: int,
    answer: int,
    choices: int = 1,
    hears: bool = False,
    speaks: bool = False,
    heard_ms: int = 0,
    characters: int = 0,
) -> tuple[Amounts, Amounts]:
    """The same, and the most that the prompt alone can use. `heard_ms` and `characters` count where the model is paid by
    them."""
    answers = answer * choices
    measured = by_length(price, heard_ms, characters)
    if measured is not None:
        paid = measured + price.request
        return Amounts(paid, prompt + answers), Amounts(paid, prompt)
    way_in, way_out = _dearest(price, hears, speaks)
    money_in, dear_out = _at_most(prompt, way_in), _at_most(answers, way_out)
    if money_in is not None:
        money_in += price.request
    money = None if money_in is None or dear_out is None else money_in + dear_out
    return Amounts(money, prompt + answers), Amounts(money_in, prompt)


def used(usage: Usage, cost: Cost) -> Amounts:
    """What a request did use. Money is None where something that was used has no price."""
    return Amounts(None if cost.unpriced else cost.total, usage.total_input + usage.total_output)


class _Rate(NamedTuple):
    """What tokens of one direction cost at most: nano-dollars a million, and by how much rounding may add to that."""

    rate: int
    rounding: int


@lru_cache(maxsize=4096)
def _dearest(price: Price, hears: bool, speaks: bool) -> tuple[_Rate | None, _Rate | None]:
    """The dearest prices that a token may have on its way in and out; None where one of those is unknown."""
    return (
        _dearest_of(price, (*_INPUTS, "audio_input", "cached_audio_input") if hears else _INPUTS),
        _dearest_of(price, (*_OUTPUTS, "audio_output") if speaks else _OUTPUTS),
    )


def _dearest_of(price: Price, kinds: Collection[str]) -> _Rate | None:
    rates: list[int | None] = [getattr(price, kind) for kind in kinds]
    known = [rate for rate in rates if rate is not None]
    if len(known) < len(rates):
        return None
    # A cost is rounded kind by kind: each whose token costs no whole number may add half a nano-dollar.
    rounded = sum(1 for rate in known if rate % MILLION)
    return _Rate(max(known), (rounded + 1) // 2)


def _at_most(tokens: int, dearest: _Rate | None) -> int | None:
    """What so many tokens cost at most, in nano-dollars."""
    if not tokens:
        return 0
    return None if dearest is None else -(-tokens * dearest.rate // MILLION) + dearest.rounding
