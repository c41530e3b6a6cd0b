"""`routebook explain`: why a request went where it went, or where one would go."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from routebook.policy.facts import Value
    from routebook.routing.policy import Policy
    from routebook.routing.telling.explanation import Explanation

HELP = """Say why a request went where it went, in plain words: how the tree was walked, every condition with the value
that it saw, every candidate with its reason, every attempt and how it ended.

    routebook explain 01JD3QZ8M4...                    a recorded request, under the policy that served it
    routebook explain last                             the newest one
    routebook explain --given prompt.tokens=90k --given tags=nightly,batch
                                                       one that was never sent, under the policy as it stands now
    routebook explain last --format svg > why.svg      the decision tree with its way lit, as a picture

Where no time is given, it is now. The exit code is 1 where there is no such record, or the policy has mistakes."""

FORMATS = ("text", "json", "svg")
LAST = "last"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `explain`."""
    parser.add_argument("id", nargs="?", metavar="ID", help=f"the decision's id, or `{LAST}`")
    parser.add_argument(
        "--given",
        action="append",
        default=[],
        metavar="FACT=VALUE",
        help="a fact of a request that was never sent; may be repeated (`routebook facts` lists them)",
    )
    parser.add_argument(
        "--policy",
        default="rules",
        metavar="PATH",
        help="the policy for --given: a directory or a file (default: %(default)s)",
    )
    parser.add_argument(
        "--state-dir",
        type=Path,
        default=Path("var"),
        metavar="DIR",
        help="the state directory of the service (default: %(default)s)",
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="text",
        help="for people, for programs, or as a picture (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Explain; 0, 1 where there is nothing to explain, 2 for arguments that cannot be read."""
    if (args.id is None) == (not args.given):
        print("routebook explain: name a decision's id, or give facts with `--given`", file=sys.stderr)
        return 2
    try:
        found = of_record(args.state_dir, args.id) if args.id is not None else of_given(args.policy, args.given)
    except ValueError as error:
        print(f"routebook explain: {error}", file=sys.stderr)
        return 2
    except LookupError as error:
        print(f"routebook explain: {error.args[0]}", file=sys.stderr)
        return 1
    return 1 if found is None else _show(found, args.format)


def of_given(path: str, given: list[str]) -> Explanation | None:
    """What would happen; None after printing what is wrong with the policy. Raises ValueError for a fact it cannot read."""
    import time

    from routebook.policy.given import parse_given
    from routebook.routing.facts import FACTS
    from routebook.routing.telling.explanation import explain_given

    policy = load(path)
    facts: dict[str, Value] = dict(parse_given(text, FACTS if policy is None else policy.facts) for text in given)
    return None if policy is None else explain_given(policy, facts, now=time.time())


def load(path: str) -> Policy | None:
    """The policy at a path; None after printing what is wrong with it."""
    from routebook.cli.check import summary, wants_colour
    from routebook.cli.problem_formats.forms import written
    from routebook.documents.problems import Problems
    from routebook.routing.reading.loading import load_policy

    result = load_policy(Path(path), proving=False)
    if result.policy is None:
        errors = Problems(result.problems.errors)
        sys.stderr.write(written("text", errors, result.documents, colour=wants_colour(sys.stderr)))
        print(f"{path}: {summary(result)}", file=sys.stderr)
    return result.policy


def of_record(state_dir: Path, identity: str) -> Explanation:
    """Why it went where it went. Raises LookupError where there is no such record."""
    from routebook.edge.journal.kept import policy_of
    from routebook.edge.journal.records import Filters, Records
    from routebook.routing.telling.explanation import explain_record

    if not state_dir.is_dir():
        raise LookupError(f"there is no `{state_dir}`; name the service's state directory with `--state-dir`")
    with Records(state_dir) as records:
        if identity == LAST:
            newest = records.select(Filters(), 1)
            identity = newest[0]["id"] if newest else LAST
        record = records.find(identity)
    if record is None or record.decided is None:
        raise LookupError(f"`{state_dir}` holds no decision `{identity}`; `routebook decisions` lists them")
    return explain_record(policy_of(state_dir, record.decided["policy"]), record.decided, record.ended)


def _show(found: Explanation, form: str) -> int:
    from routebook.routing.drawings.one_way import draw_way
    from routebook.routing.telling.rendering import as_json, as_text

    if form == "json":
        import json

        print(json.dumps(as_json(found), ensure_ascii=False, indent=2))
        return 0
    sketch = draw_way(found, candidates=form == "svg")
    if form == "svg":
        if sketch is None:
            print("routebook explain: there is nothing to draw: the policy that decided is not known", file=sys.stderr)
            return 1
        from routebook.routing.drawings.svg import as_svg

        sys.stdout.write(as_svg(sketch))
        return 0
    from routebook.cli.tree import outline

    sys.stdout.write(as_text(found, () if sketch is None else outline(sketch, indent=2).splitlines()))
    return 0
