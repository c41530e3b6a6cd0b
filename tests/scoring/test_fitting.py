"""Fitting: what is planted in the outcomes is found again, and signs that are asked for hold."""

from __future__ import annotations

import random

from routebook.scoring.fitting import Heads, Outcome, Wanted, fit, sigmoid

TRUE = (1.5, -0.8, 0.0)


def outcomes(count: int) -> list[Outcome]:
    """Two models, a difficulty of two signals, no noise but the coin's."""
    dice = random.Random(5)
    rows = []
    for _ in range(count):
        signals = [dice.random() for _ in TRUE]
        hard = sum(weight * value for weight, value in zip(TRUE, signals, strict=True))
        quality = {
            "strong": float(dice.random() < sigmoid(1.5 - hard)),
            "weak": float(dice.random() < sigmoid(0.2 - hard)),
        }
        rows.append(Outcome(signals, quality))
    return rows


def wanted(harder: frozenset[int] = frozenset(), easier: frozenset[int] = frozenset()) -> Wanted:
    return Wanted(harder, easier, Heads((0.0,) * 3, (0.0,) * 3))


def test_the_weights_behind_outcomes_are_found() -> None:
    """Within what 4,000 coins allow."""
    heads = fit(outcomes(4_000), wanted(), passes=60)
    assert all(abs(found - true) < 0.3 for found, true in zip(heads.difficulty, TRUE, strict=True))


def test_a_sign_that_is_asked_for_holds() -> None:
    """A weight that would be negative stays at nothing; the others are found all the same."""
    heads = fit(outcomes(1_000), wanted(harder=frozenset({1}), easier=frozenset({2})), passes=40)
    assert heads.difficulty[1] == 0 and heads.gain[1] >= 0 and heads.difficulty[2] <= 0 and heads.difficulty[0] > 0.9


def test_the_same_outcomes_give_the_same_weights() -> None:
    """There is no chance in it."""
    assert fit(outcomes(200), wanted(), passes=10) == fit(outcomes(200), wanted(), passes=10)
