"""The meaning of predicates at their edges; the operators as written are in test_reading."""

from __future__ import annotations

import fnmatch
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routebook.policy.conditions import Glob, HasAll, HasAny, InIntervals, Interval, Not, OneOf, glob_regex, satisfies


@pytest.mark.parametrize(
    ("interval", "number", "inside"),
    [
        (Interval(1, 2), 1, True),
        (Interval(1, 2), 2, True),
        (Interval(1, 2, low_closed=False), 1, False),
        (Interval(1, 2, high_closed=False), 2, False),
        (Interval(None, 2), -1e300, True),
        (Interval(1, None), 1e300, True),
        (Interval(2**60, 2**60), 2**60 + 1, False),
        (Interval(2.0**60, None), 2**60 - 1, False),
        (Interval(2, 1), 1.5, False),
    ],
)
def test_an_interval_knows_its_ends(interval: Interval, number: float, inside: bool) -> None:
    """Open and closed ends, no end at all, integers beyond what a float can tell apart."""
    assert interval.contains(number) is inside


def test_asking_for_nothing_in_particular() -> None:
    """No word is one of none; a set has any of none never, all of none always."""
    assert not satisfies("a", OneOf(frozenset()))
    assert not satisfies(frozenset("a"), HasAny(frozenset()))
    assert satisfies(frozenset(), HasAll(frozenset()))
    assert not satisfies(5, InIntervals(()))
    assert satisfies(5, Not(InIntervals(())))


@given(st.text("ab*?", max_size=8), st.text("ab\n", max_size=8))
def test_a_glob_means_what_a_shell_means_without_brackets(pattern: str, text: str) -> None:
    """The linear pattern agrees with the library's backtracking one, for every pattern and text."""
    assert (glob_regex(pattern).match(text) is not None) is fnmatch.fnmatchcase(text, pattern)


def test_brackets_and_other_signs_are_plain_in_a_glob() -> None:
    """Only `*` and `?` are special."""
    assert satisfies("a[b].c+", Glob("a[b].c+"))
    assert not satisfies("ab.c+", Glob("a[b].c+"))
    assert satisfies("\\x", Glob("\\?"))


def test_a_glob_takes_linear_time() -> None:
    """Many stars against a long text of near misses: seconds for a backtracking pattern, far less than one here."""
    started = time.perf_counter()
    assert not satisfies("a" * 20_000, Glob("*a" * 12 + "*b"))
    assert time.perf_counter() - started < 1
