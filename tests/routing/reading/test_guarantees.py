"""Guarantees, as written in a policy."""

from __future__ import annotations

import pytest

from routebook.documents.quantities import NANO
from routebook.policy.conditions import ALWAYS
from routebook.routing.policy import Guarantee, Reach
from routebook.routing.reading.loading import load_sources
from tests.support.authored import hints, lines

POLICY = """\
version: 1
providers:
  one: {dialect: openai, base_url: https://one.example/v1, region: eu, accounts: [{name: a}]}
models:
  large: {provider: one}
  small: {provider: one}
pools:
  both: [large, small]
rules:
  - {name: all, route: {to: requested}}
guarantees:
"""


def guarantee(text: str) -> Guarantee:
    result = load_sources([("policy.yaml", f"{POLICY}  - {text}\n")], proving=False)
    assert result.policy is not None, lines(result.problems)
    return result.policy.guarantees[0]


def faults(text: str) -> list[str]:
    return lines(load_sources([("policy.yaml", f"{POLICY}  - {text}\n")]).problems)


def test_a_guarantee_in_full() -> None:
    """Every attribute of a model may be named; pools are replaced by what they hold."""
    found = guarantee(
        "{name: g, when: {tags: {any: [phi]}}, only: {model: [both], provider: one, region: eu, "
        "labels: {tier: [gold, silver]}, capability: tools, price: {at_most: 5}}}"
    )
    assert found.reach == Reach(
        frozenset({"large", "small"}),
        frozenset({"one"}),
        frozenset({"eu"}),
        {"tier": frozenset({"gold", "silver"})},
        frozenset({"tools"}),
        5 * NANO,
    )
    assert not found.never and found.when != ALWAYS


def test_a_guarantee_without_a_condition_holds_for_all() -> None:
    """What is never done is never done for anybody."""
    found = guarantee("{name: g, never: {model: large}}")
    assert found.never and found.when == ALWAYS and found.reach == Reach(models=frozenset({"large"}))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{name: g}", ["12:5 policy.no-promise the guarantee `g` needs `only` or `never`, one of the two"]),
        (
            "{name: g, only: {region: eu}, never: {model: large}}",
            ["12:5 policy.no-promise the guarantee `g` needs `only` or `never`, one of the two"],
        ),
        ("{name: g, only: {}}", ["12:21 policy.no-promise the guarantee `g` names no models"]),
        ("{name: g, only: {regoin: eu}}", ["12:22 document.unknown-key unknown key `regoin` in a guarantee's models"]),
        ("{name: g, only: {region: ue}}", ["12:30 policy.unknown-region `ue` is not a region of any provider"]),
        (
            "{name: g, never: {model: lrge}}",
            ["12:30 policy.unknown-model `lrge` is not a model or pool of this policy"],
        ),
        ("{name: g, never: {provider: two}}", ["12:33 policy.unknown-provider `two` is not a provider of this policy"]),
        ("{name: g, never: {price: {at_most: 5}}}", ["12:22 policy.no-promise `never` cannot forbid cheap models"]),
        ("{name: g, only: {price: {at_most: dear}}}", ["12:39 document.wrong-unit `dear` is not a price"]),
    ],
)
def test_every_slip_in_a_guarantee_has_its_place(written: str, expected: list[str]) -> None:
    """A promise that could not be kept, or that promises nothing, is refused."""
    assert faults(written) == expected


def test_two_guarantees_of_one_name() -> None:
    """Records name the guarantee that dropped a candidate."""
    text = f"{POLICY}  - {{name: g, only: {{region: eu}}}}\n  - {{name: g, only: {{region: eu}}}}\n"
    [problem] = load_sources([("policy.yaml", text)]).problems
    assert (problem.code, problem.location.line, problem.related[0][0].line) == ("document.duplicate-name", 13, 12)


def test_a_near_region_is_suggested() -> None:
    """Regions are known from the providers."""
    result = load_sources([("policy.yaml", f"{POLICY}  - {{name: g, only: {{region: eur}}}}\n")])
    assert hints(result.problems) == ["did you mean `eu`?"]
