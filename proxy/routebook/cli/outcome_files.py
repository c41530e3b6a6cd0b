"""Files of outcomes, as `routebook router` reads them."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from routebook.scoring.outcomes import BadRow, Row, row_of

if TYPE_CHECKING:
    from routebook.scoring.weighing import Weights

SUFFIXES = (".jsonl", ".jsonl.gz")
MOST_ROWS = 2_000_000
"""Rows that are read in all: some gigabytes of memory."""


class Unusable(Exception):
    """A file cannot be used; the message says which, where and why."""


def read_sets(places: Iterable[Path], only: frozenset[str] = frozenset()) -> dict[str, list[Row]]:
    """The rows of all files by set, sets in the order of their files: where a row does not name its set, its file does.
    Raises Unusable."""
    sets: dict[str, list[Row]] = {}
    count = 0
    for file in _files(places):
        name = file.name.partition(".")[0]
        for row in _rows(file):
            count += 1
            if count > MOST_ROWS:
                raise Unusable(f"{file}: more than {MOST_ROWS:,} rows; give fewer files")
            belongs = row.set or name
            if not only or belongs in only:
                sets.setdefault(belongs, []).append(row)
    return sets


def read_weights(file: Path | None) -> Weights:
    """The weights in a file, or those that are shipped. Raises Unusable."""
    from routebook.scoring.shipped import shipped
    from routebook.scoring.weighing import BadWeights, Weights, weights_of

    if file is None:
        return Weights(shipped())
    try:
        return weights_of(file.read_bytes())
    except OSError as error:
        raise Unusable(f"{file}: {error.strerror}") from error
    except BadWeights as error:
        raise Unusable(f"{file}: {error}") from error


def progress(what: str, done: int, every: int) -> None:
    """Show how far something is, where somebody watches."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{what}: {done} of {every}", end="" if done < every else "\r\x1b[K", file=sys.stderr, flush=True)


def _files(places: Iterable[Path]) -> Iterator[Path]:
    for place in places:
        if not place.is_dir():
            yield place
            continue
        found = sorted(file for file in place.iterdir() if file.name.endswith(SUFFIXES))
        if not found:
            raise Unusable(f"{place}: no file ends in {' or '.join(SUFFIXES)}")
        yield from found


def _rows(file: Path) -> Iterator[Row]:
    number = 0
    try:
        with gzip.open(file) if file.name.endswith(".gz") else file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield row_of(line)
    except BadRow as error:
        raise Unusable(f"{file}:{number}: {error}") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Unusable(f"{file}: it is not a whole gzip file") from error
    except OSError as error:
        raise Unusable(f"{file}: {error.strerror}") from error
