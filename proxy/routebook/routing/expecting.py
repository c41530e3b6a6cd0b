"""What a request is likely to cost and how long it is likely to take with each candidate, by what was learnt of answers.

The worst case, which budgets hold, is not the likely one: answers are shorter than they may be, and parts of prompts come
from caches. Until enough is known, what the policy assumes counts beside what was learnt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from routebook.catalogue.models import Model
from routebook.ledger.cost import MILLION
from routebook.routing.candidates import Candidate
from routebook.routing.memory import Habit, Place, Speed

ASSUMED_ANSWERS: Final = 2.0
"""So many answers the policy's own assumption counts for beside those that were learnt."""

CHEAPER: Final = 1.05
"""Who came first the last time stays in front until another is cheaper by this factor."""

FASTER: Final = 1.25
"""The same of the time: the measured medians are exact to 15 %."""

PROBED: Final = 0.03
"""The share of requests that may be sent to whom what was learnt long ago speaks against, to learn it anew."""

PROBED_AFTER: Final = 1.0
"""Seconds for which something that was just learnt need not be learnt again: at most so often it is tried."""

STALE_AFTER: Final = 30.0
"""Seconds after which a time that exceeds a limit may be measured again."""


class Outlook(NamedTuple):
    """What a request is likely to cost a model, in nano-dollars: `cached` is what the vendor's prompt cache is likely to
    save of it; `age` is seconds since the last was learnt (None: nothing was)."""

    cost: int
    cached: int
    age: float | None


def outlook(model: Model, prompt: int, usual: int, most: int, choices: int, habit: Habit | None) -> Outlook | None:
    """The outlook for a prompt of so many tokens; None where a price is unknown. `usual` is how many tokens an answer is
    assumed to have where nothing is known, `most` how many it can have, both for each of the `choices`."""
    price = model.price
    if price.input is None or (price.output is None and most):
        return None
    output, share = float(min(usual, most)), 0.0
    if habit is None:
        return Outlook(_cost(model, prompt, output * choices, 0.0), 0, None)
    weight = habit[2] / (habit[2] + ASSUMED_ANSWERS)
    output = min(output + weight * (habit[0] - output), most)
    share = weight * habit[1]
    cost, cold = _cost(model, prompt, output * choices, share), _cost(model, prompt, output * choices, 0.0)
    return Outlook(cost, max(cold - cost, 0), habit[3])


def _cost(model: Model, prompt: int, output: float, cached: float) -> int:
    price = model.price
    assert price.input is not None
    read = price.input if price.cached_input is None else price.cached_input
    tokens = prompt * ((1 - cached) * price.input + cached * read) + output * (price.output or 0)
    return round(tokens / MILLION) + price.request


def wait(speed: Speed | None, streams: bool) -> float | None:
    """How long a client is likely to wait: for the first token of a stream, for the whole of anything else."""
    if speed is None:
        return None
    first, whole, _ = speed
    return first if streams or whole is None else whole


def keep_leading(
    found: Sequence[Candidate], leader: Place | None, value: Callable[[Candidate], float], slack: float
) -> list[Candidate]:
    """The same order with the one in front that was there the last time, unless the first is better by `slack`: what
    was learnt of equals differs by chance, and traffic would go to and fro."""
    order = list(found)
    at = next((index for index, each in enumerate(order) if (each.name, each.path) == leader), 0)
    if at and (order[0].age is not None or order[at].age is not None) and value(order[at]) <= value(order[0]) * slack:
        order.insert(0, order.pop(at))
    return order


def due(found: Sequence[Candidate], could_lead: Callable[[Candidate], bool]) -> int | None:
    """Which of the candidates behind the first is to be tried anew, because what is known of it is oldest; None where
    there is none."""
    ages = [
        (float("inf") if each.age is None else each.age, -index)
        for index, each in enumerate(found)
        if index and each.reason == "kept" and could_lead(each)
    ]
    age, index = max(ages, default=(0.0, 0))
    return -index if age > PROBED_AFTER else None
