"""Going through a whole journal at once: in pieces, by as many processes as there are processors.

A piece is a stretch of a segment; lines belong to the piece that they begin in. What each process makes of its pieces is
added up by whoever asked, in the order of the pieces.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Generic, Protocol, TypeVar, cast

from routebook.edge.journal.segments import segment_names, size_of
from routebook.edge.journal.writer import DIRECTORY

PIECE_BYTES = 8 * 1024 * 1024
"""How much one process takes at a time."""

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Told = Callable[[int, int], None]
"""Told how many bytes have been gone through, and of how many."""


class Taker(Protocol[T_co]):
    """Whoever makes something of lines; `tally` is what has come of them so far."""

    @property
    def tally(self) -> T_co:
        """What has come of the lines so far."""

    def take(self, line: bytes) -> None:
        """One line, without its line feed."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The lines of a file that begin at an offset or behind it, and before another."""

    path: Path
    start: int
    end: int

    def lines(self) -> Iterator[bytes]:
        """Its complete lines. A line without its line feed was torn, and is no record."""
        with open(self.path, "rb") as file:
            place = self.start
            if place:
                file.seek(place - 1)
                place += len(file.readline()) - 1
            for line in file:
                if place >= self.end:
                    return
                place += len(line)
                if line.endswith(b"\n"):
                    yield line[:-1]


def segments_since(state_dir: Path, since: float | None) -> list[Path]:
    """The segments of a state directory's journal that may hold records as young as that (Unix seconds)."""
    folder = state_dir / DIRECTORY
    found = [folder / name for name in segment_names(folder)]
    return [path for path in found if since is None or path.stat().st_mtime >= since]


def pieces_of(files: Sequence[Path], size: int = PIECE_BYTES) -> list[Piece]:
    """Files cut into pieces, in order."""
    return [
        Piece(file, start, min(start + size, whole))
        for file in files
        for whole in (size_of(file),)
        for start in range(0, whole, size)
    ]


def sweep(
    pieces: Sequence[Piece], begin: Callable[[], Taker[T]], told: Told = lambda done, of: None, processes: int = 0
) -> Iterator[T]:
    """What comes of each piece, in order; `begin` makes somebody new to take the lines of one.

    One piece is gone through here; more are by several processes (0: one for each processor), to which `begin` must be
    picklable.
    """
    whole, done = sum(piece.end - piece.start for piece in pieces), 0
    for piece, tally in zip(pieces, _tallies(pieces, begin, processes or _processors()), strict=True):
        yield tally
        done += piece.end - piece.start
        told(done, whole)


def _tallies(pieces: Sequence[Piece], begin: Callable[[], Taker[T]], processes: int) -> Iterator[T]:
    processes = min(processes, len(pieces))
    if processes < 2:
        yield from map(_Sweeper(begin).tally_of, pieces)
        return
    context = get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, initializer=_begin, initargs=(begin,))
    try:
        yield from cast(Iterator[T], pool.map(_tally_of, pieces))
    finally:
        pool.shutdown(cancel_futures=True)


class _Sweeper(Generic[T]):
    def __init__(self, begin: Callable[[], Taker[T]]) -> None:
        self._begin = begin

    def tally_of(self, piece: Piece) -> T:
        taker = self._begin()
        for line in piece.lines():
            taker.take(line)
        return taker.tally


_sweepers: list[_Sweeper[object]] = []
"""The one of this process, where it is one of several."""


def _begin(begin: Callable[[], Taker[object]]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asked hears it, and lets nobody begin another piece
    gc.freeze()
    gc.disable()  # what is made of a line is let go with the next: there are no cycles to look for
    _sweepers.append(_Sweeper(begin))


def _tally_of(piece: Piece) -> object:
    return _sweepers[0].tally_of(piece)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
