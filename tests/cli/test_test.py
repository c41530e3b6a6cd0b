"""`routebook test`: failures with their places, formats for machines, coverage, suggestions, looking on."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from routebook.cli.main import main
from routebook.cli.watching import stamps, watch
from routebook.documents.loading import load_text
from routebook.documents.problems import Problems
from routebook.documents.schema import as_data, faults
from routebook.routing.facts import FACTS
from routebook.routing.reading.published import policy_test_schema
from tests.support.dice_policies import CATALOGUE
from tests.support.processes import plain_environment

ROOT = Path(__file__).parents[2]

RULES = """\
rules:
  - {name: batch, when: {tags: {any: [batch]}, prompt.tokens: {at_least: 2k}}, route: {to: wide}}
  - {name: no-interns, when: {client.team: interns}, refuse: {status: 451}}
  - {name: rest, route: {to: [near, far]}}
"""
TESTS = """\
tests:
  - name: a long batch goes wide
    given: {tags: [batch], prompt.tokens: 2k}
    expect: {rule: batch, model: wide}
  - name: an intern is turned away
    given: {client.team: interns}
    expect: {refuse: 451}
"""
WRONG = """\
  - name: a short batch goes wide, too
    given: {tags: [batch], prompt.tokens: 1999}
    expect: {rule: batch, model: wide}
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A policy whose tests pass, in a directory of its own."""
    directory = tmp_path / "rules"
    (directory / "tests").mkdir(parents=True)
    (directory / "policy.yaml").write_text(CATALOGUE + RULES)
    (directory / "tests" / "t.yaml").write_text(TESTS)
    return directory


def fail(policy: Path) -> None:
    """Add a test that fails, at one blow as editors do."""
    new = policy / "tests" / "t.new"
    new.write_text(TESTS + WRONG)
    os.replace(new, policy / "tests" / "t.yaml")


def test_tests_that_pass(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line; the exit code is 0."""
    assert main(["test", str(policy)]) == 0
    assert capsys.readouterr().out == f"{policy}: 2 tests passed\n"


