"""Masking: what is found is replaced where it stands, and nothing else of a body is touched."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routebook.documents.problems import Location
from routebook.routing.guards import KEPT, Mask, is_found, masked

CARDS = Mask(
    "cards", Location("policy.yaml", 1, 1), (("card", r"\b\d{4}-\d{4}\b"), ("mail", r"[a-z]+@[a-z]+\.org")), "[x\\1]"
)
CARD, MAIL = "1234-5678", "somebody@example.org"


def mask(value: object) -> tuple[Any, int]:
    """A value masked, and how many of its texts changed."""
    body, changed = masked(json.dumps(value).encode(), CARDS)
    return json.loads(body), changed


def test_texts_are_masked_wherever_they_stand() -> None:
    """In messages, in lists, in what tools gave; a replacement is words, never a reference to a group."""
    body, changed = mask(
        {
            "system": f"never say {CARD}",
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": f"it is {CARD} of {MAIL}"}, f"or {CARD}"]},
                {"role": "tool", "content": json.dumps({"card": CARD})},
            ],
        }
    )
    assert changed == 4
    assert body["system"] == "never say [x\\1]"
    assert body["messages"][0]["content"] == [{"type": "text", "text": "it is [x\\1] of [x\\1]"}, "or [x\\1]"]
    assert json.loads(body["messages"][1]["content"].replace("\\", "\\\\")) == {"card": "[x\\1]"}


def test_escapes_hide_nothing() -> None:
    """A text is read as JSON before it is searched."""
    body, changed = masked(b'{"content": "\\u0031234\\u002d5678 \\"quoted\\" 1234-5678"}', CARDS)
    assert changed == 1 and json.loads(body) == {"content": '[x\\1] "quoted" [x\\1]'}


@pytest.mark.parametrize("field", sorted(KEPT))
def test_what_is_no_text_is_left_alone(field: bytes) -> None:
    """Names, ids, addresses and bytes: the request would break."""
    body = json.dumps({field.decode(): CARD, "content": [{field.decode(): MAIL}]}).encode()
    assert masked(body, CARDS) == (body, 0)


def test_a_field_is_the_last_key_of_its_own_object() -> None:
    """Behind an object in a list, the list's own field counts again."""
    body, changed = mask({"input": [{"type": "text", "name": CARD}, CARD, {"deep": [[CARD]]}], "model": CARD})
    assert (body, changed) == (
        {"input": [{"type": "text", "name": CARD}, "[x\\1]", {"deep": [["[x\\1]"]]}], "model": CARD},
        2,
    )


TEXTS = st.one_of(st.text(max_size=12), st.sampled_from([CARD, MAIL, f"a {CARD} b", f'"{MAIL}\\']))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def expected(value: Any, key: str = "") -> Any:
    """The plain meaning of masking, on values instead of bytes."""
    match value:
        case str() if key.encode("utf-8", "surrogatepass") not in KEPT:
            for found in (CARD, MAIL):
                value = _replaced(value, found)
            return value
        case list():
            return [expected(each, key) for each in value]
        case dict():
            return {name: expected(each, name) for name, each in value.items()}
    return value


def _replaced(text: str, found: str) -> str:
    import re

    pattern = r"\b\d{4}-\d{4}\b" if found == CARD else r"[a-z]+@[a-z]+\.org"
    return re.sub(pattern, lambda _: "[x\\1]", text, flags=re.ASCII)


@given(st.dictionaries(TEXTS, VALUES, max_size=4), st.sampled_from([None, 2]), st.booleans())
def test_any_body_is_masked_as_its_values_are(value: dict[str, Any], indent: int | None, escaped: bool) -> None:
    """However a body is written, what comes out is what masking its values gives; one without finds keeps every byte."""
    body = json.dumps(value, indent=indent, ensure_ascii=escaped).encode()
    found, changed = masked(body, CARDS)
    assert json.loads(found) == expected(value)
    assert changed or found == body


def test_what_remains_is_found() -> None:
    """The same expressions say whether something is left."""
    assert is_found(f"a {CARD}", CARDS) and not is_found("1234-567", CARDS)
