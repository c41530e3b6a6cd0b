"""The names of pots: what is counted, whose budget or limit it is, and for whom: `budget/team-month/research`."""

from __future__ import annotations

from typing import NamedTuple

from routebook.documents.quantities import Unit

ALL = "-"
"""The scope of a pot that everybody draws on."""

KINDS = {
    "budget": Unit.MONEY,
    "tokens": Unit.TOKENS,
    "requests": Unit.COUNT,
    "tpm": Unit.TOKENS,
    "rpm": Unit.COUNT,
    "slots": Unit.COUNT,
}
"""The first words of pots, and what they are counted in: three for budgets, then tokens a minute, requests a minute and
requests at the same time for limits."""

_WORDS = {Unit.MONEY: "budget", Unit.TOKENS: "tokens", Unit.COUNT: "requests"}


class Pot(NamedTuple):
    """The parts of a pot's name."""

    kind: str
    name: str
    scope: str

    @property
    def unit(self) -> Unit:
        """What its amounts are: nano-dollars, tokens or a count."""
        return KINDS.get(self.kind, Unit.COUNT)


def pot_named(text: str) -> Pot:
    """The parts of a name; a scope may itself hold slashes.

    >>> pot_named("rpm/account/openai/main")
    Pot(kind='rpm', name='account', scope='openai/main')
    """
    kind, _, rest = text.partition("/")
    name, _, scope = rest.partition("/")
    return Pot(kind, name, scope or ALL)


def budget_pots(name: str, unit: Unit) -> str:
    """How the names of a budget's pots begin; its scope follows.

    >>> budget_pots("batch-day", Unit.TOKENS)
    'tokens/batch-day/'
    """
    return f"{_WORDS[unit]}/{name}/"
