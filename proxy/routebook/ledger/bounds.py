"""The most that a request can cost, held before it is sent, and what it did cost.

A bound is what makes a hold worth something: no request may come to more than was held for it. So each token counts at
the dearest price that it could have, and where such a price is unknown, there is no bound in money.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from routebook.catalogue.models import Price
from routebook.chat.usage import Usage
from routebook.documents.quantities import Unit
from routebook.ledger.cost import MILLION, Cost

_INPUTS = ("input", "cached_input", "cache_write")
_OUTPUTS = ("output", "reasoning")


@dataclass(frozen=True, slots=True)
class Amounts:
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


def worst_case(
    price: Price, prompt: int, answer: int, choices: int = 1, hears: bool = False, speaks: bool = False
) -> Amounts:
    """The most that a request can use: a prompt of at most `prompt` tokens, and so many answers of at most `answer`.
    `hears` and `speaks`: whether sound may go in and come out. Money is None where a price that may apply is unknown."""
    dear_in = _dearest(price, (*_INPUTS, "audio_input") if hears else _INPUTS)
    dear_out = _dearest(price, (*_OUTPUTS, "audio_output") if speaks else _OUTPUTS)
    answers = answer * choices
    tokens = prompt + answers
    if (prompt and dear_in is None) or (answers and dear_out is None):
        return Amounts(None, tokens)
    parts = (prompt * (dear_in or 0), answers * (dear_out or 0))
    # A cost is rounded kind by kind, so that each kind may add half a nano-dollar to the exact sum.
    return Amounts(
        sum(-(-part // MILLION) + (_KINDS_OF_A_SIDE if part else 0) for part in parts) + price.request, tokens
    )


_KINDS_OF_A_SIDE = 2


def used(usage: Usage, cost: Cost) -> Amounts:
    """What a request did use. Money is None where something that was used has no price."""
    return Amounts(None if cost.unpriced else cost.total, usage.total_input + usage.total_output)


def _dearest(price: Price, kinds: Collection[str]) -> int | None:
    rates = [getattr(price, kind) for kind in kinds]
    return None if None in rates else max(rates)
