"""`routebook budgets`: every budget and limit, and how it stands."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from routebook.cli import admin_calls

if TYPE_CHECKING:
    from routebook.edge.admin.budgets import BudgetShown, BudgetsShown, LimitScopeShown, LimitShown, ScopeShown

HELP = """\
Show every budget with what is settled, held and left in the window that counts now, for everybody who has drawn on it;
every limit, and what is drawn of it; then by how much budgets may be overspent at most, and were.

Where a service runs, it is asked: the figures are those that it grants by, and the policy is the one that it serves.
Otherwise, or with `--journal`, they come from the books and the journal in the state directory, for the policy at
`--policy`. The last line says which."""

FORMATS = ("text", "json")

BAR = 20
"""Characters of the bar that shows what is used."""


class Unavailable(Exception):
    """Nothing can be shown; the message says why."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="only this budget or limit")
    admin_calls.add_arguments(parser)
    parser.add_argument(
        "--policy",
        default="rules",
        metavar="PATH",
        help="the policy where no service is asked: a directory or a file (default: %(default)s)",
    )
    parser.add_argument("--journal", action="store_true", help="do not ask a service that runs")
    parser.add_argument(
        "--format", choices=FORMATS, default="text", help="for people or programs (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Show; 0, or 1 where the policy has mistakes, the books cannot be read or the name is nobody's."""
    try:
        found, where = _found(args)
        found = _only(found, args.name)
    except Unavailable as error:
        if error.args:
            print(f"routebook budgets: {error}", file=sys.stderr)
        return 1
    print(_as_json(found) if args.format == "json" else "\n".join([*_as_text(found), "", where]))
    return 0


def _found(args: argparse.Namespace) -> tuple[BudgetsShown, str]:
    """How everything stands, and a line on whose figures these are. Raises Unavailable."""
    from routebook.edge.processes.state import find_running, is_owned

    where, of_journal = f"`{args.state_dir}`: ", "these are the amounts of its journal"
    if find_running(args.state_dir) is None:
        running = is_owned(args.state_dir)
        state = "a service is starting or ending" if running else "no service is running"
        return _of_journal(args, running), f"{where}{state}; {of_journal}"
    if args.journal:
        return _of_journal(args, running=True), f"{where}a service is running; {of_journal}"
    try:
        return _of_owner(args), f"{where}these are the running service's own figures, which it grants by"
    except admin_calls.NoAnswer as error:
        return _of_journal(args, running=True), f"{where}a service is running and was not asked ({error}); {of_journal}"


def _of_owner(args: argparse.Namespace) -> BudgetsShown:
    """What the running service says. Raises NoAnswer."""
    import msgspec

    from routebook.edge.admin.budgets import BudgetsShown

    answered = admin_calls.call(args, "GET", "/budgets")
    if answered.refused is not None:
        raise admin_calls.NoAnswer(answered.refused)
    try:
        return msgspec.convert(answered.content, BudgetsShown)
    except msgspec.ValidationError as error:
        raise admin_calls.NoAnswer("it is of another version") from error


def _of_journal(args: argparse.Namespace, running: bool) -> BudgetsShown:
    """What the books, and what the journal has gained since, come to. Raises Unavailable."""
    from routebook.cli.explain import load
    from routebook.edge.admin.budgets import told
    from routebook.edge.ledger.books import Books, BooksDamaged
    from routebook.edge.ledger.owner import Figures
    from routebook.ledger.budgets import Counting

    policy = load(args.policy)
    if policy is None:
        raise Unavailable
    try:
        books = Books.copy(args.state_dir)
    except BooksDamaged as error:
        raise Unavailable(
            f"the books in `{args.state_dir}` cannot be read ({error}); `serve` folds the journal anew"
        ) from error
    try:
        books.catch_up()
        totals = books.totals()
    finally:
        books.close()
    held = {counter: sum(by_process.values()) for counter, by_process in totals.held.items()}
    counting = Counting.of(policy.budgets.values(), policy.limits.values())
    return told(counting, Figures(time.time(), totals.settled, held, totals.exceeded), running, "journal")


def _only(found: BudgetsShown, name: str | None) -> BudgetsShown:
    """The budget or limit of this name alone, everything where none is given. Raises Unavailable."""
    import msgspec

    from routebook.documents.problems import did_you_mean

    if name is None:
        return found
    known = [*(each.name for each in found.budgets), *(each.name for each in found.limits)]
    if name not in known:
        hint = did_you_mean(name, known)
        raise Unavailable(f"the policy declares no budget or limit `{name}`" + (f"; {hint}" if hint else ""))
    return msgspec.structs.replace(
        found,
        budgets=[each for each in found.budgets if each.name == name],
        limits=[each for each in found.limits if each.name == name],
        overspend=msgspec.structs.replace(
            found.overspend, counted={each: over for each, over in found.overspend.counted.items() if each == name}
        ),
    )


def _as_json(found: BudgetsShown) -> str:
    import json

    import msgspec

    return json.dumps(msgspec.to_builtins(found), indent=2)


def _as_text(found: BudgetsShown) -> Iterator[str]:
    for budget in found.budgets:
        yield from _lines(budget, sys.stdout.isatty())
    for limit in found.limits:
        yield _limit_line(limit)
        for scope in limit.scopes:
            yield "  " + _limit_scope_line(limit, scope)
    if not found.budgets and not found.limits:
        yield "the policy declares no budgets and no limits"
    yield from _bound_lines(found.budgets)


def _lines(budget: BudgetShown, bars: bool) -> Iterator[str]:
    per = f" per {budget.per}" if budget.per else ""
    yield f"{budget.name}: {amount(budget.limit, budget.unit)} {window(budget)}{per}, {_until(budget)}"
    for scope in budget.scopes:
        yield "  " + _scope_line(budget, scope, bars)
    if not budget.scopes:
        yield "  nobody has drawn on it"


def _scope_line(budget: BudgetShown, scope: ScopeShown, bars: bool) -> str:
    from routebook.documents.visible import visible

    parts = [f"settled {amount(scope.settled, budget.unit)}", f"held {amount(scope.held, budget.unit)}"]
    if scope.left >= 0:
        parts.append(f"left {amount(scope.left, budget.unit)} ({share(scope.left, budget.limit)})")
    else:
        parts.append(f"over by {amount(-scope.left, budget.unit)}")
    if scope.exceeded:
        parts.append(f"used beyond what was held {amount(scope.exceeded, budget.unit)}")
    bar = f"[{_bar(budget.limit - scope.left, budget.limit)}] " if bars else ""
    return f"{bar}{visible(scope.scope):20} {', '.join(parts)}"


def _until(budget: BudgetShown) -> str:
    ends = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(budget.ends))
    return f"ends {ends}" if budget.rolling is None else f"moves on {ends}"


