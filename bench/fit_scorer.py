"""Fit the weights of `prompt.complexity` on outcomes of public benchmarks, and write them where the program finds them.

    python bench/fit_scorer.py DATA [--passes 150] [--write proxy/routebook/scoring/weights.json]

DATA is a folder of `SET.jsonl.gz` with rows `{"set", "id", "prompt", "q": {model: quality 0..1}}`; it is not part of the
project. Besides the outcomes two assumptions are put in, and said here: everyday turns (below) are answered well by
every model, and a longer prompt is a harder one until outcomes say otherwise.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import sys
from math import log
from pathlib import Path

from routebook.scoring.fitting import Heads, Outcome, Wanted, dot, fit
from routebook.scoring.scorer import Scorer
from routebook.scoring.signals import NAMES, read, signals_of
from routebook.scoring.signs import wanted_around
from routebook.scoring.tasks import task_of

VERSION = "2026-11"

LENGTH, LENGTH_OF_GAIN = 4.0, 2.0
"""What the weights of `length` in difficulty and in gain are drawn towards: chosen by cross-validation on the outcomes
fitted, and by leaving out whole benchmarks of them."""

RIDGE_OF_GAIN = 1e-3

EVERYDAY_QUALITY = 0.97
EVERYDAY_WEIGHT = 4.0
AT_EVERYDAY = 0.1
"""The complexity of an everyday turn; that of a benchmark's middle question is one half."""

EVERYDAY = """
hi there
hey, how are you doing?
good morning!
thanks, that's all
ok great
can you help me?
are you there?
what can you do?
what's your name?
tell me a fun fact
what day comes after Tuesday?
what colour is the sky?
how do you spell necessary?
what is the capital of Japan?
who wrote Hamlet?
say yes if you can read this
translate "good night" to Spanish
translate hello to French
what is 7 plus 5?
how many legs does a spider have?
give me a synonym for happy
what's the opposite of cold?
list three fruits
name a red flower
write a one line birthday wish for my aunt
make this polite: send me the file
fix the typo: I recieved your mail
is the following positive or negative: "I love this phone"
what does CEO stand for?
convert 5 km to miles
what time zone is Berlin in?
write a short thank you note to a colleague
tell me a joke
suggest a name for a cat
shorten this: I would like to inform you that the meeting has been moved to Friday.
what is the plural of mouse?
when was the moon landing?
which language do people speak in Brazil?
turn this into a question: You like tea.
put these words in order of the alphabet: pear, apple, fig
write an out of office reply for tomorrow
summarize in one sentence: The shop will be closed on Monday because of the holiday and opens again on Tuesday at nine.
extract the email address: please write to info@example.org before noon
is 9 larger than 4?
how do I say please in German?
who is the author of Dracula?
what is water made of?
reply to this message: See you at 6?
rewrite in the past tense: I go to school.
what rhymes with night?
please repeat the last answer
no, the other one
continue
yes please
why not?
sorry, I meant tomorrow
could you make it shorter?
in English please
where is Lisbon?
how old is the earth, roughly?
""".strip().splitlines()


def main() -> None:
    """Fit, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--passes", type=int, default=150)
    parser.add_argument("--write", type=Path, default=Path("proxy/routebook/scoring/weights.json"))
    arguments = parser.parse_args()
    rows = rows_of(arguments.data)
    heads = fit(rows, wanted(), passes=arguments.passes, report=show)
    arguments.write.write_text(json.dumps(scorer_of_heads(heads, rows).written(), indent=1) + "\n", "utf-8")
    print(f"{len(rows)} rows; written to {arguments.write}", file=sys.stderr)


def rows_of(folder: Path) -> list[Outcome]:
    """All outcomes, sets nearly of one weight, with the everyday turns in each set."""
    sets: dict[str, list[dict[str, object]]] = {}
    for file in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            sets[file.name.partition(".")[0]] = [json.loads(line) for line in lines]
    weights = {name: len(rows) ** 0.2 / len(rows) for name, rows in sets.items()}
    scale = sum(map(len, sets.values())) / sum(weights[name] * len(rows) for name, rows in sets.items())
    turns = [signals_of(read(turn)) for turn in EVERYDAY]
    found = []
    for name, rows in sets.items():
        models = sorted({model for row in rows for model in row["q"]})
        found += [Outcome(signals_of(read(row["prompt"])), row["q"], weights[name] * scale, name) for row in rows]
        quality = dict.fromkeys(models, EVERYDAY_QUALITY)
        found += [Outcome(turn, quality, EVERYDAY_WEIGHT / len(sets), name) for turn in turns]
    return found


def wanted() -> Wanted:
    """The signs and the prior."""
    nothing = [0.0] * len(NAMES)
    prior = list(nothing)
    prior[NAMES.index("length")] = LENGTH
    gain = list(nothing)
    gain[NAMES.index("length")] = LENGTH_OF_GAIN
    return wanted_around(Heads(tuple(prior), tuple(gain)), ridge_of_gain=RIDGE_OF_GAIN)


def show(done: int, loss: float) -> None:
    """How far the fit is, where somebody watches."""
    if sys.stderr.isatty():
        print(f"\r{done} {loss:.5f}", end="", file=sys.stderr, flush=True)


def scorer_of_heads(heads: Heads, rows: list[Outcome]) -> Scorer:
    """The scorer: complexity is fixed by two points, the levels are means over the benchmark's prompts of a class."""
    everyday = [signals_of(read(turn)) for turn in EVERYDAY]
    usual = tuple(statistics.fmean(column) for column in zip(*everyday, strict=True))
    middle = statistics.median(dot(heads.difficulty, row.signals) for row in rows)
    easy = statistics.median(dot(heads.difficulty, signals) for signals in everyday)
    by_task: dict[str, list[tuple[float, float]]] = {"": []}
    for signals in [row.signals for row in rows] + everyday * 5:
        level = dot(heads.difficulty, signals), dot(heads.gain, signals)
        by_task[""].append(level)
        by_task.setdefault(task_of(dict(zip(NAMES, signals, strict=True))), []).append(level)
    levels = {
        task: (statistics.fmean(each[0] for each in found), statistics.fmean(each[1] for each in found))
        for task, found in by_task.items()
        if len(found) >= 20
    }
    return Scorer(VERSION, heads, usual, middle, log(1 / AT_EVERYDAY - 1) / (middle - easy), levels)


if __name__ == "__main__":
    main()
