"""`routebook tree`: the decision tree of a policy in every form, and what cannot be drawn."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from routebook.cli.main import main

ROOT = Path(__file__).parents[2]
RULES = str(ROOT / "rules")


@pytest.mark.parametrize(
    ("form", "begins"),
    [("text", "prompt.matches.private-key?"), ("svg", "<svg "), ("dot", "digraph "), ("mermaid", "flowchart TD")],
)
def test_it_is_drawn_in_every_form(form: str, begins: str, capsys: pytest.CaptureFixture[str]) -> None:
    """To the standard output, and nothing else."""
    assert main(["tree", RULES, "--format", form]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(begins) and "health-data-stays-home" in printed.out and printed.err == ""
    if form == "text":
        assert "nothing folded" in printed.out.splitlines()[-1]


def test_a_rule_that_is_not_there_is_said_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    """No empty picture."""
    assert main(["tree", RULES, "--rule", "night-batc"]) == 1
    assert "no rule of" in (said := capsys.readouterr().err) and "did you mean `night-batch`" in said


def test_a_policy_with_mistakes_is_not_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The mistakes are."""
    (tmp_path / "policy.yaml").write_text("version: 1\nrules:\n  - {name: a, wenn: {}, route: {to: requested}}\n")
    assert main(["tree", str(tmp_path)]) == 1
    assert "did you mean `when`" in capsys.readouterr().err


@pytest.mark.parametrize("depth", ["0", "-1", "many", "1000"])
def test_a_depth_is_a_number_of_questions(depth: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Anything else is wrong use."""
    with pytest.raises(SystemExit) as ended:
        main(["tree", RULES, "--depth", depth])
    assert ended.value.code == 2 and "number of questions" in capsys.readouterr().err


def test_explain_draws_the_way_of_one_request(capsys: pytest.CaptureFixture[str]) -> None:
    """As SVG, and in the text."""
    given = ["--policy", RULES, "--given", "tags=phi", "--given", "prompt.matches.private-key=false"]
    assert main(["explain", *given, "--format", "svg"]) == 0
    root = ElementTree.fromstring(capsys.readouterr().out)
    assert "The rule health-data-stays-home decided" in "".join(root.itertext())
    assert main(["explain", *given]) == 0
    assert "└━ [phi] ━━▶ health-data-stays-home" in capsys.readouterr().out
