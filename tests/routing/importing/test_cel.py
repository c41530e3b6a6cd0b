"""Expressions of CEL as conditions: what they become, and what is said of those that cannot be."""

from __future__ import annotations

import pytest

from routebook.routing.drafting import Value
from routebook.routing.importing.cel import NotCarried, Question, condition_of


def told(asked: Question) -> Value:
    """What was asked, in one text."""
    index = "" if asked.index is None else f"[{asked.index}]"
    than = ",".join(asked.texts) if asked.number is None else f"{asked.number:g}"
    return f"{asked.variable}{index} {asked.operator} {than}"


@pytest.mark.parametrize(
    ("expression", "condition"),
    [
        ("", None),
        ("true", None),
        ('model == "a"', "model == a"),
        ("headers['X-Tier'] != 'it\\'s'", "headers[X-Tier] != it's"),
        ('a == "1" && b == "2" || c == "3"', {"any_of": [{"all_of": ["a == 1", "b == 2"]}, "c == 3"]}),
        ('a == "1" && (b == "2" || c == "3")', {"all_of": ["a == 1", {"any_of": ["b == 2", "c == 3"]}]}),
        ('!(a == "1" && b in ["2", "3"])', {"any_of": ["a != 1", "b not in 2,3"]}),
        ("!(!(x > 85.5))", "x > 85.5"),
        ("!(x >= 85)", "x < 85"),
        ('model.startsWith("gpt-") && !(y == "z")', {"all_of": ["model startsWith gpt-", "y != z"]}),
    ],
)
def test_what_an_expression_becomes(expression: str, condition: Value | None) -> None:
    """`&&` binds closer than `||`; a negation turns every question within it round."""
    assert condition_of(expression, told) == condition


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ('a == "1" &&', "it ends in the middle"),
        ("a == b", "`b` is no constant"),
        ('"x" in a', '`"x"` is no variable'),
        ('a.matches("x")', "`matches` cannot be asked"),
        ('!a.contains("x")', "`!contains` cannot be asked"),
        ('a == "1" b', "`b` is not expected there"),
        ("a # 1", "cannot be read"),
        ('(a == "1"', "ends in the middle"),
        ("a + 1 > 2", "`+` cannot be asked"),
        ("(" * 5000 + 'a == "1"' + ")" * 5000, "it is nested too deeply"),
    ],
)
def test_what_cannot_be_said_is_said(expression: str, said: str) -> None:
    """Nothing is guessed: the reason goes into the report."""
    with pytest.raises(NotCarried) as raised:
        condition_of(expression, told)
    assert said in str(raised.value)
