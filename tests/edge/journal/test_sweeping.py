"""Going through a journal in pieces: every line once, whole, in order, by however many processes."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from routebook.edge.journal.sweeping import Piece, pieces_of, sweep


@dataclass
class Collector:
    """Keeps the lines it takes."""

    tally: list[bytes] = field(default_factory=list)

    def take(self, line: bytes) -> None:
        """Keep it."""
        self.tally.append(line)


def files(folder: Path, seed: int) -> tuple[list[Path], list[bytes]]:
    """Some files with lines of any length, the last of each torn; and the lines that are whole."""
    dice = random.Random(seed)
    paths, lines = [], []
    for number in range(3):
        own = [bytes(dice.choices(b"abc {}", k=dice.choice((0, 1, 5, 40, 300)))) for _ in range(dice.randrange(40))]
        path = folder / f"{number}.jsonl"
        path.write_bytes(b"".join(line + b"\n" for line in own) + dice.choice((b"", b"torn")))
        paths.append(path)
        lines += own
    return paths, lines


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("size", [1, 7, 64, 1000, 1 << 20])
def test_every_line_belongs_to_one_piece(tmp_path: Path, seed: int, size: int) -> None:
    """However files are cut: no line is lost, doubled or torn."""
    paths, lines = files(tmp_path, seed)
    assert [line for piece in pieces_of(paths, size) for line in piece.lines()] == lines


def test_several_processes_give_what_one_gives_and_say_how_far_they_are(tmp_path: Path) -> None:
    """In the order of the pieces."""
    paths, lines = files(tmp_path, 1)
    pieces, told = pieces_of(paths, 200), []
    found = list(sweep(pieces, Collector, lambda done, of: told.append((done, of)), processes=2))
    assert [line for tally in found for line in tally] == lines
    assert found == list(sweep(pieces, Collector, processes=1))
    whole = sum(path.stat().st_size for path in paths)
    assert told[-1] == (whole, whole) and len(told) == len(pieces) > 2


def test_nothing_to_go_through_is_nothing(tmp_path: Path) -> None:
    """No file, or an empty one."""
    (tmp_path / "empty.jsonl").touch()
    assert pieces_of([tmp_path / "empty.jsonl", tmp_path / "gone.jsonl"]) == []
    assert list(sweep([], Collector)) == []
    assert Piece(tmp_path / "a", 0, 1) == Piece(tmp_path / "a", 0, 1)
