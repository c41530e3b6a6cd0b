"""`routebook admin`: tokens of the admin listener."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from routebook.edge.admin.tokens import Token

HELP = """\
Make, list and revoke tokens of the admin listener.

  routebook admin token create --role read --expires 90d --note prometheus
  routebook admin token list
  routebook admin token revoke 1f0c92ab

A token that may `read` sees health, metrics, the policy's names and the decisions; one that may `operate` can also do
what changes something, such as a reload. As soon as a state directory has a token, its admin listener asks for one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions and their options."""
    things = parser.add_subparsers(dest="thing", metavar="THING", required=True)
    token = things.add_parser("token", help="tokens of the admin listener")
    actions = token.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="make a token; it is printed once and kept nowhere")
    create.add_argument("--role", choices=("read", "operate"), required=True, help="what its bearer may do")
    create.add_argument("--expires", metavar="TIME", help="how long it is valid, such as `90d` (default: for ever)")
    create.add_argument("--note", default="", metavar="TEXT", help="what it is for, for people")
    listing = actions.add_parser("list", help="list every token that was made, without the tokens themselves")
    listing.add_argument(
        "--format", choices=("text", "json"), default="text", help="for people or programs (default: %(default)s)"
    )
    revoke = actions.add_parser("revoke", help="let a token open nothing from now on")
    revoke.add_argument("id", metavar="ID", help="the token's id, as `list` shows it")
    for action in (create, listing, revoke):
        action.add_argument(
            "--state-dir",
            type=Path,
            default=Path("var"),
            metavar="DIR",
            help="the state directory of the service (default: %(default)s)",
        )


def run(args: argparse.Namespace) -> int:
    """Do it; 0 done, 1 not possible, 2 an option that cannot be read."""
    from routebook.edge.admin.tokens import TokensUnreadable

    try:
        match args.action:
            case "create":
                return _create(args)
            case "list":
                return _list(args)
            case _:
                return _revoke(args)
    except (OSError, TokensUnreadable) as error:
        return _fail(str(error))


def _create(args: argparse.Namespace) -> int:
    from routebook.documents.quantities import Unit, parse_quantity
    from routebook.edge.admin.route import Role
    from routebook.edge.admin.tokens import create, now

    seconds = None if args.expires is None else parse_quantity(args.expires, Unit.DURATION)
    if args.expires is not None and not seconds:
        return _fail(f"`--expires {args.expires}` is no duration, such as `90d` or `12h`", 2)
    try:
        lives = None if seconds is None else timedelta(seconds=seconds)
        secret, token = create(args.state_dir, Role(args.role), lives, args.note, now())
    except OverflowError:
        return _fail(f"`--expires {args.expires}` is longer than any calendar", 2)
    print(secret)
    until = "for ever" if token.expires is None else f"until {token.expires:%Y-%m-%d %H:%M} UTC"
    print(
        f"token `{token.id}` may {token.role.value}, {until}; it is shown only now\n"
        f"the admin listener of `{args.state_dir}` asks for a token from now on",
        file=sys.stderr,
    )
    return 0


def _list(args: argparse.Namespace) -> int:
    from routebook.edge.admin.tokens import FILE, now, read_kept

    tokens = read_kept(args.state_dir / FILE)
    if args.format == "json":
        import msgspec

        rows = [{**msgspec.to_builtins(token), "state": token.state(now())} for token in tokens]
        for row in rows:
            row.pop("digest")
            print(msgspec.json.encode(row).decode())
    else:
        print("\n".join(_as_lines(tokens, now())))
    return 0


def _as_lines(tokens: Iterable[Token], now: datetime) -> Iterable[str]:
    from routebook.documents.visible import visible

    yield f"{'id':8}  {'role':7}  {'token':8}  {'made':10}  {'expires':10}  {'state':7}  note"
    for token in tokens:
        made, expires = (f"{at:%Y-%m-%d}" if at else "" for at in (token.created, token.expires))
        yield (
            f"{token.id:8}  {token.role.value:7}  ...{token.last_four:5}  {made:10}  {expires:10}  "
            f"{token.state(now):7}  {visible(token.note)}"
        ).rstrip()


def _revoke(args: argparse.Namespace) -> int:
    from routebook.edge.admin.tokens import now, revoke

    token = revoke(args.state_dir, args.id, now())
    if token is None:
        return _fail(f"`{args.state_dir}` has no token `{args.id}`; `routebook admin token list` shows those it has")
    print(f"token `{token.id}` (...{token.last_four}) opens nothing any more")
    return 0


def _fail(message: str, code: int = 1) -> int:
    print(f"routebook admin: {message}", file=sys.stderr)
    return code
