"""What is said of other gateways leads to where it was read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "comparison.md").read_text()
ROWS = [line for line in PAGE.splitlines() if re.match(r"\| (?!\|)", line) and not line.startswith("|---")]
SHORT = {"no", "-", "yes", "refused", "partly refused", "none", "each for itself", "counts no money"}
NAMES = set(re.findall(r"^\[([\w-]+)\]: https://", PAGE, re.MULTILINE))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip())
def test_a_claim_about_another_has_a_source(row: str) -> None:
    """Each cell beyond a plain word leads to a page; only what is a claim about Routebook needs none."""
    _, *others = [cell.strip() for cell in row.strip("|").split("|")][1:]
    bare = [cell for cell in others if cell not in SHORT and not re.search(r"\[[^\]]+\]\[[\w-]+\]", cell)]
    assert len(others) == 6
    assert not bare


def test_every_source_is_used_and_every_use_has_one() -> None:
    """And the day on which they were read is said."""
    used = set(re.findall(r"\]\[([\w-]+)\]", PAGE))
    assert used == NAMES
    assert re.search(r"last looked at on \d+ \w+ 20\d\d", PAGE)
