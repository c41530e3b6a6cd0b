"""What a condition may ask about: facts with type, unit, cost class and one line of documentation.

A fact's key is its name (`prompt.tokens`), with the zone in brackets where the same instant reads differently in
each (`time.of_day[Europe/Berlin]`). The value `None` means that the fact is missing in this request.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from routebook.documents.quantities import Unit

Value = bool | int | float | str | frozenset[str]
"""A known fact: flag, number, text or set. Booleans are never numbers here: the type of a fact is declared."""

Ask = Callable[[str], Value | None]
"""Looks a fact up by its key; None where it is missing. May be dear, so it is called only where a rule needs it."""


class FactType(enum.Enum):
    """What kind of value a fact has; it decides which operators apply."""

    FLAG = "flag"
    TEXT = "text"
    NUMBER = "number"
    SET = "set"


class CostClass(enum.IntEnum):
    """What it costs to know a fact; a dearer one is asked only where a rule that still stands needs it."""

    GIVEN = 0
    SCANNED = 1
    SCORED = 2
    ASKED = 3


@dataclass(frozen=True, slots=True)
class FactSpec:
    """One row of the table of facts.

    `name` may end in `NAME` segments (`request.header.NAME`, `budget.NAME.left`): a family of facts. `words` is the
    closed set of texts (or set members), where there is one. `zoned` facts depend on the zone that a rule names.
    `grows`: a policy may add to the words.
    `units` lists further units in which a number may be written (`budget.NAME.left: {below: 10%}` or `$5`).
    """

    name: str
    type: FactType
    cost: CostClass
    doc: str
    unit: Unit = Unit.COUNT
    words: tuple[str, ...] = ()
    zoned: bool = False
    may_be_missing: bool = True
    units: tuple[Unit, ...] = ()
    grows: bool = False

    @property
    def is_family(self) -> bool:
        """Whether the name stands for many (`client.label.NAME`)."""
        return "NAME" in self.name.split(".")


class FactTable:
    """All facts that rules may ask about; finds one by the name a rule uses."""

    def __init__(self, specs: tuple[FactSpec, ...]) -> None:
        self._specs = specs
        self._exact = {spec.name: spec for spec in specs if not spec.is_family}
        self._families = [
            (spec.name.split(".NAME")[0] + ".", spec.name.split(".NAME")[1], spec) for spec in specs if spec.is_family
        ]

    def __iter__(self) -> Iterator[FactSpec]:
        return iter(self._specs)

    def find(self, key: str) -> FactSpec | None:
        """The row for a fact's key or name, families included."""
        name = key.partition("[")[0]
        if name in self._exact:
            return self._exact[name]
        for prefix, suffix, spec in self._families:
            if name.startswith(prefix) and name.endswith(suffix) and len(name) > len(prefix) + len(suffix):
                return spec
        return None

    def with_words(self, name: str, words: tuple[str, ...]) -> FactTable:
        """The table in which a fact has these words before its own."""
        return FactTable(
            tuple(replace(spec, words=(*words, *spec.words)) if spec.name == name else spec for spec in self._specs)
        )

    def argument(self, key: str) -> str | None:
        """The NAME in a family's key (`team-month` in `budget.team-month.left`), or None."""
        name = key.partition("[")[0]
        for prefix, suffix, _ in self._families:
            if name.startswith(prefix) and name.endswith(suffix) and len(name) > len(prefix) + len(suffix):
                return name[len(prefix) : len(name) - len(suffix)]
        return None
