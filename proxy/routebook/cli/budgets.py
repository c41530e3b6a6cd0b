"""`routebook budgets`: every budget and limit of a policy, and how it stands."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from routebook.documents.quantities import Unit
    from routebook.ledger.budgets import Budget, Limit
    from routebook.ledger.standing import BudgetStanding, Standing
    from routebook.routing.policy import Policy

HELP = """\
Show every budget of a policy with what is settled, held and left in the window that counts now, for everybody who has
drawn on it, and every limit as it is declared; then by how much budgets may be overspent at most, and were.

The amounts come from the books and the journal in the state directory, with or without a running service."""

FORMATS = ("text", "json")

BAR = 20
"""Characters of the bar that shows what is used."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="only this budget or limit")
    parser.add_argument(
        "--state-dir",
        type=Path,
        default=Path("var"),
        metavar="DIR",
        help="the state directory of the service (default: %(default)s)",
    )
    parser.add_argument(
        "--policy", default="rules", metavar="PATH", help="the policy: a directory or a file (default: %(default)s)"
    )
    parser.add_argument(
        "--format", choices=FORMATS, default="text", help="for people or programs (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Show; 0, or 1 where the policy has mistakes, the books cannot be read or the name is nobody's."""
    from routebook.cli.explain import load
    from routebook.edge.ledger.books import BooksDamaged

    policy = load(args.policy)
    if policy is None:
        return 1
    if args.name is not None and args.name not in {*policy.budgets, *policy.limits}:
        from routebook.documents.problems import did_you_mean

        hint = did_you_mean(args.name, [*policy.budgets, *policy.limits])
        return _fail(f"`{args.policy}` declares no budget or limit `{args.name}`" + (f"; {hint}" if hint else ""))
    try:
        found = _standings(policy, args.name, args.state_dir, time.time())
    except BooksDamaged as error:
        return _fail(f"the books in `{args.state_dir}` cannot be read ({error}); `serve` folds the journal anew")
    limits = [limit for limit in policy.limits.values() if args.name in (None, limit.name)]
    _show(found, limits, args)
    return 0


def _standings(policy: Policy, name: str | None, state_dir: Path, now: float) -> list[BudgetStanding]:
    """How the budgets stand by the books and what the journal has gained since. Raises BooksDamaged."""
    from routebook.edge.ledger.books import Books
    from routebook.ledger.standing import standings

    books = Books.copy(state_dir)
    try:
        books.catch_up()
        totals = books.totals()
    finally:
        books.close()
    held = {counter: sum(by_process.values()) for counter, by_process in totals.held.items()}
    budgets = [budget for budget in policy.budgets.values() if name in (None, budget.name)]
    return list(standings(budgets, totals.settled, held, totals.exceeded, now))


def _show(found: list[BudgetStanding], limits: list[Limit], args: argparse.Namespace) -> None:
    from routebook.edge.processes.state import is_owned

    running = is_owned(args.state_dir)
    if args.format == "json":
        import json

        shown = {
            "version": 1,
            "running": running,
            "budgets": [_as_json(each) for each in found],
            "limits": [_limit_json(each) for each in limits],
            "overspend": {"bound": 0, "counted": {each.budget.name: each.exceeded for each in found}},
        }
        print(json.dumps(shown, indent=2))
        return
    lines = [line for each in found for line in _lines(each, sys.stdout.isatty())]
    lines += [_limit_line(each) for each in limits]
    if not lines:
        lines = [f"`{args.policy}` declares no budgets and no limits"]
    lines += list(_bound_lines(found))
    where = "a service is running" if running else "no service is running; these are the amounts of its journal"
    print("\n".join([*lines, "", f"`{args.state_dir}`: {where}"]))


def _lines(each: BudgetStanding, bars: bool) -> Iterator[str]:
    budget = each.budget
    per = f" per {budget.per}" if budget.per else ""
    yield f"{budget.name}: {amount(budget.limit, budget.unit)} {window(budget)}{per}, {_until(each)}"
    for scope in each.scopes:
        yield "  " + _scope_line(budget, scope, bars)
    if not each.scopes:
        yield "  nobody has drawn on it"


def _scope_line(budget: Budget, scope: Standing, bars: bool) -> str:
    from routebook.cli.decisions import visible

    parts = [f"settled {amount(scope.settled, budget.unit)}", f"held {amount(scope.held, budget.unit)}"]
    if scope.left >= 0:
        parts.append(f"left {amount(scope.left, budget.unit)} ({share(scope.left, budget.limit)})")
    else:
        parts.append(f"over by {amount(-scope.left, budget.unit)}")
    if scope.exceeded:
        parts.append(f"used beyond what was held {amount(scope.exceeded, budget.unit)}")
    bar = f"[{_bar(budget.limit - scope.left, budget.limit)}] " if bars else ""
    return f"{bar}{visible(scope.scope):20} {', '.join(parts)}"


def _until(each: BudgetStanding) -> str:
    ends = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(each.window.ends))
    return f"ends {ends}" if each.budget.rolling is None else f"moves on {ends}"


