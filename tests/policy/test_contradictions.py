"""Whether a fact can have a value that a predicate holds for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from routebook.policy.conditions import Predicate, satisfies
from routebook.policy.contradictions import can_hold
from routebook.policy.facts import FactType, Value
from tests.policy.worlds import predicates, specification, values

KEY_OF = {FactType.FLAG: "stream", FactType.TEXT: "team", FactType.NUMBER: "tokens", FactType.SET: "tags"}


@given(st.sampled_from(FactType).flatmap(lambda kind: st.tuples(st.just(kind), predicates(kind), values(KEY_OF[kind]))))
def test_a_predicate_that_holds_for_some_value_is_never_called_contradictory(
    case: tuple[FactType, Predicate, Value],
) -> None:
    """What is refused as impossible is impossible: no value of any type says otherwise."""
    kind, predicate, value = case
    if satisfies(value, predicate):
        assert can_hold(predicate, specification(KEY_OF[kind]))
