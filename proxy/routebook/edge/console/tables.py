"""Tables for spreadsheets: rows of a page as RFC 4180 has them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from routebook.edge.admin.route import Csv, Reply
from routebook.edge.console.layout import GUARD


def table(name: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Reply:
    """Rows as a file that a browser saves under this name."""
    named = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Reply(Csv(as_csv(columns, rows)), headers={**GUARD, **named})


def as_csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Rows as RFC 4180 has them. A text that a spreadsheet would compute with begins with an apostrophe
    (OWASP, CSV injection): what a client calls a model must not become a formula on an operator's machine."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows({name: _tame(row[name]) for name in columns} for row in rows)
    return text.getvalue().encode("utf-8", "backslashreplace")


def _tame(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
