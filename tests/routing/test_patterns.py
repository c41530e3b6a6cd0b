"""Patterns over prompts take time by the length of the text, whatever they say; those that cannot are refused.

What is measured is the processor's time of this thread, four times the text against the text, the least of some tries: for
a search that is linear the ratio is four, for a quadratic one sixteen, and one that backtracks does not come back.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest

from routebook.documents.problems import Location
from routebook.policy.conditions import Glob, satisfies
from routebook.routing.guards import Mask, is_found, masked
from routebook.routing.patterns import compiled, pattern_fault

SHORT = 256 * 1024
"""Characters; four times as many are a prompt of a megabyte."""

MUCH = 9.0
"""Times that four times the text may take: more than twice what it should, less than a quadratic search takes."""

NOTHING = 0.001
"""Seconds of the processor that are none: less is counted as so much, for it is not the search that takes them."""

EXPONENTIAL = {
    "(a+)+$": "a",
    "(a|aa)+$": "a",
    "(a|a)*b": "a",
    "([a-zA-Z]+)*\\d$": "aB",
    "^(([a-z])+.)+[A-Z]([a-z])+$": "a",
    "(.*a){12}!": "a",
    "(x+x+)+y": "x",
    "(?i)(\\s*\\w+\\s*,?)*;$": "word ",
    "(\\d{1,3}[ -]?){13,16}\\b\\d{9}$": "1 ",
    "[\\s\\S]*?[\\s\\S]*?[\\s\\S]*?=": "a=".replace("=", " "),
}
"""Expressions on which searches that backtrack take years, each with the text that makes them."""


def least(work: Callable[[], object], tries: int = 3) -> float:
    """Seconds of the processor that it takes at best."""
    taken = []
    for _ in range(tries):
        began = time.thread_time()
        work()
        taken.append(time.thread_time() - began)
    return min(taken)


def ratio(work: Callable[[str], object], piece: str) -> float:
    """How many times as long four times the text takes."""
    short = piece * (SHORT // len(piece))
    work(short[:1000])  # what is made once, is made before
    long = short * 4
    return least(lambda: work(long)) / max(least(lambda: work(short)), NOTHING)


@pytest.mark.parametrize("pattern", EXPONENTIAL)
def test_a_hostile_pattern_takes_linear_time(pattern: str) -> None:
    """On a prompt of a megabyte that nearly fits: as a condition, and as what a guard masks."""
    assert pattern_fault(pattern) is None
    piece = EXPONENTIAL[pattern]
    expression = compiled(pattern)
    assert ratio(lambda text: expression.search(text + "\n"), piece) < MUCH
    mask = Mask("m", Location("policy.yaml", 1, 1), (("p", pattern),), "[gone]")
    assert ratio(lambda text: masked(b'{"content": "%b"}' % text.encode(), mask), piece) < MUCH
    assert ratio(lambda text: is_found(text, mask), piece) < MUCH


def test_the_measure_finds_what_is_not_linear() -> None:
    """Against itself: a search that looks from every place to the end is found out, with a hundredth of the text."""
    backtracking = re.compile("a+b")

    def work(text: str) -> object:
        return backtracking.search(text[: len(text) // 100])

    assert ratio(work, "a") > MUCH


@pytest.mark.parametrize("pattern", ["*a" * 12 + "*b", "*" + "?*" * 20 + "b", "a*" * 30 + "b"])
def test_a_hostile_glob_takes_linear_time(pattern: str) -> None:
    """However many stars it has."""
    glob = Glob(pattern)
    assert ratio(lambda text: satisfies(text, glob), "a") < MUCH


@pytest.mark.parametrize(
    "pattern", ["(a)\\1", "(?=a)b", "(?<!a)b", "(?>a+)b", "a++", "(?P=x)", "((a{100}){100}){100}", "(\\w{1000}){1000}"]
)
def test_what_has_no_linear_search_is_refused(pattern: str) -> None:
    """References back, looks around, and counts that make a machine of megabytes: when the policy is read, not when a
    prompt is."""
    assert pattern_fault(pattern) is not None
