"""The scorer: bounded, deterministic, readable, and never backwards."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routebook.scoring.excerpt import HEAD, TAIL, excerpt
from routebook.scoring.fitting import logit
from routebook.scoring.scorer import scorer_of
from routebook.scoring.shipped import shipped
from routebook.scoring.signals import NAMES, read, signals_of
from routebook.scoring.tasks import TASKS

PROSE = st.text(st.sampled_from("abcdefghij ABC .,?!0123456789=+\n(){}[]`_'\"$\\") | st.characters(), max_size=2_000)


@given(PROSE)
def test_any_prompt_is_judged(prompt: str) -> None:
    """Every signal is a number from 0, complexity is a share, the class is one of the table; twice the same."""
    signals = signals_of(read(prompt))
    assert len(signals) == len(NAMES) and all(0 <= value < 20 for value in signals)
    score = shipped().score(prompt)
    assert 0 <= score.complexity <= 1 and score.task in TASKS
    assert shipped().score(prompt) == score


@given(PROSE)
def test_contributions_are_the_arithmetic_itself(prompt: str) -> None:
    """What the signals add, and the little that is too small to tell, is the distance from an everyday turn."""
    scorer = shipped()
    score = scorer.score(prompt)
    usual = sum(weight * value for weight, value in zip(scorer.heads.difficulty, scorer.everyday, strict=True))
    told = sum(each.adds for each in score.contributions)
    untold = len(NAMES) - len(score.contributions)
    assert abs(score.difficulty - usual - told) <= untold * 0.02 + 1e-6
    assert [abs(each.adds) for each in score.contributions] == sorted(
        (abs(each.adds) for each in score.contributions), reverse=True
    )


def test_no_reason_reads_backwards() -> None:
    """Mathematics, code, law, conditions, length never make a prompt easier; a greeting never makes it harder."""
    weights = dict(zip(NAMES, shipped().heads.difficulty, strict=True))
    for name in ("length", "words of maths", "words of law", "code", "signs of code", "words of condition", "formulas"):
        assert weights[name] >= 0, name
    assert weights["greeting"] <= 0 and weights["words of small talk"] <= 0


def test_a_long_prompt_is_read_within_bounds() -> None:
    """A megabyte costs what four kilobytes cost; its beginning, its end and its size are what counts."""
    long = "a word or two. " * 70_000
    assert len(excerpt(long)) == HEAD + TAIL + 1
    assert len(read(long).words) <= HEAD + TAIL


@pytest.mark.parametrize(
    ("prompt", "task"),
    [
        ("hi there", "conversation"),
        ("thanks, that helps", "conversation"),
        ("Which of these is a prime?\nA. 4\nB. 7\nC. 9\nD. 12", "choice"),
        ("Write a python function that reverses a list.", "code"),
        ("Tom buys 3 boxes of 12 pencils for $2 each. How many dollars does he pay altogether?", "word_problem"),
        ("Find the derivative of f(x) = x^2 + 3x and its roots.", "maths"),
        ("Summarize the following passage in two sentences: The committee met on Monday.", "extraction"),
        ("Write a short poem about autumn", "writing"),
        ("Create a plan for a product workshop with goals and a schedule", "planning"),
        ("Explain why the sky is blue", "reasoning"),
        ("Where is Lisbon?", "short_ask"),
    ],
)
def test_each_class_of_task(prompt: str, task: str) -> None:
    """One prompt of each class, as people write them."""
    assert shipped().score(prompt).task == task


def test_a_hard_prompt_is_harder_than_an_everyday_turn() -> None:
    """The order that people would give."""
    hard = (
        "Prove that every finite integral domain is a field, then show why the statement is false without finiteness: "
        "derive a counterexample, state which axiom fails, and discuss whether the converse holds for rings in which "
        "each element satisfies x^n = x for some n > 1. Consider both commutative and non-commutative rings."
    )
    prompts = [
        "hi",
        "What is the capital of France?",
        "Explain the difference between a process and a thread, and when each is the better choice.",
        hard,
    ]
    scores = [shipped().score(prompt).complexity for prompt in prompts]
    assert scores == sorted(scores) and scores[0] < 0.1 and scores[-1] > 0.4


def test_a_scorer_is_known_by_its_digest() -> None:
    """What is written can be read again, and another weight is another digest."""
    written = shipped().written()
    assert scorer_of(written).digest == shipped().digest
    written["middle"] += 0.1
    assert scorer_of(written).digest != shipped().digest


def test_a_model_that_is_stronger_gains_more_on_what_is_hard() -> None:
    """At the usual prompt a model's chance is its declared quality; harder is worse for all, least for the strong."""
    scorer = shipped()
    difficulty, gain = scorer.levels[""]
    assert scorer.chance(difficulty, gain, 0.8, 1.0) == pytest.approx(0.8)
    strong, weak = (scorer.chance(difficulty + 1, gain + 0.5, 0.7, strength) for strength in (1.0, -1.0))
    assert weak < strong < 0.7


@given(PROSE, st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_a_better_model_is_never_predicted_to_be_worse(prompt: str, one: float, other: float) -> None:
    """Whatever the prompt: its lead shrinks with easy ones, and is never turned round."""
    scorer, score = shipped(), shipped().score(prompt)
    middle = (logit(one) + logit(other)) / 2
    chances = [scorer.chance(score.difficulty, score.gain, each, logit(each) - middle) for each in (one, other)]
    assert chances[0] == chances[1] or (chances[0] < chances[1]) == (one < other)


def test_what_is_counted_a_byte_at_a_time() -> None:
    """Words, numbers with their units, prices, lines, sentences, names: as somebody counts them who reads."""
    reading = read(
        "Don't ask: Tom's car, Bill's 'old' one, goes 3.5 km in 90 s. It cost $5 or 1,200 k? Ja! 中文、δοκ.\n"
        "- one thing\n  2) another\ndef f(x):\n    return x + 1\nA) x = y\n(B) y ≤ z"
    )
    assert reading.words[:8] == ["don't", "ask", "tom's", "car", "bill's", "old", "one", "goes"]
    assert reading.numbers[:4] == ["3.5", "90", "5", "1,200"] and reading.amounts == 3
    assert (reading.items, reading.code_lines, reading.choices) == (2, 2, ["x = y", "y ≤ z"])
    assert (reading.sentences, reading.foreign, reading.maths) == (4, 7, 3)
    assert read("so Ann, Bob and U2 met in Ghent. Then Ed went").proper_names == 4
    assert reading.letters == sum(map(len, reading.words))
