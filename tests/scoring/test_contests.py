"""Routers against each other: figures by a reference that integrates by brute force, pairs, mixes, intervals, drawings."""

from __future__ import annotations

import random
from statistics import fmean
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routebook.scoring.contests import GAIN, LENGTH, RANDOM, Judgement, compete, contest, means_of, pairs_of, pools_of
from routebook.scoring.drawing import as_svg
from routebook.scoring.measures import auc, frontier_quality
from routebook.scoring.outcomes import BadRow, Row, row_of
from routebook.scoring.published_figures import PAIRS, published
from routebook.scoring.resampling import Ranking

QUALITIES = st.sampled_from([0.0, 0.25, 1.0])
ROWS = st.lists(st.tuples(st.integers(0, 4), QUALITIES, QUALITIES), min_size=3, max_size=30)


def rows_of(outcomes: list[tuple[int, float, float]], name: str = "own") -> list[Row]:
    """Rows whose prompt's length is the score, for the models `big` and `small`."""
    return [
        Row(place, {"big": strong, "small": weak}, name, "x" * score)
        for place, (score, strong, weak) in enumerate(outcomes)
    ]


def reference_apgr(outcomes: list[tuple[int, float, float]], weights: list[float]) -> float:
    """By the mean over all orders of tied prompts: each prompt's gain counts for the area to the right of its middle."""
    total = sum(weights)
    area = gap = 0.0
    for (score, strong, weak), weight in zip(outcomes, weights, strict=True):
        before = sum(w for (other, _, _), w in zip(outcomes, weights, strict=True) if other > score)
        tied = sum(w for (other, _, _), w in zip(outcomes, weights, strict=True) if other == score)
        area += (strong - weak) * weight * (1 - (before + tied / 2) / total)
        gap += (strong - weak) * weight
    return area / gap


@given(ROWS, st.integers(0, 99))
def test_a_router_scores_what_the_reference_says_with_and_without_weights(
    outcomes: list[tuple[int, float, float]], seed: int
) -> None:
    """APGR of the whole, and of a resample, by two ways that share no code."""
    pools = list(pools_of({"own": rows_of(outcomes)}, "big", "small"))
    gap = sum(strong - weak for _, strong, weak in outcomes)
    assert bool(pools) == (gap != 0)
    for pool in pools:
        found = compete(pool, {LENGTH: [float(score) for score, _, _ in outcomes]})
        assert found.standings[LENGTH].curve.apgr == pytest.approx(reference_apgr(outcomes, list(pool.weights)))
        times = [random.Random(seed).randrange(3) + 1 for _ in outcomes]
        gap = sum((strong - weak) * count for (_, strong, weak), count in zip(outcomes, times, strict=True))
        scores, strong, weak = zip(*outcomes, strict=True)
        area = Ranking(scores, strong, weak, [2.0] * len(scores)).apgr(times)
        assert (area is None) == (gap == 0)
        if area is not None:
            assert area == pytest.approx(reference_apgr(outcomes, [float(count) for count in times]))


def test_a_router_that_knows_is_told_apart_and_one_that_does_not_is_said_to_be_none() -> None:
    """A scorer that knows where the big model helps beats chance and length; one that does not is called what it is."""
    chance = random.Random(7)
    rows = []
    for place in range(600):
        helps = chance.random() < 0.4
        quality = {"big": 1.0, "small": 0.0 if helps else 1.0}
        rows.append(Row(place, quality, "own", "x" * chance.randrange(1, 50), signals={"helps": float(helps)}))
    (pool,) = pools_of({"own": rows})

    def knows(row: Row) -> Judgement:
        return Judgement((row.signals or {})["helps"], 0.0)

    def of_nothing(row: Row) -> Judgement:
        return Judgement(-(row.signals or {})["helps"] + 0.01 * len(row.prompt or ""), 0.0)

    def quality(each: Judgement, model: str) -> float:
        return each.difficulty if model == "big" else 0.0

    good = contest(pool, knows, quality, random.Random(1).randrange, 100)
    assert good.standings[GAIN].interval[0] > 0.6 and (good.standings[GAIN].lead or (0.0,))[0] > 0.1
    assert not good.remarks
    bad = contest(pool, of_nothing, quality, random.Random(1).randrange, 100)
    assert any("worse than random" in remark for remark in bad.remarks)
    assert any("worse than length" in remark for remark in bad.remarks)
    assert good.standings[RANDOM].curve.apgr == pytest.approx(0.5)
    again = contest(pool, knows, quality, random.Random(1).randrange, 100)
    assert again.standings[GAIN].interval == good.standings[GAIN].interval
    assert means_of(pool)["big"] == 1.0


