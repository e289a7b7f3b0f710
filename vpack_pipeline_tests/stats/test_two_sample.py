"""A classifier tells sets apart as far as they differ, and by chance no further than its null."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpack_pipeline.stats.two_sample import (
    PENALTY,
    cross_fitted_auc,
    folds_by_patient,
    null_areas,
    sets_handed_out_anew,
)


def generator(seed=1):
    return np.random.default_rng(seed)


PATIENTS = st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=60)


@given(PATIENTS, st.integers(2, 6))
def test_patients_stay_in_one_fold_and_those_of_the_second_set_are_dealt_evenly(cases, n_folds):
    patient = np.array([p for p, _ in cases])
    second = np.array([s for _, s in cases])
    fold = folds_by_patient(patient, second, n_folds, generator())
    assert len({(p, f) for p, f in zip(patient, fold, strict=True)}) == np.unique(patient).size
    assert set(fold) <= set(range(n_folds))
    dealt = np.bincount(
        [fold[patient == p][0] for p in np.unique(patient[second])], minlength=n_folds
    )
    assert dealt.max() - dealt.min() <= 1
    everyone = np.bincount([fold[patient == p][0] for p in np.unique(patient)], minlength=n_folds)
    assert everyone.max() - everyone.min() <= 1


@given(PATIENTS)
def test_sets_are_exchanged_among_patients_with_as_many_cases(cases):
    patient = np.array([p for p, _ in cases])
    second = np.array([s for _, s in cases])
    made = sets_handed_out_anew(patient, second, generator())

    def patterns(of):
        return sorted(tuple(of[patient == p].tolist()) for p in np.unique(patient))

    assert patterns(made) == patterns(second)


def test_every_exchange_is_as_likely_as_any_other():
    patient, second = np.array([0, 0, 1, 1, 2]), np.array([True, False, False, False, True])
    rng = generator()
    drawn = [tuple(sets_handed_out_anew(patient, second, rng).tolist()) for _ in range(400)]
    kept, turned = tuple(second.tolist()), (False, False, True, False, True)
    assert set(drawn) == {kept, turned}
    assert 150 < drawn.count(kept) < 250


def test_the_area_is_that_of_a_straight_loop_over_folds_and_pairs():
    """Newton's method on the penalised likelihood, and pairs of one fold one by one."""
    rng = generator(3)
    x = rng.normal(size=(60, 3))
    y = rng.random(60) < 1 / (1 + np.exp(-x[:, 0]))
    fold = folds_by_patient(np.arange(60), y, 4, rng)
    concordant = pairs = 0.0
    for number in range(4):
        train, test = fold != number, fold == number
        design = np.column_stack([np.ones(train.sum()), x[train]])
        ridge = np.diag([0.0, *[1 / PENALTY] * 3])
        beta = np.zeros(4)
        for _ in range(50):
            p = 1 / (1 + np.exp(-design @ beta))
            hessian = design.T @ (design * (p * (1 - p))[:, None]) + ridge
            beta += np.linalg.solve(hessian, design.T @ (y[train] - p) - ridge @ beta)
        score = np.column_stack([np.ones(test.sum()), x[test]]) @ beta
        for a, b in product(score[y[test]], score[~y[test]]):
            concordant += 1.0 if a > b else 0.5 * (a == b)
            pairs += 1
    assert cross_fitted_auc(x, y, fold) == pytest.approx(concordant / pairs, abs=1e-9)


def test_a_planted_difference_is_found_and_noise_is_not():
    rng = generator(5)
    second = np.arange(400) % 2 == 0
    fold = folds_by_patient(np.arange(400), second, 5, rng)
    noise = rng.normal(size=(400, 8))
    assert abs(cross_fitted_auc(noise, second, fold) - 0.5) < 0.08
    planted = np.column_stack([noise, rng.random(400) < np.where(second, 0.7, 0.3)])
    # A flag of 70% against 30%: AUC .7 for who knew that and nothing else.
    assert cross_fitted_auc(planted, second, fold) == pytest.approx(0.7, abs=0.05)


