"""What a request used and what it cost, and how that is known."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from routebook.catalogue.models import Model
from routebook.chat.usage import Usage
from routebook.ledger.cost import Cost, by_length, cost_of


class Metered(msgspec.Struct, frozen=True, gc=False):
    """Usage and cost. `by` is `measured` (the upstream counted), `estimated` (we did, from sizes), `held` (nobody knows,
    so what was held is booked), `nothing` (no answer came, nothing is charged) or `cached` (nobody was called)."""

    usage: Usage
    cost: Cost
    by: str


NOTHING = Metered(Usage(), Cost({}), "nothing")
"""What a request used that no upstream answered."""


CACHED = Metered(Usage(), Cost({}), "cached")
"""What a request used whose answer was there already."""


def saved(model: Model, usage: Usage | None) -> dict[str, Any]:
    """What an answer used when it was first given, and what that costs at the model's price, as a record says it: None
    where the upstream did not count."""
    if usage is None:
        return {"usage": None, "cost": None}
    return {"usage": usage.parts(), "cost": cost_of(usage, model.price).total}


def metered(
    model: Model,
    counted: Usage | None,
    prompt: int,
    answer: int,
    is_whole: bool = True,
    heard_ms: int = 0,
    characters: int = 0,
    sound: int = 0,
) -> Metered:
    """The upstream's own count where there is one; otherwise the prompt's and the answer's estimated tokens (`sound` of
    them of what is heard, where that has a price of its own), or the length of sound or words (`heard_ms`, `characters`)
    where the model is paid by that.

    Of an answer that is not whole, the count may be one from before its words: what came since is estimated.
    """
    sound = 0 if model.price.audio_output is None else min(sound, answer)
    more = 0 if counted is None or is_whole else max(0, answer - counted.total_output)
    if counted is not None and not more:
        return Metered(counted, cost_of(counted, model.price), "measured")
    if counted is None and by_length(model.price, heard_ms, characters) is not None:
        kinds = model.price
        usage = Usage(
            heard_ms=0 if kinds.heard_ms is None else heard_ms, characters=0 if kinds.characters is None else characters
        )
        return Metered(usage, cost_of(usage, kinds), "estimated")
    if counted is None and heard_ms and model.price.audio_input is not None:
        usage = Usage(audio_input=prompt, output=answer - sound, audio_output=sound)
        return Metered(usage, cost_of(usage, model.price), "estimated")
    if counted is None:
        usage = Usage(input=prompt, output=answer - sound, audio_output=sound)
    else:
        heard = min(more, max(0, sound - counted.audio_output))
        usage = replace(counted, output=counted.output + more - heard, audio_output=counted.audio_output + heard)
    return Metered(usage, cost_of(usage, model.price), "estimated")


def as_held(estimated: Metered, money: int) -> Metered:
    """The same usage, booked as what was held for it: for policies that book the worst case of what nobody saw end.
    Where no money was held, its cost stays the estimate's."""
    return Metered(estimated.usage, Cost({"held": money}) if money else estimated.cost, "held")
