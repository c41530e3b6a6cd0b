"""Reading nodes by the type that the language expects; every fault is heard, and reading goes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from routebook.documents.loading import load_text
from routebook.documents.nodes import Mapping, Node
from routebook.documents.problems import Problems
from routebook.documents.quantities import Unit
from routebook.documents.reading import Fields, read_flag, read_list, read_quantity, read_text, read_texts, read_word


def _value(text: str) -> tuple[Node, Problems]:
    """The node after `value:`, and problems to add to."""
    problems = Problems()
    root = load_text("policy.yaml", f"value: {text}\n", problems).root
    assert isinstance(root, Mapping) and not problems.found
    node = root.get("value")
    assert node is not None
    return node, problems


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("NO", "NO"),
        ("22:00", "22:00"),
        ("010", "010"),
        ("1e3", "1e3"),
        ("3.10", "3.10"),
        ("on", "on"),
        ("2026-11-21", "2026-11-21"),
        ('"null"', "null"),
        ("'it''s'", "it's"),
        ("0o17", "0o17"),
        (".inf", ".inf"),
    ],
)
def test_a_text_is_what_its_author_wrote(written: str, text: str) -> None:
    """None of YAML 1.1's guesses happens: `NO` is Norway, `22:00` is an hour, `010` keeps its zero."""
    node, problems = _value(written)
    assert read_text(node, problems) == text
    assert not problems.found


@pytest.mark.parametrize(("written", "flag"), [("true", True), ("True", True), ("false", False), ("FALSE", False)])
def test_a_flag_is_true_or_false(written: str, flag: bool) -> None:
    """The two words, as YAML 1.2 has them."""
    node, problems = _value(written)
    assert read_flag(node, problems) is flag


@pytest.mark.parametrize("written", ["yes", "no", "on", "off", "y", "1", '"true"', "[true]", "~"])
def test_what_looks_like_a_flag_is_refused(written: str) -> None:
    """A guess about `no` once sent somebody's traffic to Norway: only the two words count."""
    node, problems = _value(written)
    assert read_flag(node, problems) is None
    assert [problem.code for problem in problems] == ["document.wrong-type"]


@pytest.mark.parametrize(
    ("read", "written", "message"),
    [
        (read_text, "[a]", "expected a text, found a list"),
        (read_text, "", "expected a text, found nothing"),
        (
            lambda node, problems: read_quantity(node, Unit.SHARE, problems),
            "{a: 1}",
            "expected a share such as `80%`, found a mapping",
        ),
        (
            lambda node, problems: read_quantity(node, Unit.TOKENS, problems),
            "plenty",
            "`plenty` is not a number of tokens",
        ),
        (lambda node, problems: read_quantity(node, Unit.MONEY, problems), "5", "`5` is not an amount of money"),
        (
            lambda node, problems: read_word(node, ("cheapest", "best"), problems, "a way to pick"),
            "cheapst",
            "`cheapst` is not a way to pick",
        ),
        (lambda node, problems: read_texts(node, problems), "{a: 1}", "expected a list of texts, found a mapping"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_expected(
    read: Callable[[Node, Problems], object], written: str, message: str
) -> None:
    """The problem says what was expected and what was found, in words of the field."""
    node, problems = _value(written)
    assert not read(node, problems)
    assert [problem.message for problem in problems] == [message]
    assert next(iter(problems)).location.line == 1


def test_a_unit_that_is_missing_is_asked_for_by_example() -> None:
    """`5` where money is wanted: the hint says what was meant, or how money is written where that is not clear."""
    for written, hint in (("5", "did you mean `$5`?"), ("five", "write it as `$0.05` or `$500`")):
        node, problems = _value(written)
        assert read_quantity(node, Unit.MONEY, problems) is None
        assert next(iter(problems)).hint == hint


def test_a_missing_space_after_a_colon_is_noticed() -> None:
    """`name:auto` is one word to YAML; the hint says what the author meant to type."""
    node, problems = _value("name:auto")
    assert Fields.of(node, ("name",), problems, "a rule") is None
    assert next(iter(problems)).hint == "put a space after `:`"


def test_a_single_value_counts_as_a_list_of_one() -> None:
    """`tags: batch` and `tags: [batch]` say the same."""
    node, problems = _value("batch")
    assert [item.text for item in read_list(node, problems, "tags") if hasattr(item, "text")] == ["batch"]
    node, problems = _value("[batch, [nested], nightly]")
    assert read_texts(node, problems) == ("batch", "nightly")
    assert [problem.message for problem in problems] == ["expected a text, found a list"]


def test_a_key_that_swallowed_its_value_is_noticed() -> None:
    """`{name:x y: 1}` has the key `name:x y`; the hint says what the author meant to type."""
    node, problems = _value("{name:x y: 1}")
    Fields.of(node, ("name",), problems, "a rule")
    assert next(iter(problems)).hint == "put a space after `:`"


def test_unknown_and_absent_keys_are_reported_at_once() -> None:
    """Every unknown key with a suggestion or the keys there are; every required key that is absent; reading goes on."""
    node, problems = _value("{nmae: x, zebra: 1, when: later}")
    fields = Fields.of(node, ("name", "when"), problems, "a rule", required=("name",))
    assert fields is not None and fields.text("when") == "later"
    assert [(problem.code, problem.message, problem.hint) for problem in problems] == [
        ("document.missing-key", "a rule needs `name`", None),
        ("document.unknown-key", "unknown key `nmae` in a rule", "did you mean `name`?"),
        ("document.unknown-key", "unknown key `zebra` in a rule", "it takes `name`, `when`"),
    ]


def test_absent_keys_give_defaults_without_a_word() -> None:
    """What an author leaves out is no fault."""
    node, problems = _value("{}")
    fields = Fields.of(node, ("a",), problems, "a thing")
    assert fields is not None
    assert (fields.text("a", "x"), fields.texts("a"), fields.flag("a"), fields.quantity("a", Unit.COUNT)) == (
        "x",
        (),
        False,
        None,
    )
    assert (
        fields.word("a", ("b",), "a word", "b"),
        fields.items("a", "things"),
        list(fields.named("a", "things")),
    ) == ("b", (), [])
    assert not problems.found


def test_named_entries_keep_their_keys_with_places() -> None:
    """The entries of a mapping of names, each key with its place for problems about the name."""
    node, problems = _value("{models: {small: 1, large: 2}, pools: [a], empty: }")
    fields = Fields.of(node, ("models", "pools", "empty"), problems, "a policy")
    assert fields is not None
    assert [(key.text, key.location.column) for key, _ in fields.named("models", "models by name")] == [
        ("small", 18),
        ("large", 28),
    ]
    assert list(fields.named("empty", "models by name")) == []
    assert list(fields.named("pools", "models by name")) == []
    assert [problem.message for problem in problems] == ["expected models by name, found a list"]
