"""Claims as tests write them."""

from __future__ import annotations

import msgspec

from routebook.ledger.claims import Claim, Grant, Kind, Refusal
from routebook.ledger.purse import Purse
from routebook.ledger.vault import Vault

DAY = 86_400
NOON = 20_000 * DAY + DAY // 2


def window(amount: int, limit: int = 1000, day: int = 20_000, pot: str = "budget/day/-", allowance: int = 0) -> Claim:
    """A claim on a budget of a day."""
    start = day * DAY
    return Claim(pot, Kind.WINDOW, limit, amount, start, start, start + DAY, allowance=allowance or None)


def rolling(amount: int, now: int, limit: int = 1000) -> Claim:
    """A claim on a budget of a rolling hour, in slices of a minute."""
    start = now // 60 * 60
    return Claim("budget/rolling/-", Kind.WINDOW, limit, amount, start, start - 3600, start + 60)


def rate(amount: int, limit: int = 60) -> Claim:
    """A claim on so much a minute."""
    return Claim("tokens/all/-", Kind.RATE, limit, amount)


def slots(limit: int = 10) -> Claim:
    """A claim on one slot."""
    return Claim("slots/all/-", Kind.SLOTS, limit, 1)


def part(claim: Claim, of: int) -> Claim:
    """The claim as one for a part of what a request needs."""
    return msgspec.structs.replace(claim, request=of)


def granted(vault: Vault, holder: str, *claims: Claim, now: float = NOON, plenty: bool = False) -> Grant:
    """A grant that must succeed; exactly what is claimed, unless `plenty`."""
    answer = vault.lease(holder, claims, now, plenty)
    assert isinstance(answer, Grant), answer
    return answer


def refused(vault: Vault, holder: str, *claims: Claim, now: float = NOON) -> Refusal:
    """A refusal that must come."""
    answer = vault.lease(holder, claims, now)
    assert isinstance(answer, Refusal), answer
    return answer


def filled(*amounts: tuple[str, int, int], tight: tuple[str, ...] = ()) -> Purse:
    """A purse with so much in it."""
    purse = Purse()
    purse.granted(Grant(amounts, tight))
    return purse
