"""The command line as a whole: commands, exit codes, the environment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from routebook.cli.main import COMMANDS, build_parser, main
from tests.support.processes import plain_environment

ROOT = Path(__file__).parents[2]


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`routebook` as a process of its own, with nothing of the developer's environment."""
    return subprocess.run(
        [sys.executable, "-m", "routebook", *words],
        capture_output=True,
        text=True,
        timeout=60,
        env=plain_environment(environment),
        cwd=ROOT,
        check=False,
    )


def test_every_command_has_a_file_and_every_file_a_command() -> None:
    """The table of commands and the folder agree, and each file offers what the command line needs."""
    modules = {path.stem for path in (ROOT / "proxy/routebook/cli").glob("*.py")}
    assert {command.replace("-", "_") for command in COMMANDS} <= modules
    parser = build_parser()
    for command in COMMANDS:
        with pytest.raises(SystemExit) as stopped:
            parser.parse_args([command, "--help"])
        assert stopped.value.code == 0


def test_a_near_command_is_suggested(capsys: pytest.CaptureFixture[str]) -> None:
    """A slip of the keyboard is a usage error, exit code 2."""
    with pytest.raises(SystemExit) as stopped:
        main(["chekc"])
    assert stopped.value.code == 2
    assert "unknown command `chekc`; did you mean `check`?" in capsys.readouterr().err


def test_no_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """It prints all commands with what each does."""
    assert main([]) == 2
    shown = capsys.readouterr().out
    assert all(command in shown for command in COMMANDS)


def test_versions_are_told() -> None:
    """Of the program and of what it runs on, as a bug report needs them."""
    done = run("--version")
    assert done.returncode == 0
    assert "aiohttp" in done.stdout and "SQLite" in done.stdout and f"Python {sys.version_info.major}." in done.stdout


def test_the_environment_gives_defaults_and_the_command_line_overrides_them(tmp_path: Path) -> None:
    """`ROUTEBOOK_POLICY` stands where no path is given."""
    (tmp_path / "empty.yaml").write_text("")
    assert run("check", ROUTEBOOK_POLICY=str(tmp_path / "empty.yaml")).returncode == 1
    assert run("check", "rules", ROUTEBOOK_POLICY=str(tmp_path / "empty.yaml")).returncode == 0


def test_a_flag_in_the_environment_is_true_or_false(capsys: pytest.CaptureFixture[str]) -> None:
    """Anything else is a usage error, not a guess."""
    assert build_parser(["serve"], {"ROUTEBOOK_SIMULATE": "1"}).parse_args(["serve"]).simulate is True
    assert build_parser(["serve"], {"ROUTEBOOK_SIMULATE": "false"}).parse_args(["serve"]).simulate is False
    with pytest.raises(SystemExit) as stopped:
        build_parser(["serve"], {"ROUTEBOOK_SIMULATE": "maybe"})
    assert stopped.value.code == 2 and "ROUTEBOOK_SIMULATE" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error() -> None:
    """`routebook facts | head -1` ends without a traceback."""
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m routebook facts | head -1"],
        capture_output=True,
        text=True,
        timeout=60,
        env=plain_environment(),
        cwd=ROOT,
        check=False,
    )
    assert done.stdout and not done.stderr
