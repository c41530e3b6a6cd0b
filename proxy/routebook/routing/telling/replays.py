"""What came of deciding recorded requests again, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from routebook.documents.quantities import NANO
from routebook.routing.replaying.deciding import NO_RULE, NOBODY, REFUSED, ROUTED, Destination
from routebook.routing.replaying.own import OwnTally
from routebook.routing.replaying.tally import Flow, Tally, Way

ASSUMPTIONS = (
    "costs count what was used then, at the proposed price of the model that the request goes to first",
    "accounts, budgets and limits stand as the records say; a model that nobody looked at then is taken as ready",
)
"""What every replay rests on."""


def as_text(tally: Tally, policy: str, most: int) -> str:
    """The tally for people, at most so many lines of each kind; `policy` is the proposed one in words."""
    moves, others, kept = _sorted(tally)
    when = f" from {tally.first[:19]}Z to {tally.last[:19]}Z" if tally.first else ""
    lines = [f"{tally.records:,} recorded requests{when}, again under {policy}", ""]
    lines += [
        f"{number:>11,}  {words}"
        for number, words in (
            (_requests(kept), "as they were"),
            (_requests(moves), "move: to another model, to a refusal or to an answer"),
            (_requests(others), "by another rule, to the same end"),
            (_requests(tally.undecidable.items()), "cannot be decided: their records do not hold what it depends on"),
            (tally.unread, "ended before anything was decided"),
        )
        if number or words == "as they were"
    ]
    if tally.fallbacks:
        lines.append(f"{tally.fallbacks:>11,}  keep their model, with others or another order behind it")
    if tally.unreadable:
        lines.append(f"{tally.unreadable:>11,}  lines are no records")
    lines += ["", _cost_line("cost", tally.flows.values()), *_moves(moves, most), *_by_others(others, most)]
    lines += _undecidable(tally, most)
    if tally.without:
        lines += [
            "",
            _without(tally.without),
            "so patterns, budgets and splits that they speak of count as not recorded",
        ]
    return "\n".join([*lines, "", *(f"assumed: {each}" for each in ASSUMPTIONS), ""])


def as_json(tally: Tally) -> dict[str, Any]:
    """The tally for programs, whole; money in nano-dollars."""
    moves, others, kept = _sorted(tally)
    return {
        "records": tally.records,
        "from": tally.first or None,
        "to": tally.last or None,
        "kept": _requests(kept),
        "moved": _requests(moves),
        "by_another_rule": _requests(others),
        "undecidable": _requests(tally.undecidable.items()),
        "unread": tally.unread,
        "unreadable": tally.unreadable,
        "other_fallbacks": tally.fallbacks,
        "cost": _costs(tally.flows.values()),
        "moves": [_way(way, flow) for way, flow in moves],
        "other_rules": [_way(way, flow) for way, flow in others],
        "not_recorded": [
            {"what": what, "requests": flow.requests, "examples": flow.examples}
            for what, flow in sorted(tally.undecidable.items(), key=lambda each: -each[1].requests)
        ],
        "policies_not_at_hand": tally.without,
        "assumptions": list(ASSUMPTIONS),
    }


def own_as_text(tally: OwnTally) -> str:
    """Whether records replay to themselves, for people."""
    lines = [f"{tally.records:,} recorded requests, each again under its own policy", ""]
    lines.append(f"{tally.alike:>11,}  decided as recorded")
    lines += [
        f"{number:>11,}  {words}"
        for number, words in (
            (tally.otherwise, "decided otherwise"),
            (tally.unread, "ended before anything was decided"),
            (tally.unreadable, "lines are no records"),
        )
        if number
    ]
    if tally.without:
        lines += ["", _without(tally.without)]
    for identity, found in tally.differences.items():
        lines += ["", identity, *(f"  {each}" for each in found)]
    if len(tally.differences) < tally.otherwise:
        lines.append(f"and {tally.otherwise - len(tally.differences):,} more")
    return "\n".join([*lines, ""])


def own_as_json(tally: OwnTally) -> dict[str, Any]:
    """Whether records replay to themselves, for programs."""
    return {
        "records": tally.records,
        "alike": tally.alike,
        "otherwise": tally.otherwise,
        "unread": tally.unread,
        "unreadable": tally.unreadable,
        "policies_not_at_hand": tally.without,
        "differences": [{"id": identity, "found": found} for identity, found in tally.differences.items()],
    }


def moved(tally: Tally) -> int:
    """How many requests would go elsewhere."""
    return _requests(_sorted(tally)[0])


def undecidable(tally: Tally) -> int:
    """How many requests may go elsewhere, for all that is known."""
    return _requests(tally.undecidable.items())


_Ways = list[tuple[Way, Flow]]


def _sorted(tally: Tally) -> tuple[_Ways, _Ways, _Ways]:
    """The ways of requests that move, that another rule decides to the same end, and that stay; most used first."""
    moves: _Ways = []
    others: _Ways = []
    kept: _Ways = []
    for way, flow in sorted(tally.flows.items(), key=lambda each: (-each[1].requests, repr(each[0]))):
        then, now = way
        (moves if then.goes_to != now.goes_to else others if then.rule != now.rule else kept).append((way, flow))
    return moves, others, kept


def _requests(flows: Iterable[tuple[Any, Flow]]) -> int:
    return sum(flow.requests for _, flow in flows)


def _moves(moves: _Ways, most: int) -> Iterator[str]:
    if moves:
        yield ""
        yield "moves"
    for (then, now), flow in moves[:most]:
        yield f"{flow.requests:>11,}  {_in_words(then)} -> {_in_words(now)}"
        yield f"{'':13}{_cost_line('cost', (flow,))}"
        if flow.assumed:
            yield f"{'':13}nobody looked at `{now.model}` in {flow.assumed:,} of them"
        yield f"{'':13}such as {', '.join(flow.examples)}"
    if len(moves) > most:
        yield f"{_requests(moves[most:]):>11,}  on {len(moves) - most} more ways"


def _by_others(others: _Ways, most: int) -> Iterator[str]:
    if others:
        yield ""
        yield "by another rule, to the same end"
    for (then, now), flow in others[:most]:
        yield f"{flow.requests:>11,}  {_in_words(then)} -> {_rule(now)}"
    if len(others) > most:
        yield f"{_requests(others[most:]):>11,}  in {len(others) - most} more ways"


def _undecidable(tally: Tally, most: int) -> Iterator[str]:
    found = sorted(tally.undecidable.items(), key=lambda each: (-each[1].requests, each[0]))
    if found:
        yield ""
        yield "cannot be decided, because the records do not hold"
    for what, flow in found[:most]:
        yield f"{flow.requests:>11,}  {what}, such as {', '.join(flow.examples)}"
    if len(found) > most:
        yield f"{_requests(found[most:]):>11,}  {len(found) - most} other things"


def _without(without: dict[str, int]) -> str:
    policies = ", ".join(f"{digest} ({number:,})" for digest, number in sorted(without.items()))
    return f"{sum(without.values()):>11,}  are of policies that are not at hand: {policies}"


def _in_words(way: Destination) -> str:
    match way.outcome:
        case outcome if outcome == ROUTED:
            return f"{_rule(way)}: {way.model}"
        case outcome if outcome == REFUSED:
            return f"{_rule(way)}: refused"
        case outcome if outcome == NOBODY:
            return f"{_rule(way)}: nobody may serve it"
        case outcome if outcome == NO_RULE:
            return "no rule"
        case _:
            return "its client is not let in"


def _rule(way: Destination) -> str:
    return "no rule" if way.rule is None else f"`{way.rule}`"


def _cost_line(name: str, flows: Iterable[Flow]) -> str:
    costs = _costs(flows)
    then, now, unknown = costs["then"], costs["now"], costs["unknown"]
    share = f", {(now - then) / then:+.1%}" if then else ""
    left_out = f"; of {unknown:,} it is not known" if unknown else ""
    return f"{name} {_dollars(then)} then, {_dollars(now)} now ({_dollars(now - then, sign='+')}{share}){left_out}"


def _costs(flows: Iterable[Flow]) -> dict[str, int]:
    then = now = unknown = 0
    for flow in flows:
        then += flow.cost_then
        now += flow.cost_now
        unknown += flow.unknown
    return {"then": then, "now": now, "unknown": unknown}


def _dollars(nano: int, sign: str = "") -> str:
    plus = "-" if nano < 0 else sign
    amount = abs(nano) / NANO
    return f"{plus}${amount:,.2f}" if amount >= 100 or not amount else f"{plus}${amount:,.6f}"


def _way(way: Way, flow: Flow) -> dict[str, Any]:
    return {
        "then": way[0]._asdict(),
        "now": way[1]._asdict(),
        "requests": flow.requests,
        "cost": _costs((flow,)),
        "assumed": flow.assumed,
        "examples": flow.examples,
    }
