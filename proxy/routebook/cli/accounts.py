"""`routebook accounts`: how the accounts of a running service stand; resting one, letting one back in."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from routebook.cli import admin_calls

HELP = """\
Show how the accounts of the service that owns a state directory stand: ready, resting, probing (one request at a time
tries whether it serves again) or out (its key was refused).

`--rest PROVIDER ACCOUNT` leaves one alone, for `--seconds` or until it is let back in (a day at most);
`--admit PROVIDER ACCOUNT` lets it back in, with its bucket and its breakers, and reads its key again."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    admin_calls.add_arguments(parser)
    does = parser.add_mutually_exclusive_group()
    does.add_argument("--rest", nargs=2, metavar=("PROVIDER", "ACCOUNT"), help="leave this account alone")
    does.add_argument("--admit", nargs=2, metavar=("PROVIDER", "ACCOUNT"), help="let this account back in")
    parser.add_argument("--seconds", type=int, metavar="N", help="how long to `--rest` (default: a day)")
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="for people or programs (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Show, rest or admit; 0 done, 1 nobody there or no such account, 2 options that do not fit."""
    if args.seconds is not None and (args.rest is None or args.seconds <= 0):
        return _fail("`--seconds` is a number above 0, and goes with `--rest`", 2)
    try:
        answered = admin_calls.call(args, *request_of(args))
    except admin_calls.NoAnswer as error:
        return _fail(str(error))
    if answered.refused is not None:
        return _fail(answered.refused)
    accounts = answered.content["accounts"]
    print(as_text(accounts) if args.format == "text" else _as_json(accounts))
    return 0


def request_of(args: argparse.Namespace) -> tuple[str, str]:
    """Method and path of what is to be asked."""
    from urllib.parse import quote

    if args.rest is None and args.admit is None:
        return "GET", "/accounts"
    provider, account = (quote(name, safe="") for name in args.rest or args.admit)
    does = "admit" if args.rest is None else "rest"
    return "POST", f"/accounts/{provider}/{account}/{does}" + (f"?seconds={args.seconds}" if args.seconds else "")


def as_text(accounts: list[dict[str, Any]]) -> str:
    """Accounts for people: one line each, and one for each breaker that is not closed."""
    lines = [f"{'account':32}  {'bucket':12}  {'state':8}  {'busy':>4}  {'failed':>9}  {'first token':>15}  why"]
    for each in accounts:
        why = each["because"] or ""
        if each["until"]:
            why = f"{why}, until {each['until']}"
        lines.append(
            f"{each['provider'] + '/' + each['account']:32}  {each['bucket'] or '':12}  {each['state']:8}  "
            f"{each['in_flight']:>4}  {str(each['failed']) + '/' + str(each['calls']):>9}  "
            f"{_pace(each['first_token']):>15}  {why}".rstrip()
        )
        for breaker in each["breakers"]:
            lines.append(f"  {breaker['model']}: breaker {breaker['state']} after {breaker['because']}")
    return "\n".join(lines)


def _pace(quantiles: dict[str, float | None]) -> str:
    middle, high = quantiles["p50"], quantiles["p95"]
    return "" if middle is None or high is None else f"{middle:.3g}s / {high:.3g}s"


def _as_json(accounts: list[dict[str, Any]]) -> str:
    import json

    return json.dumps(accounts, ensure_ascii=True, indent=2)


def _fail(message: str, code: int = 1) -> int:
    print(f"routebook accounts: {message}", file=sys.stderr)
    return code
