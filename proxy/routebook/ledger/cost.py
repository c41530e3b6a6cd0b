"""Usage times price, in integer nano-dollars."""

from __future__ import annotations

import msgspec

from routebook.catalogue.models import Price
from routebook.chat.usage import Usage

MILLION = 1_000_000


class Cost(msgspec.Struct, frozen=True, gc=False):
    """Nano-dollars by kind; `unpriced` names kinds that were used but have no price."""

    parts: dict[str, int]
    unpriced: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """The sum of the parts, in nano-dollars; a lower bound where something is unpriced."""
        return sum(self.parts.values())


def by_length(price: Price, heard_ms: int, characters: int) -> int | None:
    """What sound or words of this length cost, in nano-dollars rounded up, where the model is paid by that; None where it
    is paid by tokens."""
    cost = None
    for rate, amount in ((price.heard_ms, heard_ms), (price.characters, characters)):
        if rate is not None and amount:
            cost = (cost or 0) + -(-amount * rate // MILLION)
    return cost


def cost_of(usage: Usage, price: Price) -> Cost:
    """What a usage costs: each kind rounded half up to the nano-dollar, so that the parts add up to the total."""
    parts: dict[str, int] = {}
    unpriced: list[str] = []
    for kind, count in usage.parts().items():
        rate = getattr(price, kind)
        if rate is None:
            unpriced.append(kind)
        elif rate:
            parts[kind] = (count * rate + MILLION // 2) // MILLION
    if price.request:
        parts["request"] = price.request
    return Cost(parts, tuple(unpriced))
