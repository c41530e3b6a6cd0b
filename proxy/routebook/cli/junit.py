"""What came of a policy's tests as JUnit's XML, which CI servers show: https://github.com/testmoapp/junitxml."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from routebook.cli.case_reports import Report, fault_in_words
from routebook.documents.printing import headline
from routebook.routing.cases.judging import Verdicted

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even written out."""


def as_junit(report: Report) -> str:
    """A suite for each file of tests; a policy that cannot be read is an error, coverage that falls short a failure."""
    root = ElementTree.Element("testsuites", name="routebook")
    by_file: dict[str, list[Verdicted]] = {}
    for verdict in report.verdicts:
        by_file.setdefault(verdict.case.location.file, []).append(verdict)
    for file, verdicts in by_file.items():
        suite = ElementTree.SubElement(root, "testsuite", name=_text(file))
        for verdict in verdicts:
            _add_case(suite, verdict)
    _add_policy(root, report)
    for suite in (root, *root):
        cases = list(suite.iter("testcase"))
        suite.set("tests", str(len(cases)))
        for kind in ("failure", "error"):
            suite.set(f"{kind}s", str(sum(case.find(kind) is not None for case in cases)))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _add_case(suite: ElementTree.Element, verdict: Verdicted) -> None:
    place = verdict.case.location
    case = ElementTree.SubElement(
        suite,
        "testcase",
        name=_text(verdict.case.name),
        classname=_text(place.file),
        file=_text(place.file),
        line=str(place.line),
    )
    if verdict.faults:
        message = "; ".join(fault.words for fault in verdict.faults)
        failure = ElementTree.SubElement(case, "failure", message=_text(message), type="policy.test-failed")
        failure.text = _text("\n".join((f"{place}", *map(fault_in_words, verdict.faults))))


def _add_policy(root: ElementTree.Element, report: Report) -> None:
    """What is wrong with the policy as a whole: in a suite of its own, where there is anything to say of it."""
    if not report.problems and report.least is None:
        return
    suite = ElementTree.SubElement(root, "testsuite", name=_text(report.name))
    for problem in report.problems:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            name=problem.code,
            classname=_text(problem.location.file),
            file=_text(problem.location.file),
            line=str(problem.location.line),
        )
        error = ElementTree.SubElement(case, "error", message=_text(problem.message), type=problem.code)
        error.text = _text(headline(problem))
    if report.least is not None and report.policy is not None:
        case = ElementTree.SubElement(suite, "testcase", name="coverage", classname=_text(report.name))
        if report.falls_short is not None:
            ElementTree.SubElement(case, "failure", message=report.falls_short, type="coverage")


def _text(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
