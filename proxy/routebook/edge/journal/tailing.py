"""The journal as it grows: its new lines, read from the segments themselves, so that a decision is seen before it has ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from routebook.edge.journal.segments import complete_lines, segment_names, size_of
from routebook.edge.journal.writer import DIRECTORY


class Tail:
    """What the journal of a state directory gains from now on."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / DIRECTORY
        self._read = {name: _last_line_end(self._folder / name) for name in segment_names(self._folder)}

    def __repr__(self) -> str:
        return f"<Tail of {self._folder}, {len(self._read)} segments>"

    def lines(self) -> Iterator[dict[str, Any]]:
        """The lines that came since the last call: of one process in their order, of several one process after the other."""
        for name in segment_names(self._folder):
            at = self._read.get(name, 0)
            path = self._folder / name
            if size_of(path) <= at:
                self._read.setdefault(name, 0)
                continue
            for lines in complete_lines(path, at):
                for place, text in lines:
                    self._read[name] = place + len(text) + 1
                    line: dict[str, Any] = orjson.loads(text)
                    yield line


def _last_line_end(path: Path) -> int:
    """Where a segment's last complete line ends: one that is being written now is new."""
    size = size_of(path)
    try:
        with open(path, "rb") as file:
            while size > 0:
                start = max(0, size - 65_536)
                file.seek(start)
                if (found := file.read(size - start).rfind(b"\n")) >= 0:
                    return start + found + 1
                size = start
    except FileNotFoundError:
        pass
    return 0
