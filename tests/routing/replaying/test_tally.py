"""Counting replays: lines in any order and any pieces give the same figures, and money adds up."""

from __future__ import annotations

import random
from typing import Any

import orjson
import pytest

from routebook.routing.replaying.deciding import Redeciding
from routebook.routing.replaying.tally import Counting, Tally
from routebook.routing.telling.replays import as_json, as_text
from tests.support.routes import policy

SERVED = policy("rules: [{name: all, route: {to: [large, small]}}]")
PROPOSED = policy(
    "rules: [{name: long, when: {request.model: auto}, route: {to: small}}, {name: no, when: {request.model: bad},"
    " refuse: {status: 403}}, {name: t, when: {request.model: tagged, tags: {any: [a]}}, route: {to: small}},"
    " {name: all, route: {to: [large, small]}}]"
)


def lines(number: int, model: str, cost: int = 1000, **usage: int) -> list[dict[str, Any]]:
    """The two lines of a record."""
    identity = f"{number:026d}"
    kept = [{"model": each, "account": "big/main", "verdict": "kept", "reason": "kept"} for each in ("large", "small")]
    decided = {
        "event": "decided",
        "id": identity,
        "time": f"2026-11-21T10:00:{number % 60:02}.000Z",
        "policy": SERVED.digest,
        "operation": "chat",
        "outcome": "route",
        "dialect": "openai-chat",
        "requested": model,
        "client": "anonymous",
        "rule": "all",
        "asked": {"bytes": 40, "most_tokens": 40, "texts": 1, "tokens": 9, "tokens_by": "estimate"},
        "candidates": kept,
        "draw": {"draw": 0.5},
    }
    ended = {"event": "ended", "id": identity, "model": "large", "usage": usage, "usage_by": "measured", "cost": cost}
    return [decided, ended]


def written(some: list[dict[str, Any]]) -> list[bytes]:
    """Lines as a journal has them."""
    return [orjson.dumps(line) for line in some]


def counting() -> Counting:
    """A count under the proposed policy."""
    return Counting(Redeciding(PROPOSED, {SERVED.digest: SERVED}.get))


def tally_of(some: list[bytes]) -> Tally:
    """All lines in one go."""
    count = counting()
    for line in some:
        count.take(line)
    return count.tally


def test_what_moves_is_counted_with_its_cost_at_the_new_price() -> None:
    """Recorded usage at the price of the model it goes to; a refusal costs nothing; what stays costs what it did."""
    found = as_json(
        tally_of(
            written(
                [
                    *lines(1, "auto", 1_000_000, input=1000, output=100),
                    *lines(2, "auto", 1_000_000, input=1000, output=100),
                    *lines(3, "bad", 5_000),
                    *lines(4, "other", 7_000, input=10),
                    *lines(5, "tagged", 9_000, input=10),
                ]
            )
        )
    )
    assert (found["records"], found["kept"], found["moved"], found["undecidable"]) == (5, 1, 3, 1)
    to_small, refused = found["moves"]
    assert (to_small["then"]["model"], to_small["now"]["model"], to_small["requests"]) == ("large", "small", 2)
    assert to_small["cost"] == {"then": 2_000_000, "now": 2 * (1000 * 250 + 100 * 1000), "unknown": 0}
    assert to_small["examples"] == [f"{2:026d}", f"{1:026d}"]
    assert (refused["now"]["outcome"], refused["cost"]) == ("refuse", {"then": 5_000, "now": 0, "unknown": 0})
    assert found["cost"] == {"then": 2_012_000, "now": 707_000, "unknown": 0}
    assert found["not_recorded"] == [{"what": "tags", "requests": 1, "examples": [f"{5:026d}"]}]


def test_usage_that_nobody_knows_is_in_no_sum() -> None:
    """A call that brought no answer says nothing of what another model would have used."""
    found = as_json(tally_of(written(lines(1, "auto", 4_000))))
    assert found["cost"] == {"then": 0, "now": 0, "unknown": 1}


@pytest.mark.parametrize("seed", range(8))
def test_pieces_add_up_to_the_whole_wherever_they_are_cut(seed: int) -> None:
    """Also where the two lines of a record stand in different pieces, in whichever order the pieces are added."""
    dice = random.Random(seed)
    some = [
        line
        for number in range(60)
        for line in lines(number, dice.choice(("auto", "bad", "other", "tagged")), dice.randrange(9000), input=number)
    ]
    dice.shuffle(some)
    whole, whole_written = as_json(tally_of(written(some))), written(some)
    cuts = sorted(dice.sample(range(len(some)), 5))
    pieces = [whole_written[start:end] for start, end in zip([0, *cuts], [*cuts, len(some)], strict=True)]
    dice.shuffle(pieces)
    count = counting()
    for piece in pieces:
        count.add(tally_of(piece))
    assert as_json(count.tally) == whole
    assert not count.tally.endings and not count.tally.waiting


def test_the_text_names_what_moves_what_is_missing_and_what_is_assumed() -> None:
    """For whoever decides whether the policy may go in."""
    text = as_text(tally_of(written([*lines(1, "auto", 10, input=3), *lines(2, "tagged")])), "`new` (abc)", 20)
    for part in (
        "2 recorded requests from 2026-11-21T10:00:01Z to 2026-11-21T10:00:02Z, again under `new` (abc)",
        "`all`: large -> `long`: small",
        "1  tags, such as 00000000000000000000000002",
        "assumed: costs count",
    ):
        assert part in text, text


def test_lines_that_are_no_records_are_counted_and_passed_over() -> None:
    """A journal that somebody edited does not end a replay."""
    found = tally_of([b"{", b"[]", b'{"event":"held","id":"x"}', *written(lines(1, "other"))])
    assert (found.unreadable, found.records) == (2, 1)
