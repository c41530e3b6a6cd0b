"""Names that authors give, references to them, and quantities with bounds."""

from __future__ import annotations

import pytest

from routebook.documents.bounds import read_bounded, whole
from routebook.documents.names import check_name, is_name, read_reference, suggestion
from routebook.documents.nodes import Mapping, Scalar
from routebook.documents.problems import Location, Problems
from routebook.documents.quantities import Unit
from routebook.documents.reading import Fields
from tests.support.authored import hints, lines, node


@pytest.mark.parametrize("text", ["gpt-5.6-mini", "team_a", "meta-llama/Llama-4", "a", "4711", "x@y", "a:b+c"])
def test_a_name_is_one_plain_word(text: str) -> None:
    """Letters, digits and what vendors put into the names of their models."""
    assert is_name(text)


@pytest.mark.parametrize("text", ["", "two words", "-a", ".a", "grün", "a\nb", "a\n", "x" * 129, "a,b", "{a}", 'a"b'])
def test_what_would_break_a_header_or_a_label_is_no_name(text: str) -> None:
    """A name goes into headers, file names, metrics: nothing may stand in it that means something there."""
    assert not is_name(text)


def test_a_bad_name_gets_a_good_one_that_is_near() -> None:
    """The hint shows what would do."""
    problems = Problems()
    assert not check_name(Scalar("very large!", Location("p", 1, 1)), problems, "a model")
    assert lines(problems) == ["1:1 document.bad-name `very large!` cannot name a model"]
    assert hints(problems)[0] == "a name is one word of letters, digits and `. _ - : / @ +`; `very-large` would do"


def test_a_word_of_the_language_cannot_be_a_name() -> None:
    """`requested` means something in a route already."""
    problems = Problems()
    assert not check_name(Scalar("requested", Location("p", 1, 1)), problems, "a model", ("requested",))
    assert lines(problems) == ["1:1 document.reserved-name `requested` cannot name a model"]


def test_a_reference_to_nothing_suggests_what_there_is() -> None:
    """The nearest name, or else some of those there are, or that there are none."""
    problems = Problems()
    assert read_reference(node("small"), ["small"], problems, "a.b", "a model") == "small"
    assert read_reference(node("smal"), ["small"], problems, "policy.unknown-model", "a model of this policy") is None
    assert lines(problems) == ["1:1 policy.unknown-model `smal` is not a model of this policy"]
    assert hints(problems) == ["did you mean `small`?"]
    assert suggestion("zebra", ["b", "a"]) == "there is `a`, `b`"
    assert suggestion("zebra", []) == "the policy declares none"
    assert suggestion("zebra", [f"n{number}" for number in range(12)]).endswith("and 4 more")


@pytest.mark.parametrize(("text", "value"), [("1s", 1.0), ("5s", 5.0), ("300ms", None), ("6s", None), ("soon", None)])
def test_a_quantity_keeps_within_its_bounds_both_included(text: str, value: float | None) -> None:
    """Outside them it is a problem that names both."""
    problems = Problems()
    assert read_bounded(node(text), Unit.DURATION, problems, "1s", "5s") == value
    assert bool(problems.found) == (value is None)


@pytest.mark.parametrize(
    ("least", "most", "hint"),
    [
        ("1s", None, "it must be at least `1s`"),
        (None, "5s", "it must be at most `5s`"),
        ("1s", "5s", "it must be between `1s` and `5s`"),
    ],
)
def test_a_bound_is_told_as_its_author_would_write_it(least: str | None, most: str | None, hint: str) -> None:
    """With the unit of the language, whichever bound was crossed."""
    problems = Problems()
    assert read_bounded(node("1us" if most is None else "9h"), Unit.DURATION, problems, least, most) is None
    assert hints(problems) == [hint]


def test_a_whole_quantity_is_an_integer() -> None:
    """Tokens, bytes and money are counted, not measured; an absent one is None."""
    fields = Fields(node("{max_body: 2MiB}"), Problems())  # type: ignore[arg-type]
    assert isinstance(fields.mapping, Mapping)
    assert whole(fields, "max_body", Unit.BYTES, "1KiB", "1GiB") == 2 * 1024 * 1024
    assert whole(fields, "other", Unit.BYTES) is None
