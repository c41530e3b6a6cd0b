"""Problems as values: collected, ordered by place, with a suggestion where a name is near."""

from __future__ import annotations

from routebook.documents.problems import Location, Problems, did_you_mean


def test_problems_come_in_the_order_of_their_places() -> None:
    """An author works through a file from top to bottom, whatever order the readers found things in."""
    problems = Problems()
    problems.error("a.late", "later", Location("b.yaml", 1, 1))
    problems.error("a.below", "below", Location("a.yaml", 10, 2))
    problems.warning("a.first", "first", Location("a.yaml", 9, 30))
    assert [problem.code for problem in problems] == ["a.first", "a.below", "a.late"]


def test_only_errors_keep_a_document_from_being_used() -> None:
    """`errors` leaves warnings out."""
    problems = Problems()
    problems.warning("a.warning", "look here", Location("a.yaml", 1, 1))
    assert problems.errors == []
    problems.error("a.error", "mend this", Location("a.yaml", 2, 1))
    assert [problem.code for problem in problems.errors] == ["a.error"]


def test_a_near_name_is_suggested_and_a_far_one_is_not() -> None:
    """A slip of the fingers gets its name; a wild guess would send the author astray."""
    known = ["request.model", "request.stream", "prompt.tokens"]
    assert did_you_mean("request.modle", known) == "did you mean `request.model`?"
    assert did_you_mean("zebra", known) is None


def test_a_place_reads_as_compilers_write_it() -> None:
    """Terminals and editors make `file:line:column` a link."""
    assert str(Location("rules/policy.yaml", 14, 9)) == "rules/policy.yaml:14:9"
