from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from vpack_pipeline.stats import agreement
from vpack_pipeline.stats.resampling import cluster_weights

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
def test_a_replicate_is_the_kappa_of_the_resampled_units(weights):
    rng = np.random.default_rng(8)
    ratings = np.array([0.0, 1.0, 4.0])[rng.integers(0, 3, (30, 3))]
    ratings[rng.random((30, 3)) < 0.2] = NAN
    cluster = np.repeat(np.arange(10), 3)
    got = agreement.pairwise_kappa_bootstrap(
        ratings, [0, 1, 4], cluster, 25, np.random.default_rng(9), weights=weights
    )
    assert set(got) == {(0, 1), (0, 2), (1, 2)}
    draws = np.concatenate(list(cluster_weights(cluster, 25, np.random.default_rng(9))))
    for (i, j), bounds in got.items():
        values = [
            agreement.cohen_kappa(copied[:, i], copied[:, j], [0, 1, 4], weights).value
            for copied in (np.repeat(ratings, w, axis=0) for w in draws)
        ]
        assert bounds == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])), abs=1e-9)


def test_pairs_without_a_kappa_have_no_bounds():
    def bounds(ratings):
        return agreement.pairwise_kappa_bootstrap(
            np.array(ratings, dtype=float), [0, 1], np.arange(4), 10, np.random.default_rng(0)
        )

    assert bounds([[1, 1]] * 4) == {(0, 1): (None, None)}
    assert bounds([[1, NAN], [0, NAN], [NAN, 1], [NAN, 0]]) == {(0, 1): (None, None)}
    assert bounds([[1, 0]] * 4) == {(0, 1): (0.0, 0.0)}
    assert bounds([[1]] * 4) == {}


def test_pairs_are_checked():
    with pytest.raises(ValueError, match="none of the declared"):
        agreement.pairwise_kappa_bootstrap(
            np.ones((2, 2)), [0], np.arange(2), 5, np.random.default_rng(0)
        )
    with pytest.raises(ValueError, match="one patient code"):
        agreement.pairwise_kappa_bootstrap(
            np.ones((2, 2)), [1], np.arange(3), 5, np.random.default_rng(0)
        )


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
