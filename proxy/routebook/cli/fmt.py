"""`routebook fmt`: policy files in one form, whoever wrote them."""

from __future__ import annotations

import argparse
import difflib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from routebook.documents.problems import Problems
    from routebook.documents.schema import Schema

HELP = """Write policy files in one form: two spaces for each level, keys in the order of the language's schema, one kind of
quotes, one blank line where there were several, and in brackets only what fits on a line of 120 characters.

Comments are kept, and go where what they stand above or behind goes. The meaning never changes: what would be written is
read again and compared first. Names that you chose and conditions keep their order, and so does a file with anchors.

Without --check and --diff, files that are not in this form are rewritten and named. The exit code is 1 where a file cannot
be read as YAML, and with --check where one is not in this form."""

STDIN = "-"
"""Instead of a file: read standard input, and write the result to standard output."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `fmt`."""
    parser.add_argument(
        "files",
        nargs="*",
        default=["rules"],
        metavar="FILE",
        help=f"policy files, policy directories, or `{STDIN}` for standard input (default: rules)",
    )
    parser.add_argument("--check", action="store_true", help="write nothing; name the files that would be rewritten")
    parser.add_argument("--diff", action="store_true", help="write nothing; show what would change")


def run(args: argparse.Namespace) -> int:
    """Format, or look whether there is anything to format; 2 where a file that is named is not there."""
    from routebook.routing.facts import FACTS
    from routebook.routing.reading.published import policy_schema

    schema = policy_schema(FACTS)
    if args.files == [STDIN]:
        return _filter(schema)
    paths = list(_paths(args.files))
    absent = [path for path in paths if not path.is_file()]
    for path in absent:
        print(f"routebook fmt: there is no file `{path}`", file=sys.stderr)
    if absent:
        return 2
    return max((_one(path, schema, args) for path in paths), default=0)


def _paths(names: list[str]) -> Iterator[Path]:
    from routebook.documents.places import policy_files

    for name in names:
        yield from policy_files(Path(name)) or ([] if Path(name).is_dir() else [Path(name)])


def _filter(schema: Schema) -> int:
    formed = _formed("-", sys.stdin.buffer.read(), schema)
    sys.stdout.write(formed[1] if formed else "")
    return 0 if formed else 1


def _one(path: Path, schema: Schema, args: argparse.Namespace) -> int:
    content = path.read_bytes()
    formed = _formed(str(path), content, schema)
    if formed is None:
        return 1
    before, after = formed
    if after.encode() == content:
        return 0
    if args.diff:
        sys.stdout.write(_difference(str(path), before, after))
    if args.check:
        print(f"{path}: not in form", file=sys.stderr if args.diff else sys.stdout)
    elif not args.diff:
        _replace(path, after)
        print(f"{path}: formatted")
    return 1 if args.check else 0


def _formed(file: str, content: bytes, schema: Schema) -> tuple[str, str] | None:
    """The text before and after; None after saying what is wrong with it."""
    from routebook.documents.formatting.form import ChangedMeaning, in_form
    from routebook.documents.problems import Location, Problems

    problems = Problems()
    try:
        text = content.decode("utf-8")
        after = in_form(file, text, schema, problems)
    except UnicodeDecodeError:
        text, after = "", None
        problems.error("document.not-utf8", "the file is not UTF-8", Location(file, 1, 1), "save the file as UTF-8")
    except ChangedMeaning:
        print(
            f"{file}: left as it is: formatted, it would not say the same; that is a fault of the program, please report it",
            file=sys.stderr,
        )
        return None
    if after is None:
        _complain(file, text, problems)
        return None
    return text, after


def _complain(file: str, text: str, problems: Problems) -> None:
    from routebook.cli.check import wants_colour
    from routebook.cli.problem_formats.forms import written
    from routebook.documents.nodes import Document

    shown = Document(file, text, None, readable=False)
    sys.stderr.write(written("text", problems, [shown], colour=wants_colour(sys.stderr)))


def _difference(file: str, before: str, after: str) -> str:
    lines = difflib.unified_diff(before.splitlines(keepends=True), after.splitlines(keepends=True), file, file)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _replace(path: Path, text: str) -> None:
    """Put a text in a file's place, all of it or nothing, with the file's own permissions; links stay links."""
    place = path.resolve()
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="", dir=place.parent, delete=False) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        shutil.copymode(place, file.name)
        os.replace(file.name, place)
    except OSError:
        os.unlink(file.name)
        raise
