"""`check --format`: what code hosts and test reports are given, over the whole corpus of mistakes and warnings."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from routebook.cli.codes import PROBLEMS
from routebook.cli.main import main
from routebook.cli.problem_formats.forms import FORMS, written
from routebook.documents.nodes import Document
from routebook.documents.problems import Location, Problems
from tests.support.mistakes import WARNINGS, Mistake, mistakes

ROOT = Path(__file__).parents[2]
PLACED = r"::(error|warning) file=[^,]+,line=\d+,col=\d+,title="
CORPUS = [*mistakes(), *mistakes(WARNINGS)]

# What the schema of SARIF 2.1.0 (OASIS, errata 01) asks of the parts that are written here: each object's properties, in
# brackets the required ones. The whole of it admits no other property of these objects.
SARIF = {
    "log": "[version] $schema [runs] inlineExternalProperties properties",
    "run": "[tool] columnKind results artifacts originalUriBaseIds invocations language",
    "tool": "[driver] extensions properties",
    "driver": "[name] fullName version semanticVersion informationUri rules organization",
    "rule": "[id] name shortDescription fullDescription help helpUri defaultConfiguration",
    "result": "ruleId ruleIndex level [message] locations relatedLocations partialFingerprints fingerprints kind",
    "location": "id physicalLocation logicalLocations message",
    "physical": "artifactLocation region contextRegion",
    "artifact": "uri uriBaseId index description",
    "region": "startLine startColumn endLine endColumn snippet",
    "message": "text markdown id arguments",
}


def of_kind(kind: str, value: object) -> dict[str, object]:
    """An object, after its properties were compared with those that the standard has."""
    assert isinstance(value, dict)
    words = SARIF[kind].split()
    assert set(value) <= {word.strip("[]") for word in words}, kind
    assert {word.strip("[]") for word in words if word.startswith("[")} <= set(value), kind
    return value


def check_location(value: object) -> tuple[str, int, int]:
    """File, line and column of a location that is as the standard wants it."""
    location = of_kind("location", value)
    physical = of_kind("physical", location["physicalLocation"])
    artifact, region = of_kind("artifact", physical["artifactLocation"]), of_kind("region", physical["region"])
    uri, line, column = artifact["uri"], region["startLine"], region["startColumn"]
    assert isinstance(uri, str) and re.fullmatch(r"[A-Za-z0-9%._~:/?#\[\]@!$&'()*+,;=-]+", uri)
    assert isinstance(line, int) and isinstance(column, int) and line >= 1 and column >= 1
    return unquote(uri), line, column


@pytest.mark.parametrize("mistake", CORPUS, ids=[mistake.name for mistake in CORPUS])
def test_sarif_says_what_check_says(mistake: Mistake) -> None:
    """Each problem is one result with its place, code and level, and every rule that is named is described."""
    found = mistake.load()
    log = of_kind("log", json.loads(written("sarif", found.problems, found.documents)))
    assert log["version"] == "2.1.0"
    [run] = log["runs"]  # type: ignore[misc]
    run = of_kind("run", run)
    rules = [of_kind("rule", rule) for rule in of_kind("driver", of_kind("tool", run["tool"])["driver"])["rules"]]  # type: ignore[attr-defined]
    results = [of_kind("result", result) for result in run["results"]]  # type: ignore[attr-defined]

    shown = [(check_location(result["locations"][0]), result["ruleId"], result["level"]) for result in results]  # type: ignore[index]
    assert shown == [
        ((place.file, place.line, place.column), problem.code, problem.severity.value)
        for problem in found.problems
        for place in [problem.location]
    ]
    assert len({rule["id"] for rule in rules}) == len(rules)
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in results)  # type: ignore[call-overload]
    assert all(of_kind("message", rule["shortDescription"])["text"] == PROBLEMS[str(rule["id"])] for rule in rules)
    assert all(of_kind("message", result["message"])["text"] for result in results)
    for result in results:
        further = result.get("relatedLocations", [])
        assert isinstance(further, list) and len({place["id"] for place in further}) == len(further)
        assert all(check_location(place) for place in further)


def test_a_result_is_recognised_when_lines_above_it_change() -> None:
    """The fingerprint is of what is wrong, not of where it stands; another file is another problem."""

    def fingerprint(place: Location) -> str:
        problems = Problems()
        problems.error("policy.unknown-model", "`lage` is not a model", place)
        log = json.loads(written("sarif", problems))
        return str(log["runs"][0]["results"][0]["partialFingerprints"])

    first = fingerprint(Location("rules/policy.yaml", 6, 3))
    assert first == fingerprint(Location("rules/policy.yaml", 60, 5))
    assert first != fingerprint(Location("rules/other.yaml", 6, 3))


def test_paths_are_uris(tmp_path: Path) -> None:
    """A relative path is relative to what was checked out, with what a URI cannot hold escaped; others are absolute."""
    problems = Problems()
    problems.error("document.syntax", "one", Location("my rules/a#b.yaml", 1, 1))
    problems.error("document.syntax", "two", Location(str(tmp_path / "p.yaml"), 1, 1))
    results = json.loads(written("sarif", problems))["runs"][0]["results"]
    places = [result["locations"][0]["physicalLocation"]["artifactLocation"] for result in results]
    assert {"uri": "my%20rules/a%23b.yaml", "uriBaseId": "%SRCROOT%"} in places
    assert {"uri": (tmp_path / "p.yaml").as_uri()} in places


@pytest.mark.parametrize("mistake", CORPUS, ids=[mistake.name for mistake in CORPUS])
def test_junit_counts_what_check_counts(mistake: Mistake) -> None:
    """Each error is a case that failed, each warning one that passed, each file in order another; strict fails all."""
    found = mistake.load()
    errors, everything = len(found.problems.errors), len(found.problems.found)
    for strict, failed in ((False, errors), (True, everything)):
        suites = ElementTree.fromstring(written("junit", found.problems, found.documents, strict=strict))
        [suite] = suites
        cases = list(suite)
        touched = {problem.location.file for problem in found.problems}
        in_order = [document.file for document in found.documents if document.file not in touched]

        assert suite.get("failures") == suites.get("failures") == str(failed)
        assert suite.get("tests") == suites.get("tests") == str(len(cases)) == str(everything + len(in_order))
        assert len(suite.findall("testcase/failure")) == failed
        assert len(suite.findall("testcase/system-out")) == everything - failed
        for problem in found.problems:
            assert any(case.get("classname") == problem.code for case in cases)


def test_junit_of_a_sound_policy_names_its_files() -> None:
    """A report without any case would look like nothing had run."""
    suites = ElementTree.fromstring(written("junit", Problems(), [Document("a.yaml", "", None)]))
    assert [case.get("name") for case in suites[0]] == ["a.yaml"]


def test_junit_holds_no_character_that_xml_cannot_hold() -> None:
    """What an author's file quotes may be anything."""
    problems = Problems()
    problems.error("document.control-character", "`\x00\ud800` & <b>", Location("a\x01.yaml", 1, 1))
    suites = ElementTree.fromstring(written("junit", problems))
    assert suites[0][0].get("name") == "a\\u0001.yaml:1:1: `\\u0000\\ud800` & <b>"


@pytest.mark.parametrize("form", FORMS)
def test_the_command_prints_every_form(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is that of the policy, whatever the form; nothing stands before or after what a program reads."""
    assert main(["check", str(ROOT / "rules"), "--format", form]) == 0
    sound = capsys.readouterr().out
    (tmp_path / "policy.yaml").write_text("version: 1\nrules: [{name: all, route: {to: [nowhere]}}]\n")
    assert main(["check", str(tmp_path), "--format", form]) == 1
    broken = capsys.readouterr().out
    assert "policy.unknown-model" in broken and "policy.unknown-model" not in sound
    match form:
        case "json" | "sarif":
            json.loads(sound), json.loads(broken)
        case "junit":
            assert ElementTree.fromstring(broken).get("failures") == "1"
        case "github":
            assert sound == ""
            assert all(re.match(PLACED, line) for line in broken.splitlines())
