"""`routebook fmt`: what it rewrites, what it names, what it leaves alone."""

from __future__ import annotations

import io
import stat
from pathlib import Path

import pytest

from routebook.cli.main import main

ROOT = Path(__file__).parents[2]
UGLY = "rules:\n- route: {to: requested}\n  name: all  # the only one\nversion: 1\n"
NICE = "version: 1\nrules:\n  - name: all  # the only one\n    route: {to: requested}\n"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A policy with a file in form, one that is not, and a file of tests."""
    (tmp_path / "nice.yaml").write_text("models: {}\n")
    (tmp_path / "ugly.yaml").write_text(UGLY)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "t.yaml").write_text("tests:\n- expect: {rule: all}\n  name: a\n")
    return tmp_path


def test_files_are_rewritten_once(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those that were not in form are named; the second time there is nothing to say."""
    (directory / "ugly.yaml").chmod(0o640)
    assert main(["fmt", str(directory)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said == [f"{directory}/ugly.yaml: formatted", f"{directory}/tests/t.yaml: formatted"]
    assert (directory / "ugly.yaml").read_text() == NICE
    assert stat.S_IMODE((directory / "ugly.yaml").stat().st_mode) == 0o640
    assert sorted(path.name for path in directory.iterdir()) == ["nice.yaml", "tests", "ugly.yaml"]
    assert main(["fmt", str(directory)]) == 0
    assert capsys.readouterr().out == ""


def test_check_names_files_and_writes_nothing(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 1 where one would be rewritten, and 0 afterwards."""
    assert main(["fmt", "--check", str(directory)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{directory}/ugly.yaml: not in form",
        f"{directory}/tests/t.yaml: not in form",
    ]
    assert (directory / "ugly.yaml").read_text() == UGLY
    main(["fmt", str(directory)])
    assert main(["fmt", "--check", str(directory)]) == 0


def test_diff_shows_and_writes_nothing(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A unified diff on standard output, which `patch` takes; with --check, the code says that there is one."""
    file = directory / "ugly.yaml"
    assert main(["fmt", "--diff", str(file)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"--- {file}\n+++ {file}\n@@ -1,4 +1,4 @@\n")
    assert "-- route: {to: requested}\n" in shown and "+version: 1\n" in shown
    assert main(["fmt", "--diff", "--check", str(file)]) == 1
    again = capsys.readouterr()
    assert again.out == shown and "not in form" in again.err
    assert file.read_text() == UGLY


def test_a_link_stays_a_link(directory: Path) -> None:
    """What is rewritten is the file, wherever it stands."""
    (directory / "linked.yaml").symlink_to(directory / "ugly.yaml")
    assert main(["fmt", str(directory / "linked.yaml")]) == 0
    assert (directory / "linked.yaml").is_symlink()
    assert (directory / "ugly.yaml").read_text() == NICE


def test_a_filter_for_editors(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`-` reads standard input and writes standard output; what cannot be read gives nothing but a reason."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(UGLY.encode())))
    assert main(["fmt", "-"]) == 0
    assert capsys.readouterr().out == NICE
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a: [")))
    assert main(["fmt", "-"]) == 1
    said = capsys.readouterr()
    assert said.out == "" and "document.syntax" in said.err


def test_what_cannot_be_read_stays(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The others are formatted all the same; the exit code is 1, and the reason has its place."""
    (directory / "broken.yaml").write_bytes(b"a: 1\na: 2\n")
    (directory / "latin.yaml").write_bytes(b"a: \xe9\n")
    assert main(["fmt", str(directory)]) == 1
    said = capsys.readouterr().err
    assert f"{directory}/broken.yaml:2:1: error[document.duplicate-key]" in said
    assert f"{directory}/latin.yaml:1:1: error[document.not-utf8]" in said
    assert (directory / "ugly.yaml").read_text() == NICE
    assert (directory / "broken.yaml").read_bytes() == b"a: 1\na: 2\n"


def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """That is a mistake of the command line."""
    assert main(["fmt", "nowhere.yaml"]) == 2
    assert "there is no file `nowhere.yaml`" in capsys.readouterr().err


def test_our_own_policy_is_in_form() -> None:
    """What ships is an example of the form too."""
    assert main(["fmt", "--check", str(ROOT / "rules")]) == 0
