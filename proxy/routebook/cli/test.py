"""`routebook test`: what the policy's tests expect and what came out, and how much of the rules they reach."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from routebook.cli.check import counted, shown_progress, wants_colour

if TYPE_CHECKING:
    from routebook.cli.case_reports import Report
    from routebook.routing.cases.case import PolicyTest
    from routebook.routing.cases.suggesting import Left
    from routebook.routing.policy import Policy
    from routebook.routing.reading.loading import LoadResult

HELP = """Run a policy's tests (`tests:` in its files, and `tests/*.yaml` beside it): one line for each that fails, with what
was expected, what came out, and the condition that made it so.

    routebook test                                 all tests of the policy in `rules`
    routebook test -k night                        those with `night` in their name
    routebook test --coverage                      what no test reaches: rules, branches of their conditions, candidates
    routebook test --min-coverage 100              for CI: fail where a rule or branch that a request can reach is not
    routebook test --suggest --write rules/tests/suggested.yaml
                                                   cases for all of these, to be read and confirmed
    routebook test --watch                         again whenever a file of the policy changes

A branch is one way in which a test of a rule's condition comes out and decides whether the rule matches: it holds, or it
alone does not; of a number, each stretch between the thresholds. What is proven to be out of reach does not count.
Proofs of guarantees and of dead rules are `routebook check`'s. The exit code is 0 where all tests pass and the coverage is
what was asked for, 1 where not or where the policy cannot be read, 2 for a wrong command line."""

FORMATS = ("text", "json", "junit", "github")

_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]+)?)\s*%?\Z")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `test`."""
    parser.add_argument(
        "policy", nargs="?", default="rules", metavar="POLICY", help="a policy directory or file (default: %(default)s)"
    )
    parser.add_argument(
        "-k",
        dest="words",
        action="append",
        default=[],
        metavar="WORD",
        help="only tests with this in their name; may be repeated, for tests with any of them",
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="text",
        help="for people, for programs, for CI's reports, or as annotations on a pull request (default: %(default)s)",
    )
    parser.add_argument("--coverage", action="store_true", help="show what of the rules the tests reach, rule by rule")
    parser.add_argument(
        "--min-coverage",
        type=_percent,
        metavar="PERCENT",
        help="fail where less of the rules and their branches is reached",
    )
    parser.add_argument("--watch", action="store_true", help="run again whenever a file of the policy changes")
    parser.add_argument(
        "--suggest", action="store_true", help="print cases for the rules and branches that no test reaches"
    )
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="with --suggest: write them to a new file instead of printing them"
    )


def run(args: argparse.Namespace) -> int:
    """Test a policy; 0, 1 where something is not as expected, 2 for arguments that do not go together."""
    fault = _fault_of(args)
    if fault is not None:
        print(f"routebook test: {fault}", file=sys.stderr)
        return 2
    if args.watch:
        from routebook.cli.watching import watch

        return watch(Path(args.policy), lambda: _test(args), sys.stdout)
    return _suggest(args) if args.suggest else _test(args)


def _fault_of(args: argparse.Namespace) -> str | None:
    if args.write is not None and not args.suggest:
        return "`--write` is where `--suggest` puts its cases; say both"
    if args.write is not None and args.write.exists():
        return f"`{args.write}` is there already; name a new file"
    if args.watch and (args.suggest or args.format != "text"):
        return "`--watch` is for people who look on: it goes with no `--suggest` and no `--format`"
    if args.suggest and (args.words or args.format != "text" or args.coverage or args.min_coverage is not None):
        return "`--suggest` looks at all tests and prints a policy file: it goes with `--write` alone"
    return None


def _test(args: argparse.Namespace) -> int:
    from routebook.cli import case_reports
    from routebook.cli.junit import as_junit
    from routebook.routing.reading.loading import load_policy

    result = load_policy(Path(args.policy), proving=False)
    report = _report(args, result)
    if report is None:
        print(
            f"routebook test: no test is named like {' or '.join(f'`{word}`' for word in args.words)}", file=sys.stderr
        )
        return 2
    match args.format:
        case "json":
            sys.stdout.write(case_reports.as_json(report))
        case "github":
            sys.stdout.write(case_reports.as_github(report))
        case "junit":
            sys.stdout.write(as_junit(report))
        case _:
            colour = wants_colour(sys.stdout)
            sys.stdout.write(case_reports.as_text(report, result.documents, table=args.coverage, colour=colour))
    return 0 if report.is_ok else 1


def _report(args: argparse.Namespace, result: LoadResult) -> Report | None:
    """What there is to say; None where no test is meant."""
    from routebook.cli.case_reports import Report
    from routebook.routing.cases.coverage import Tally, coverage
    from routebook.routing.cases.judging import judge
    from routebook.routing.cases.running import Runner
    from routebook.routing.cases.witnesses import Witnesses

    policy = result.policy
    if policy is None:
        return Report(args.policy, None, tuple(result.problems.errors))
    cases = _selected(policy, args.words)
    if args.words and not cases:
        return None
    runner = Runner(policy)
    verdicts = tuple(judge(runner, case) for case in cases)
    found = None
    if args.coverage or args.min_coverage is not None:
        tally = Tally(policy)
        for verdict in verdicts:
            tally.add(verdict.came)
        found = coverage(tally, Witnesses(policy))
    return Report(args.policy, policy, (), verdicts, found, args.min_coverage)


def _selected(policy: Policy, words: Sequence[str]) -> list[PolicyTest]:
    wanted = [word.casefold() for word in words]
    return [case for case in policy.tests if not wanted or any(word in case.name.casefold() for word in wanted)]


def _suggest(args: argparse.Namespace) -> int:
    from routebook.cli.explain import load
    from routebook.routing.cases.coverage import Tally
    from routebook.routing.cases.running import Runner
    from routebook.routing.cases.suggesting import Left, Suggestion, suggest
    from routebook.routing.cases.witnesses import Witnesses
    from routebook.routing.cases.writing import as_yaml

    policy = load(args.policy)
    if policy is None:
        return 1
    runner, tally = Runner(policy), Tally(policy)
    for case in policy.tests:
        tally.add(runner.run(case))
    found = list(suggest(runner, tally, Witnesses(policy), shown_progress(sys.stderr)))
    cases = [each for each in found if isinstance(each, Suggestion)]
    for each in found:
        if isinstance(each, Left):
            print(f"{args.policy}: no test for {_said(each)}: {each.why.why}", file=sys.stderr)
    if not cases:
        print(f"{args.policy}: nothing to suggest: the tests reach whatever a request can", file=sys.stderr)
    elif args.write is None:
        sys.stdout.write(as_yaml(cases))
    else:
        args.write.parent.mkdir(parents=True, exist_ok=True)
        args.write.write_text(as_yaml(cases), encoding="utf-8")
        print(f"{args.write}: {counted(len(cases), 'case')} written; read and confirm them", file=sys.stderr)
    return 0


def _said(left: Left) -> str:
    from routebook.cli.case_reports import branch_in_words

    return f"`{left.rule}`" + ("" if left.branch is None else f", where {branch_in_words(left.branch)}")


def _percent(text: str) -> Fraction:
    found = _PERCENT.match(text)
    if found is None or Fraction(found[1]) > 100:
        raise argparse.ArgumentTypeError(f"`{text}` is no percentage; write it as `80` or `80%`")
    return Fraction(found[1])
