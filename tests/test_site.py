"""The documentation as a site: it builds without a warning, every page can be found, every code can be linked to."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import yaml

from routebook.cli.codes import AUDIT, CANDIDATES, FAILURES, PROBLEMS, RECORDED, RELOADS, STARTS
from tests.test_docs import ROOT

DOCS = ROOT / "docs"
PAGES = {path.name for path in DOCS.glob("*.md")} - {"index.md"}


def build(configuration: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """`make site`, to another folder."""
    words = ["-m", "mkdocs", "build", "--strict", "-f", str(configuration), "-d", str(site)]
    return subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)


def test_the_site_builds_and_every_code_has_its_place(tmp_path: Path) -> None:
    """Strictly: a link or an anchor that leads nowhere would end it."""
    done = build(ROOT / "mkdocs.yml", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    codes = (tmp_path / "errors" / "index.html").read_text()
    for code in (*PROBLEMS, *RELOADS, *STARTS, *FAILURES, *RECORDED, *CANDIDATES, *AUDIT):
        assert f'id="{code}"' in codes, code
    assert "<em>rules/policy.yaml</em>" in (tmp_path / "tutorial" / "index.html").read_text()


def test_a_broken_link_ends_the_build(tmp_path: Path) -> None:
    """Of a page to a page that is not there."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# One\n\n[two](two.md)\n")
    configuration = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    configuration |= {"nav": ["index.md"], "hooks": [str(ROOT / "deploy" / "site.py")]}
    (tmp_path / "mkdocs.yml").write_text(yaml.safe_dump(configuration))
    done = build(tmp_path / "mkdocs.yml", tmp_path / "site")
    assert done.returncode != 0 and "two.md" in done.stdout + done.stderr


def test_every_page_can_be_found() -> None:
    """In the index, and in the site's own list, each once."""
    linked = re.findall(r"\]\(([\w-]+\.md)\)", (DOCS / "index.md").read_text())
    assert sorted(linked) == sorted(PAGES)
    sections = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"][1:]
    named = [page for section in sections for pages in section.values() for each in pages for page in each.values()]
    assert named == linked
    assert "docs/index.md" in (ROOT / "README.md").read_text()
