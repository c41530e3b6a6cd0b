"""The order of candidates, and the shares that draws and splits give."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routebook.catalogue.callers import ANONYMOUS, Client
from routebook.documents.problems import Location
from routebook.health.measurements import Measurements
from routebook.routing.candidates import Plan
from routebook.routing.memory import BLANK, Remembered
from routebook.routing.picking import by_weight
from routebook.routing.policy import Policy
from tests.support.routes import facts_of, names, plan, policy

HERE = Location("policy.yaml", 1, 1)


@pytest.mark.parametrize(
    ("pick", "order"),
    [
        ("in_order", ["large", "small", "house"]),
        ("cheapest", ["house", "small", "large"]),
        ("best", ["large", "small", "house"]),
        ("balanced", ["house", "small", "large"]),
        ("fastest", ["small", "house", "large"]),
        ("least_busy", ["small", "house", "large"]),
    ],
)
def test_each_pick_has_its_order(pick: str, order: list[str]) -> None:
    """By declared price and quality, by measured time and load; what was not measured comes last. A greeting is answered
    about as well by the cheapest."""
    under = policy(f"rules: [{{name: r, route: {{to: everything, pick: {pick}}}}}]", catalogue=ONE_ACCOUNT_EACH)
    memory = Remembered(first_tokens={"small": 0.2, "house": 0.4}, running={("a", "n"): 5, ("c", "n"): 1})
    assert names(plan(under, memory=memory)) == order


ONE_ACCOUNT_EACH = """
version: 1
providers:
  a: {dialect: openai, base_url: "https://a.example/v1", accounts: [{name: n}]}
  b: {dialect: openai, base_url: "https://b.example/v1", accounts: [{name: n}]}
  c: {dialect: openai, base_url: "https://c.example/v1", accounts: [{name: n}]}
models:
  large: {provider: a, price: {input: 2.50, output: 10}, quality: 0.9}
  small: {provider: b, price: {input: 0.25, output: 1}, quality: 0.7}
  house: {provider: c, price: {input: 0, output: 0}, quality: 0.6}
