"""`routebook router`: from files to figures."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from routebook.cli.main import main
from routebook.edge.feedback import rated
from routebook.scoring.shipped import shipped
from routebook.scoring.training import is_held_out
from routebook.scoring.weighing import weights_of
from tests.support.asking import ask, chat
from tests.support.proxy import in_process, running_proxy, small_policy
from tests.support.upstream import Upstream


def write(file: Path, rows: list[dict[str, object]]) -> None:
    """Rows as JSON lines, packed where the name says so."""
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    file.write_bytes(gzip.compress(text) if file.name.endswith(".gz") else text)


HARD = "Prove that every finite group of order p^2 is abelian, and give a counterexample for p^3. Justify each step."
EASY = "hi, how are you?"


def sample(place: int, *, costs: bool = False) -> dict[str, object]:
    """One prompt: the small model fails at the hard ones."""
    hard = place % 3 == 0
    row: dict[str, object] = {
        "id": place,
        "prompt": f"{HARD if hard else EASY} ({place})",
        "q": {"big": 1.0, "small": 0.0 if hard else 1.0},
    }
    if costs:
        row["cost"] = {"big": 0.01, "small": 0.001}
    return row


def test_evaluating_says_what_each_router_is_worth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two files, one packed: two sets, their mix, every router, intervals, AIQ where costs are, a drawing."""
    write(tmp_path / "one.jsonl", [sample(place, costs=True) for place in range(60)])
    write(tmp_path / "two.jsonl.gz", [sample(place) for place in range(60)])
    drawing = tmp_path / "curves.svg"
    words = ["router", "evaluate", str(tmp_path), "--resamples", "20", "--format", "json", "--svg", str(drawing)]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["set"] for each in found["contests"]] == ["one", "two", "mix of 2"]
    one = found["contests"][0]
    assert set(one["routers"]) == {"gain", "complexity", "length", "random"}
    complexity = one["routers"]["complexity"]
    assert complexity["apgr"] == pytest.approx(1 - 1 / 6) and complexity["interval"][0] > 0.7
    assert complexity["cpt50"] < 0.2 and one["routers"]["random"]["cpt80"] == pytest.approx(0.8)
    assert (
        complexity["aiq"] > one["routers"]["random"]["aiq"] and found["contests"][1]["routers"]["gain"]["aiq"] is None
    )
    assert len(ElementTree.parse(drawing).getroot().findall("{*}g")) == 3


def test_evaluating_for_people_says_where_it_is_worth_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Length sorts these prompts as well as anything: that is said."""
    write(tmp_path / "one.jsonl", [sample(place) for place in range(60)])
    assert main(["router", "evaluate", str(tmp_path / "one.jsonl"), "--resamples", "20"]) == 0
    shown = capsys.readouterr().out
    assert "one: big over small, 60 prompts" in shown
    assert "is not shown to be better than length alone here" in shown and "assumed:" in shown


def test_prompts_that_people_have_called_hard_are_a_check_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No outcomes are needed for it."""
    rows: list[dict[str, object]] = [
        {"id": place, "prompt": HARD if hard else EASY, "q": {}, "meta": {"hard": hard}}
        for place, hard in enumerate([0, 1, 0, 1])
    ]
    write(tmp_path / "said.jsonl", rows)
    assert main(["router", "evaluate", str(tmp_path), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["sanity"]["said"]["complexity"] == 1.0


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no rows"),
        (b'{"id": 1}\n', "one.jsonl:1: neither"),
        (b'{"id": 1, "prompt": "x", "q": {"a": 1}}\n', "no set has outcomes of two models"),
    ],
)
def test_data_that_cannot_be_used_are_refused_with_their_place(
    content: bytes, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 1, and what is wrong where."""
    file = tmp_path / "one.jsonl"
    file.write_bytes(content)
    assert main(["router", "evaluate", str(file)]) == 1
    assert why in capsys.readouterr().err


def test_what_is_absent_or_broken_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing file, a cut archive, a directory of other things, a set that is not there."""
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(b'{"id": 1, "prompt": "x"}\n' * 99)[:-9])
    (tmp_path / "empty").mkdir()
    for place, why in (("none", "No such file"), ("cut.jsonl.gz", "whole gzip"), ("empty", "no file ends")):
        assert main(["router", "evaluate", str(tmp_path / place)]) == 1
        assert why in capsys.readouterr().err
    write(tmp_path / "one.jsonl", [sample(1)])
    assert main(["router", "evaluate", str(tmp_path / "one.jsonl"), "--sets", "other"]) == 1
    assert "of the sets other" in capsys.readouterr().err
    assert main(["router", "evaluate", str(tmp_path / "one.jsonl"), "--strong", "a", "--weak", "a"]) == 2


