"""Writes the pages and schemas that are made from the program's own tables: `python -m routebook.cli.generate [ROOT]`.

What is written is committed; a test fails where it is not what this version of the program would write.
"""

from __future__ import annotations

import argparse
import importlib.resources
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from routebook.cli import schema
from routebook.cli.codes import ADMIN, AUDIT, CANDIDATES, FAILURES, PROBLEMS, RECORDED, RELOADS, STARTS
from routebook.cli.main import COMMANDS, ENVIRONMENT, build_parser, subcommands
from routebook.edge.admin import document
from routebook.edge.admin.refusals import STATUSES
from routebook.edge.admin.routes import ROUTES
from routebook.edge.answers import KINDS
from routebook.policy.fact_pages import facts_as_markdown
from routebook.protocols.carried_page import protocols_page
from routebook.protocols.dialects import DIALECTS
from routebook.routing.drawings.policy_tree import draw_policy
from routebook.routing.drawings.svg import as_svg
from routebook.routing.facts import FACTS
from routebook.routing.reading.loading import load_policy

_COMMANDS_BEGIN = """\
# The command line

<!-- Written by `make docs` from the program's own parser; changes by hand are lost. -->

`routebook COMMAND [ARGUMENTS]`. Exit codes: 0 all is well, 1 something is invalid or failed, 2 the command line itself is
wrong. Defaults may stand in the environment: {variables}.
"""

_CODES_BEGIN = """\
# Codes

<!-- Written by `make docs` from `cli/codes.py`; changes by hand are lost. -->

A code keeps its meaning from version to version, so it can be searched for, linked to (`errors.md#CODE`) and acted on.
Those of the admin listener stand in [admin.md](admin.md#what-it-refuses-with).

## What `routebook check` says

Each problem has a place (file, line, column), a code, a message and often a hint. Errors keep a policy from being served;
warnings do not.
"""

_RELOADS_BEGIN = """\
## Why a reload may be refused

The policy before it stays in force; `routebook reload --wait` prints why and ends with 1.
"""

_FAILURES_BEGIN = """\
## What a client is told

The answer is in the client's dialect; the header `x-routebook-error` has the code. `499` is never sent: it stands in records
of clients that were not there to be told.
"""


_RECORDS_BEGIN = """\
## What only records say

Attempts and ends of exchanges carry the codes above, and these.
"""

_STARTS_BEGIN = """\
## Why the service may not start

`routebook serve` prints it and ends with 1, as it does with an error of the policy.
"""

_CANDIDATES_BEGIN = """\
## Why a candidate was kept or dropped

`routebook explain ID` says each with its numbers.
"""


_AUDIT_BEGIN = """\
## What `routebook ledger verify` finds

Each is named with its records, and makes the exit code 1.
"""


def pages() -> dict[str, str]:
    """Every generated file by its path in the repository."""
    return {
        "docs/facts.md": facts_as_markdown(FACTS),
        "docs/cli.md": command_page(),
        "docs/errors.md": code_page(),
        "docs/admin.md": document.page(ROUTES, STATUSES, ADMIN),
        "docs/protocols.md": protocols_page(DIALECTS.values()),
        "docs/decision-tree.svg": shipped_tree(),
        **{f"schemas/{file}": schema.as_file(schema.build(which)) for which, file in schema.FILES.items()},
    }


def shipped_tree() -> str:
    """The picture `docs/decision-tree.svg`: the decision tree of the shipped policy."""
    policy = load_policy(Path(str(importlib.resources.files("routebook.starter"))), proving=False).policy
    if policy is None:
        raise ValueError("the shipped policy has mistakes: `routebook check rules` says which")
    return as_svg(draw_policy(policy))


def command_page() -> str:
    """The page `docs/cli.md`: every command with its arguments."""
    parser = build_parser()
    inner = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    variables = ", ".join(f"`ROUTEBOOK_{name.upper()}`" for name in ENVIRONMENT)
    overview = {f"[`{name}`](#routebook-{name})": doc for name, doc in COMMANDS.items()}
    parts = [_COMMANDS_BEGIN.format(variables=variables), _table("command", "what it does", overview)]
    for name in COMMANDS:
        command = inner.choices[name]
        # Laid out as it is printed: some descriptions hold lists.
        parts.append(f"## routebook {name}\n\n```text\n{command.description or ''}\n```\n")
        parts.append(_table("argument", "meaning", dict(_arguments(command))))
        parts += [
            f"### {inner.prog}\n\n" + _table("argument", "meaning", rows)
            for inner in subcommands(command)
            if (rows := dict(_arguments(inner)))
        ]
    return "\n".join(parts)


def code_page() -> str:
    """The page `docs/errors.md`: every stable code."""
    failures = "".join(f"| {_anchored(code)} | {KINDS[code].status} | {doc} |\n" for code, doc in FAILURES.items())
    rooms = dict.fromkeys(code.partition(".")[0] for code in PROBLEMS)
    parts = [_CODES_BEGIN]
    parts += [
        _code_table({code: doc for code, doc in PROBLEMS.items() if code.startswith(f"{room}.")}) for room in rooms
    ]
    parts += [
        _RELOADS_BEGIN,
        _code_table(RELOADS),
        _STARTS_BEGIN,
        _code_table(STARTS),
        _FAILURES_BEGIN,
        "| code | status | meaning |\n|---|---|---|\n" + failures,
        _RECORDS_BEGIN,
        _code_table(RECORDED),
        _CANDIDATES_BEGIN,
        _code_table(CANDIDATES),
        _AUDIT_BEGIN,
        _code_table(AUDIT),
    ]
    return "\n".join(parts)


def _code_table(codes: Mapping[str, str]) -> str:
    return _table("code", "meaning", {_anchored(code): doc for code, doc in codes.items()})


def _anchored(code: str) -> str:
    """A code that a link can lead to: `errors.md#policy.unknown-model`."""
    return f'<a id="{code}"></a>`{code}`'


def _arguments(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    for action in parser._actions:
        if action.dest == "help":
            continue
        names = ", ".join(f"`{name}`" for name in action.option_strings) or f"`{action.metavar or action.dest}`"
        choices = "" if action.choices is None else " (" + ", ".join(f"`{choice}`" for choice in action.choices) + ")"
        yield names + choices, (action.help or "") % vars(action)


def _table(first: str, second: str, rows: Mapping[str, str]) -> str:
    return f"| {first} | {second} |\n|---|---|\n" + "".join(
        f"| {_cell(left)} | {_cell(right)} |\n" for left, right in rows.items()
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def stale(root: Path) -> list[str]:
    """The generated files that are absent or not what this version would write."""
    return [
        name
        for name, text in pages().items()
        if not (root / name).is_file() or (root / name).read_text(encoding="utf-8") != text
    ]


def main(argv: list[str] | None = None) -> int:
    """Write what is stale, and say what was written."""
    parser = argparse.ArgumentParser(prog="python -m routebook.cli.generate", description=__doc__)
    parser.add_argument("root", nargs="?", default=".", type=Path, metavar="ROOT", help="the repository (default: .)")
    root = parser.parse_args(argv).root
    written = pages()
    for name in stale(root):
        (root / name).write_text(written[name], encoding="utf-8")
        print(f"{name}: written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