def test_pairs_are_those_of_the_set_then_the_best_and_the_cheapest() -> None:
    """Known sets keep their pairs; of others, cost decides who is weak, and where it is not known, quality."""
    known = [Row(1, {"gpt-4-1106": 1.0, "mixtral-8x7b": 0.0, "third": 0.5}, "mmlu", "?")]
    assert pairs_of("mmlu", known) == list(PAIRS["mmlu"])
    assert pairs_of("mmlu", known, "third", "mixtral-8x7b") == [("third", "mixtral-8x7b")]
    assert pairs_of("other", known) == [("gpt-4-1106", "mixtral-8x7b")]
    priced = [Row(1, {"a": 0.9, "b": 0.5, "c": 0.6}, "other", "?", cost={"a": 3.0, "b": 2.0, "c": 1.0})]
    assert pairs_of("other", priced) == [("a", "c")]
    assert pairs_of("other", priced, weak="a") == [("c", "a")]
    assert pairs_of("other", priced, strong="nobody") == []
    assert pairs_of("other", [Row(1, {"a": 1.0}, "other", "?")]) == []


def test_a_mix_weighs_its_sets_alike() -> None:
    """A hundred rows of one set and two of another: half of the weight each."""
    large = rows_of([(1, 1.0, 0.0)] * 100, "large")
    small = rows_of([(1, 0.25, 0.0)] * 2, "small")
    mix = list(pools_of({"large": large, "small": small}, "big", "small"))[-1]
    assert mix.name == "mix of 2" and means_of(mix)["big"] == pytest.approx((1.0 + 0.25) / 2)


def test_the_area_under_the_frontier_is_a_quality() -> None:
    """AIQ of two models and nothing between is their mean; what lies below the line between them adds nothing."""
    assert frontier_quality([1.0, 3.0], [0.5, 0.9]) == pytest.approx(0.7)
    assert frontier_quality([1.0, 2.0, 3.0], [0.5, 0.6, 0.9]) == pytest.approx(0.7)
    assert frontier_quality([1.0, 2.0, 3.0], [0.5, 0.9, 0.8]) == pytest.approx((0.7 + 0.9) / 2)
    assert frontier_quality([2.0, 2.0], [0.5, 0.9]) is None


@given(st.lists(st.integers(0, 5), min_size=1, max_size=9), st.lists(st.integers(0, 5), min_size=1, max_size=9))
def test_auc_is_the_share_of_pairs_in_order(higher: list[int], lower: list[int]) -> None:
    """By counting every pair."""
    pairs = [1.0 if high > low else 0.5 if high == low else 0.0 for high in higher for low in lower]
    assert auc([float(each) for each in higher], [float(each) for each in lower]) == pytest.approx(fmean(pairs))


def test_a_drawing_is_well_formed_and_names_everything() -> None:
    """Names come from data, so they are escaped."""
    (pool,) = pools_of({"<own & set>": rows_of([(1, 1.0, 0.0), (2, 1.0, 1.0)])}, "big", "small")
    drawn = as_svg([compete(pool, {LENGTH: [1.0, 2.0], RANDOM: [0.0, 0.0]})])
    root = ElementTree.fromstring(drawn)
    lines = [each for each in root.iter() if each.tag.endswith("polyline")]
    assert len(lines) == 2 and "<own & set>" in "".join(root.itertext())


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"id": 1, "prompt": "x", "q": {"a": 1.5}}', "not from 0 to 1"),
        (b'{"id": 1, "q": {"a": 1.0}}', "neither"),
        (b'{"prompt": "x"}', "id"),
        (b'{"id": 1, "prompt": "x", "cost": {"a": -1}}', "dollars"),
        (b'{"id": 1', "truncated"),
    ],
)
def test_a_bad_row_says_why(line: bytes, why: str) -> None:
    """Each with what is wrong."""
    with pytest.raises(BadRow, match=why):
        row_of(line)


def test_published_figures_are_shares_and_have_sources() -> None:
    """Three sets, nine rows each, of the one pair that they are about."""
    for name in ("mtbench", "mmlu", "gsm8k"):
        figures = published(name, *PAIRS[name][0])
        assert len(figures) == 9 and all(0 < each.apgr < 1 and 0 < each.cpt50 < each.cpt80 < 1 for each in figures)
        assert all(each.source for each in figures)
    assert published("mmlu", "big", "small") == []
