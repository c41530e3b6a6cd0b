"""Building JSON Schemas from tables, and putting documents to them as an editor sees them."""

from __future__ import annotations

import pytest

from routebook.documents import schema as build
from routebook.documents.loading import load_text
from routebook.documents.problems import Problems
from routebook.documents.quantities import EXAMPLES, Unit


def _data(text: str) -> object:
    problems = Problems()
    document = load_text("p.yaml", text, problems)
    assert not problems.found
    return build.as_data(document.root)


def _faults(schema: build.Schema, value: object) -> list[str]:
    return list(build.faults(schema, value))


def test_an_editor_sees_yaml_as_version_1_2_does() -> None:
    """Numbers, `true` and nothing are what they look like; `NO`, `22:00`, `0o17` and what stands in quotes are texts."""
    assert _data("[12, 1.5, 1e3, -4, true, FALSE, ~, null]") == [12, 1.5, 1000.0, -4, True, False, None, None]
    assert _data("[NO, yes, 22:00, 2026-11-21, '12', \"true\", 1_000, 32k]") == [
        "NO",
        "yes",
        "22:00",
        "2026-11-21",
        "12",
        "true",
        "1_000",
        "32k",
    ]
    assert _data("{a: {b: [c]}, empty: }") == {"a": {"b": ["c"]}, "empty": None}
    assert _data("") is None


@pytest.mark.parametrize("unit", Unit)
def test_a_quantity_takes_what_its_reader_takes(unit: Unit) -> None:
    """Every example of a unit fits its schema, as an editor sees it when it stands in a file; a plain word does not."""
    for example in EXAMPLES[unit].split("`")[1::2]:
        assert _faults(build.quantity(unit), _data(f"value: {example}")["value"]) == [], example  # type: ignore[index]
    assert _faults(build.quantity(unit), "plenty")
    assert _faults(build.quantity(unit), -1)


def test_money_needs_its_sign_and_a_share_its_percent() -> None:
    """A bare number is money to nobody: the schema says so while the author types."""
    assert _faults(build.quantity(Unit.MONEY), 5)
    assert _faults(build.quantity(Unit.SHARE), 0.8)
    assert _faults(build.quantity(Unit.DURATION), 300)
    assert _faults(build.quantity(Unit.TOKENS), 90_000) == []


def test_a_record_knows_its_keys_and_what_it_needs() -> None:
    """An unknown key, an absent one and a wrong value are three faults, each with its path."""
    schema = build.record(
        {"name": "its name", "kind": "its kind"}, {"name": build.text(), "kind": build.word(["a", "b"])}, ["name"]
    )
    assert _faults(schema, {"name": "x", "kind": "a"}) == []
    assert len(_faults(schema, {"kind": "c", "zebra": 1})) == 3
    assert schema["properties"]["name"]["description"] == "its name"


def test_a_key_without_a_schema_is_found_when_the_schema_is_built() -> None:
    """A table that gains a key cannot be published without saying what may stand there."""
    with pytest.raises(ValueError, match="kind"):
        build.record({"name": "", "kind": ""}, {"name": build.text()})


def test_a_single_value_or_a_list_say_the_same() -> None:
    """What the reader takes either way, the schema takes either way; an empty list is neither."""
    schema = build.one_or_more(build.text())
    assert [_faults(schema, value) for value in ("a", ["a", "b"], 3)] == [[], [], []]
    assert _faults(schema, []) and _faults(schema, {"a": 1})


def test_nothing_may_be_written_where_it_is_allowed() -> None:
    """A section that is empty for now is no fault."""
    assert _faults(build.or_nothing(build.listed(build.text())), None) == []
    assert _faults(build.or_nothing(build.ref("x")) | {"$defs": {"x": {"type": "object"}}}, None) == []
    assert _faults(build.or_nothing(build.listed(build.text())), "a")


def test_words_carry_their_meaning_for_editors() -> None:
    """Completion shows what each word does."""
    schema = build.word({"cheapest": "the cheapest first", "best": "the best first"}, "best")
    assert schema["enum"] == ["cheapest", "best"]
    assert schema["markdownEnumDescriptions"] == ["the cheapest first", "the best first"]
    assert schema["default"] == "best"


def test_names_are_checked_where_an_author_chooses_them() -> None:
    """A mapping of names refuses a name that is none."""
    schema = build.named({"type": "integer"}, "[a-z]+")
    assert _faults(schema, {"abc": 1}) == []
    assert _faults(schema, {"a b": 1}) and _faults(schema, {"abc": "x"})


def test_two_definitions_of_one_name_are_refused() -> None:
    """Rooms cannot overwrite each other's definitions without anybody noticing."""
    assert build.together({"a": build.text()}, {"a": build.text(), "b": build.flag()}).keys() == {"a", "b"}
    with pytest.raises(ValueError, match="'a'"):
        build.together({"a": build.text()}, {"a": build.flag()})


def test_a_schema_that_is_none_is_refused() -> None:
    """A wrong keyword's value, and a reference to nothing, are found by the check."""
    build.check_schema(build.document({"$ref": "#/$defs/a%20b"}, "urn:x", "x", {"a b": build.flag()}))
    with pytest.raises(ValueError, match="type"):
        build.check_schema({"type": "nonsense"})
    with pytest.raises(ValueError, match="gone"):
        build.check_schema({"properties": {"a": build.ref("gone")}})
