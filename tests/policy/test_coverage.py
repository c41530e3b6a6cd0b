"""What can be told of a condition by looking at it."""

from __future__ import annotations

from routebook.policy.conditions import ALWAYS, AllOf, AnyOf, IsFlag, Named
from routebook.policy.conditions import Test as FactTest
from routebook.policy.coverage import always_holds, needed
from routebook.policy.coverage import tests_of as all_tests_of
from tests.policy.worlds import NOWHERE

STREAM = FactTest("stream", IsFlag(True), "stream: true", NOWHERE)
QUIET = FactTest("stream", IsFlag(False), "stream: false", NOWHERE)


def test_what_asks_nothing_always_holds() -> None:
    """A name stands for what it names; an alternative of nothing holds never, a conjunction of nothing always."""
    assert always_holds(ALWAYS) and always_holds(AnyOf((STREAM, ALWAYS))) and always_holds(Named("all", ALWAYS))
    assert not always_holds(AnyOf(())) and not always_holds(AllOf((ALWAYS, STREAM)))


def test_what_is_needed_stands_under_no_alternative() -> None:
    """All tests are found, named ones too; of these, only some must hold."""
    condition = AllOf((Named("it", STREAM), AnyOf((QUIET, STREAM))))
    assert list(all_tests_of(condition)) == [STREAM, QUIET, STREAM]
    assert list(needed(condition)) == [STREAM]
