# ruff: noqa: N999  (the file of a command is called as the command)
"""`routebook import`: the configuration of another gateway as a policy, and what could not be carried."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from routebook.documents.places import SUFFIXES

if TYPE_CHECKING:
    from routebook.routing.importing.converting import Imported

HELP = """Make a policy of another gateway's configuration, and say of each of its keys what became of it.

    routebook import litellm config.yaml                the policy on standard output, the report on standard error
    routebook import litellm config.yaml -o rules/      rules/policy.yaml, and the report on standard output
    routebook import portkey config.json --model gpt-5.6-mini
                                                        for configs that leave the model to the client

Each key is carried, carried with a difference, without meaning here, or not carried; all but the first are named with file,
line and column. No secret is taken over: keys become variables of the environment, and the report says which to set.
Nothing is overwritten. The exit code is 1 where nothing could be routed to, and with --strict where a key was not carried."""

FORMATS = ("text", "json")
FILE = f"policy{SUFFIXES[0]}"
"""What the file is called in a directory."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `import`."""
    parser.add_argument("gateway", choices=("litellm", "portkey", "bifrost"), help="whose configuration it is")
    parser.add_argument("file", type=Path, metavar="FILE", help="the configuration: YAML or JSON")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="PATH",
        help=f"a file that is not there yet, or a directory, for `{FILE}` in it",
    )
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME",
        help="a model that clients ask for, where the configuration leaves that to them; may be repeated",
    )
    parser.add_argument("--all", action="store_true", help="name the keys that were simply carried, too")
    parser.add_argument("--strict", action="store_true", help="let a key that was not carried count as an error")
    parser.add_argument(
        "--format", choices=FORMATS, default="text", help="the report, for people or programs (default: text)"
    )


def run(args: argparse.Namespace) -> int:
    """Convert, write, check what was written, and report."""
    from routebook.routing.importing.converting import convert

    target = _target(args.output, args.file)
    if target is not None and (target.exists() or target.is_symlink()):
        print(f"routebook import: `{target}` is there already, and nothing is overwritten", file=sys.stderr)
        return 2
    try:
        text = args.file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        print(
            f"routebook import: `{args.file}` cannot be read: {(reason or 'no reason given').lower()}", file=sys.stderr
        )
        return 2
    found = convert(args.gateway, str(args.file), text, args.model)
    if found.policy is not None and target is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as file:
            file.write(found.policy)
    elif found.policy is not None:
        sys.stdout.write(found.policy)
    return _report(found, target, args)


def _target(output: Path | None, source: Path) -> Path | None:
    if output is None:
        return None
    return output if output.suffix in SUFFIXES and not output.is_dir() else output / FILE


def _report(found: Imported, target: Path | None, args: argparse.Namespace) -> int:
    """Print what became of the source; the exit code."""
    from routebook.cli.check import summary, wants_colour
    from routebook.cli.problem_formats.forms import written
    from routebook.routing.importing.report import Verdict, as_text, as_values, counted
    from routebook.routing.reading.loading import load_sources

    said = sys.stdout if target is not None else sys.stderr
    if found.problems.errors:
        sys.stderr.write(written("text", found.problems, [found.document], colour=wants_colour(sys.stderr)))
        print(f"{args.file}: this is no configuration that can be read", file=sys.stderr)
        return 1
    checked = None if found.policy is None else load_sources([(str(target or FILE), found.policy)])
    if args.format == "json":
        values = {"policy": None if target is None else str(target), **as_values(found.report)}
        print(json.dumps(values, ensure_ascii=False, indent=2), file=said)
    else:
        said.write(as_text(found.report, every=args.all))
        print(f"{args.file}: {counted(found.report) or 'nothing in it'}", file=said)
    if checked is None:
        print(f"{args.file}: nothing in it can be routed to, so there is no policy", file=sys.stderr)
        return 1
    if args.format == "text":
        print(f"{target or FILE}: {summary(checked)}", file=said)
    if checked.policy is None:
        sys.stderr.write(written("text", checked.problems, checked.documents, colour=wants_colour(sys.stderr)))
        return 1
    return 1 if args.strict and found.report.of(Verdict.LEFT) else 0
