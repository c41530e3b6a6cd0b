"""`routebook diff`: what changes in meaning, said to people, programs and pull requests, with examples that hold."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import run_command
from tests.support.proxy import small_policy

OLD = """\
  - {name: no, when: {tags: {any: [blocked]}}, refuse: {status: 403}}
  - {name: long, when: {prompt.tokens: {at_least: 32k}, client.team: {not: interns}}, route: {to: [large]}}
  - {name: stream, when: {request.stream: true}, route: {to: [large, small], pick: cheapest}}
  - {name: all, route: {to: requested}}
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The policy that is compared with."""
    return written(tmp_path / "old.yaml", OLD)


def written(path: Path, rules: str, **replaced: str) -> Path:
    """A policy with these rules."""
    text = small_policy("http://127.0.0.1:1/v1", rules)
    for before, after in replaced.items():
        text = text.replace(before, after)
    path.write_text(text)
    return path


def compared(old: Path, new: Path) -> dict[str, Any]:
    """What is said to programs."""
    told = run_command("diff", str(old), str(new), "--format", "json")
    assert told.returncode == 0, told.stderr
    found: dict[str, Any] = json.loads(told.stdout)
    return found


def explained(policy: Path, example: list[str]) -> str:
    """The rule that decides a request."""
    given = [word for argument in example or ["request.operation=chat"] for word in ("--given", argument)]
    told = run_command("explain", "--policy", str(policy), "--format", "json", *given)
    assert told.returncode == 0, told.stderr
    return str(json.loads(told.stdout)["rule"])


def test_every_example_is_decided_in_both_policies_as_it_is_said(old: Path, tmp_path: Path) -> None:
    """`explain --given` takes it, and names the rules of both sides."""
    new = written(tmp_path / "new.yaml", OLD.replace("32k", "16k").replace("interns", "[interns, guests]"))
    found = compared(old, new)
    assert {(each["was"]["rule"], each["now"]["rule"]) for each in found["moved"]} == {
        ("stream", "long"),
        ("all", "long"),
        ("long", "stream"),
        ("long", "all"),
    }
    for each in found["moved"]:
        assert each["exact"] and each["sure"]
        assert explained(old, each["example"]) == each["was"]["rule"]
        assert explained(new, each["example"]) == each["now"]["rule"]


def test_what_is_printed_names_both_routes_and_a_command(old: Path, tmp_path: Path) -> None:
    """The command that stands there can be run as it stands."""
    new = written(tmp_path / "new.yaml", OLD.replace("refuse: {status: 403}", "route: {to: [small]}"))
    told = run_command("diff", str(old), str(new))
    assert told.stdout.splitlines()[0] == "one region of requests goes elsewhere"
    assert "1. tags: {any: [blocked]}" in told.stdout
    assert "refuse with status 403" in told.stdout and "now  `no`" in told.stdout and "route to small" in told.stdout
    command = next(line for line in told.stdout.splitlines() if "routebook explain" in line)
    shown = run_command(*shlex.split(command)[1:])
    assert shown.returncode == 0 and "`no`" in shown.stdout or "no (" in shown.stdout


@pytest.mark.parametrize(
    "rules",
    [
        OLD + "  # a comment\n",
        OLD.replace("{tags: {any: [blocked]}}", "{any_of: [{tags: {all: [blocked]}}]}"),
        OLD.replace("{at_least: 32k}", "{at_least: 32000}"),
        OLD.replace("{at_least: 32k}", "{not: {below: 32k}}"),
        OLD.replace("{not: interns}", '{not: ["interns"]}'),
        OLD.replace("route: {to: [large]}", "route: {to: [large], pick: in_order}"),
    ],
)
def test_another_way_of_writing_the_same_is_no_difference(old: Path, tmp_path: Path, rules: str) -> None:
    """Comments, layout, units, and conditions that hold for the same requests."""
    told = run_command("diff", str(old), str(written(tmp_path / "new.yaml", rules)), "--exit-code")
    assert (told.returncode, told.stdout) == (0, "no request goes elsewhere\n")


def test_a_rule_that_is_only_renamed_is_said_to_be_that(old: Path, tmp_path: Path) -> None:
    """Its requests fare as they did, but the name stands in headers, records and metrics."""
    found = compared(old, written(tmp_path / "new.yaml", OLD.replace("name: long", "name: huge")))
    assert found["moved"] == [] and found["renamed"] == [{"was": "long", "now": "huge"}]


def test_what_changes_outside_the_rules_is_listed_and_nothing_secret_is_shown(old: Path, tmp_path: Path) -> None:
    """Fields with their values before and after; of keys, that they changed."""
    digests = ["hmac-sha256:" + letter * 64 for letter in "ab"]
    for path, digest, price in ((old, digests[0], "input: 10"), (tmp_path / "new.yaml", digests[1], "input: 12.50")):
        text = small_policy("http://127.0.0.1:1/v1", OLD, f"clients: {{shop: {{keys: ['{digest}']}}}}")
        path.write_text(text.replace("input: 10", price))
    found = compared(old, tmp_path / "new.yaml")
    by_name = {each["name"]: each for each in found["outside"]}
    assert {"name": "price.input", "was": "$10.00", "now": "$12.50"} in by_name["large"]["fields"]
    assert by_name["shop"]["fields"] == [{"name": "keys", "was": "", "now": ""}]
    told = run_command("diff", str(old), str(tmp_path / "new.yaml"), "--exit-code")
    assert told.returncode == 1 and "aaaa" not in told.stdout and "price.input $10.00 -> $12.50" in told.stdout


def test_a_pool_that_gains_a_model_moves_the_requests_of_its_rules(old: Path, tmp_path: Path) -> None:
    """Also those that ask for the pool by name, where a rule sends requests where they want to go."""
    rules = (
        "  - {name: pool, when: {request.stream: true}, route: {to: [both]}}\n  - {name: all, route: {to: requested}}"
    )
    for path, models in ((old, "[small]"), (tmp_path / "new.yaml", "[small, large]")):
        path.write_text(small_policy("http://127.0.0.1:1/v1", rules, f"pools: {{both: {models}}}"))
    found = compared(old, tmp_path / "new.yaml")
    assert [each["where"] for each in found["moved"]] == [
        ["request.stream: true"],
        ["request.model: both, request.stream: false"],
    ]


def test_a_comment_for_a_pull_request_opens_on_the_details(old: Path, tmp_path: Path) -> None:
    """Markdown in which every region is folded, and nothing breaks out of its place."""
    new = written(tmp_path / "new.yaml", OLD.replace("[blocked]", "['<b>', blocked]"))
    told = run_command("diff", str(old), str(new), "--format", "github")
    assert told.returncode == 0
    assert told.stdout.count("<details>") == told.stdout.count("</details>") > 0
    assert "<b>" not in told.stdout.partition("</summary>")[0].replace("&lt;b&gt;", "")
    assert "| was | `" in told.stdout and "```sh\nroutebook explain --policy" in told.stdout


def test_a_policy_that_cannot_be_read_is_said_to_be_that(old: Path, tmp_path: Path) -> None:
    """Exit code 1 with its mistakes; 2 for a time that is none."""
    broken = written(tmp_path / "broken.yaml", OLD.replace("tags:", "tagz:"))
    told = run_command("diff", str(old), str(broken))
    assert told.returncode == 1 and "tagz" in told.stderr
    assert run_command("diff", str(old), str(old), "--replay", "--since", "soon").returncode == 2
    assert run_command("diff", str(old), str(old), "--replay", "--state-dir", str(tmp_path / "gone")).returncode == 1


def test_a_class_of_the_policys_own_is_compared_as_a_word(tmp_path: Path) -> None:
    """What moves is shown by a request of the class that both sides decide as it is said."""
    more = "settings: {router: {tasks: {contracts: {tags: {any: [legal]}}}}}\nrules:"
    rules = """\
  - {name: deeds, when: {prompt.task: contracts}, route: {to: [large]}}
  - {name: all, route: {to: [small]}}
"""
    old = written(tmp_path / "old.yaml", rules, **{"rules:": more})
    new = written(
        tmp_path / "new.yaml", rules.replace("task: contracts", "task: [contracts, code]"), **{"rules:": more}
    )
    found = compared(old, new)
    [moved] = found["moved"]
    assert (moved["was"]["rule"], moved["now"]["rule"]) == ("all", "deeds")
    assert explained(old, moved["example"]) == "all" and explained(new, moved["example"]) == "deeds"
    gone = written(tmp_path / "gone.yaml", rules.replace("contracts", "code"), **{"rules:": more})
    [left, came] = sorted(compared(old, gone)["moved"], key=lambda each: str(each["was"]["rule"]), reverse=True)
    assert (left["was"]["rule"], left["now"]["rule"]) == ("deeds", "all")
    assert "prompt.task=contracts" in left["example"] and "prompt.task=code" in came["example"]
