"""`routebook router`: from files to figures."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from routebook.cli.main import main


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