def window(budget: Budget) -> str:
    """A budget's window in words: `a month (Europe/Berlin)`, `in 24 h`."""
    if budget.rolling is None:
        return f"a {budget.window}" + (f" ({budget.zone})" if budget.zone != "UTC" else "")
    for unit, letter in ((86_400, "d"), (3600, "h"), (60, "min")):
        if budget.rolling >= unit and budget.rolling % unit == 0:
            return f"in {budget.rolling / unit:g} {letter}"
    return f"in {budget.rolling:g} s"


def amount(number: int, unit: Unit) -> str:
    """An amount in its unit: `$12.50`, `20M tokens`, `1,000 requests`."""
    from routebook.documents.quantities import Unit
    from routebook.routing.reasons import count, dollars

    match unit:
        case Unit.MONEY:
            return dollars(number)
        case Unit.TOKENS:
            return f"{count(number)} tokens"
    return f"{number:,} requests"


def share(part: int, whole: int) -> str:
    """A share in per cent, rounded down so that what is left is never shown as more than it is."""
    return f"{part * 1000 // whole / 10:g} %"


def _bar(used: int, limit: int) -> str:
    filled = min(BAR, max(0, used) * BAR // limit)
    return "#" * filled + "." * (BAR - filled)


def _bound_lines(found: list[BudgetStanding]) -> Iterator[str]:
    """The bound on overspending in words, and what was counted."""
    if not found:
        return
    yield ""
    yield "Overspending, one host: 0 as long as a request costs no more than was held for it; what one cost beyond is counted."
    over = [f"{each.budget.name} {amount(each.exceeded, each.budget.unit)}" for each in found if each.exceeded]
    yield f"Counted in these windows: {', '.join(over) or 'nothing'}."
    yield "Several hosts with a shared store: the same; while the store is away, each host may draw its allowance beside:"
    allowed = [
        f"{each.budget.name} hosts x {amount(each.budget.allowance, each.budget.unit)}"
        for each in found
        if each.budget.allowance
    ]
    yield f"{', '.join(allowed) or 'no budget has one, so nothing is granted then'}."


def _limit_line(limit: Limit) -> str:
    parts = [
        f"{number:,} {what}"
        for number, what in (
            (limit.requests_per_minute, "requests a minute"),
            (limit.tokens_per_minute, "tokens a minute"),
            (limit.concurrent, "at the same time"),
        )
        if number is not None
    ]
    wait = f", {limit.places} may wait {limit.wait:g} s" if limit.places else ""
    return f"{limit.name}: {', '.join(parts)}" + (f" per {limit.per}" if limit.per else "") + wait


def _as_json(each: BudgetStanding) -> dict[str, Any]:
    budget = each.budget
    return {
        "name": budget.name,
        "unit": budget.unit.name.lower(),
        "limit": budget.limit,
        "window": budget.window,
        "rolling": budget.rolling,
        "zone": budget.zone,
        "per": budget.per,
        "allowance": budget.allowance,
        "start": each.window.first,
        "ends": each.window.ends,
        "scopes": [
            {"scope": one.scope, "settled": one.settled, "held": one.held, "left": one.left, "exceeded": one.exceeded}
            for one in each.scopes
        ],
    }


def _limit_json(limit: Limit) -> dict[str, Any]:
    return {
        "name": limit.name,
        "per": limit.per,
        "requests_per_minute": limit.requests_per_minute,
        "tokens_per_minute": limit.tokens_per_minute,
        "concurrent": limit.concurrent,
        "wait": limit.wait,
        "places": limit.places,
    }


def _fail(message: str) -> int:
    print(f"routebook budgets: {message}", file=sys.stderr)
    return 1
