"""Problems as a SARIF log: what code hosts take as results of a static analysis.

The form is OASIS SARIF 2.1.0 (https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html). Of what it offers, this
writes what readers act on: a rule for each code, a result for each problem with its place, further places as related
locations, and a fingerprint that stays the same when lines above a problem come or go.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from routebook import __version__
from routebook.cli.codes import PROBLEMS
from routebook.documents.problems import Location, Problem

VERSION = "2.1.0"
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
ROOT = "%SRCROOT%"
"""What relative paths are relative to: the root of whatever was checked out (SARIF 2.1.0, 3.14.14)."""

FINGERPRINT = "routebook/v1"
"""The name, with its version, of the way in which results are recognised again."""


def as_sarif(problems: Iterable[Problem]) -> str:
    """All problems as one SARIF log with one run; there are no results where there are no problems."""
    found = list(problems)
    codes = list(dict.fromkeys(problem.code for problem in found))
    driver = {"name": "routebook", "semanticVersion": __version__, "rules": [_rule(code) for code in codes]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(problem, codes.index(problem.code)) for problem in found],
    }
    return json.dumps({"$schema": SCHEMA, "version": VERSION, "runs": [run]}, ensure_ascii=False, indent=2) + "\n"


def _rule(code: str) -> dict[str, Any]:
    meaning = PROBLEMS.get(code, code)
    return {"id": code, "shortDescription": {"text": meaning}, "fullDescription": {"text": meaning}}


def _result(problem: Problem, rule: int) -> dict[str, Any]:
    text = problem.message if problem.hint is None else f"{problem.message}; {problem.hint}"
    result = {
        "ruleId": problem.code,
        "ruleIndex": rule,
        "level": problem.severity.value,
        "message": {"text": text},
        "locations": [_location(problem.location)],
        "partialFingerprints": {FINGERPRINT: _fingerprint(problem)},
    }
    if problem.related:
        result["relatedLocations"] = [
            {"id": number, **_location(location), "message": {"text": said}}
            for number, (location, said) in enumerate(problem.related, 1)
        ]
    return result


def _location(location: Location) -> dict[str, Any]:
    return {
        "physicalLocation": {
            "artifactLocation": _artifact(location.file),
            "region": {"startLine": location.line, "startColumn": location.column},
        }
    }


def _artifact(file: str) -> dict[str, Any]:
    path = PurePath(file)
    if path.is_absolute():
        return {"uri": path.as_uri()}
    return {"uri": quote(path.as_posix()), "uriBaseId": ROOT}


def _fingerprint(problem: Problem) -> str:
    """What makes a problem the same one on another line: its code, its file and what it says."""
    said = f"{problem.code}\n{problem.location.file}\n{problem.message}"
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:32]
