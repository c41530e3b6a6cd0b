"""One table against its rows: whatever its limits, it drops no line wrongly, and keeps one wrongly only in doubt."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from routebook.policy.conditions import InIntervals, Interval, OneOf, Predicate
from routebook.policy.conditions import Test as FactTest
from routebook.policy.conditions import test_holds as holds_for
from routebook.policy.facts import FactType, Value
from routebook.policy.tables import FewTable, Limits, NumberTable, Row, WordTable, row_of, table_for
from tests.policy.worlds import LIMITS, NOWHERE, predicates, values

KEY_OF = {FactType.FLAG: "stream", FactType.TEXT: "team", FactType.NUMBER: "tokens", FactType.SET: "tags"}


def one_line(kind: FactType) -> st.SearchStrategy[list[FactTest]]:
    """What one line asks of one fact: up to two tests."""
    of_value = st.builds(
        lambda predicate, missing: FactTest("f", predicate, "", NOWHERE, missing_holds=missing),
        predicates(kind),
        st.booleans(),
    )
    of_being_known = st.builds(lambda known: FactTest("f", None, "", NOWHERE, known=known), st.booleans())
    return st.lists(of_value | of_being_known, min_size=1, max_size=2)


cases = st.sampled_from(FactType).flatmap(
    lambda kind: st.tuples(
        st.just(kind),
        st.lists(st.none() | one_line(kind), max_size=8),
        st.lists(st.none() | values(KEY_OF[kind]), min_size=1, max_size=4),
    )
)


@given(cases, st.sampled_from(LIMITS))
def test_a_table_agrees_with_its_tests(
    case: tuple[FactType, list[list[FactTest] | None], list[Value | None]], limits: Limits
) -> None:
    """After every answer: lines that do not ask stand; lines whose tests hold stand; others stand only in doubt."""
    kind, lines, answers = case
    table = table_for(kind, [row_of(bit, tests) for bit, tests in enumerate(lines) if tests], len(lines), limits)
    for value in answers * 2:
        ready = table.ready.get(value)
        standing = table.answer(value) if ready is None and value is not None else ready
        assert standing is not None
        for bit, tests in enumerate(lines):
            holds = tests is None or all(holds_for(test, value) for test in tests)
            stands = bool(standing >> bit & 1)
            assert stands or not holds, "dropped wrongly"
            assert stands is holds or (value is not None and bit in table.doubtful), "kept wrongly, and not in doubt"


def rows(predicate_of: list[Predicate]) -> list[Row]:
    """Rows of plain tests."""
    return [Row(bit, predicate, known=True, missing=False) for bit, predicate in enumerate(predicate_of)]


def test_thousands_of_thresholds_are_exact_and_small() -> None:
    """Every threshold counts, and yet the table keeps one set of lines for many of them."""
    width = 3000
    table = NumberTable(rows([InIntervals((Interval(number, None),)) for number in range(width)]), width, Limits())
    assert not table.doubtful
    for value in (-1, 0, 1, 15, 16, 17.5, 1499, 2999, 5000):
        assert table.answer(value).bit_count() == max(0, min(width, int(value) + 1))
    assert sum(map(sys.getsizeof, table._notes)) < 400_000  # one set each would take 1.3 MB


def test_a_fact_of_few_lines_in_a_large_policy_has_no_masks() -> None:
    """Otherwise ten thousand facts of one rule each would fill the memory."""
    few = rows([OneOf(frozenset("a")), OneOf(frozenset("b"))])
    assert isinstance(table_for(FactType.TEXT, few, 100_000, Limits()), FewTable)
    assert isinstance(table_for(FactType.TEXT, few, 100, Limits()), WordTable)


def test_answers_are_kept_but_not_without_bound() -> None:
    """A table remembers answers up to its limit, and never those to long values that a client could send."""
    table = WordTable(rows([OneOf(frozenset("a"))]), 1, Limits(kept=10))
    for number in range(1000):
        table.answer(f"word-{number}")
    assert len(table.ready) <= 12
    table.answer("x" * 10_000)
    assert not any(isinstance(value, str) and len(value) > 256 for value in table.ready)
