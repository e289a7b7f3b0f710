"""Rates on held-out patients: everyone is held out equally often, and the spread is that of patients."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from drift_bench import Site, monitor, plan_of

from vpack_pipeline.core.drift.calibration import _ranked
from vpack_pipeline.core.drift.held_out import MOST_FOLDS, REPEATS, deals_of, folds_of, rate_of
from vpack_pipeline.core.drift.monitors import MONITORS
from vpack_pipeline.core.drift.reference import Baseline, Reference
from vpack_pipeline.core.drift.tables import WHOLE_PLAN


@pytest.mark.parametrize(("n", "folds"), [(5, 5), (17, 5), (100, 2), (101, 3)])
def test_every_patient_is_held_out_equally_often_in_folds_of_one_size(n: int, folds: int) -> None:
    deals = deals_of(n, folds, seed=3)
    assert len(deals) == REPEATS
    for deal in deals:
        assert sorted(np.concatenate(deal).tolist()) == list(range(n))
        sizes = [len(fold) for fold in deal]
        assert max(sizes) - min(sizes) <= 1
        assert sizes == [len(fold) for fold in deals[0]]


def test_the_protocols_seed_deals_the_folds_and_each_deal_differs() -> None:
    def dealt(seed: int) -> list[list[int]]:
        return [np.concatenate(deal).tolist() for deal in deals_of(50, 5, seed)]

    assert dealt(3) == dealt(3)
    assert dealt(3) != dealt(4)
    first, second = dealt(3)
    assert first != second


@pytest.mark.parametrize(
    ("window_days", "folds"), [(30, MOST_FOLDS), (73, 5), (74, 4), (120, 3), (366, 2)]
)
def test_folds_are_few_enough_to_fill_a_window(window_days: int, folds: int) -> None:
    reference = Reference({}, np.arange(9), days=365)
    assert folds_of(reference, plan_of(window_days=window_days)) == folds


def test_the_rate_is_the_mean_over_splits() -> None:
    exceeded = np.zeros((2, 100), dtype=bool)
    exceeded[0, :30] = exceeded[1, :10] = True
    found = rate_of(exceeded, folds=2)
    assert found.mean == pytest.approx(0.2)
    between = 2 * 0.1**2 - (0.3 * 0.7 + 0.1 * 0.9) / 2 / 99
    assert found.spread == pytest.approx(np.sqrt(between))
    p = (40 + 2) / 204
    assert found.monte_carlo_error == pytest.approx(1.96 * np.sqrt(p * (1 - p) / 204))


def test_the_spread_is_free_of_what_drawing_windows_adds() -> None:
    rng = np.random.default_rng(1)
    alike = [rate_of(rng.random((10, 200)) < 0.1, 5).spread ** 2 for _ in range(400)]
    chances = np.linspace(0.05, 0.15, 10)
    apart = [rate_of(rng.random((10, 200)) < chances[:, None], 5).spread ** 2 for _ in range(400)]
    # Between splits that share one chance the drawn windows alone vary by this much.
    drawn = 0.1 * 0.9 / 200
    assert np.mean(alike) < drawn / 2
    assert np.mean(apart) == pytest.approx(chances.var(ddof=1), rel=0.05)


def test_a_rate_that_never_came_claims_no_certainty() -> None:
    assert rate_of(np.zeros((10, 50), dtype=bool), 5).monte_carlo_error > 0


def test_a_budget_is_exceeded_only_beyond_what_windows_and_splits_explain() -> None:
    even = np.zeros((10, 1000), dtype=bool)
    even[:, :150] = True
    uneven = np.zeros((10, 1000), dtype=bool)
    uneven[:5, :300] = True
    assert rate_of(even, 5).mean == pytest.approx(rate_of(uneven, 5).mean) == pytest.approx(0.15)
    assert rate_of(even, 5).is_above(0.1)
    assert not rate_of(even, 5).is_above(0.149)
    assert not rate_of(uneven, 5).is_above(0.1)


@pytest.mark.parametrize("budget", [0.1, 0.04])
def test_shared_limits_keep_their_budget_on_values_that_did_not_make_them(budget: float) -> None:
    """Ten monitors and few replicates: limits that fit their own values would signal a fifth more."""
    rng = np.random.default_rng(2)
    given = monitor("ages", "ks", "age_years")
    baseline = Baseline(given, MONITORS["ks"].prepare(np.arange(9.0), 5), np.zeros(1))
    rates = []
    for _ in range(300):
        null = rng.normal(size=(400, 10))
        limits = np.asarray(_ranked(null, [baseline] * 10).shared_limits(budget), dtype=float)
        rates.append((rng.normal(size=(2000, 10)) > limits).any(axis=1).mean())
    assert np.mean(rates) <= budget
    # One value more above each limit would be ten in 400 more.
    assert np.mean(rates) >= budget - 10 / 400


def plans(**given: Any) -> pl.DataFrame:
    """Plan-wide rates of sites without drift, whose windows hold about 90 cases."""
    per_day = given.pop("per_day")
    rows = []
    for seed in range(12):
        site = Site(
            seed=500 + seed, per_day=per_day, until=date(2024, 12, 31), drift=plan_of(**given)
        )
        rows.append(site.limits().filter(pl.col("monitor") == WHOLE_PLAN))
    return pl.concat(rows)


def test_the_spread_is_real_and_shrinks_with_more_patients_behind_the_same_window() -> None:
    few = plans(per_day=1.5, window_days=60)
    many = plans(per_day=6.0, window_days=15)
    assert many["window_n"].mean() == pytest.approx(few["window_n"].mean(), rel=0.05)
    assert many["reference_n"].mean() == pytest.approx(4 * few["reference_n"].mean(), rel=0.05)
    # With few patients the number of drawn windows says least of how uncertain the rate is.
    assert few["warning_rate_spread"].mean() > 3 * few["monte_carlo_error"].mean()
    for name in ("warning_rate_spread", "action_rate_spread"):
        assert 0 < many[name].mean() < few[name].mean() / 2
    # So do rates of one site and another, which splits are to stand for.
    assert many["warning_rate"].std() < few["warning_rate"].std() / 2
