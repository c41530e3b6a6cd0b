"""What a request used and what it cost, and how that is known."""

from __future__ import annotations

import msgspec

from routebook.catalogue.models import Model
from routebook.chat.usage import Usage
from routebook.ledger.cost import Cost, cost_of


class Metered(msgspec.Struct, frozen=True, gc=False):
    """Usage and cost. `by` is `measured` (the upstream counted), `estimated` (we did, from sizes), `held` (nobody knows,
    so what was held is booked) or `nothing` (no answer came, nothing is charged)."""

    usage: Usage
    cost: Cost
    by: str


NOTHING = Metered(Usage(), Cost({}), "nothing")
"""What a request used that no upstream answered."""


def metered(model: Model, counted: Usage | None, prompt: int, answer: int) -> Metered:
    """The upstream's own count where there is one; otherwise the prompt's and the answer's estimated tokens."""
    if counted is not None:
        return Metered(counted, cost_of(counted, model.price), "measured")
    usage = Usage(input=prompt, output=answer)
    return Metered(usage, cost_of(usage, model.price), "estimated")


def as_held(estimated: Metered, money: int) -> Metered:
    """The same usage at the price of what was held for it: for policies that book the worst case of what nobody saw end.

    Nothing changes where no money was held."""
    if not money:
        return estimated
    return Metered(estimated.usage, Cost({"held": money}), "held")
