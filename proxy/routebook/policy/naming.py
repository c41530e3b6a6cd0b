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
    return did_you_mean(name, near) or _by_its_end(name, table)


def _by_its_end(name: str, table: FactTable) -> str | None:
    """A hint with the fact of which an author wrote a part: `model` for `request.model`, `header.x` for
    `request.header.x`, `budget.month` for `budget.month.left`."""
    first, _, rest = name.partition(".")
    for spec in table:
        begin, family, end = spec.name.partition(".NAME")
        if family and rest and not end and begin.rpartition(".")[2] in (first, first.removesuffix("s")):
            return f"did you mean `{begin}.{rest}`?"
        if end and rest and begin == first:
            return f"did you mean `{name}{end}`?"
        if not family and spec.name.endswith(f".{name}"):
            return f"did you mean `{spec.name}`?"
    return None


def near_zone(name: str) -> str:
    """A hint with the nearest time zone. An abbreviation is near none: `CEST` is not `EST`, and changes twice a year."""
    usual = "write a place, whose summer time is known, such as `Europe/Berlin`; or `UTC`"
    return (did_you_mean(name, zones()) if "/" in name else None) or usual


@lru_cache(maxsize=1)
def zones() -> frozenset[str]:
    """The names of all time zones."""
    return frozenset(zoneinfo.available_timezones())
