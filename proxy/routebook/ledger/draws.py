"""What a request draws on: from the budgets and limits of a policy to claims on pots.

Which budgets and limits count a request (`when`) is the caller's business, and so is what they count by: a function says
the value of a fact. Pots are named as `ledger.pot_names` has it; what a provider grants an account bears the name `account`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from routebook.catalogue.providers import Account
from routebook.documents.quantities import Unit
from routebook.ledger.bounds import Amounts
from routebook.ledger.budgets import Budget, Limit, Orphans
from routebook.ledger.claims import Claim, Kind
from routebook.ledger.pot_names import ALL
from routebook.ledger.reading import ACCOUNT
from routebook.ledger.windows import slice_of

ScopeValue = str | int | float | bool | frozenset[str] | None
"""What a request is counted by: a value, several (each counts), or nothing known."""

ScopeValues = Callable[[str], ScopeValue]
"""The value of the fact (or attribute of the served model) that a budget or limit counts by."""

_WINDOW, _RATE, _SLOTS = Kind.WINDOW, Kind.RATE, Kind.SLOTS

LONGEST_SCOPE: Final = 120
"""Characters of a scope in a pot's name; a longer value is cut, with a digest of the whole."""


class Need(msgspec.Struct, frozen=True, gc=False):
    """One pot that a call draws on: the claim, the unit it is counted in (None: requests at the same time, which are never
    spent), and what is booked of it should the process die that made the call. `by_call`: every call counts (an
    account's quota), not only the one that was answered."""

    claim: Claim
    unit: Unit | None
    orphan: int = 0
    by_call: bool = False


def is_spent_at_once(claim: Claim) -> bool:
    """Whether a claim is spent when it is held: a request counts in the minute in which it is sent, however long it
    takes."""
    return claim.kind is _RATE and claim.pot.startswith("rpm/")


class Allowed(Protocol):
    """How much a minute and how many at the same time, whoever allows it; None is unlimited."""

    @property
    def requests_per_minute(self) -> int | None:
        """Requests a minute."""

    @property
    def tokens_per_minute(self) -> int | None:
        """Tokens a minute, both ways together."""

    @property
    def concurrent(self) -> int | None:
        """Requests at the same time."""


def budget_draws(
    budget: Budget,
    values: ScopeValues,
    amounts: Amounts,
    now: float,
    orphans: Orphans = Orphans.HOLD,
    prompt: Amounts | None = None,
) -> list[Need] | None:
    """What a request that needs at most these amounts draws on a budget; None where it cannot be said in the budget's
    unit, because a price is unknown. A request that costs nothing draws on nothing.

    `orphans` and `prompt` (what its prompt alone costs at most) say what is booked should its process die."""
    unit = budget.unit
    amount = amounts.of(unit)
    if not amount:
        return None if amount is None else []
    window = slice_of(budget, now)
    start, first, ends = window.start, window.first, window.ends
    pots, limit, allowance = budget.pots, budget.limit, budget.allowance
    orphan = amount if orphans is Orphans.HOLD or prompt is None else orphaned(amount, unit, orphans, prompt)
    return [
        Need(Claim(pots + scope, _WINDOW, limit, amount, start, first, ends, 0.0, 0, allowance), unit, orphan)
        for scope in scopes(budget.per, values)
    ]


def orphaned(held: int, unit: Unit, rule: Orphans, prompt: Amounts) -> int:
    """What of a hold is booked where the process dies; `prompt` is what the prompt alone costs at most."""
    match rule:
        case Orphans.HOLD:
            return held
        case Orphans.PROMPT:
            amount = prompt.of(unit)
            return held if amount is None else min(amount, held)
        case Orphans.NOTHING:
            return 0


def limit_draws(limit: Limit, values: ScopeValues, amounts: Amounts) -> list[Need]:
    """What a request draws on a limit."""
    return [
        draw
        for scope in scopes(limit.per, values)
        for draw in _allowed(limit, f"{limit.name}/{scope}", amounts, limit.wait, limit.places)
    ]


def account_draws(provider: str, account: Account, amounts: Amounts) -> list[Need]:
    """What a request draws on the account that it is sent with; accounts of one bucket share what they are allowed."""
    scope = f"{provider}/{account.name}" if account.bucket is None else f"{provider}#{account.bucket}"
    limits = account.limits
    return _allowed(limits, f"{ACCOUNT}/{scope}", amounts, limits.wait, limits.places, by_call=True)


def scopes(per: str | None, values: ScopeValues) -> list[str]:
    """For whom a request is counted: one scope, or one for each member of a set; an empty set is counted for nobody."""
    if per is None:
        return [ALL]
    value = values(per)
    match value:
        case None:
            return [ALL]
        case str():
            return [_scope(value)]
        case frozenset():
            return sorted({_scope(member) for member in value})
        case bool():
            return ["true" if value else "false"]
        case _:
            return [str(value)]


def _scope(value: str) -> str:
    if len(value) <= LONGEST_SCOPE:
        return value or ALL
    digest = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{value[: LONGEST_SCOPE - 17]}~{digest}"


def _allowed(
    allowed: Allowed, name: str, amounts: Amounts, wait: float, places: int, by_call: bool = False
) -> list[Need]:
    """Where a shared store is away, each host keeps a limit for itself: hence the whole limit as its allowance."""
    draws = []
    requests, tokens, slots = allowed.requests_per_minute, allowed.tokens_per_minute, allowed.concurrent
    if requests is not None:
        claim = Claim("rpm/" + name, _RATE, requests, amounts.requests, 0, 0, 0, wait, places, requests)
        draws.append(Need(claim, Unit.COUNT, 0, by_call))
    if tokens is not None and amounts.tokens:
        # A worst case is rarely the case: one that is larger than the whole minute waits for a full minute, not for ever.
        most = min(amounts.tokens, tokens)
        claim = Claim("tpm/" + name, _RATE, tokens, most, 0, 0, 0, wait, places, tokens)
        draws.append(Need(claim, Unit.TOKENS, 0, by_call))
    if slots is not None:
        claim = Claim("slots/" + name, _SLOTS, slots, 1, 0, 0, 0, wait, places, slots)
        draws.append(Need(claim, None, 0, by_call))
    return draws
