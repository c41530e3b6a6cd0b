"""What rules decide, in plain words: `to hosted, the cheapest first, for at most $0.05`."""

from __future__ import annotations

from collections.abc import Iterator

from routebook.routing.outcomes import REQUESTED, Caps, Outcome, Pick, Refuse, Reuse, Route, Split, Within
from routebook.routing.reasons import count, dollars, seconds

PICKS = {
    Pick.IN_ORDER: "in this order",
    Pick.CHEAPEST: "the cheapest first",
    Pick.FASTEST: "the fastest first",
    Pick.BEST: "the best first",
    Pick.BALANCED: "the cheapest of those that are about as good",
    Pick.LEAST_BUSY: "the least busy first",
    Pick.WEIGHTED: "drawn by weight",
}
"""How candidates are put in order, in words."""

_MILLION = 1_000_000


def outcome_in_words(outcome: Outcome) -> str:
    """What a rule decides, as one line."""
    match outcome:
        case Refuse(status, message, code):
            return f"refuse with status {status}, `{code}`: {message}"
        case Route() as route:
            return ", ".join(_route(route))


def _route(route: Route) -> Iterator[str]:
    names = ["what was asked for" if name == REQUESTED else name for name in route.to]
    yield "route to " + _joined(names)
    if len(names) > 1 or route.pick is not Pick.IN_ORDER:
        yield PICKS[route.pick]
    if route.weights:
        yield "weighing " + _joined([f"{name} {weight}" for name, weight in route.weights.items()])
    if route.split is not None:
        yield _split(route.split)
    yield from _within(route.within)
    if route.stick is not None:
        yield f"each conversation staying where it is for {seconds(route.stick)}"
    yield from _caps(route.caps)
    if route.cache is not None:
        yield _reuse(route.cache)


def _split(split: Split) -> str:
    shares = [
        f"{parts * 100 / _MILLION:g} % to {'what was asked for' if name == REQUESTED else name}"
        for name, parts in split.shares
    ]
    return f"{_joined(shares)}, each {split.by} always to the same"


def _within(within: Within) -> Iterator[str]:
    if within.cost is not None:
        yield f"for at most {dollars(within.cost)}"
    if within.first_token is not None:
        yield f"with a first token within {seconds(within.first_token)}"
    if within.first_audio is not None:
        yield f"with a first sound within {seconds(within.first_audio)}"
    if within.quality is not None:
        yield f"with a quality of at least {within.quality:g}"
    if within.regions is not None:
        yield f"in {_joined(sorted(within.regions), 'or')}"
    for name, text in within.labels.items():
        yield f"with {name} {text}"


def _caps(caps: Caps) -> Iterator[str]:
    if caps.max_output is not None:
        yield f"answering {count(caps.max_output)} tokens at most"
    if caps.temperature is not None:
        yield f"at temperature {caps.temperature:g}"
    if caps.reasoning_effort is not None:
        yield f"thinking with effort {caps.reasoning_effort}"


def _reuse(reuse: Reuse) -> str:
    whose = "for everybody" if reuse.shared else "for the same client"
    return f"using an answer again {whose} for {seconds(reuse.seconds)}"


def _joined(words: list[str], last: str = "and") -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"
