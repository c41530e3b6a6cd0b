"""`routebook import`: where policy and report go, what is never overwritten, what a program gets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from routebook.cli.main import main

CORPUS = Path(__file__).parents[1] / "corpus" / "imports"
LITELLM = CORPUS / "litellm" / "weights-and-fallbacks.yaml"
MUCH = CORPUS / "litellm" / "much-that-has-no-counterpart.yaml"


def test_a_policy_on_standard_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The policy alone, to be piped anywhere; the report beside it on standard error."""
    assert main(["import", "litellm", str(LITELLM)]) == 0
    said = capsys.readouterr()
    (tmp_path / "policy.yaml").write_text(said.out)
    assert "Set these variables before you serve the policy:" in said.err and "OPENAI_ONE" in said.err
    assert main(["check", str(tmp_path)]) == 0
    assert main(["fmt", "--check", str(tmp_path)]) == 0


def test_into_a_directory_and_never_over_anything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The directory is made; the second time nothing is written, and the exit code says that the command was wrong."""
    place = tmp_path / "new" / "rules"
    assert main(["import", "litellm", str(LITELLM), "-o", str(place)]) == 0
    assert f"{place}/policy.yaml: ok: " in capsys.readouterr().out
    before = (place / "policy.yaml").read_text()
    assert main(["import", "litellm", str(MUCH), "-o", str(place / "policy.yaml")]) == 2
    assert "is there already" in capsys.readouterr().err
    assert (place / "policy.yaml").read_text() == before


def test_what_was_not_carried_is_named_with_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    """Line and column of the key, what became of it; with --strict it counts."""
    assert main(["import", "litellm", str(MUCH)]) == 0
    assert (
        f"{MUCH}:21:3: litellm_settings.a_key_of_the_future: the importer does not know this key"
        in capsys.readouterr().err
    )
    assert main(["import", "litellm", str(MUCH), "--strict"]) == 1


def test_a_report_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON object, with every note that the text has, also of what was simply carried."""
    assert main(["import", "litellm", str(MUCH), "-o", str(tmp_path / "p.yaml"), "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["counts"]["not carried"] == len(
        [each for each in report["notes"] if each["verdict"] == "not carried"]
    )
    assert report["counts"]["carried"] > 0
    assert {"verdict", "path", "file", "line", "column", "said"} == set(report["notes"][0])


def test_models_that_clients_ask_for(capsys: pytest.CaptureFixture[str]) -> None:
    """Where a config leaves the model to the client, somebody has to say which there are."""
    opened = str(CORPUS / "portkey" / "open-models.json")
    assert main(["import", "portkey", opened]) == 1
    assert "name with `--model` what clients ask for" in capsys.readouterr().err
    assert main(["import", "portkey", opened, "--model", "gpt-one", "--model", "gpt-two"]) == 0
    assert "request.model: gpt-two" in capsys.readouterr().out


def test_what_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is not there is a wrong command; one that is no YAML has a place; one without models gives no policy."""
    assert main(["import", "litellm", str(tmp_path / "none.yaml")]) == 2
    (tmp_path / "broken.yaml").write_text("model_list: [\n")
    assert main(["import", "litellm", str(tmp_path / "broken.yaml")]) == 1
    assert "document.syntax" in capsys.readouterr().err
    (tmp_path / "empty.yaml").write_text("litellm_settings: {set_verbose: true}\n")
    assert main(["import", "litellm", str(tmp_path / "empty.yaml")]) == 1
    assert "nothing in it can be routed to" in capsys.readouterr().err
