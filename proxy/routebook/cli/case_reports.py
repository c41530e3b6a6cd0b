"""What came of a policy's tests, for people, for programs and for pull requests."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from routebook.cli.check import counted
from routebook.cli.problem_formats.forms import written
from routebook.documents.nodes import Document
from routebook.documents.printing import problem_to_json
from routebook.documents.problems import Problem, Problems
from routebook.documents.quantities import Unit
from routebook.documents.visible import readable
from routebook.policy.branches import Branch
from routebook.routing.cases.coverage import Coverage, Reached, RuleCoverage
from routebook.routing.cases.judging import Fault, Verdicted
from routebook.routing.facts import FACTS
from routebook.routing.policy import Policy
from routebook.routing.reading.trials import report_failures

VERSION = 1
"""Version of the shape that `as_json` prints."""

_RED, _GREEN, _FAINT, _PLAIN = "\x1b[1;31m", "\x1b[32m", "\x1b[2m", "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Report:
    """What there is to say of a policy's tests.

    `name` is the policy as it was named on the command line; `policy` is None where it could not be read, for the
    `problems`. `coverage` is None where nobody asked; `least` is the percentage that is asked of it.
    """

    name: str
    policy: Policy | None
    problems: tuple[Problem, ...] = ()
    verdicts: tuple[Verdicted, ...] = ()
    coverage: Coverage | None = None
    least: Fraction | None = None

    @property
    def failed(self) -> list[Verdicted]:
        """The cases of which something came out otherwise."""
        return [verdict for verdict in self.verdicts if verdict.faults]

    @property
    def falls_short(self) -> str | None:
        """How far the coverage is from what was asked for; None where it is not."""
        if self.coverage is None or self.least is None or self.coverage.whole.percent >= self.least:
            return None
        return f"coverage is {percent(self.coverage.whole.percent)}, {percent(self.least)} is asked for"

    @property
    def is_ok(self) -> bool:
        """Whether all is as expected."""
        return self.policy is not None and not self.failed and self.falls_short is None


def as_text(report: Report, documents: Sequence[Document], *, table: bool, colour: bool = False) -> str:
    """For a terminal: a line for each case that fails, with `table` the coverage rule by rule, and the sum of it all."""
    if report.policy is None:
        shown = written("text", Problems(list(report.problems)), documents, colour=colour)
        return shown + f"{report.name}: the policy cannot be read: {counted(len(report.problems), 'error')}\n"
    lines = [_failure(verdict, colour) for verdict in report.failed]
    if table and report.coverage is not None:
        lines += _table(report.coverage, colour)
    lines.append(f"{report.name}: {_summary(report, colour)}")
    if report.coverage is not None:
        lines.append(f"{report.name}: {_figures(report.coverage)}")
    if report.falls_short is not None:
        hint = "" if table else "; `--coverage` shows what no test reaches"
        lines.append(f"{report.name}: {_painted(report.falls_short, _RED, colour)}{hint}")
    return "".join(line + "\n" for line in lines)


def as_github(report: Report) -> str:
    """As annotations beside the lines of a pull request."""
    problems = Problems(list(report.problems))
    report_failures(report.failed, problems)
    short = "" if report.falls_short is None else f"::error title=coverage::{report.falls_short}\n"
    return written("github", problems) + short


def as_json(report: Report) -> str:
    """As one JSON object: `version`, `ok`, `problems`, `tests`, and `coverage` where that was asked for; the shape is
    stable."""
    shown: dict[str, Any] = {
        "version": VERSION,
        "ok": report.is_ok,
        "policy": None if report.policy is None else report.policy.digest,
        "problems": [problem_to_json(problem) for problem in report.problems],
        "tests": [_case_as_json(verdict) for verdict in report.verdicts],
    }
    if report.coverage is not None:
        shown["coverage"] = _coverage_as_json(report.coverage)
    return json.dumps(shown, ensure_ascii=False, indent=2) + "\n"


def fault_in_words(fault: Fault) -> str:
    """Expected against got, and in short why."""
    return fault.words + (f" ({fault.why})" if fault.why else "")


def branch_in_words(branch: Branch) -> str:
    """A test and which way it comes out: `prompt.tokens: {at_least: 32k}`: below 32k."""
    spec = FACTS.find(branch.test.fact)
    return f"`{branch.test.text}` {branch.in_words(Unit.COUNT if spec is None else spec.unit)}"


def percent(share: Fraction) -> str:
    """A percentage with one digit, never rounded up: 99.97 % is not all."""
    tenths = int(share * 10)
    return f"{tenths // 10}{f'.{tenths % 10}' if tenths % 10 else ''} %"


def _failure(verdict: Verdicted, colour: bool) -> str:
    said = "; ".join(map(fault_in_words, verdict.faults))
    mark = _painted("failed", _RED, colour)
    return f"{verdict.case.location}: {mark}: {readable(f'{verdict.case.name}: {said}')}"


def _summary(report: Report, colour: bool) -> str:
    count, failed = len(report.verdicts), len(report.failed)
    if not count:
        return "no tests; `routebook test --suggest` writes some"
    waiting = sum(verdict.case.is_suggested for verdict in report.verdicts)
    more = f", {waiting} of them suggested and not confirmed" if waiting else ""
    if failed:
        return _painted(f"{failed} of {counted(count, 'test')} failed", _RED, colour) + more
    return _painted(f"{counted(count, 'test')} passed", _GREEN, colour) + more


def _figures(coverage: Coverage) -> str:
    parts = [
        f"{figure.reached} of {figure.of} {what}"
        for what, figure in (
            ("rules", coverage.of_rules),
            ("branches", coverage.of_branches),
            ("candidates", coverage.of_candidates),
        )
    ]
    unreachable = coverage.whole.unreachable
    more = f"; {unreachable} that no request can reach" if unreachable else ""
    return f"coverage {percent(coverage.whole.percent)}: {', '.join(parts)}{more}"


def _table(coverage: Coverage, colour: bool) -> Iterator[str]:
    width = max((len(each.rule.name) for each in coverage.rules), default=0)
    yield _painted(f"{'rule':<{width}}  tests  branches  place", _FAINT, colour)
    for each in coverage.rules:
        reached = sum(branch.cases > 0 for branch in each.branches)
        branches = f"{reached} of {sum(not branch.is_unreachable for branch in each.branches)}"
        place = f"{each.rule.location.file}:{each.rule.location.line}"
        yield f"{each.rule.name:<{width}}  {each.decides.cases:>5}  {branches:<8}  {_painted(place, _FAINT, colour)}"
        yield from (f"    {line}" for line in _missed(each))


def _missed(rule: RuleCoverage) -> Iterator[str]:
    for each in (rule.decides, *rule.branches):
        if not each.cases:
            what = "that it decides" if each.branch is None else branch_in_words(each.branch)
            yield f"{_standing(each)}: {readable(what)}"
    unkept = [f"`{name}`" for name, cases in rule.candidates if not cases]
    if unkept:
        yield f"never kept: {', '.join(unkept)}"


def _standing(reached: Reached) -> str:
    return "out of reach" if reached.is_unreachable else "not reached"


def _case_as_json(verdict: Verdicted) -> dict[str, Any]:
    case, place = verdict.case, verdict.case.location
    return {
        "name": case.name,
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "passed": not verdict.faults,
        "suggested": case.is_suggested,
        "rule": None if verdict.came.rule is None else verdict.came.rule.name,
        "faults": [
            {"what": fault.what, "expected": fault.expected, "got": fault.got, "why": fault.why}
            for fault in verdict.faults
        ],
    }


def _coverage_as_json(coverage: Coverage) -> dict[str, Any]:
    figures = {
        name: {"reached": figure.reached, "of": figure.of, "unreachable": figure.unreachable}
        for name, figure in (
            ("rules", coverage.of_rules),
            ("branches", coverage.of_branches),
            ("candidates", coverage.of_candidates),
        )
    }
    rules = [
        {
            "name": each.rule.name,
            "tests": each.decides.cases,
            "unreachable": each.decides.is_unreachable,
            "branches": [_branch_as_json(branch) for branch in each.branches],
            "candidates": [{"model": name, "tests": cases} for name, cases in each.candidates],
        }
        for each in coverage.rules
    ]
    return {"percent": float(coverage.whole.percent), **figures, "by_rule": rules}


def _branch_as_json(reached: Reached) -> dict[str, Any]:
    assert reached.branch is not None
    spec = FACTS.find(reached.branch.test.fact)
    return {
        "condition": reached.branch.test.text,
        "way": reached.branch.in_words(Unit.COUNT if spec is None else spec.unit),
        "tests": reached.cases,
        "unreachable": reached.is_unreachable,
    }


def _painted(text: str, colour: str, wanted: bool) -> str:
    return f"{colour}{text}{_PLAIN}" if wanted else text
