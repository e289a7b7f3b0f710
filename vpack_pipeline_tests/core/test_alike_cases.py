"""Labels of other panels, drawn together for cases that are alike, against drawing each."""

from __future__ import annotations

import numpy as np
import pytest

from vpack_pipeline.core.evaluation.beliefs import (
    SCORE_BINS,
    AlikeCases,
    OtherPanels,
    Sides,
    score_bins,
)
from vpack_pipeline.stats.roc import auc_replicates


def sides_of(score: np.ndarray) -> Sides:
    hit = score > 1
    return Sides(score.size, hit, ~hit, np.concatenate([score, score]))


def scored(n: int, rng: np.random.Generator, decimals: int) -> np.ndarray:
    return np.round(rng.normal((rng.random(n) < 0.15) * 1.5), decimals)


@pytest.mark.parametrize(("n", "decimals"), [(60, 9), (3000, 1), (3000, 9)])
def test_panels_drawn_together_are_those_drawn_case_by_case(n: int, decimals: int) -> None:
    rng = np.random.default_rng(n + decimals)
    score = scored(n, rng, decimals)
    positive = np.choose(rng.integers(0, 5, n), [0.0, 0.02, 0.3, 0.9, 1.0])
    negative = (1 - positive) * 0.9
    sides = sides_of(score)
    found = OtherPanels(positive, negative).figures(sides, 1500, np.random.default_rng(2))
    drawn = np.random.default_rng(3).random((1500, n))
    plain = sides.figures((drawn < positive).astype(float), (drawn >= 1 - negative).astype(float))
    for metric, values in plain.items():
        error = np.sqrt(2) * values.std() / np.sqrt(1500)
        assert found[metric].mean() == pytest.approx(values.mean(), abs=5 * error + 1e-4)
        assert found[metric].std() == pytest.approx(values.std(), rel=0.15)


def test_chances_of_nought_and_one_leave_nothing_to_draw() -> None:
    rng = np.random.default_rng(7)
    score = scored(2000, rng, 1)
    ill = rng.random(2000) < 0.2
    sides = sides_of(score)
    alike = AlikeCases.of(sides, ill.astype(float), (~ill).astype(float))
    assert alike.n.size < 1000
    assert alike.n.sum() == 2000
    found = alike.figures(*alike.drawn(2, rng))
    assert found["sensitivity"] == pytest.approx([(score[ill] > 1).mean()] * 2)
    assert found["specificity"] == pytest.approx([(score[~ill] <= 1).mean()] * 2)
    exact = auc_replicates(score, ill, np.ones((1, 2000)))[0]
    assert found["auc"] == pytest.approx([exact] * 2)


def test_without_a_point_or_a_score_there_is_no_such_figure() -> None:
    chance = np.full(40, 0.5)
    sides = Sides(40, None, None, None)
    found = OtherPanels(chance, chance).figures(sides, 3, np.random.default_rng(1))
    assert all(np.isnan(values).all() for values in found.values())


@pytest.mark.parametrize("distance", [1.0, 2.0, 3.0])
def test_bins_move_an_area_by_less_than_they_say(distance: float) -> None:
    rng = np.random.default_rng(4)
    ill = rng.random(20_000) < 0.1
    score = rng.normal(ill * distance)
    score[:50], score[50:90] = -10.0, 10.0
    bins = score_bins(score)
    assert bins.max() < SCORE_BINS
    assert (np.diff(bins[np.argsort(score)]) >= 0).all()
    # Failed inferences rank first or last, and share their bin with none.
    assert set(score[bins == 0]) == {-10.0}
    assert set(score[bins == bins.max()]) == {10.0}
    once = np.ones((1, score.size))
    exact, binned = (auc_replicates(s, ill, once)[0] for s in (score, bins.astype(float)))
    assert binned == pytest.approx(exact, abs=1e-4)


def test_few_distinct_scores_keep_a_bin_each() -> None:
    score = np.array([3.0, 1.0, 2.0, 3.0])
    assert score_bins(score).tolist() == [2, 0, 1, 2]
