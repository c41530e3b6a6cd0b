"""The words that an author may have meant: names of facts, keys of a condition, time zones."""

from __future__ import annotations

import zoneinfo
from functools import lru_cache

from routebook.documents.problems import did_you_mean
from routebook.policy.facts import FactTable

JOINERS = {"all_of": "all of these conditions hold", "any_of": "at least one of these conditions holds"}
"""The keys of a condition that are not facts, with what they mean."""


def near_fact(name: str, table: FactTable) -> str | None:
    """A hint with the nearest fact; in a family's name, the author's own word stands for NAME."""
    words = name.split(".")
    near = [*JOINERS]
    for spec in table:
        parts = spec.name.split(".")
        if len(parts) == len(words):
            parts = [word if part == "NAME" else part for part, word in zip(parts, words, strict=True)]
        near.append(".".join(parts))
    return did_you_mean(name, near)


@lru_cache(maxsize=1)
def zones() -> frozenset[str]:
    """The names of all time zones."""
    return frozenset(zoneinfo.available_timezones())
