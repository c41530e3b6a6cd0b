"""The corpus of mistakes: broken policies, each named by its fault, with exactly what their author must hear.

A directory under `tests/corpus/mistakes/` holds the files of one broken policy and `expected.txt`: what `routebook check`
prints about it. Those under `tests/corpus/warnings/` are served all the same, and their author is warned. After a change of words, `python -m tests.support.mistakes` writes the texts anew, to be read as a diff.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from routebook.documents.printing import as_text
from routebook.routing.reading.loading import LoadResult, load_policy

CORPUS = Path(__file__).parents[1] / "corpus" / "mistakes"
WARNINGS = CORPUS.with_name("warnings")
EXPECTED = "expected.txt"


@dataclass(frozen=True, slots=True)
class Mistake:
    """One broken policy: the fault's name, and the directory that a server may be pointed at."""

    name: str
    directory: Path

    @property
    def expected(self) -> str:
        """What the author must hear, as it stands in the corpus."""
        return (self.directory / EXPECTED).read_text()

    @property
    def code(self) -> str:
        """The stable code of the first error."""
        return self.expected.partition("error[")[2].partition("]")[0]

    @property
    def sources(self) -> list[tuple[str, bytes]]:
        """The policy's files: name in the policy, content."""
        files = sorted(file for file in self.directory.rglob("*") if file.is_file() and file.name != EXPECTED)
        return [(file.relative_to(self.directory).as_posix(), file.read_bytes()) for file in files]

    @property
    def places(self) -> list[str]:
        """The places (`policy.yaml:4:12`) that the expected text names, files as the policy names them."""
        heads = [line.split(": ", 1)[0] for line in self.expected.splitlines() if ": error[" in line]
        return [head.removeprefix(f"{self.name}/") for head in heads]

    def copy_to(self, directory: Path) -> None:
        """Put the policy's files, and no others, into a directory that a server reads."""
        for old in directory.rglob("*.y*ml"):
            old.unlink()
        for name, content in self.sources:
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_bytes(content)

    def load(self) -> LoadResult:
        """The policy as a server would load it; problems name files from the corpus's directory on."""
        with _working_in(self.directory.parent):
            return load_policy(Path(self.name))

    def heard(self) -> str:
        """What the author hears now."""
        result = self.load()
        return as_text(result.problems, result.documents)


def mistakes(corpus: Path = CORPUS) -> list[Mistake]:
    """Every broken policy of the corpus, by name; of `WARNINGS`, every one that is served with a warning."""
    return [Mistake(directory.name, directory) for directory in sorted(corpus.iterdir()) if directory.is_dir()]


@contextmanager
def _working_in(directory: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(before)


def _write_expected() -> int:
    changed = 0
    for mistake in [*mistakes(), *mistakes(WARNINGS)]:
        file = mistake.directory / EXPECTED
        text = mistake.heard()
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
            changed += 1
            print(f"{mistake.name}: written")
    return changed


if __name__ == "__main__":
    print(f"{_write_expected()} texts changed")
    sys.exit(0)
