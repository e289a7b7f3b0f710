"""Odds of being right by calendar month, and the logistic regression behind it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from vpack_pipeline.stats.logistic import fit_logistic, is_separated
from vpack_pipeline.stats.trend import odds_ratio_per_quarter


def study(seed, n, slope, patients, of_mix=0.0):
    rng = np.random.default_rng(seed)
    patient = rng.integers(0, patients, n)
    month = rng.integers(0, 12, n)
    mix = (rng.random(n) < month / 14).astype(int)
    eta = 1.0 + slope * (month - 6) + of_mix * mix + rng.normal(0, 0.5, patients)[patient]
    return rng.random(n) < expit(eta), month, patient, mix


def likeliest(design, y):
    def loss(beta):
        eta = design @ beta
        return np.logaddexp(0, eta).sum() - y @ eta

    return minimize(loss, np.zeros(design.shape[1]), method="BFGS", tol=1e-12).x


def plain_sandwich(design, y, beta, patient):
    """Bread and meat by loops over cases and patients."""
    k = design.shape[1]
    bread, scores = np.zeros((k, k)), {}
    for row, outcome, who in zip(design, y, patient, strict=True):
        p = 1 / (1 + math.exp(-float(row @ beta)))
        bread += p * (1 - p) * np.outer(row, row)
        scores[who] = scores.get(who, 0.0) + (outcome - p) * row
    meat = sum(np.outer(s, s) for s in scores.values()) * len(scores) / (len(scores) - 1)
    return np.linalg.inv(bread) @ meat @ np.linalg.inv(bread)


@pytest.mark.parametrize("adjusted", [False, True])
def test_ratio_is_that_of_the_likelihood_with_errors_of_loops_over_patients(adjusted):
    success, month, patient, mix = study(1, 300, 0.08, 120, of_mix=0.7)
    found, p = odds_ratio_per_quarter(success, month, patient, [mix] if adjusted else [])
    columns = [np.ones(300), month - month.mean(), *([mix] if adjusted else [])]
    design = np.column_stack(columns).astype(float)
    beta = likeliest(design, success.astype(float))
    se = math.sqrt(plain_sandwich(design, success, beta, patient)[1, 1])
    assert found.value == pytest.approx(math.exp(3 * beta[1]), rel=1e-4)
    assert found.lower == pytest.approx(math.exp(3 * (beta[1] - 1.959964 * se)), rel=1e-4)
    assert found.upper == pytest.approx(math.exp(3 * (beta[1] + 1.959964 * se)), rel=1e-4)
    assert p == pytest.approx(math.erfc(abs(beta[1] / se) / math.sqrt(2)), rel=1e-3)
    assert (found.n, found.events) == (300, success.sum())


def test_coefficients_equal_those_of_scikit_learn():
    success, month, _, mix = study(2, 400, 0.1, 200, of_mix=0.5)
    design = np.column_stack([np.ones(400), month, mix]).astype(float)
    beta, _ = fit_logistic(design, success.astype(float), np.zeros(400))
    other = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(design[:, 1:], success)
    assert beta == pytest.approx([*other.intercept_, *other.coef_[0]], abs=1e-4)


@pytest.mark.parametrize("apart", [False, True], ids=["mixed", "apart"])
def test_penalised_coefficients_equal_those_of_scikit_learn(apart):
    """With columns that add up to the intercept, and where a column parts the classes."""
    success, month, _, mix = study(2, 400, 0.1, 200, of_mix=0.5)
    columns = np.column_stack([month / 12, mix == mix[0], mix != mix[0]]).astype(float)
    outcome = mix == mix[0] if apart else success
    design = np.column_stack([np.ones(400), columns])
    penalty = np.array([0.0, 2.0, 2.0, 2.0])
    beta, _ = fit_logistic(design, outcome.astype(float), np.zeros(400), penalty=penalty)
    other = LogisticRegression(C=1 / 2, tol=1e-10, max_iter=10_000).fit(columns, outcome)
    assert beta == pytest.approx([*other.intercept_, *other.coef_[0]], abs=1e-4)


def test_mix_that_moves_with_time_explains_what_it_does():
    """A device that is worse and comes in over the year: adjusted, time has no say."""
    success, month, patient, mix = study(3, 4000, 0.0, 4000, of_mix=-2.0)
    plain, p = odds_ratio_per_quarter(success, month, patient)
    adjusted, p_adjusted = odds_ratio_per_quarter(success, month, patient, [mix])
    assert plain.upper < 1
    assert p < 0.001
    assert adjusted.lower < 1 < adjusted.upper
    assert p_adjusted > 0.01


def test_test_of_no_trend_keeps_its_level():
    rejected = 0
    for seed in range(300):
        success, month, patient, _ = study(seed, 150, 0.0, 60)
        rejected += odds_ratio_per_quarter(success, month, patient)[1] < 0.05
    assert rejected <= 15 + 3 * math.sqrt(300 * 0.05 * 0.95)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda y, m, w: (y, m % 5, w), "few_months"),
        (lambda y, m, w: (y, m, w % 9), "few_patients_for_trend"),
        (lambda y, m, w: (y | True, m, w), "outcome_does_not_vary"),
        (lambda y, m, w: (m > 6, m, w), "time_or_mix_separates"),
        (lambda y, m, w: (y[:0], m[:0], w[:0]), "few_months"),
    ],
)
def test_what_cannot_be_told_is_refused_and_never_a_figure(change, reason):
    success, month, patient, _ = study(4, 200, 0.0, 100)
    found, p = odds_ratio_per_quarter(*change(success, month, patient))
    assert (found.value, found.lower, p) == (None, None, None)
    assert found.reason.name == reason


def test_level_in_which_all_are_right_says_nothing_of_time():
    success, month, patient, _ = study(5, 300, 0.1, 150)
    easy = np.arange(300) % 3 == 0
    with_easy, _ = odds_ratio_per_quarter(success | easy, month, patient, [easy.astype(int)])
    without, _ = odds_ratio_per_quarter(success[~easy], month[~easy], patient[~easy])
    assert with_easy == without


def test_levels_that_part_right_from_wrong_together_are_refused():
    rng = np.random.default_rng(6)
    one, two = rng.integers(0, 2, 400), rng.integers(0, 2, 400)
    month = np.arange(400) % 12
    success = np.where(one == two, one == 1, month % 2 == 0)
    found, _ = odds_ratio_per_quarter(success, month, np.arange(400), [one, two])
    assert found.value is None or 0.01 < found.value < 100
    apart = (one + two + (month > 5)) >= 2
    refused, p = odds_ratio_per_quarter(apart, month, np.arange(400), [one, two])
    assert (refused.value, p) == (None, None)
    assert refused.reason.name == "time_or_mix_separates"


def test_levels_that_say_the_same_count_once():
    success, month, patient, mix = study(7, 300, 0.05, 150, of_mix=0.4)
    once, _ = odds_ratio_per_quarter(success, month, patient, [mix])
    twice, _ = odds_ratio_per_quarter(success, month, patient, [mix, 1 - mix])
    assert twice.value == pytest.approx(once.value)


def test_arguments_of_one_length_are_asked_for():
    success, month, patient, mix = study(8, 60, 0.0, 30)
    with pytest.raises(ValueError, match="one of each is needed"):
        odds_ratio_per_quarter(success, month, patient, [mix[:-1]])
    with pytest.raises(ValueError, match="both classes must be present"):
        is_separated(np.arange(3.0), np.ones(3, bool))
