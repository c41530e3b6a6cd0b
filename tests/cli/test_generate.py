"""What is generated is fresh, and what it is generated from is whole."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from routebook.cli.codes import ADMIN, AUDIT, CANDIDATES, FAILURES, PROBLEMS, RECORDED, RELOADS, STARTS
from routebook.cli.generate import main as generate
from routebook.cli.generate import pages, stale
from routebook.cli.main import COMMANDS, build_parser, subcommands
from routebook.cli.main import main as routebook
from routebook.cli.schema import FILES
from routebook.edge.admin.refusals import STATUSES
from routebook.edge.answers import KINDS
from routebook.routing.facts import FACTS
from routebook.routing.reasons import REASONS

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "proxy" / "routebook"
TABLES = (PROBLEMS, RELOADS, STARTS, FAILURES, RECORDED, CANDIDATES, AUDIT, ADMIN)

_PROBLEM = re.compile(
    r"(document|policy|catalogue|ledger|reload|edge|upstream|gateway|journal|admin)\.[a-z0-9]+(-[a-z0-9]+)*\Z"
)


def _texts_of_the_program() -> Iterator[tuple[Path, str]]:
    """Every text that stands in the source, but for the tables of codes and for documentation."""
    for path in PACKAGE.rglob("*.py"):
        if path.name == "codes.py":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield path, node.value


def test_generated_files_are_fresh() -> None:
    """Run `make docs` and commit what it writes."""
    assert stale(ROOT) == []


def test_writing_them_leaves_nothing_stale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The generator writes each file once, says so, and is content afterwards."""
    for name in pages():
        (tmp_path / name).parent.mkdir(exist_ok=True)
    assert generate([str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("written") == len(pages())
    assert generate([str(tmp_path)]) == 0
    assert capsys.readouterr().out == ""
    (tmp_path / "docs/facts.md").write_text("changed by hand")
    assert stale(tmp_path) == ["docs/facts.md"]


def test_every_code_of_the_source_is_explained() -> None:
    """A code that users can meet stands in a table with its meaning."""
    known = {code for table in TABLES for code in table}
    found = {
        text: path.name
        for path, text in _texts_of_the_program()
        if _PROBLEM.match(text) and not text.endswith(".sqlite")
    }
    assert {code: file for code, file in found.items() if code not in known} == {}


def test_every_explained_code_stands_in_the_source() -> None:
    """A code that nothing says any more does not stay in the manual."""
    said = {text for _, text in _texts_of_the_program()}
    assert {code for table in TABLES for code in table if code not in said} == set()


def test_each_code_is_explained_once() -> None:
    """Problems, reloads, failures and records do not share codes; what clients are told is what may be answered."""
    separate = [code for table in (PROBLEMS, RELOADS, STARTS, FAILURES, RECORDED, ADMIN) for code in table]
    assert len(separate) == len(set(separate))
    assert set(FAILURES) == set(KINDS)
    assert set(ADMIN) == set(STATUSES)
    assert set(CANDIDATES) == set(REASONS)


def test_explanations_are_sentences_without_their_dot() -> None:
    """As messages are: lower case, no full stop."""
    for table in TABLES:
        for code, doc in table.items():
            assert not doc.endswith(".") and doc[0] == doc[0].lower(), code


def test_the_command_page_names_every_argument() -> None:
    """Each command has its heading, each option its row, and nothing is left for argparse to fill in."""
    page = pages()["docs/cli.md"]
    assert "%(" not in page
    choices = next(action.choices for action in build_parser()._actions if action.dest == "command")
    for name in COMMANDS:
        assert f"## routebook {name}\n" in page
        whole = choices[name]  # type: ignore[index]
        for parser in (whole, *subcommands(whole)):
            for action in parser._actions:
                for option in action.option_strings:
                    assert option in ("-h", "--help") or f"`{option}`" in page


@pytest.mark.parametrize(("which", "file"), FILES.items())
def test_schemas_are_printed_and_packaged_as_they_stand_in_the_repository(
    which: str, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command, the repository and the package agree."""
    text = (ROOT / "schemas" / file).read_text(encoding="utf-8")
    assert routebook(["schema", which]) == 0
    assert capsys.readouterr().out == text
    assert (resources.files("routebook.schemas") / file).read_text(encoding="utf-8") == text
    published = json.loads(text)
    assert published.get("$schema", "").endswith("2020-12/schema") or published["openapi"] == "3.1.0"


def test_the_policy_schema_is_the_usual_one(capsys: pytest.CaptureFixture[str]) -> None:
    """`routebook schema` alone prints what most people want."""
    assert routebook(["schema"]) == 0
    assert "A file of a Routebook policy" in capsys.readouterr().out


def test_facts_are_printed_in_every_format(capsys: pytest.CaptureFixture[str]) -> None:
    """Text for people, JSON for programs, and the page of the manual."""
    for option in ("text", "json", "markdown"):
        assert routebook(["facts", "--format", option]) == 0
        printed = capsys.readouterr().out
        assert all(spec.name in printed for spec in FACTS)
        if option == "json":
            assert [row["name"] for row in json.loads(printed)] == [spec.name for spec in FACTS]
        if option == "markdown":
            assert printed == (ROOT / "docs/facts.md").read_text(encoding="utf-8")
