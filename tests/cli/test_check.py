"""`routebook check`: what an author sees, and what a program gets."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from routebook.cli.check import shown_progress
from routebook.cli.main import main
from tests.support.processes import plain_environment

ROOT = Path(__file__).parents[2]

SLIPS = """\
version: 1
providers:
  one: {dialect: openai, base_url: https://one.example/v1, accounts: [{name: a}]}
models:
  large: {provider: one}
rules:
  - {name: all, route: {to: [lage]}}
"""


@pytest.fixture
def slips(tmp_path: Path) -> Path:
    """A policy with one slip in it."""
    path = tmp_path / "policy.yaml"
    path.write_text(SLIPS)
    return path


def test_a_sound_policy(capsys: pytest.CaptureFixture[str]) -> None:
    """One line says what it holds; the exit code is 0."""
    assert main(["check", str(ROOT / "rules")]) == 0
    shown = capsys.readouterr().out
    assert "ok: 8 rules, 10 models, 22 tests passed, digest " in shown


def test_a_slip_is_shown_with_its_place_a_caret_and_what_to_do(slips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 1, and the last line counts."""
    assert main(["check", str(slips)]) == 1
    assert (
        capsys.readouterr().out
        == f"""\
{slips}:7:30: error[policy.unknown-model]: `lage` is not a model or pool of this policy
    7 |   - {{name: all, route: {{to: [lage]}}}}
      |                              ^
       = did you mean `large`?
{slips}: not fit to serve: 1 error
"""
    )


def test_progress_is_for_terminals() -> None:
    """Where proofs take their time: on one line, which is gone in the end; nothing where nobody watches."""
    watched, log = Terminal(), io.StringIO()
    assert shown_progress(log) is None
    quick, slow = shown_progress(watched), shown_progress(watched, after=0.0)
    assert quick is not None and slow is not None
    quick("rules", 1, 1000)
    assert watched.getvalue() == ""
    slow("rules", 1, 1000)
    assert watched.getvalue() == "\r\033[Kproving rules: 1 of 1000"


class Terminal(io.StringIO):
    """A text file that says it is a terminal."""

    def isatty(self) -> bool:
        """It says so."""
        return True


def test_a_slip_for_programs(slips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same as one JSON object, and as annotations."""
    assert main(["check", "--format", "json", str(slips)]) == 1
    shown = json.loads(capsys.readouterr().out)
    assert shown["ok"] is False
    assert [(each["code"], each["line"], each["column"]) for each in shown["problems"]] == [
        ("policy.unknown-model", 7, 30)
    ]
    assert main(["check", "--format", "github", str(slips)]) == 1
    assert capsys.readouterr().out.startswith(f"::error file={slips},line=7,col=30,title=policy.unknown-model::")


def test_warnings_fail_only_where_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--strict` is for CI."""
    path = tmp_path / "policy.yaml"
    path.write_text(
        SLIPS.replace("[lage]", "large")
        .replace("{name: a}", "{name: a, weight: 2}")
        .replace("accounts:", "spread: drain_first, accounts:")
    )
    assert main(["check", str(path)]) == 0
    assert "1 warning" in capsys.readouterr().out
    assert main(["check", "--strict", str(path)]) == 1


def test_what_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """A path that does not exist is not fit to serve."""
    assert main(["check", "nowhere-at-all"]) == 1
    assert "`nowhere-at-all` does not exist" in capsys.readouterr().out


@pytest.mark.parametrize("folder", ["rules", "examples/many-keys"])
def test_check_starts_without_what_serving_needs(folder: str) -> None:
    """A check before every commit must not wait for the server's libraries, nor for dialects where no test of the policy
    is a request as it is sent."""
    is_sent = "request:" in "".join(path.read_text() for path in (ROOT / folder).rglob("*.yaml"))
    program = (
        f"import sys; from routebook.cli.main import main; code = main(['check', '{folder}']); "
        "print(sorted({'aiohttp', 'jsonschema', 'structlog', 'asyncio', 'orjson', 'sqlite3'} & set(sys.modules)), "
        "[name for name in sys.modules if name.startswith('routebook.edge')], "
        "any(name.endswith('.dialect') for name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        env=plain_environment(),
        cwd=ROOT,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == f"[] [] {is_sent}"
