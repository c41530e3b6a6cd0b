"""`routebook why-not`: for a record and for a request that was never sent, and what cannot be answered."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from routebook.cli.main import main
from tests.cli.test_explain import RULES, state_dir

__all__ = ["state_dir"]

GIVEN = [
    "--policy",
    RULES,
    "--given",
    "request.model=auto",
    "--given",
    "time.of_day=12:00",
    "--given",
    "time.weekday=wed",
]


def test_of_a_recorded_request(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Under the policy that served it; what it would take is a command that shows it."""
    assert main(["why-not", "last", "gpt-5.6", "--state-dir", str(state_dir)]) == 0
    said = capsys.readouterr().out
    assert "`gpt-5.6` was not chosen: the rule `auto` decided (rules/policy.yaml:41)" in said
    assert "as-asked" in said and "request.max_output: " in said
    command = said.rpartition("shown by: ")[2].strip()
    assert main([*shlex.split(command)[1:], "--policy", RULES]) == 0
    shown = capsys.readouterr().out
    assert "The rule `auto` decided" in shown and "1. gpt-5.6 by openai/main" in shown


def test_of_a_request_that_was_never_sent(capsys: pytest.CaptureFixture[str]) -> None:
    """The same, as JSON too."""
    assert main(["why-not", "gpt-5.6", *GIVEN]) == 0
    assert "limit $0.05" in capsys.readouterr().out
    assert main(["why-not", "gpt-5.6", *GIVEN, "--format", "json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["model"] == "gpt-5.6" and answer["chosen"] is False
    assert answer["change"]["facts"] == [{"fact": "request.max_output", "was": None, "becomes": 3333}]
    assert [each["name"] for each in answer["rules"]] == ["long-prompts", "auto", "assistant-canary", "as-asked"]


def test_what_cannot_be_answered(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model that is not there, a record that is not there, a policy that was not kept, words that say too little."""
    folder = ["--state-dir", str(state_dir)]
    for words, code, said in (
        (["last", "gpt-5.6-minni", *folder], 1, "did you mean `gpt-5.6-mini`"),
        (["last", "zebra", *folder], 1, "its models are `gemini-live-2.5-flash`"),
        (["01NONE", "gpt-5.6", *folder], 1, "holds no decision `01NONE`"),
        (["01OLD", "gpt-5.6", *folder], 1, "the policy that decided is not kept"),
        (["gpt-5.6"], 2, "name a decision's id"),
        (["last", "gpt-5.6", *GIVEN], 2, "name a decision's id"),
        (["gpt-5.6", "--given", "nonsense"], 2, "is not a fact"),
    ):
        assert main(["why-not", *words]) == code, words
        assert said in capsys.readouterr().err, words


def test_a_class_of_the_policys_own_can_be_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Like one of the scorer's."""
    (tmp_path / "policy.yaml").write_text("""\
version: 1
providers: {one: {dialect: openai, base_url: "http://127.0.0.1:1/v1", accounts: [{name: main}]}}
models: {large: {provider: one}, small: {provider: one}}
settings: {router: {tasks: {contracts: {tags: {any: [legal]}}}}}
rules:
  - {name: contracts, when: {prompt.task: contracts}, route: {to: [large]}}
  - {name: rest, route: {to: [small]}}
""")
    given = ["--policy", str(tmp_path), "--given", "prompt.task=contracts"]
    assert main(["why-not", "small", *given]) == 0
    assert "contracts" in capsys.readouterr().out
