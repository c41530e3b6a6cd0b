"""How far the estimate of tokens is off, by kind of text and family of tokenizers, and what it costs.

    python bench/tokens.py TEXTS [--family o200k_base]

TEXTS is a folder with a folder for each kind of text, of which each file is one text; it is not part of the project.
Dense kinds (base64, hexadecimal, tables of numbers) are made here. Exact counts are those of the extra `tokens`. Without
TEXTS only these kinds are measured.
"""

from __future__ import annotations

import argparse
import base64
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from routebook.chat.exact_tokens import can_count, count_tokens
from routebook.chat.tokens import FIT_MARGIN, WEIGHTS, estimate_tokens

LONGEST = 16 * 1024
"""Characters of a file that are read."""

Texts = dict[str, list[str]]


def main() -> int:
    """Measure and print; 1 where no vocabulary is at hand."""
    parser = argparse.ArgumentParser(description="Measure the estimate of tokens.")
    parser.add_argument("texts", nargs="?", type=Path)
    parser.add_argument(
        "--family", choices=sorted(WEIGHTS), help="show this family by kind of text (default: o200k_base)"
    )
    arguments = parser.parse_args()
    if not can_count("o200k_base"):
        print("install the extra `tokens`: there is nothing to measure against", file=sys.stderr)
        return 1
    texts = dict(read(arguments.texts)) if arguments.texts is not None else {}
    texts.update(made())
    by_kind(texts, arguments.family or "o200k_base")
    by_family(texts)
    costs()
    return 0


def read(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """The texts of each kind."""
    for kind in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = sorted(path for path in kind.iterdir() if path.is_file())
        yield kind.name, [text for file in files if (text := file.read_text("utf-8", "replace")[:LONGEST])]


def made() -> Texts:
    """Kinds that need no author."""
    dice = random.Random(7)
    return {
        "base64": [base64.b64encode(dice.randbytes(size)).decode() for size in (300, 2_000, 9_000) for _ in range(10)],
        "hexadecimal": [dice.randbytes(size).hex() for size in (200, 2_000) for _ in range(10)],
        "tables of numbers": [
            "\n".join(",".join(f"{dice.uniform(0, 10_000):.2f}" for _ in range(8)) for _ in range(60))
            for _ in range(20)
        ],
    }


def errors(texts: list[str], family: str, guess: Callable[[str], float]) -> list[float]:
    """How far the guess is off for each text, in shares of what was counted; above nothing is too many."""
    counted = [(text, count_tokens(text, family) or 0) for text in texts]
    return [guess(text) / count - 1 for text, count in counted if count]


def high(values: list[float]) -> float:
    """The 95th percentile."""
    return sorted(values)[min(len(values) - 1, len(values) * 95 // 100)]


def by_kind(texts: Texts, family: str) -> None:
    """One family: each kind's middle error and its 95th percentile, beside a fourth of the bytes."""
    print(
        f"{family}: middle error / 95th percentile of its size, per cent\n{'':28}{'texts':>6}{'estimate':>14}{'bytes / 4':>14}"
    )
    means = []
    for kind, some in texts.items():
        cells = []
        for guess in (lambda text: estimate_tokens(text, family), lambda text: len(text.encode()) / 4):
            off = errors(some, family, guess)
            sizes = [abs(each) for each in off]
            cells.append(f"{statistics.median(off):+.0%} / {high(sizes):.0%}")
            means.append(statistics.fmean(sizes))
        print(f"{kind:28}{len(some):6}" + "".join(f"{cell:>14}" for cell in cells))
    print(f"{'mean size of the error':34}" + "".join(f"{statistics.fmean(means[at::2]):>14.1%}" for at in (0, 1)))


def by_family(texts: Texts) -> None:
    """Every family: the mean over kinds of the error's size, and how often the margin is not enough."""
    print(f"\n{'':28}{'mean error':>14}{'beyond margin':>16}")
    for family in WEIGHTS:
        kinds = [
            errors(some, family, lambda text, family=family: estimate_tokens(text, family)) for some in texts.values()
        ]
        mean = statistics.fmean(statistics.fmean(map(abs, kind)) for kind in kinds)
        beyond = statistics.fmean(statistics.fmean(FIT_MARGIN * (1 + each) < 1 for each in kind) for kind in kinds)
        print(f"{family:28}{mean:14.1%}{beyond:16.1%}")


def costs() -> None:
    """Microseconds a text, best of many."""
    print(f"\n{'us':28}{'estimate':>14}{'count':>14}")
    words = "The committee looks at what was proposed, and asks for a list of everything that may go wrong. "
    for size in (300, 4_096, 65_536):
        text = (words * (size // len(words) + 1))[:size]
        taken = [best(partial(estimate_tokens, text)), best(partial(count_tokens, text, "o200k_base"))]
        print(f"{size:<28,}" + "".join(f"{each:14.1f}" for each in taken))


def best(run: Callable[[], object]) -> float:
    """The shortest of twenty runs."""
    times = []
    for _ in range(20):
        began = time.perf_counter_ns()
        run()
        times.append(time.perf_counter_ns() - began)
    return min(times) / 1000


if __name__ == "__main__":
    sys.exit(main())
