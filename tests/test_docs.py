"""What the documents say is what the program does: blocks are run, links lead somewhere, names exist."""

from __future__ import annotations

import itertools
import re
import shlex
import shutil
import textwrap
from pathlib import Path

import pytest

from routebook.catalogue.providers import Timeouts
from routebook.cli.main import build_parser, main
from routebook.documents.printing import as_text
from routebook.edge.answers import KINDS
from routebook.routing.endings import Phase, Who
from routebook.routing.policy import Settings
from routebook.routing.reading import in_force
from routebook.routing.reading.loading import load_sources

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "rules").glob("*.md")])
CATALOGUE = (ROOT / "rules" / "catalogue.yaml").read_text()
CODE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXCHANGE = ROOT / "proxy" / "routebook" / "edge" / "exchange.py"


def named(path: Path) -> str:
    """A page as the name of a test case."""
    return str(path.relative_to(ROOT))


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of a page in this language."""
    return [text for name, text in CODE.findall(path.read_text()) if name == language]


def anchors(path: Path) -> set[str]:
    """The anchors that a page's headings have."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_links_lead_somewhere(path: Path) -> None:
    """A link to a file of the repository names one that exists, and a heading that it has."""
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        to = (path.parent / name).resolve() if name else path
        assert to.exists(), f"{named(path)} links to {target}"
        assert not anchor or anchor in anchors(to), f"{named(path)} links to {target}"


POLICIES = [
    (path, number, text)
    for path in (
        ROOT / "docs" / "rules.md",
        ROOT / "docs" / "guards.md",
        ROOT / "docs" / "model-router.md",
        ROOT / "README.md",
    )
    for number, text in enumerate(blocks(path, "yaml"))
]


@pytest.mark.parametrize(("path", "number", "text"), POLICIES, ids=[f"{named(p)}-{n}" for p, n, _ in POLICIES])
def test_policies_in_the_documents_are_policies(path: Path, number: int, text: str) -> None:
    """Every block of YAML is a policy together with the shipped catalogue; a part of one is completed, not excused."""
    catalogue = CATALOGUE.partition("\npools:")[0] if re.search("^pools:", text, re.MULTILINE) else CATALOGUE
    if not re.search("^rules:", text, re.MULTILINE):
        text = "rules:\n" + text if text.lstrip().startswith("- name:") else text
    if "route: {to: requested}" not in text:
        text += "\n  - name: everything-else\n    route: {to: requested}\n"
    result = load_sources((("catalogue.yaml", catalogue), ("block.yaml", "version: 1\n" + text)))

    assert result.policy is not None, as_text(result.problems, result.documents)
    assert not result.problems.found, as_text(result.problems, result.documents)


TESTING = ROOT / "docs" / "testing.md"
SHIPPED = [(name, (ROOT / "rules" / name).read_text()) for name in ("budgets.yaml", "catalogue.yaml", "policy.yaml")]


@pytest.mark.parametrize("text", blocks(TESTING, "yaml"))
def test_tests_in_the_documents_pass(text: str) -> None:
    """Every block of tests holds for the shipped policy, as the page says, and is read without a warning of its own."""
    result = load_sources([*SHIPPED, ("tests/block.yaml", text)])
    assert result.policy is not None and result.policy.tests, as_text(result.problems, result.documents)
    assert [each.code for each in result.problems] == ["policy.untested-rule"]


def test_the_request_that_the_shipped_tests_show_passes() -> None:
    """It stands there as a comment, so that no check of the shipped policy needs a dialect; it is true all the same."""
    text = (ROOT / "rules" / "tests" / "rules.yaml").read_text()
    shown = [line.removeprefix("#") for line in text.splitlines() if line.startswith("#  ")]
    lines = [line for line in shown if not line.startswith("   routebook")]
    result = load_sources([*SHIPPED, ("tests/block.yaml", "tests:\n" + "\n".join(lines) + "\n")])
    assert result.policy is not None, as_text(result.problems, result.documents)
    [case] = result.policy.tests
    assert case.request is not None and case.expect.code == "private_key_in_prompt"


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shipped policy, named as pages name it."""
    shutil.copytree(ROOT / "rules", tmp_path / "rules")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "rules"


@pytest.mark.parametrize("number", range(3))
def test_what_testing_prints_is_what_the_page_shows(
    number: int, shipped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """To the letter, but for what `...` stands for."""
    command, *wanted = blocks(TESTING, "console")[number].splitlines()
    if "wrong.yaml" in wanted[0]:
        indented = TESTING.read_text().partition("With `rules/tests/wrong.yaml`\n")[2].partition("\nit is")[0]
        (shipped / "tests" / "wrong.yaml").write_text(textwrap.dedent(indented.lstrip("\n")))
    if "--suggest" in command:
        tests = shipped / "tests" / "rules.yaml"
        before, _, after = tests.read_text().partition("  - name: the night ends at six\n")
        tests.write_text(before + after[after.index("  - name:") :])
    main(shlex.split(command.removeprefix("$ "))[1:])
    pattern = "".join("(.*\\n)*" if line == "..." else re.escape(line) + "\n" for line in wanted)
    assert re.fullmatch(pattern, capsys.readouterr().out)


COMMANDS = sorted(
    {
        line.strip().removeprefix("$ ")
        for path in PAGES
        for line in path.read_text().splitlines()
        if re.match(r"^(    |)(\$ )?routebook [a-z]+", line) and not line.strip().endswith(("and", ":", ".", ","))
    }
)


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_in_the_documents_are_understood(line: str) -> None:
    """Every command line that a page shows is one that the program takes."""
    for command in re.split(r"&&|\||;| > ", line.partition("  #")[0].partition("    ")[0]):
        words = [word for word in shlex.split(command, comments=True) if word != "..."]
        if words and words[0] == "routebook":
            build_parser([words[1]]).parse_args(words[1:])


def test_the_readme_is_short() -> None:
    """A newcomer reads it to the end: under 150 lines."""
    assert len((ROOT / "README.md").read_text().splitlines()) < 150


def test_the_life_of_a_request_has_the_steps_of_the_code() -> None:
    """The page's headings are the steps that `edge/exchange.py` announces, in its order."""
    page = re.findall(r"^## (.+)$", (ROOT / "docs" / "life-of-a-request.md").read_text(), re.MULTILINE)
    steps = re.findall(r"^\s+# ([A-Z]\w+)$", EXCHANGE.read_text(), re.MULTILINE)
    assert page == steps


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.md")), ids=named)
def test_every_page_can_be_reached(path: Path) -> None:
    """Each page of the documentation is linked from the README or from another page."""
    linked = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in PAGES
        if page != path
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    }
    assert path.resolve() in linked


