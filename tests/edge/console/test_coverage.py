"""The decision tree with what traffic made of it."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from routebook.edge.console.coverage import trodden
from routebook.routing.drawings.policy_tree import draw_policy
from routebook.routing.drawings.sketch import Kind, Sketch
from routebook.routing.drawings.svg import as_svg
from routebook.routing.reading.loading import load_sources
from tests.support.proxy import small_policy


def tree(*conditions: str) -> Sketch:
    """The tree of a policy with a rule for each condition, and one for the rest."""
    rules = [
        f"  - {{name: rule-{number}, when: {{{when}}}, route: {{to: [small]}}}}"
        for number, when in enumerate(conditions)
    ]
    text = small_policy("http://x.example/v1", "\n".join([*rules, "  - {name: rest, route: {to: [large]}}"]))
    policy = load_sources([("policy.yaml", text)], proving=False).policy
    assert policy is not None
    return draw_policy(policy)


FEW = tree("client.team: a", "request.model: small", "tags: {any: [x]}")
MANY = tree(*(f"client.team: team-{number}" for number in range(60)))
NAMES = ["rest", *(f"rule-{number}" for number in range(60))]


def test_each_end_says_what_it_decided() -> None:
    """With its share; one that nobody came to says so, and looks so; one that stands at several ends says that."""
    sketch = trodden(FEW, {"rule-0": 30, "rest": 9970}, "the last hour")
    ends = {shape.title: shape for shape in sketch.shapes if shape.rules}
    assert ends["rule-0"].lines[-1] == "30 requests, 0.3 %" and not ends["rule-0"].idle
    assert ends["rest"].lines[-1].startswith("9,970 requests, 100 %")
    assert ends["rule-1"].idle and ends["rule-1"].lines[-1] == "decided nothing"
    assert "10,000 requests it decided in the last hour" in sketch.says
    root = ElementTree.fromstring(as_svg(sketch))
    idle = [each for each in root.iter("{http://www.w3.org/2000/svg}rect") if "idle" in each.get("class", "")]
    assert len(idle) == sum(shape.idle for shape in sketch.shapes) > 0


def test_where_nothing_was_decided_nothing_is_said() -> None:
    """A service that has just begun has no idle rules."""
    assert trodden(FEW, {}, "the last hour") is FEW


def test_what_is_not_unfolded_is_added_up() -> None:
    """A table of many ends says how many they decided together, and how many of them nothing."""
    sketch = trodden(MANY, {"rule-0": 5, "rule-1": 5, "rest": 10}, "the last hour")
    [table] = [shape for shape in sketch.shapes if shape.kind is Kind.TABLE]
    assert re.match(r"\d+ requests, \d+ %.*; \d+ rules of them decided nothing", table.lines[-1])


@given(st.dictionaries(st.sampled_from(NAMES), st.integers(0, 10**9)))
def test_an_end_is_idle_only_where_its_rules_are(requests: dict[str, int]) -> None:
    """Whatever was decided: an end is idle, or says a number, and never both."""
    for sketch in (FEW, MANY):
        for before, shape in zip(sketch.shapes, trodden(sketch, requests, "an hour").shapes, strict=True):
            came = any(requests.get(name) for name in shape.rules)
            if any(requests.values()) and shape.rules:
                assert shape.idle is not came and len(shape.lines) == len(before.lines) + 1
            else:
                assert shape == before