pools: {everything: [large, small, house]}
"""


HARD = """Let G be a finite group of order 2n with n odd. Prove that G has a normal subgroup of index 2, and explain why
the statement is false in general for n even. Then derive the number of homomorphisms from G to the multiplicative group
of complex numbers, assuming that every proper quotient of G is abelian, and give a counterexample without that assumption."""


def test_balanced_takes_the_cheapest_of_those_that_are_about_as_good() -> None:
    """Within two hundredths of the best that is predicted; the others follow by quality. A hard prompt goes to the
    model that is better at hard ones, where the easy one went to a cheaper."""
    under = policy(
        "rules: [{name: r, route: {to: everything, pick: balanced}}]",
        ONE_ACCOUNT_EACH.replace("quality: 0.7", "quality: 0.75"),
    )
    easy = plan(under, facts_of(under, messages=[{"role": "user", "content": "hello"}]))
    hard = plan(under, facts_of(under, messages=[{"role": "user", "content": HARD}]))
    assert (names(easy), names(hard)) == (["house", "small", "large"], ["large", "small", "house"])
    assert easy.judged is not None and hard.judged is not None and easy.judged.complexity < 0.1 < hard.judged.complexity
    assert _by_name(easy)["large"] > _by_name(hard)["large"] and _by_name(easy)["house"] > _by_name(hard)["house"]


def test_a_quality_for_a_class_of_task_counts_there() -> None:
    """A model that is declared to be best at code is first for code, and not elsewhere."""
    catalogue = ONE_ACCOUNT_EACH.replace("quality: 0.7", "quality: {usual: 0.7, code: 0.97}")
    under = policy("rules: [{name: r, route: {to: everything, pick: best}}]", catalogue)
    code = "Why does my python function raise TypeError?\n```\ndef f(x):\n    return x + '1'\n```"
    assert names(plan(under, facts_of(under, messages=[{"role": "user", "content": code}])))[0] == "small"
    assert names(plan(under, facts_of(under, messages=[{"role": "user", "content": HARD}])))[0] == "large"


def test_what_the_user_wrote_last_is_judged() -> None:
    """Neither a long system prompt nor the turns before make a short question hard."""
    under = policy("rules: [{name: r, when: {prompt.complexity: {below: 0.2}}, route: {to: house}}]", ONE_ACCOUNT_EACH)
    turns = [
        {"role": "system", "content": HARD},
        {"role": "user", "content": HARD},
        {"role": "assistant", "content": "..."},
        {"role": "user", "content": [{"type": "text", "text": "thanks!"}]},
    ]
    assert names(plan(under, facts_of(under, messages=turns))) == ["house"]
    assert under.tree.decide(facts_of(under, messages=turns[:2])).rule is None


def test_weights_are_kept_over_many_draws() -> None:
    """A share of 70, 20, 10 comes out as such; every order holds all candidates."""
    under = policy(
        "rules: [{name: r, route: {to: everything, pick: weighted, weights: {large: 7, small: 2, house: 1}}}]",
        ONE_ACCOUNT_EACH,
    )
    facts = facts_of(under)
    orders = [names(plan(under, facts, draw=step / 2000)) for step in range(2000)]
    assert {frozenset(order) for order in orders} == {frozenset({"large", "small", "house"})}
    first = Counter(order[0] for order in orders)
    assert abs(first["large"] - 1400) < 100 and abs(first["small"] - 400) < 80 and abs(first["house"] - 200) < 60


def test_accounts_share_the_load_by_their_weight() -> None:
    """One of weight 3 beside one of weight 1 is tried first three times of four."""
    under = policy("rules: [{name: r, route: {to: large}}]")
    facts = facts_of(under)
    first = Counter(plan(under, facts, draw=step / 1000).kept[0].path for step in range(1000))
    assert abs(first["big/spare"] - 750) < 60


@settings(deadline=None)
@given(st.floats(0, 1, exclude_max=True), st.lists(st.integers(0, 5), max_size=8))
def test_an_order_by_weight_loses_nobody_and_follows_from_the_draw(draw: float, weights: list[int]) -> None:
    """The same draw, the same order; whoever has no weight comes after all that have."""
    items = list(enumerate(weights))
    order = by_weight(items, lambda item: item[1], draw, "x")
    assert sorted(order) == items
    assert order == by_weight(items, lambda item: item[1], draw, "x")
    assert [weight > 0 for _, weight in order] == sorted((weight > 0 for weight in weights), reverse=True)


SPLIT = "rules: [{name: canary, route: {to: everything, split: {small: 90%, large: 10%}}}]"


def test_a_split_keeps_each_client_on_its_side() -> None:
    """The same client always has the same share, whatever the draw; the shares come out over many clients."""
    under = policy(SPLIT, ONE_ACCOUNT_EACH)
    first: Counter[str] = Counter()
    for number in range(1000):
        client = Client(f"client-{number}", HERE)
        sides = {names(plan(under, facts_of(under, client), draw=draw))[0] for draw in (0.0, 0.5, 0.99)}
        assert len(sides) == 1
        first.update(sides)
    assert abs(first["large"] - 100) < 40
    assert first["large"] + first["small"] == 1000


def test_the_other_shares_remain_as_fallbacks() -> None:
    """Who is chosen comes first; the rest follow in the route's order."""
    found = plan(under := policy(SPLIT, ONE_ACCOUNT_EACH), facts_of(under, Client("client-1", HERE)))
    assert sorted(names(found)) == ["house", "large", "small"]
    assert found.share == names(found)[0]
    assert found.point is not None and 0 <= found.point < 1_000_000


def test_end_users_of_one_client_are_kept_apart() -> None:
    """Behind one key stand many people; each has a side of their own."""
    under = policy(SPLIT, ONE_ACCOUNT_EACH)
    points = {plan(under, facts_of(under, Client("app", HERE), user=f"user-{number}")).point for number in range(50)}
    assert len(points) == 50


def test_where_nobody_has_a_name_the_draw_decides() -> None:
    """All anonymous callers on one side would be no split."""
    under = policy(SPLIT, ONE_ACCOUNT_EACH)
    assert plan(under, facts_of(under, ANONYMOUS), draw=0.25).point == 250_000
    assert plan(under, facts_of(under, ANONYMOUS, user="u"), draw=0.25).point != 250_000


def test_a_conversation_stays_on_its_side() -> None:
    """By what it began with, however it goes on."""
    under = policy(SPLIT.replace("large: 10%", "large: 10%, by: conversation"), ONE_ACCOUNT_EACH)
    opening = {"role": "user", "content": "tell me a story"}
    points = {
        plan(under, facts_of(under, messages=[opening, *later]), draw=draw).point
        for draw in (0.1, 0.9)
        for later in ([], [{"role": "assistant", "content": "once"}])
    }
    assert len(points) == 1


def test_splits_of_different_rules_are_independent() -> None:
    """Otherwise the same tenth of the clients would be the canary of everything."""
    rules = "rules: [{name: %s, route: {to: everything, split: {small: 90%%, large: 10%%}}}]"
    one, other = policy(rules % "one", ONE_ACCOUNT_EACH), policy(rules % "other", ONE_ACCOUNT_EACH)
    clients = [Client(f"client-{number}", HERE) for number in range(20)]
    assert [plan(one, facts_of(one, client)).point for client in clients] != [
        plan(other, facts_of(other, client)).point for client in clients
    ]


