"""`routebook new`: what it writes is fit to serve, tested, in form, and never over anything."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from routebook.cli.main import main
from routebook.cli.new import examples
from routebook.documents.loading import load_text
from routebook.documents.problems import Problems
from routebook.documents.schema import as_data
from routebook.routing.reading.loading import load_policy
from tests.support.processes import plain_environment

ROOT = Path(__file__).parents[2]
FLAGS = [
    "--provider",
    "openai=gpt-5.6,gpt-5.6-mini,text-embedding-3-small",
    "--provider",
    "ollama=llama3.3:70b@http://127.0.0.1:11434",
    "--budget",
    "$100",
    "--guarantee",
    "phi=ollama",
    "--client",
    "shop",
]


@pytest.mark.parametrize("name", examples())
def test_an_example_is_fit_to_serve_and_every_rule_is_tested(name: str, tmp_path: Path) -> None:
    """No error and no warning: a rule that no test reaches would be one. It is in form, here and as a copy."""
    assert main(["new", "--example", name, str(tmp_path / "rules")]) == 0
    result = load_policy(tmp_path / "rules")
    assert result.policy is not None and not result.problems.found
    assert result.policy.tests
    assert main(["fmt", "--check", str(ROOT / "examples" / name), str(tmp_path / "rules")]) == 0


def test_examples_are_listed_with_what_they_show(capsys: pytest.CaptureFixture[str]) -> None:
    """One line each; an unknown name is answered with the nearest."""
    assert main(["new", "--list"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert (
        [line.split()[0] for line in listed]
        == list(examples())
        == sorted(path.parent.name for path in (ROOT / "examples").glob("*/policy.yaml"))
    )
    assert main(["new", "--example", "many-key"]) == 2
    assert "did you mean `many-keys`?" in capsys.readouterr().err


def test_flags_make_a_policy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Vendors, budget, guarantee and clients stand in it; it passes `check` and its own tests without a warning."""
    assert main(["new", *FLAGS, str(tmp_path / "rules")]) == 0
    said = capsys.readouterr().out
    assert "  export OPENAI_API_KEY=...\n  routebook keys create shop\n" in said
    result = load_policy(tmp_path / "rules")
    assert result.policy is not None and not result.problems.found
    assert set(result.policy.catalogue.models) == {"gpt-5.6", "gpt-5.6-mini", "text-embedding-3-small", "llama3.3:70b"}
    assert [each.name for each in result.policy.guarantees] == ["phi-stays-with-ollama-always"]
    assert set(result.policy.budgets) == {"month"} and set(result.policy.clients) == {"shop"}
    assert len(result.policy.tests) == len(result.policy.rules)
    assert main(["fmt", "--check", str(tmp_path / "rules")]) == 0


def test_editors_find_the_schema_beside_each_file(tmp_path: Path) -> None:
    """The first line of a file names a schema that is there, and that takes what stands in the file."""
    rules = tmp_path / "rules"
    assert main(["new", *FLAGS, str(rules)]) == 0
    for file in (rules / "policy.yaml", rules / "tests" / "cases.yaml"):
        first, _, _ = file.read_text().partition("\n")
        assert first.startswith("# yaml-language-server: $schema=")
        schema = json.loads((file.parent / first.partition("$schema=")[2]).read_text())
        document = load_text(str(file), file.read_text(), Problems())
        jsonschema.Draft202012Validator(schema).validate(as_data(document.root))


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where one file is there, none is written."""
    (tmp_path / "policy.yaml").write_text("mine")
    assert main(["new", "--example", "one-provider", str(tmp_path)]) == 2
    assert f"`{tmp_path}/policy.yaml` is there already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["policy.yaml"]
    assert (tmp_path / "policy.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "name at least one `--provider VENDOR=MODEL`"),
        (["--provider", "nobody=m"], "`nobody` is no vendor that is known here"),
        (["--provider", "openai"], "names no model"),
        (["--provider", "vllm=m"], "has no address of its own"),
        (["--provider", "openai=m", "--budget", "100 bananas"], "is no budget"),
        (["--provider", "openai=m", "--guarantee", "phi"], "is no guarantee"),
        (["--provider", "openai=m", "--guarantee", "phi=ollama"], "is none of the vendors that are called"),
    ],
)
def test_what_is_wrong_with_flags_is_said(
    flags: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is 2, and nothing is written."""
    assert main(["new", *flags, str(tmp_path / "rules")]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "rules").exists()


def test_a_price_that_nobody_knows_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A budget in money cannot pay for it; one in tokens can."""
    assert main(["new", "--provider", "groq=some-model", "--budget", "$5", str(tmp_path / "a")]) == 0
    assert "write `price` for `some-model`" in capsys.readouterr().err
    assert main(["new", "--provider", "groq=some-model", "--budget", "5M tokens", str(tmp_path / "b")]) == 0
    assert capsys.readouterr().err == ""


def asked(directory: Path, typed: bytes) -> tuple[int, str]:
    """`routebook new` on a terminal at which somebody types; the exit code, and what stood on the screen."""
    leader, follower = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "routebook", "new", str(directory / "rules")],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=plain_environment(),
        cwd=directory,
    )
    os.close(follower)
    os.write(leader, typed)
    said = b""
    try:
        while chunk := os.read(leader, 4096):
            said += chunk
    except OSError:
        pass  # how a terminal says that everybody has gone
    finally:
        os.close(leader)
        code = running.wait(timeout=60)
    return code, said.decode()


def test_questions_on_a_terminal(tmp_path: Path) -> None:
    """A person at a terminal is asked; a mistake is answered and asked again; the answers make the policy."""
    typed = "openai=gpt-5.6-mini\nnobody=x\nollama=llama@http://127.0.0.1:11434\n\n20M tokens\nphi=ollama\nann, bob\n"
    code, said = asked(tmp_path, typed.encode())
    assert code == 0, said
    assert "`nobody` is no vendor that is known here" in said
    policy = yaml.safe_load((tmp_path / "rules" / "policy.yaml").read_text())
    assert set(policy["providers"]) == {"openai", "ollama"} and set(policy["clients"]) == {"ann", "bob"}
    assert policy["budgets"]["month"]["limit"] == "20M tokens"


def test_whoever_goes_away_leaves_nothing(tmp_path: Path) -> None:
    """The end of input (Ctrl-D) in the middle of the questions: nothing is written."""
    code, said = asked(tmp_path, b"\n\x04")
    assert code == 2 and "no answer, so nothing was written" in said
    assert not (tmp_path / "rules").exists()