def window(budget: BudgetShown) -> str:
    """A budget's window in words: `a month (Europe/Berlin)`, `in 24 h`."""
    if budget.rolling is None:
        return f"a {budget.window}" + (f" ({budget.zone})" if budget.zone != "UTC" else "")
    for unit, letter in ((86_400, "d"), (3600, "h"), (60, "min")):
        if budget.rolling >= unit and budget.rolling % unit == 0:
            return f"in {budget.rolling / unit:g} {letter}"
    return f"in {budget.rolling:g} s"


def amount(number: int, unit: str) -> str:
    """An amount in its unit: `$12.50`, `20M tokens`, `1,000 requests`."""
    from routebook.routing.reasons import count, dollars

    match unit:
        case "money":
            return dollars(number)
        case "tokens":
            return f"{count(number)} tokens"
    return f"{number:,} requests"


def share(part: int, whole: int) -> str:
    """A share in per cent, rounded down so that what is left is never shown as more than it is."""
    return f"{part * 1000 // whole / 10:g} %"


def _bar(used: int, limit: int) -> str:
    filled = min(BAR, max(0, used) * BAR // limit)
    return "#" * filled + "." * (BAR - filled)


def _bound_lines(budgets: list[BudgetShown]) -> Iterator[str]:
    """The bound on overspending in words, and what was counted."""
    if not budgets:
        return
    yield ""
    yield "Overspending, one host: 0 as long as a request costs no more than was held for it; what one cost beyond is counted."
    over = [f"{each.name} {amount(each.exceeded, each.unit)}" for each in budgets if each.exceeded]
    yield f"Counted in these windows: {', '.join(over) or 'nothing'}."
    yield "Several hosts with a shared store: the same; while the store is away, each host may draw its allowance beside:"
    allowed = [f"{each.name} hosts x {amount(each.allowance, each.unit)}" for each in budgets if each.allowance]
    yield f"{', '.join(allowed) or 'no budget has one, so nothing is granted then'}."


def _limit_line(limit: LimitShown) -> str:
    parts = [f"{number:,} {what}" for number, what in _numbers(limit)]
    wait = f", {limit.places} may wait {limit.wait:g} s" if limit.places else ""
    return f"{limit.name}: {', '.join(parts)}" + (f" per {limit.per}" if limit.per else "") + wait


def _limit_scope_line(limit: LimitShown, scope: LimitScopeShown) -> str:
    from routebook.documents.visible import visible

    drawn = [
        f"{used:,} of {most:,} {what}"
        for (used, what), (most, _) in zip(_numbers(scope), _numbers(limit), strict=False)
    ]
    return f"{visible(scope.scope):20} drawn {', '.join(drawn)}" + (f", {scope.waiting} wait" if scope.waiting else "")


def _numbers(of: LimitShown | LimitScopeShown) -> list[tuple[int, str]]:
    """What is limited, or drawn of that: a number and what it counts."""
    named = (
        (of.requests_per_minute, "requests a minute"),
        (of.tokens_per_minute, "tokens a minute"),
        (of.concurrent, "at the same time"),
    )
    return [(number, what) for number, what in named if number is not None]
