"""The corpus of mistakes: what an author hears about each broken policy, to the letter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from routebook.documents.problems import Problem
from routebook.routing.reading.loading import load_policy
from tests.support.mistakes import CORPUS, EXPECTED, WARNINGS, Mistake, mistakes

MISTAKES = mistakes()
WARNED = mistakes(WARNINGS)
every_warning = pytest.mark.parametrize("mistake", WARNED, ids=[mistake.name for mistake in WARNED])
every_mistake = pytest.mark.parametrize("mistake", MISTAKES, ids=[mistake.name for mistake in MISTAKES])


@every_mistake
def test_a_mistake_is_told_exactly_so(mistake: Mistake) -> None:
    """Every problem with its code, place, words, caret and hint; nothing is missing and nothing is added."""
    assert mistake.heard() == mistake.expected


@every_mistake
def test_a_mistake_never_becomes_a_policy(mistake: Mistake) -> None:
    """No broken policy is served, and each error names a file, a line and a column that exist."""
    result = mistake.load()
    assert result.policy is None
    assert result.problems.errors
    lines = {document.file: document.text.splitlines() for document in result.documents}
    for problem in result.problems:
        assert _points_into(problem, lines), problem


@every_warning
def test_a_warning_is_told_exactly_so_and_the_policy_is_served(mistake: Mistake) -> None:
    """What will not do what its author expects is said in the same way, and keeps nobody from serving."""
    result = mistake.load()
    assert mistake.heard() == mistake.expected
    assert result.policy is not None and result.problems.found
    lines = {document.file: document.text.splitlines() for document in result.documents}
    for problem in result.problems:
        assert _points_into(problem, lines), problem


def _points_into(problem: Problem, lines: dict[str, list[str]]) -> bool:
    place = problem.location
    if (place.line, place.column) == (1, 1):
        return True
    known = lines[place.file]
    return place.line <= len(known) + 1 and (place.line > len(known) or place.column <= len(known[place.line - 1]) + 1)


@pytest.mark.parametrize("mistake", [*MISTAKES, *WARNED], ids=lambda mistake: mistake.name)
def test_a_message_is_written_for_people(mistake: Mistake) -> None:
    """Lower case, no full stop, no word of Python's, and a stable code of a room."""
    for problem in mistake.load().problems:
        assert problem.message[:1] == problem.message[:1].lower()
        assert not problem.message.endswith(".")
        for word in ("None", "True", "False", "dict", "tuple", "Mapping", "NoneType", "traceback", "Unit."):
            assert word not in problem.message.replace("`" + word + "`", ""), problem.message
        assert problem.code.partition(".")[0] in ("document", "policy", "catalogue", "ledger")


def test_secrets_are_not_repeated() -> None:
    """Messages and hints never hold the key that an author wrote by mistake."""
    for name in ("literal-key", "literal-key-as-a-variable", "key-in-the-url", "client-with-a-plain-key"):
        result = Mistake(name, CORPUS / name).load()
        for problem in result.problems:
            said = f"{problem.message} {problem.hint}"
            assert "sk-proj" not in said and "secret@" not in said and "plain-key" not in said


def test_the_corpus_is_large_and_each_fault_stands_for_itself() -> None:
    """At least two hundred faults, each told differently from all others."""
    assert len(MISTAKES) >= 200
    told = {mistake.expected.replace(mistake.name, "") for mistake in MISTAKES}
    assert len(told) == len(MISTAKES)


def test_copies_hold_the_policy_and_nothing_else(tmp_path: Path) -> None:
    """Tests that reload a mistake get its files, and the files of the one before are gone."""
    mistake = Mistake("second-file-broken", CORPUS / "second-file-broken")
    (tmp_path / "policy.yaml").write_text("version: 1\n")
    (tmp_path / "old.yaml").write_text("version: 1\n")
    mistake.copy_to(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["catalogue.yaml", "policy.yaml"]
    assert not (tmp_path / EXPECTED).exists()


def test_two_hundred_thousand_brackets_do_not_end_the_process(tmp_path: Path) -> None:
    """The file that crashes libyaml's composer, read in a process of its own to see that it lives."""
    bomb = tmp_path / "policy.yaml"
    bomb.write_text("version: 1\nrules: " + "[" * 200_000 + "\n")
    program = (
        "import sys; from pathlib import Path; from routebook.routing.reading.loading import load_policy; "
        "print([problem.code for problem in load_policy(Path(sys.argv[1])).problems])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(bomb)], check=False, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout.strip()) == (0, "['document.too-deep']"), done.stderr


def test_a_mistake_in_one_file_does_not_hide_the_others(tmp_path: Path) -> None:
    """A file that cannot be read is told together with what is wrong in the files beside it."""
    (tmp_path / "a.yaml").write_text("models: [\n")
    (tmp_path / "b.yaml").write_text("version: 1\nrules:\n- {name: x, route: {to: requested}, zebra: 1}\n")
    codes = [problem.code for problem in load_policy(tmp_path).problems]
    assert codes == ["document.syntax", "document.unknown-key"]
