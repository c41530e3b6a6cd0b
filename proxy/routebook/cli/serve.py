"""`routebook serve`: run the service."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from routebook.cli.listeners import add_tls_arguments, tls_files

if TYPE_CHECKING:
    from routebook.edge.processes.supervisor import Opening, Options

HELP = """\
Serve a policy: read it, check it, and route requests by it until SIGTERM.

SIGHUP (or `routebook reload`) reads the policy and the certificates again; errors change nothing. SIGTERM lets running requests
finish; a second one cuts them. Standard output says what is served; standard error is a log of JSON lines."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--policy",
        type=Path,
        default=None,
        metavar="PATH",
        help="policy file or directory (default: `rules`, or the policy that comes with the program)",
    )
    _add_addresses(parser)
    parser.add_argument(
        "--state-dir",
        type=Path,
        default=Path("var"),
        metavar="DIR",
        help="journal, index, policies served (default: %(default)s)",
    )
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="worker processes (default: %(default)s)")
    parser.add_argument(
        "--simulate",
        action="store_true",
        help="send everything to a simulated upstream instead of the policy's providers",
    )
    _add_limits(parser)
    parser.add_argument(
        "--shared-ledger",
        default=None,
        metavar="URL",
        help="a Redis or Valkey in which several hosts keep their budgets together: redis://HOST:PORT/DB; "
        "a password may stand in ROUTEBOOK_SHARED_LEDGER_PASSWORD (default: budgets are this host's own)",
    )
    parser.add_argument(
        "--log",
        choices=("debug", "info", "warning", "error"),
        default="info",
        help="how much is logged (default: %(default)s)",
    )


def _add_addresses(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--listen", default="127.0.0.1:8080", metavar="HOST:PORT", help="where clients call (default: %(default)s)"
    )
    parser.add_argument(
        "--admin",
        default="127.0.0.1:8081",
        metavar="HOST:PORT",
        help="health, metrics, reload; `none` for no such listener (default: %(default)s)",
    )
    parser.add_argument(
        "--admin-tokens-file",
        type=Path,
        metavar="FILE",
        help="more tokens of the admin listener: lines of `read TOKEN` and `operate TOKEN`",
    )
    add_tls_arguments(parser)


def _add_limits(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--drain",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="how long running requests may take after SIGTERM (default: %(default)g)",
    )
    parser.add_argument(
        "--reload-limit",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="how long reading the policy may take (default: %(default)g)",
    )
    parser.add_argument(
        "--keep-days",
        type=float,
        default=30.0,
        metavar="DAYS",
        help="records older than this are removed (default: %(default)g)",
    )


def run(args: argparse.Namespace) -> int:
    """Serve; 0 after a clean end, 1 where there is nothing to serve or something had to be cut, 2 for a wrong option."""
    import asyncio

    from routebook.edge.operations_log import configure_log
    from routebook.edge.processes.supervisor import StartRefused, Supervisor

    try:
        options = _options(args)
    except ValueError as error:
        print(f"routebook serve: {error}", file=sys.stderr)
        return 2
    configure_log(args.log)
    try:
        return asyncio.run(Supervisor(options, _say).run())
    except StartRefused as refused:
        print(str(refused).rstrip(), file=sys.stderr)
        return 1


def _options(args: argparse.Namespace) -> Options:
    """What was asked for; raises ValueError with a message for the operator."""
    from routebook.edge.processes.listening import read_address
    from routebook.edge.processes.supervisor import Options

    workers, drain = int(args.workers), float(args.drain)
    if workers < 1:
        raise ValueError("`--workers` must be at least 1")
    if drain < 0 or args.reload_limit <= 0 or args.keep_days <= 0:
        raise ValueError("times must be positive")
    tls, admin_tls = tls_files(args)
    return Options(
        policy=args.policy or policy_at_hand(),
        listen=read_address(args.listen),
        admin=None if args.admin == "none" else read_address(args.admin),
        state_dir=Path(args.state_dir),
        workers=workers,
        simulate=args.simulate,
        drain=drain,
        reload_limit=args.reload_limit,
        keep_days=args.keep_days,
        log=args.log,
        shared_ledger=args.shared_ledger,
        admin_tokens_file=None if args.admin_tokens_file is None else Path(args.admin_tokens_file),
        tls=tls,
        admin_tls=admin_tls,
    )


def policy_at_hand() -> Path:
    """`rules` where it stands, else the policy that is installed with the program."""
    import importlib.resources

    rules = Path("rules")
    return rules if rules.exists() else Path(str(importlib.resources.files("routebook.starter")))


def _say(opening: Opening) -> None:
    """Two or three lines for whoever started it."""
    with contextlib.suppress(OSError):  # whoever reads them may have gone
        print(*_opening_lines(opening), sep="\n", flush=True)


def _opening_lines(opening: Opening) -> list[str]:
    holds = opening.holds
    admin = f", admin {_scheme(opening.admin_encrypted)}{opening.admin}" if opening.admin else ""
    upstream = f", simulated upstream {opening.simulated_at}" if opening.simulated_at else ""
    return [
        f"routebook serves {_scheme(opening.encrypted)}{opening.listen}/v1{admin}{upstream}",
        f"policy {opening.digest}: {holds['rules']} rules, {holds['models']} models, {holds['providers']} providers",
        f"read it again: `routebook reload --wait` or kill -HUP {os.getpid()}",
    ]


def _scheme(encrypted: bool) -> str:
    return "https://" if encrypted else "http://"
