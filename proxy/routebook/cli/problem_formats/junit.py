"""Problems as JUnit XML, for systems that show results of tests and know nothing else.

There is no standard; this keeps to what the usual readers have in common: one suite, one case for each file that is in
order, one failed case for each error. A warning is a case that passes, with what it says as its output.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from routebook.documents.problems import Problem, Severity

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, not even escaped."""


def as_junit(problems: Iterable[Problem], files: Sequence[str], *, strict: bool = False) -> str:
    """All problems, and the files without any, as one suite; with `strict`, warnings are failures too."""
    found = list(problems)
    touched = {problem.location.file for problem in found}
    suite = Element("testsuite", name="routebook check")
    for file in files:
        if file not in touched:
            SubElement(suite, "testcase", classname="routebook.check", name=_text(file))
    failures = sum(_add_case(suite, problem, strict) for problem in found)
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(failures))
    suite.set("errors", "0")
    suites = Element("testsuites", tests=str(len(suite)), failures=str(failures), errors="0")
    suites.append(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(suites, encoding="unicode") + "\n"


def _add_case(suite: Element, problem: Problem, strict: bool) -> bool:
    """Add the case of one problem; whether it failed."""
    place = problem.location
    name = _text(f"{place}: {problem.message}")
    case = SubElement(
        suite, "testcase", classname=problem.code, name=name, file=_text(place.file), line=str(place.line)
    )
    said = [problem.message, *([problem.hint] if problem.hint else [])]
    said += [f"{location}: {text}" for location, text in problem.related]
    failed = strict or problem.severity is Severity.ERROR
    if failed:
        within = SubElement(case, "failure", message=_text(problem.message), type=problem.code)
    else:
        within = SubElement(case, "system-out")
    within.text = _text("\n".join([f"{place}: {problem.severity.value}[{problem.code}]", *said]))
    return failed


def _text(text: str) -> str:
    return _NOT_XML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
