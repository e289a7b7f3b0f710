from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from vpack_pipeline.stats import agreement

NAN = float("nan")


def test_pairwise_kappas_are_cohens_of_each_pair(gold):
    case = gold("pairwise_kappa_missing")
    ratings = np.array(case["inputs"]["ratings"], dtype=float)
    found = agreement.pairwise_kappas(ratings, [0, 1])
    assert len(found) == len(case["expected"])
    for name, want in case["expected"].items():
        i, j = (int(reader) - 1 for reader in name.split("-"))
        assert found[i, j].value == pytest.approx(want["kappa"], abs=case["tolerance"])
        assert found[i, j].n == want["n"]


@pytest.mark.parametrize("weights", [None, "linear", "quadratic"])
def test_the_kappa_of_two_is_that_of_the_other_patients(weights):
    rng = np.random.default_rng(8)
    ratings = np.array([0.0, 1.0, 4.0])[rng.integers(0, 3, (30, 2))]
    ratings[rng.random((30, 2)) < 0.2] = NAN
    cluster = np.repeat(np.arange(10), 3)
    found = agreement.pair_jackknife(*ratings.T, [0, 1, 4], cluster, weights)
    both = ~np.isnan(ratings).any(axis=1)
    met = np.unique(cluster[both])
    assert found.patients == len(met)
    slow = [
        agreement.cohen_kappa(*ratings[cluster != patient].T, [0, 1, 4], weights).value
        for patient in met
    ]
    assert found.left_out == pytest.approx(slow)
    of_category = [(ratings[both] == c).sum() for c in (0, 1, 4)]
    assert found.minority == pytest.approx((sum(of_category) - max(of_category)) / 2)


def test_without_a_patient_a_pair_may_have_no_kappa():
    def left_out(ratings):
        pair = np.array(ratings, dtype=float).reshape(-1, 2)
        return agreement.pair_jackknife(*pair.T, [0, 1], np.arange(len(pair))).left_out

    assert np.isnan(left_out([[1, 1]] * 4)).all()
    assert np.isnan(left_out([[1, 1], [0, 0], [0, 0]])).tolist() == [True, False, False]
    assert left_out([[1, NAN], [NAN, 0]]).size == 0


def test_pairs_are_checked():
    with pytest.raises(ValueError, match="none of the declared"):
        agreement.pair_jackknife(np.ones(2), np.ones(2), [0], np.arange(2))
    with pytest.raises(ValueError, match="one rating each"):
        agreement.pair_jackknife(np.ones(2), np.ones(3), [1], np.arange(2))
    with pytest.raises(ValueError, match="one patient code"):
        agreement.pair_jackknife(np.ones(2), np.ones(2), [1], np.arange(3))


def test_leaving_a_reader_out_is_the_coefficient_of_the_others():
    rng = np.random.default_rng(1)
    truth = rng.random(200) < 0.3
    # The last reader guesses: without them the others agree best.
    ratings = np.column_stack([truth ^ (rng.random(200) < p) for p in (0.05, 0.05, 0.05, 0.5)])
    statistic = partial(agreement.gwet_ac, categories=(0, 1))
    found = agreement.leave_one_reader_out(ratings.astype(float), statistic)
    assert len(found) == 4
    assert found[0] == statistic(ratings[:, 1:].astype(float))
    assert max(range(4), key=lambda r: found[r].value) == 3
