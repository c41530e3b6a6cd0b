"""Blocks of the documents that measurements write, between two comments, so that the text around them stays somebody's own.

<!-- measured: NAME, by `make bench-peers` -->
...
<!-- end of what was measured -->
"""

from __future__ import annotations

import re
from pathlib import Path

END = "<!-- end of what was measured -->"


def block(page: str, name: str) -> str | None:
    """What stands in a block of a page's text; None where the page has no such block."""
    found = _pattern(name).search(page)
    return found["inside"] if found else None


def write_block(path: Path, name: str, text: str) -> None:
    """Put a text into a page's block; `KeyError` where the page has none."""
    page = path.read_text("utf-8")
    if block(page, name) is None:
        raise KeyError(f"{path.name} has no block `{name}`")
    path.write_text(_pattern(name).sub(lambda found: found["begin"] + text + found["end"], page), "utf-8")


def markdown_table(head: list[str], rows: list[list[str]]) -> str:
    """A table: names on the left, figures on the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(
        rf"(?P<begin><!-- measured: {re.escape(name)}\b[^\n]*-->\n\n?)(?P<inside>.*?)(?P<end>\n?{re.escape(END)})",
        re.DOTALL,
    )