def test_what_says_nothing_gives_one_half_and_no_pair_gives_nothing():
    second = np.arange(40) % 2 == 0
    fold = folds_by_patient(np.arange(40), second, 5, generator())
    assert cross_fitted_auc(np.zeros((40, 1)), second, fold) == 0.5
    assert cross_fitted_auc(np.zeros((40, 1)), np.zeros(40, dtype=bool), fold) is None
    # All of the second set in one fold: nothing is left to fit.
    assert cross_fitted_auc(np.zeros((4, 1)), np.arange(4) == 0, np.array([0, 0, 1, 1])) is None


def test_cases_alike_tie_wherever_they_stand():
    rng = generator(11)
    kinds = (rng.random((6, 37)) < 0.3).astype(float)
    kind = rng.integers(0, 6, 200)
    second = rng.random(200) < 0.4
    fold = folds_by_patient(np.arange(200), second, 5, rng)
    order = rng.permutation(200)
    assert cross_fitted_auc(kinds[kind], second, fold) == pytest.approx(
        cross_fitted_auc(kinds[kind][order], second[order], fold[order]), abs=1e-12
    )


def test_repeated_cases_of_a_patient_are_no_difference():
    """Each patient is of one set and has eight like cases: by case they would be told apart."""
    rng = generator(7)
    second = np.repeat(np.arange(60) % 2 == 0, 8)
    patient = np.repeat(np.arange(60), 8)
    x = np.repeat(rng.normal(size=(60, 30)), 8, axis=0)
    by_patient = folds_by_patient(patient, second, 5, rng)
    by_case = folds_by_patient(np.arange(480), second, 5, rng)
    assert cross_fitted_auc(x, second, by_case) > 0.8
    assert cross_fitted_auc(x, second, by_patient) < 0.65
    null = null_areas(x, second, patient, by_patient, 200, rng)
    assert np.mean(null) == pytest.approx(0.5, abs=0.05)


def coded_cases(n, share, rng, variables=8):
    """Draw cases of categories and two numbers, none of which has to do with the second set."""
    kinds = [np.eye(k)[rng.integers(0, k, n)] for k in rng.integers(2, 5, variables)]
    return np.hstack([*kinds, rng.normal(size=(n, 2))]), np.arange(n) < share * n


@pytest.mark.parametrize(("n", "share"), [(60, 0.5), (150, 0.2)])
def test_null_areas_are_those_of_regressions_fitted_to_the_end(n, share):
    """The same sets, handed out by the same generator: percentiles differ by less than chance."""
    x, second = coded_cases(n, share, generator(n))
    patient = np.arange(n)
    fold = folds_by_patient(patient, second, 5, generator(2))
    quick = null_areas(x, second, patient, fold, 150, generator(3))
    rng = generator(3)
    full = np.array(
        [cross_fitted_auc(x, sets_handed_out_anew(patient, second, rng), fold) for _ in range(150)]
    )
    assert np.corrcoef(quick, full)[0, 1] > 0.95
    assert np.quantile(quick, 0.95) == pytest.approx(np.quantile(full, 0.95), abs=0.03)
    assert quick.std() == pytest.approx(full.std(), rel=0.1)


def test_a_draw_without_a_pair_of_both_sets_has_no_area():
    # One case of the second set: its fold alone has pairs. None of it: there is none.
    fold = np.array([0, 0, 1, 1])
    assert null_areas(np.zeros((4, 1)), np.arange(4) == 0, np.arange(4), fold, 3, generator()).size
    nobody = np.zeros(4, dtype=bool)
    assert null_areas(np.zeros((4, 1)), nobody, np.arange(4), fold, 3, generator()).size == 0


def test_null_areas_need_a_row_a_case():
    with pytest.raises(ValueError, match="one row a case"):
        null_areas(np.zeros((3, 1)), np.arange(4) == 0, np.arange(4), np.arange(4), 3, generator())


def test_rows_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="one row a case"):
        cross_fitted_auc(np.zeros((3, 1)), np.zeros(4, dtype=bool), np.zeros(4, dtype=int))
