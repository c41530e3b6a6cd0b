"""What a record says of money and limits, in plain words: what was held, who was not allowed, what was settled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from routebook.documents.quantities import Unit
from routebook.ledger.pot_names import ALL, pot_named
from routebook.routing.reasons import count, dollars, seconds

_KINDS = {
    "budget": "the budget",
    "tokens": "the budget",
    "requests": "the budget",
    "rpm": "the requests a minute of",
    "tpm": "the tokens a minute of",
    "slots": "the concurrent requests of",
}

_WHY = {
    "exhausted": "not enough is left",
    "unavailable": "the store that it is shared in does not answer",
    "queue-full": "too many wait for it already",
    "queue-timeout": "its turn did not come in time",
}


def held_lines(record: Mapping[str, Any]) -> Iterator[str]:
    """What was held when the request was decided, and whom a budget or a limit did not allow."""
    hold = record.get("hold") or {}
    for pot, _, amount, orphan in hold.get("draws", ()):
        crash = "" if orphan == amount else f" ({amount_of(pot, orphan)} should the process die)"
        yield f"held {amount_of(pot, amount)} of {pot_in_words(pot)}{crash}"
    for refused in hold.get("refused", ()):
        yield refusal_in_words(refused)


def settled_lines(record: Mapping[str, Any], ending: Mapping[str, Any]) -> Iterator[str]:
    """What was used of that in the end, and what went back."""
    held = _amounts(draw[:3] for draw in (record.get("hold") or {}).get("draws", ()))
    for pot, start, amount in ending.get("settled", ()):
        yield f"settled {amount_of(pot, amount)} of {pot_in_words(pot)}{_beside(pot, amount, held.get((pot, start)))}"
    if ending.get("exceeded"):
        yield f"the calls cost {dollars(ending['exceeded'])} more than was held for them"
    if ending.get("crashed") and ending.get("settled"):
        yield "the process died before it could say what was used, so what its hold says of that case was booked"


def pot_in_words(pot: str) -> str:
    """A pot as people call it: ``the budget `team-month` of research``."""
    kind, name, scope = pot_named(pot)
    whose = "" if scope == ALL else f" of {scope}"
    if name == "account" and kind not in ("budget", "tokens", "requests"):
        return f"{_KINDS.get(kind, kind)} the account {scope}"
    return f"{_KINDS.get(kind, kind)} `{name}`{whose}"


def amount_of(pot: str, amount: int) -> str:
    """An amount in the unit of its pot: `$0.031`, `900 tokens`, `1 request`."""
    match pot_named(pot).unit:
        case Unit.MONEY:
            return dollars(amount)
        case Unit.TOKENS:
            return f"{count(amount)} tokens"
    return f"{count(amount)} request{'' if amount == 1 else 's'}"


def refusal_in_words(refused: Mapping[str, Any]) -> str:
    """Who was not allowed to be called by which budget or limit, and when it would be."""
    pot = refused["pot"]
    why = _WHY.get(refused["why"], refused["why"])
    after = refused.get("retry_after")
    later = "never enough" if after is None else f"again after {seconds(after)}"
    by = f" by {refused['account']}" if refused.get("account") else ""
    return (
        f"{refused['model']}{by} was not allowed by {pot_in_words(pot)}: {why}; "
        f"needs {amount_of(pot, refused['need'])}, {amount_of(pot, refused['drawn'])} of "
        f"{amount_of(pot, refused['limit'])} drawn, {later}"
    )


def _beside(pot: str, amount: int, held: int | None) -> str:
    """How a settlement compares with what was held at first."""
    if held is None or held == amount:
        return ""
    if held > amount:
        return f", {amount_of(pot, held - amount)} went back"
    return f", {amount_of(pot, amount - held)} more than was held at first"


def _amounts(rows: Iterable[Any]) -> dict[tuple[str, int], int]:
    return {(pot, start): amount for pot, start, amount in rows}
