"""The page about other gateways shows what the program does: sources, policies and reports are compared word for word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from routebook.routing.importing.converting import GATEWAYS, convert
from routebook.routing.importing.report import as_text
from routebook.routing.reading.loading import load_sources

PAGE = Path(__file__).parents[3] / "docs" / "migrating.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECTIONS = dict(zip(GATEWAYS, re.split(r"^## .+$", PAGE.read_text(), flags=re.MULTILINE)[1:], strict=True))


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_the_page_shows_what_comes_out(gateway: str) -> None:
    """The first block of a section becomes the second, which `check` accepts, with the report in the third."""
    (kind, source), (_, policy), (_, report) = BLOCK.findall(SECTIONS[gateway])
    found = convert(gateway, f"config.{kind}", source, ())
    assert found.policy == policy
    assert load_sources([("rules.yaml", policy)]).policy is not None
    assert as_text(found.report).startswith(report.rstrip("\n"))
