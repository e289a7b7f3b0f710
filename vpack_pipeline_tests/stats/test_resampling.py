from __future__ import annotations

import numpy as np
import pytest

from vpack_pipeline.stats.resampling import (
    PatientKinds,
    alike,
    patient_codes,
    patient_weights,
    percentile_interval,
)


def test_units_of_a_patient_share_their_weight_and_replicates_keep_the_number_of_patients():
    cluster = np.array([7, 7, 3, 9, 9, 9])
    codes, n_patients = patient_codes(cluster)
    drawn = patient_weights(n_patients, 50, np.random.default_rng(1))
    weights = np.concatenate(list(drawn))[:, codes]
    assert weights.shape == (50, 6)
    assert weights.dtype == np.int16
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 3] == weights[:, 5]).all()
    assert (weights[:, [0, 2, 3]].sum(axis=1) == 3).all()


def test_the_stream_of_draws_depends_on_the_seed_and_not_on_the_chunk():
    def draw(seed, chunk):
        return np.concatenate(
            list(patient_weights(5, 30, np.random.default_rng(seed), chunk=chunk))
        )

    np.testing.assert_array_equal(draw(4, 1), draw(4, 16))
    assert (draw(4, 16) != draw(5, 16)).any()


def test_a_window_may_draw_fewer_patients_than_there_are():
    weights = np.concatenate(list(patient_weights(10, 5, np.random.default_rng(0), draws=3)))
    assert (weights.sum(axis=1) == 3).all()


def test_weights_have_the_mean_and_variance_of_multinomial_counts():
    weights = np.concatenate(list(patient_weights(20, 4000, np.random.default_rng(2))))
    assert weights.mean() == pytest.approx(1.0)
    assert weights.var() == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize(("patients", "replicates"), [(0, 5), (5, 0)])
def test_resampling_nothing_is_refused(patients, replicates):
    with pytest.raises(ValueError, match="at least 1"):
        next(patient_weights(patients, replicates, np.random.default_rng(0)))


def test_patient_codes_follow_the_order_of_the_given_codes():
    codes, n = patient_codes(np.array([30, 10, 30]))
    assert codes.tolist() == [1, 0, 1]
    assert n == 2


def test_undefined_replicates_are_left_out_and_counted():
    interval = percentile_interval(np.array([0.0, 1.0, np.nan, 2.0, 4.0]), level=0.5)
    assert interval == (0.75, 2.5, 1)


def test_a_majority_of_undefined_replicates_gives_no_interval():
    assert percentile_interval(np.array([1.0, np.nan, np.nan])) == (None, None, 2)
    assert percentile_interval(np.array([np.nan])) == (None, None, 1)


def test_rows_alike_share_a_code_whatever_their_numbers():
    rng = np.random.default_rng(3)
    rows = rng.integers(0, 3, (200, 4)) * 2**40
    code, size = alike(rows)
    by_hand = [tuple(row) for row in rows]
    for i, j in zip(rng.integers(0, 200, 500), rng.integers(0, 200, 500), strict=True):
        assert (code[i] == code[j]) == (by_hand[i] == by_hand[j])
    assert [size[c] for c in code] == [by_hand.count(row) for row in by_hand]


def test_patients_drawn_by_kind_are_the_bootstrap_of_patients():
    rng = np.random.default_rng(5)
    first, second = rng.integers(0, 3, (60, 2)), rng.integers(0, 4, (60, 2))
    drawn = PatientKinds.drawn(first, 4000, np.random.default_rng(1))
    one, two = (drawn.totals(part, np.random.default_rng(2)) for part in (first, second))
    np.testing.assert_array_equal(one[0], first.sum(axis=0))
    np.testing.assert_array_equal(two[0], second.sum(axis=0))
    np.testing.assert_array_equal(one, drawn.totals(first, np.random.default_rng(9)))
    assert (drawn.weights.sum(axis=1) == 60).all()
    weights = np.concatenate(list(patient_weights(60, 4000, np.random.default_rng(8))))
    plain = np.hstack([weights @ first, weights @ second])
    found = np.hstack([one, two])[1:]
    # 4,000 draws: five of their standard errors.
    error = plain.std(axis=0) / np.sqrt(4000)
    assert (np.abs(found.mean(axis=0) - plain.mean(axis=0)) < 5 * np.sqrt(2) * error).all()
    # Across both counts too: they are of the same patients.
    scale = np.sqrt(np.outer(plain.var(axis=0), plain.var(axis=0)))
    assert (np.abs(np.cov(found.T) - np.cov(plain.T)) < 5 * scale / np.sqrt(2000)).all()


def test_a_sample_without_patients_has_totals_of_nothing():
    none = np.empty((0, 2), dtype=np.int64)
    drawn = PatientKinds.drawn(none, 3, np.random.default_rng(1))
    np.testing.assert_array_equal(drawn.totals(none, np.random.default_rng(1)), np.zeros((4, 2)))


def test_counts_of_other_patients_are_refused():
    drawn = PatientKinds.drawn(np.ones((3, 1), dtype=np.int64), 3, np.random.default_rng(1))
    with pytest.raises(ValueError, match="one row for each patient"):
        drawn.totals(np.ones((2, 1), dtype=np.int64), np.random.default_rng(1))