def outcome(place: int, *, name: str = "own") -> dict[str, object]:
    """One prompt: the small model fails at letters, and not at sums told as a story, which look harder."""
    story = place % 2 == 0
    prompt = (
        f"Anna has {place} apples and buys 3 apples every day. How many apples does she have after a week?"
        if story
        else f"Write a short and friendly letter to our client number {place} who waits for his answer, please."
    )
    return {"set": name, "id": f"{name}-{place}", "prompt": prompt, "q": {"big": 1.0, "small": float(story)}}


def train(folder: Path, rows: list[dict[str, object]], *more: str) -> int:
    """Train on these rows; the weights go to `router.json`."""
    write(folder / "own.jsonl", rows)
    return main(["router", "train", str(folder / "own.jsonl"), "--out", str(folder / "router.json"), *more])


def test_training_learns_what_outcomes_show_and_says_how_much(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table of classes is enough here, and is better than the old weights on what was held out."""
    assert train(tmp_path, [outcome(place) for place in range(300)], "--format", "json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["chosen"] == "table" and told["taught"] + told["held_out"] == 300 and told["paired"] == told["taught"]
    measured = told["measured"]
    assert (
        measured["table"]["apgr"] > 0.7
        and measured["old"]["apgr"] < 0.5
        and set(measured) == {"old", "table", "length", "random"}
    )
    assert measured["table"]["squared_error"] < measured["old"]["squared_error"]
    written = json.loads((tmp_path / "router.json").read_text())
    small = written["qualities"]["small"]
    letter = next(task for task in small if task not in ("usual", "word_problem"))
    assert small[letter] < 0.3 < small["usual"] < 0.7 < small["word_problem"]
    assert main(["router", "evaluate", str(tmp_path / "own.jsonl"), "--weights", str(tmp_path / "router.json")]) == 0
    assert written["version"] in capsys.readouterr().out


def test_training_fits_weights_from_a_thousand_pairs_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Then signals count, not classes alone; signs stay as they are asked for."""
    rows = []
    for place in range(1_700):
        steps = place % 5
        prompt = "Tell me about the weather in the valley " + "and show that 3 + 4 = 7 and 5 * 6 = 30 " * steps
        rows.append({"id": place, "prompt": prompt, "q": {"big": 1.0, "small": float(steps < 2)}})
    assert train(tmp_path, rows, "--format", "json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["paired"] >= 1_000 and "table and weights" in told["measured"]
    assert all(
        row[0] >= 0
        for name, row in json.loads((tmp_path / "router.json").read_text())["signals"].items()
        if name in ("length", "formulas", "LaTeX")
    )


def test_training_refuses_what_is_not_better(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Trained again on outcomes that are the contrary of those held out: nothing is written, exit 1."""
    rows = []
    for place in range(300):
        row = outcome(place)
        if not is_held_out(str(row["id"]), 0):
            row["q"] = {"big": 1.0, "small": float(place % 2)}
        rows.append(row)
    assert train(tmp_path, rows) == 1
    assert "refused:" in capsys.readouterr().out and not (tmp_path / "router.json").exists()


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([{"id": 1, "prompt": "x", "q": {"big": 1}}], "outcomes of two models"),
        ([outcome(place) for place in range(20)], "are needed"),
    ],
)
def test_training_says_where_there_is_too_little(
    rows: list[dict[str, object]], why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One model, or a handful of prompts."""
    assert train(tmp_path, rows) == 1
    assert why in capsys.readouterr().err


async def test_a_policy_is_served_with_weights_of_its_own(tmp_path: Path, upstream: Upstream) -> None:
    """The record names their digest; it is explained, and decided again alike, after the file is gone."""
    assert train(tmp_path, [outcome(place) for place in range(300)], "--format", "json") == 0
    weights = weights_of((tmp_path / "router.json").read_bytes())
    policy = small_policy(
        upstream.url,
        "  - {name: any, route: {to: [small, large], pick: balanced}}",
        "  big: {provider: scripted, id: big-1, price: {input: 9, output: 9}, context: 1M}\n"
        "settings: {router: {weights: router.json}}",
    )
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "router.json").write_text((tmp_path / "router.json").read_text())
    async with running_proxy(tmp_path, policy) as proxy:
        for place in (2, 3):
            assert (await ask(proxy.url, chat(text=str(outcome(place)["prompt"])))).status == 200
        records = await proxy.ended_records(lambda records: len(records) == 2)
        (tmp_path / "rules" / "router.json").unlink()
        told = await proxy.command("explain", "last", "--state-dir", str(proxy.state_dir))
        checked = await proxy.command("check", str(proxy.policy_dir))
    judged = [record.decided["asked"]["judged"] for record in records.values()]
    assert {each["scorer"] for each in judged} == {weights.scorer.digest} != {shipped().digest}
    qualities = {
        each["task"]: next(kept["quality"] for kept in record.decided["candidates"] if kept["model"] == "small")
        for each, record in zip(judged, records.values(), strict=True)
    }
    assert min(qualities.values()) < 0.5 < qualities["word_problem"]
    assert told.returncode == 0 and "differ" not in told.stdout, told.stdout + told.stderr
    assert checked.returncode == 1 and "policy.bad-router" in checked.stdout + checked.stderr


PAIRED = """\
  - {name: any, route: {to: [large], pick: balanced, shadow: {to: small, share: 100%}}}"""


async def test_training_reads_what_a_journal_knows(
    tmp_path: Path, upstream: Upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    """Answers and their copies were rated: pairs, by class of task. What is learnt is better on the third held out; what
    is older than asked for, or was judged by other weights, teaches nothing."""
    async with in_process(tmp_path, small_policy(upstream.url, PAIRED)) as proxy:
        for place in range(150):
            await ask(proxy.url, chat("any", text=str(outcome(place)["prompt"])))
        records = await proxy.ended_records(lambda found: len(found) == 300)
        for identity, record in records.items():
            of_copy = "shadow" in record.decided
            told = record.decided["asked"]["judged"]["task"] == "word_problem" or not of_copy
            found = rated(proxy.state_dir, identity, float(told))
            proxy.gateway.journal.feedback(found.line("ann", proxy.gateway.clock.now()))
        state_dir = str(proxy.state_dir)
    out = tmp_path / "own.json"
    words = ["router", "train", "--state-dir", state_dir, "--out", str(out), "--format", "json"]
    assert main(words) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["strong"], shown["weak"], shown["chosen"]) == ("large", "small", "table")
    assert shown["taught"] + shown["held_out"] == 150 and shown["paired"] == shown["taught"]
    measured = shown["measured"]
    assert measured["table"]["apgr"] > measured["old"]["apgr"] and "length" not in measured
    learnt = weights_of(out.read_bytes()).qualities["small"]
    assert learnt["word_problem"] > 0.8 and learnt["writing"] < 0.5
    assert main([*words, "--since", "2030-01-01"]) == 1 and "no rows" in capsys.readouterr().err
    assert main([*words, "--weights", str(out)]) == 1 and "300 rated answers are passed over" in capsys.readouterr().err
    assert main(["router", "evaluate", "--state-dir", state_dir, "--resamples", "20", "--format", "json"]) == 0
    contest = json.loads(capsys.readouterr().out)["contests"][0]
    assert contest["set"] == "journal" and contest["prompts"] == 150 and "length" not in contest["routers"]


def test_outcomes_must_come_from_somewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither files nor a journal is a wrong use; a directory that is not there is said."""
    assert main(["router", "train", "--out", str(tmp_path / "own.json")]) == 2
    assert "--state-dir" in capsys.readouterr().err
    assert main(["router", "evaluate", "--state-dir", str(tmp_path / "none")]) == 1
    assert "there is no" in capsys.readouterr().err