KEYS = """
version: 1
providers:
  p: {dialect: openai, base_url: "https://p.example/v1", spread: SPREAD,
      accounts: [{name: a}, {name: b}, {name: c, weight: 2}]}
models: {m: {provider: p}}
rules: [{name: r, route: {to: m}}]
"""


def paths(under: Policy, memory: Remembered = BLANK, draw: float = 0.5, **fields: Any) -> list[str]:
    """The accounts of a plan, in order."""
    return [each.path for each in plan(under, facts_of(under, **fields), memory=memory, draw=draw).kept]


def test_accounts_take_turns_as_often_as_they_weigh() -> None:
    """Over a round of four each is first once, the one of weight 2 twice; then it begins anew."""
    under = policy("", KEYS.replace("SPREAD", "round_robin"))
    first = [paths(under, Remembered(turns={"p": turn}))[0] for turn in range(8)]
    assert Counter(first[:4]) == {"p/a": 1, "p/b": 1, "p/c": 2}
    assert first[4:] == first[:4]
    assert sorted(paths(under, Remembered(turns={"p": 3}))) == ["p/a", "p/b", "p/c"]


def test_one_plan_is_one_turn() -> None:
    """However many models of the provider it holds."""
    under = policy(
        "",
        KEYS.replace("SPREAD", "round_robin")
        .replace("{m: {", "{n: {provider: p}, m: {")
        .replace("to: m", "to: [m, n]"),
    )
    memory = Measurements()
    orders = [[each.path for each in plan(under, facts_of(under), memory=memory).kept] for _ in range(4)]
    assert all(order[:3] == order[3:] for order in orders)
    assert {order[0] for order in orders} == {"p/a", "p/b", "p/c"}


def test_the_first_account_is_drained_before_the_next() -> None:
    """Whatever the draw; the next one serves while it rests."""
    under = policy("", KEYS.replace("SPREAD", "drain_first").replace(", weight: 2", ""))
    for draw in (0.0, 0.5, 0.99):
        assert paths(under, draw=draw) == ["p/a", "p/b", "p/c"]
    assert paths(under, Remembered(rests={("p", "a"): (3.0, "429")})) == ["p/b", "p/c"]


def test_the_least_busy_account_is_first_for_its_weight() -> None:
    """Two running where two count as one is less than two running."""
    under = policy("", KEYS.replace("SPREAD", "least_busy"))
    busy = Remembered(running={("p", "a"): 3, ("p", "b"): 2, ("p", "c"): 2})
    assert paths(under, busy) == ["p/c", "p/b", "p/a"]


def test_a_conversation_stays_with_its_account() -> None:
    """However it goes on and whatever the draw. Those of an account that rests move, and no others."""
    under = policy("", KEYS.replace("SPREAD", "sticky"))
    resting = Remembered(rests={("p", "a"): (3.0, "429")})
    first: Counter[str] = Counter()
    for number in range(400):
        opening = {"role": "user", "content": f"story {number}"}
        later = [opening, {"role": "assistant", "content": "once"}, {"role": "user", "content": "go on"}]
        orders = {
            tuple(paths(under, draw=draw, messages=messages)) for draw in (0.1, 0.9) for messages in ([opening], later)
        }
        assert len(orders) == 1
        order = orders.pop()
        first[order[0]] += 1
        assert paths(under, resting, messages=[opening]) == [each for each in order if each != "p/a"]
    assert abs(first["p/c"] - 200) < 50 and abs(first["p/a"] - 100) < 45


def test_an_account_that_goes_moves_its_own_conversations_only() -> None:
    """Rendezvous hashing: places depend on names, not on positions."""
    under = policy("", KEYS.replace("SPREAD", "sticky"))
    without = policy("", KEYS.replace("SPREAD", "sticky").replace("{name: a}, ", ""))
    for number in range(50):
        messages = [{"role": "user", "content": f"story {number}"}]
        assert paths(without, messages=messages) == [each for each in paths(under, messages=messages) if each != "p/a"]


def _by_name(of: Plan) -> dict[str, float]:
    return {each.name: each.quality or 0.0 for each in of.kept}


def test_a_band_says_how_much_quality_a_saving_is_worth() -> None:
    """The wider the band, the cheaper who is first; `cheapest` without one asks nothing of quality."""
    hard = [{"role": "user", "content": HARD}]
    first = []
    for terms in ("pick: balanced, band: 0", "pick: balanced, band: 0.27", "pick: best, band: 1", "pick: cheapest"):
        under = policy(f"rules: [{{name: r, route: {{to: everything, {terms}}}}}]", ONE_ACCOUNT_EACH)
        first.append(names(plan(under, facts_of(under, messages=hard)))[0])
    assert first == ["large", "small", "house", "house"]