def test_a_test_that_fails(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line with the place of its name, expected, got and why; the exit code is 1."""
    fail(policy)
    assert main(["test", str(policy)]) == 1
    assert capsys.readouterr().out == (
        f"{policy}/tests/t.yaml:8:11: failed: a short batch goes wide, too: expected rule `batch`, got `rest` "
        "(batch: prompt.tokens: {at_least: 2k}: did not hold (1999)); expected model `wide`, got `near` by `rest`\n"
        f"{policy}: 1 of 3 tests failed\n"
    )


def test_some_of_the_tests(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`-k` takes those with a word in their name, whatever its case; a word that fits none is a slip."""
    fail(policy)
    assert main(["test", str(policy), "-k", "INTERN", "-k", "long"]) == 0
    assert "2 tests passed" in capsys.readouterr().out
    assert main(["test", str(policy), "-k", "night"]) == 2
    assert "no test is named like `night`" in capsys.readouterr().err


def test_a_policy_that_cannot_be_read(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its errors are shown as `check` shows them, in every format, and nothing is tested."""
    (policy / "policy.yaml").write_text(CATALOGUE + RULES.replace("to: wide", "to: wyde"))
    assert main(["test", str(policy)]) == 1
    shown = capsys.readouterr().out
    assert "error[policy.unknown-model]: `wyde`" in shown and shown.endswith("the policy cannot be read: 1 error\n")
    assert main(["test", "--format", "json", str(policy)]) == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["ok"], said["tests"], said["problems"][0]["code"]) == (False, [], "policy.unknown-model")
    assert main(["test", "--format", "junit", str(policy)]) == 1
    [error] = ElementTree.fromstring(capsys.readouterr().out).iter("error")
    assert error.get("type") == "policy.unknown-model"
    assert main(["test", "--suggest", str(policy)]) == 1


def test_tests_for_programs(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON object, whatever came of them."""
    fail(policy)
    assert main(["test", "--format", "json", "--coverage", str(policy)]) == 1
    said = json.loads(capsys.readouterr().out)
    assert [(each["name"], each["passed"], each["line"]) for each in said["tests"]] == [
        ("a long batch goes wide", True, 2),
        ("an intern is turned away", True, 5),
        ("a short batch goes wide, too", False, 8),
    ]
    assert [each["what"] for each in said["tests"][2]["faults"]] == ["rule", "model"]
    assert said["coverage"]["rules"] == {"reached": 3, "of": 3, "unreachable": 0}
    assert said["coverage"]["branches"] == {"reached": 5, "of": 6, "unreachable": 0}
    assert said["coverage"]["by_rule"][0]["branches"][1] == {
        "condition": "tags: {any: [batch]}",
        "way": "does not hold",
        "tests": 0,
        "unreachable": False,
    }


def test_tests_for_ci(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JUnit's XML with a suite for each file; annotations beside the lines of a pull request."""
    fail(policy)
    (policy / "tests" / "u.yaml").write_text("tests:\n  - {name: 'a <b> & \"c\"', expect: {rule: rest}}\n")
    assert main(["test", "--format", "junit", "--min-coverage", "90", str(policy)]) == 1
    root = ElementTree.fromstring(capsys.readouterr().out)
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("5", "2", "0")
    assert [(suite.get("name"), suite.get("tests"), suite.get("failures")) for suite in root] == [
        (f"{policy}/tests/t.yaml", "3", "1"),
        (f"{policy}/tests/u.yaml", "1", "0"),
        (str(policy), "1", "1"),
    ]
    names = [case.get("name") for case in root.iter("testcase")]
    assert 'a <b> & "c"' in names and names[-1] == "coverage"
    [first, short] = root.iter("failure")
    assert first.text is not None and "prompt.tokens: {at_least: 2k}: did not hold (1999)" in first.text
    assert short.get("message") == "coverage is 88.8 %, 90 % is asked for"
    assert main(["test", "--format", "github", "--min-coverage", "90", str(policy)]) == 1
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith(f"::error file={policy}/tests/t.yaml,line=8,col=11,title=policy.test-failed::")
    assert shown[-1] == "::error title=coverage::coverage is 88.8 %, 90 % is asked for"


def test_coverage_rule_by_rule(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is not reached stands under its rule; what is asked for is kept or not."""
    assert main(["test", "--coverage", str(policy)]) == 0
    shown = capsys.readouterr().out.replace(f"{policy}/", "")
    assert shown == (
        "rule        tests  branches  place\n"
        "batch           1  2 of 4    policy.yaml:14\n"
        "    not reached: `tags: {any: [batch]}` does not hold\n"
        "    not reached: `prompt.tokens: {at_least: 2k}` below 2k\n"
        "no-interns      1  1 of 2    policy.yaml:15\n"
        "    not reached: `client.team: interns` does not hold\n"
        "rest            0  0 of 0    policy.yaml:16\n"
        "    not reached: that it decides\n"
        "    never kept: `near`, `far`\n"
        f"{policy}: 2 tests passed\n"
        f"{policy}: coverage 55.5 %: 2 of 3 rules, 3 of 6 branches, 1 of 3 candidates\n"
    )
    assert main(["test", "--min-coverage", "55%", str(policy)]) == 0
    capsys.readouterr()
    assert main(["test", "--min-coverage", "55.6", str(policy)]) == 1
    assert "coverage is 55.5 %, 55.6 % is asked for; `--coverage` shows" in capsys.readouterr().out


def test_what_is_suggested_is_a_file_of_tests(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It fits the published schema, passes, brings the coverage to 100 %, and counts as unconfirmed until it is read."""
    written = policy / "tests" / "suggested.yaml"
    assert main(["test", "--suggest", str(policy)]) == 0
    printed = capsys.readouterr().out
    assert main(["test", "--suggest", "--write", str(written), str(policy)]) == 0
    assert capsys.readouterr().err == f"{written}: 2 cases written; read and confirm them\n"
    assert written.read_text() == printed
    document = load_text("suggested.yaml", printed, Problems())
    assert not list(faults(policy_test_schema(FACTS), as_data(document.root)))
    assert "given: {prompt.tokens: 1999, tags: [batch]}" in printed
    assert main(["test", "--min-coverage", "100", str(policy)]) == 0
    assert "4 tests passed, 2 of them suggested and not confirmed" in capsys.readouterr().out
    written.write_text(printed.replace("    suggested: true\n", ""))
    assert main(["test", str(policy)]) == 0
    assert capsys.readouterr().out == f"{policy}: 4 tests passed\n"
    assert main(["test", "--suggest", str(policy)]) == 0
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", f"{policy}: nothing to suggest: the tests reach whatever a request can\n")


def test_what_cannot_be_reached_is_named(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A branch that the rules before it take whole gets no case, and the author hears so."""
    dead = "  - {name: late, when: {client.team: interns}, route: {to: far}}\n  - {name: rest"
    (policy / "policy.yaml").write_text(CATALOGUE + RULES.replace("  - {name: rest", dead))
    assert main(["test", "--suggest", str(policy)]) == 0
    said = capsys.readouterr().err
    assert "no test for `late`, where `client.team: interns` holds: no request can\n" in said
    assert "no test for `late`: no request can\n" in said
    assert main(["test", "--coverage", str(policy)]) == 0
    assert "out of reach: `client.team: interns` holds" in capsys.readouterr().out


def test_a_policy_without_tests(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Is no failure, unless coverage is asked for."""
    (policy / "tests" / "t.yaml").unlink()
    assert main(["test", str(policy)]) == 0
    assert "no tests; `routebook test --suggest` writes some" in capsys.readouterr().out
    assert main(["test", "--min-coverage", "1", str(policy)]) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--write", "x.yaml"], "say both"),
        (["--suggest", "--write", "rules/policy.yaml"], "is there already"),
        (["--watch", "--format", "json"], "for people who look on"),
        (["--watch", "--suggest"], "for people who look on"),
        (["--suggest", "-k", "x"], "looks at all tests"),
        (["--suggest", "--min-coverage", "3"], "looks at all tests"),
    ],
)
def test_arguments_that_do_not_go_together(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Are a wrong command line, and nothing is written."""
    monkeypatch.chdir(ROOT)
    assert main(["test", *arguments]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("percent", ["101", "many", "-1", "%"])
def test_a_percentage_is_one(percent: str, capsys: pytest.CaptureFixture[str]) -> None:
    """From 0 to 100, with or without the sign."""
    with pytest.raises(SystemExit) as ended:
        main(["test", f"--min-coverage={percent}"])
    assert ended.value.code == 2
    assert "is no percentage" in capsys.readouterr().err


def interrupted(process: subprocess.Popen[str]) -> int:
    """The exit code of who is interrupted. An interrupt that comes while Python finalises an object is lost there: a person
    presses again."""
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        try:
            return process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            continue
    return process.wait(timeout=0)


def test_looking_on(policy: Path) -> None:
    """A real process: it tests, waits for a change, tests again, and ends when it is interrupted; a log is not cleared."""
    command = [sys.executable, "-m", "routebook", "test", "--watch", str(policy)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=plain_environment(), text=True) as process:
        assert process.stdout is not None
        try:
            first = [process.stdout.readline() for _ in range(2)]
            assert first == [f"{policy}: 2 tests passed\n", f"watching {policy}; end with Ctrl-C\n"]
            fail(policy)
            second = [process.stdout.readline() for _ in range(3)]
            assert "failed: a short batch goes wide, too" in second[0]
            assert second[1] == f"{policy}: 1 of 3 tests failed\n"
            assert interrupted(process) == 130
        finally:
            process.kill()


class Terminal(io.StringIO):
    """A text file that says it is a terminal."""

    def isatty(self) -> bool:
        """It says so."""
        return True


def test_a_terminal_is_cleared_before_each_run(policy: Path) -> None:
    """And the files are looked at before the run, so that what is changed while it runs is seen after it."""
    screen, runs = Terminal(), 0

    def again() -> int:
        nonlocal runs
        runs += 1
        if runs == 3:
            raise KeyboardInterrupt
        os.utime(policy / "policy.yaml", ns=(time.time_ns() + runs, time.time_ns() + runs))
        return 0

    with pytest.raises(KeyboardInterrupt):
        watch(policy, again, screen)
    assert screen.getvalue().count("\033[2J\033[H") == 3


def test_files_that_come_and_go_are_seen(policy: Path) -> None:
    """A new file of tests is a change, and so is one that is gone."""
    before = stamps(policy)
    (policy / "tests" / "more.yaml").write_text("tests: []\n")
    assert len(stamps(policy)) == len(before) + 1
    (policy / "tests" / "more.yaml").unlink()
    assert stamps(policy) == before
