"""`routebook explain`: for a record, and for a request that was never sent."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from routebook.cli.main import main
from routebook.edge.journal.snapshots import save_snapshot
from routebook.edge.journal.writer import Journal
from routebook.routing.reading.loading import load_policy

ROOT = Path(__file__).parents[2]
RULES = str(ROOT / "rules")


def record(digest: str, identity: str = "01TEST") -> dict[str, object]:
    """The first line of a record of a request for `auto`."""
    return {
        "id": identity,
        "time": "2026-11-21T12:00:00.000Z",
        "policy": digest,
        "operation": "chat",
        "dialect": "openai-chat",
        "requested": "auto",
        "stream": False,
        "client": "anonymous",
        "team": None,
        "rule": "auto",
        "outcome": "route",
        "where": "rules/policy.yaml:41",
        "asked": {"bytes": 60, "needs": [], "max_output": None, "choices": 1, "tokens": 9, "tokens_by": "estimate"},
        "facts": {
            "prompt.matches.private-key": False,
            "tags": [],
            "request.operation": "chat",
            "prompt.tokens": 9,
            "request.model": "auto",
        },
        "steps": [{"fact": "request.model", "standing": 2}],
        "candidates": [
            {"model": "llama-4-70b", "account": "onprem/none", "verdict": "kept", "reason": "kept", "cost": 0}
        ],
        "draw": {"draw": 0.5},
    }


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """A state directory with two records, one of a policy that is kept and one of a policy that is not."""
    policy = load_policy(Path(RULES)).policy
    assert policy is not None
    save_snapshot(tmp_path, policy.digest, policy.sources)
    journal = Journal(tmp_path, "host-w0-a")
    journal.decided(record("f" * 16, "01OLD"))
    journal.decided(record(policy.digest))
    journal.close()
    return tmp_path


def test_a_request_that_was_never_sent(capsys: pytest.CaptureFixture[str]) -> None:
    """The two lines of the issue: a long prompt, a nightly tag."""
    assert (
        main(
            [
                "explain",
                "--policy",
                RULES,
                "--given",
                "prompt.tokens=200k",
                "--given",
                "tags=nightly",
                "--given",
                "time.of_day=12:00",
                "--given",
                "time.weekday=wed",
            ]
        )
        == 0
    )
    shown = capsys.readouterr().out
    assert "The rule `long-prompts` decided" in shown
    assert "night-batch: time.weekday: [sat, sun]: did not hold (wed)" in shown


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "name a decision's id, or give facts"),
        (["01X", "--given", "tags=x"], 2, "name a decision's id, or give facts"),
        (["--given", "promt.tokens=3"], 2, "did you mean `prompt.tokens`?"),
        (["--given", "prompt.tokens=three"], 2, "`three` is not"),
        (["--given", "tags"], 2, "write `name=value`"),
        (["01X", "--state-dir", "nowhere-at-all"], 1, "there is no `nowhere-at-all`"),
        (["--given", "tags=x", "--policy", "nowhere-at-all"], 1, "`nowhere-at-all` does not exist"),
    ],
)
def test_what_cannot_be_explained(words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A usage error is 2, nothing to explain is 1; both say what to do, on the error output."""
    assert main(["explain", *words]) == code
    captured = capsys.readouterr()
    assert said in captured.err and not captured.out


def test_a_record_is_explained_by_its_own_policy(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As it stood when it served, kept under its digest; `last` is the newest record."""
    assert main(["explain", "01TEST", "--state-dir", str(state_dir)]) == 0
    shown = capsys.readouterr().out
    assert (
        "The rule `auto` decided (rules/policy.yaml:41): route to hosted and llama-4-70b, the cheapest of those"
        in shown
    )
    assert "long-prompts: prompt.tokens: {at_least: 120k}: did not hold (9)" in shown
    assert main(["explain", "last", "--state-dir", str(state_dir)]) == 0
    assert "Decision 01TEST" in capsys.readouterr().out


def test_a_record_without_its_policy(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It tells what the record holds, and that it is not all."""
    assert main(["explain", "01OLD", "--state-dir", str(state_dir)]) == 0
    assert "Note: the policy ffffffffffffffff is not kept here" in capsys.readouterr().out


def test_an_unknown_record(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, and how to find one."""
    assert main(["explain", "01NOPE", "--state-dir", str(state_dir)]) == 1
    assert "holds no decision `01NOPE`; `routebook decisions` lists them" in capsys.readouterr().err


def test_json_for_programs(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same as values."""
    assert main(["explain", "01TEST", "--state-dir", str(state_dir), "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["id"], shown["rule"], shown["candidates"][0]["model"]) == ("01TEST", "auto", "llama-4-70b")


def test_what_refutes_a_guarantee_is_shown_although_the_policy_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command that `check` prints shows the rule that decides, and the model that the guarantee keeps from it."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "version: 1\n"
        "providers: {p: {dialect: openai, base_url: https://p.example/v1, region: us, accounts: [{name: a}]}}\n"
        "models: {m: {provider: p}}\n"
        "rules:\n"
        "  - {name: drafts, when: {tags: {any: [draft]}}, route: {to: m}}\n"
        "  - {name: phi, when: {tags: {any: [phi]}}, refuse: {}}\n"
        "  - {name: rest, route: {to: requested}}\n"
        "guarantees:\n"
        "  - {name: stays, when: {tags: {any: [phi]}}, never: {region: us}}\n"
    )
    assert main(["check", str(policy)]) == 1
    said = capsys.readouterr().out
    command = next(part for part in said.split("`") if part.startswith("routebook explain "))
    assert main([*shlex.split(command)[1:], "--policy", str(policy)]) == 0
    shown = capsys.readouterr().out
    assert "The rule `drafts` decided" in shown
    assert "m: passed over: the guarantee `stays` forbids it" in shown


def test_a_model_that_is_given_as_away_is_passed_over(capsys: pytest.CaptureFixture[str]) -> None:
    """What is given of models is taken into the plan, not only asked by rules."""
    given = ["request.model=auto", "prompt.tokens=2k", "model.llama-4-70b.available=false"]
    words = [word for text in given for word in ("--given", text)]
    assert main(["explain", "--policy", RULES, *words]) == 0
    assert "llama-4-70b by onprem/none: passed over: account taken out of service" in capsys.readouterr().out
