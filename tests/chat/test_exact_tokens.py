"""Tokens counted exactly, where the extra is installed, and the estimate beside them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from routebook.catalogue import tokenizers
from routebook.chat.exact_tokens import LONGEST, can_count, count_tokens
from routebook.chat.tokens import DEFAULT_FAMILY, FIT_MARGIN, WEIGHTS, estimate_tokens

TEXTS = (
    "A request comes in, and a rule decides which of the models may answer it. The others are named with a reason.",
    "def area(radius: float) -> float:\n    return 3.14159 * radius ** 2  # in square metres\n" * 3,
    '{"city": "Porto", "temperature": 17.25, "wind": {"from": "north-west", "speed": 31}, "rain": false}',
    "Запрос приходит, и правило решает, какая модель может на него ответить.",
)


@pytest.mark.parametrize("family", sorted(WEIGHTS))
def test_every_family_can_be_counted_and_is_near_its_estimate(family: str) -> None:
    """The vocabularies are inside the package; on ordinary texts an estimate is off by less than its margin and five."""
    for text in TEXTS:
        counted = count_tokens(text, family)
        assert counted is not None and 0 < counted <= len(text.encode())
        assert counted / FIT_MARGIN - 5 <= estimate_tokens(text, family) <= counted * FIT_MARGIN + 5, (text, counted)


def test_what_looks_like_a_mark_of_a_template_is_text() -> None:
    """A client cannot make its prompt shorter by writing the marks that end a text."""
    counted = count_tokens("<|endoftext|>" * 10, DEFAULT_FAMILY)
    assert counted is not None and counted >= 30


def test_what_cannot_be_counted_is_not() -> None:
    """Half a surrogate pair, more than a mebibyte, a family that nobody knows: the estimate stands."""
    assert count_tokens("\ud800 abc", DEFAULT_FAMILY) is None
    assert count_tokens("a" * (LONGEST + 1), DEFAULT_FAMILY) is None
    assert count_tokens("abc", "nobody-knows") is None


@pytest.mark.usefixtures("nobody_counts")
def test_without_the_extra_nothing_is_counted_and_nothing_fails() -> None:
    """The program does without."""
    assert not can_count(DEFAULT_FAMILY) and count_tokens("abc", DEFAULT_FAMILY) is None


def test_the_extra_is_not_imported_before_it_is_needed() -> None:
    """Whoever only estimates pays nothing for it."""
    code = (
        "import sys, routebook.routing.planning, routebook.chat.exact_tokens\n"
        "from routebook.chat.tokens import estimate_tokens\n"
        "estimate_tokens('abc')\nprint('splintr' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_families_that_a_policy_may_name_have_weights() -> None:
    """The two rooms know nothing of each other, and say the same."""
    assert set(tokenizers.FAMILIES) == set(WEIGHTS) and tokenizers.DEFAULT == DEFAULT_FAMILY