def test_the_makefile_says_what_it_makes() -> None:
    """Every target that the README and CONTRIBUTING name is one of the Makefile's."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in ("README.md", "CONTRIBUTING.md"):
        asked = set(re.findall(r"(?:^    |`)make ([a-z]+)", (ROOT / page).read_text(), re.MULTILINE))
        assert asked <= targets, page


OPERATING = ROOT / "docs" / "operating.md"


def rows(path: Path, heading: str) -> list[list[str]]:
    """The cells of the first table below this heading, without its head."""
    text = path.read_text().partition(f"\n## {heading}\n")[2]
    lines = list(itertools.takewhile(lambda line: line.startswith("|"), text[text.index("\n|") + 1 :].splitlines()))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_end_codes_are_those_of_the_program() -> None:
    """The two letters that the page explains are all that a record can hold."""
    cells = rows(OPERATING, "End codes")

    assert {row[0].strip("`") for row in cells} == {who.value for who in Who}
    assert {row[2].strip("`") for row in cells if row[2]} == {phase.value for phase in Phase}


def test_time_limits_are_those_of_the_program() -> None:
    """Defaults and codes of the table are those that are in force, and each name is a setting that can be written."""
    settings, timeouts = Settings(), Timeouts()
    in_force = {"settings.body_timeout": settings.body_timeout, "settings.stream.stall": settings.stall} | {
        f"timeouts.{name}": getattr(timeouts, name) for name in ("connect", "first_byte", "idle", "total")
    }
    cells = rows(OPERATING, "Time limits")

    assert {row[1].strip("`"): float(row[2].removesuffix(" s")) for row in cells} == in_force
    assert {row[3].strip("`") for row in cells} <= KINDS.keys()


def test_metrics_that_are_named_exist() -> None:
    """A metric that a page names is one that a scrape would show."""
    source = "".join(path.read_text() for path in (ROOT / "proxy" / "routebook" / "edge").rglob("*.py"))
    for page in PAGES:
        for name in set(re.findall(r"`(routebook_[a-z_]+)`", page.read_text())):
            assert f'"{name}"' in source or f'"{name.removesuffix("_total")}"' in source, f"{named(page)}: {name}"


def test_what_is_not_in_force_is_admitted() -> None:
    """Whatever `check` warns of as not in force is named on the page of limits."""
    page = (ROOT / "docs" / "limits.md").read_text()
    assert in_force.CODE in page


CHECKED = [ROOT / "docs" / name for name in ("checks.md", "threat-model.md", "hardening.md")]
TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")


@pytest.mark.parametrize("path", CHECKED, ids=named)
def test_tests_that_are_named_exist(path: Path) -> None:
    """A claim that names a test names one that is run."""
    found = TEST.findall(path.read_text())
    assert found
    for file, name in found:
        source = (ROOT / "tests" / file).read_text()
        assert re.search(rf"^(async def {name}\(|def {name}\(|{name} = )", source, re.MULTILINE), f"{file}::{name}"


def test_every_check_has_its_row() -> None:
    """Sixty-seven, each once; one that is tested names tests, and one that is not, or not whole, says what is wanting."""
    text = (ROOT / "docs" / "checks.md").read_text()
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if re.match(r"\| \d", line)
    ]
    assert [row[0] for row in cells] == [str(number) for number in range(1, 68)]
    assert len({row[1] for row in cells}) == 67
    counts = {state: sum(row[3] == state for row in cells) for state in ("yes", "in part", "no")}
    assert sum(counts.values()) == 67
    assert f"{counts['yes']} of them tested whole, {counts['in part']} in part, {counts['no']} not yet" in text
    for _, name, _, state, shown in cells:
        wanting = TEST.sub("", shown).strip(" ,;")
        assert bool(TEST.search(shown)) == (state != "no"), name
        assert state == "yes" or wanting, name


def test_every_claim_of_safety_is_shown() -> None:
    """Each row of what stands in the way names a test; each of what to set names one too, or says that it is the reader's."""
    for line in CHECKED[1].read_text().partition("## What a client could try")[2].splitlines():
        if line.startswith("| ") and not line.startswith("| threat"):
            assert TEST.search(line), line
    for line in CHECKED[2].read_text().splitlines():
        if line.startswith("| ") and not line.startswith("| set"):
            assert TEST.search(line) or line.endswith("| by you |"), line
