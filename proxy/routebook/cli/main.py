"""`routebook`: one command line, one file per command.

Each `cli/COMMAND.py` has `HELP` (what it does, at length), `add_arguments(parser)` and `run(args) -> int`, and is imported
only when its command is given, so that `check` never pays for what `serve` needs. Exit codes: 0 all is well, 1 something is
invalid or failed, 2 the command line itself is wrong.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

COMMANDS = {
    "serve": "serve a policy",
    "check": "read, compile and test a policy, and say what is wrong with it",
    "test": "run a policy's tests, show what they reach, and suggest what is wanting",
    "new": "write a policy to begin with",
    "import": "make a policy of the configuration of another gateway",
    "fmt": "write policy files in one form, comments kept",
    "explain": "say why a request went where it went, or where one would go",
    "why-not": "say why a model was not chosen, and what would choose it",
    "tree": "draw the decision tree of a policy",
    "decisions": "list recorded decisions",
    "tap": "show decisions as they come",
    "top": "show a running server, live",
    "export": "tell ended records to a collector, a file or standard output",
    "diff": "say what changes in meaning from one policy to another",
    "replay": "decide recorded requests again, under another policy or their own",
    "savings": "show what the same traffic would have cost on each single model",
    "budgets": "show every budget and limit, and how it stands",
    "ledger": "count the ledger again and say what differs, or export it",
    "facts": "list the facts that rules may ask about",
    "schema": "print the schema of a policy, a policy test, a decision record or the admin listener",
    "router": "measure what the judgement of prompts is worth, or train it on own outcomes",
    "keys": "make, list, rotate and revoke the keys of clients",
    "accounts": "show how the accounts of a running server stand, rest one, or let one back in",
    "reload": "make a running server read its policy again",
    "admin": "make, list and revoke tokens of the admin listener",
    "simulate": "serve simulated model APIs, to try a policy without keys",
    "doctor": "look at what a service stands on, and say what is wrong with it",
    "completion": "print a script with which a shell completes command lines",
}
"""Every command with one line about it."""

ENVIRONMENT = (
    "policy",
    "listen",
    "admin",
    "admin_tokens_file",
    "admin_token_file",
    "state_dir",
    "workers",
    "shared_ledger",
    "simulate",
    "drain",
    "tls_certificate",
    "tls_key",
    "tls_client_ca",
    "admin_tls_certificate",
    "admin_tls_key",
    "admin_tls_client_ca",
)
"""Arguments that take their default from the environment: `ROUTEBOOK_` and the name in capitals."""

OK, INVALID, USAGE = 0, 1, 2
"""Exit codes."""

_TRUE, _FALSE = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; returns its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    command = next((word for word in words if not word.startswith("-")), None)
    parser = build_parser([command] if command in COMMANDS else [], os.environ)
    if command is not None and command not in COMMANDS:
        near = difflib.get_close_matches(command, COMMANDS, n=1)
        parser.error(f"unknown command `{command}`" + (f"; did you mean `{near[0]}`?" if near else ""))
    args = parser.parse_args(words)
    if args.command is None:
        parser.print_help()
        return USAGE
    return _run(args)


def _module(command: str) -> Any:
    return importlib.import_module(f"routebook.cli.{command.replace('-', '_')}")


def _run(args: argparse.Namespace) -> int:
    try:
        code: int = _module(args.command).run(args)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader (`| head`) has gone. What is left in the buffer must not complain again when Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13
    except KeyboardInterrupt:
        return 128 + 2


def build_parser(
    commands: Iterable[str] = tuple(COMMANDS), environment: Mapping[str, str] | None = None
) -> argparse.ArgumentParser:
    """The parser of the command line, with the arguments of the given commands (all: for the generated manual)."""
    parser = argparse.ArgumentParser(prog="routebook", description="A declarative reverse proxy for AI model APIs.")
    parser.add_argument(
        "--version", action=_Version, nargs=0, help="print the versions of routebook and what it runs on"
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    wanted = set(commands)
    for name, summary in COMMANDS.items():
        inner = subparsers.add_parser(name, help=summary)
        if name in wanted:
            module = _module(name)
            inner.description = module.HELP
            inner.formatter_class = argparse.RawDescriptionHelpFormatter
            module.add_arguments(inner)
            _take_environment(inner, environment or {})
            for deeper in subcommands(inner):
                _take_environment(deeper, environment or {})
    return parser


def subcommands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parsers of a command's own commands, at any depth; none where it has none."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield inner
                yield from subcommands(inner)


def _take_environment(parser: argparse.ArgumentParser, environment: Mapping[str, str]) -> None:
    for action in parser._actions:
        if action.dest not in ENVIRONMENT:
            continue
        variable = f"ROUTEBOOK_{action.dest.upper()}"
        action.help = f"{action.help or ''} [{variable}]"
        if variable in environment:
            value = environment[variable]
            action.default = _flag(parser, variable, value) if action.nargs == 0 else value


def _flag(parser: argparse.ArgumentParser, variable: str, value: str) -> bool:
    if value.lower() not in (*_TRUE, *_FALSE):
        parser.error(f"{variable} is `{value}`; write `true` or `false`")
    return value.lower() in _TRUE


class _Version(argparse.Action):
    """Prints versions; what they need is imported only here."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        import importlib.metadata
        import platform
        import sqlite3

        from routebook import __version__

        print(
            f"routebook {__version__} (aiohttp {importlib.metadata.version('aiohttp')}, "
            f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version})"
        )
        parser.exit()
