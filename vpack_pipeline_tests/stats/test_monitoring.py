from __future__ import annotations

import numpy as np
import pytest

from vpack_pipeline.stats import monitoring as mon
from vpack_pipeline.stats.distances import kolmogorov_smirnov, psi
from vpack_pipeline.stats.monitoring.windows import _window_patients


def rng(seed=0):
    return np.random.default_rng(seed)


def test_average_run_lengths_equal_spc(gold):
    case = gold("arl_cusum_ewma")
    expected = case["expected"]
    # The reference's own tolerance is 2%; the integral equation reaches a millionth.
    for i, shift in enumerate((0, 0.5, 1)):
        for h in (4, 5):
            want = expected["cusum_two"][f"h{h}"][i]
            assert mon.cusum_arl(0.5, h, shift) == pytest.approx(want, rel=1e-6)
        one = mon.cusum_arl(0.5, 4, shift, two_sided=False)
        assert one == pytest.approx(expected["cusum_one_h4"][i], rel=1e-6)
        ewma = mon.ewma_arl(0.1, 2.7, shift)
        assert ewma == pytest.approx(expected["ewma_two"][i], rel=1e-6)
    h = mon.cusum_threshold(0.5, 500)
    assert h == pytest.approx(expected["cusum_h_for_arl500"], rel=1e-6)
    assert mon.ewma_width(0.1, 500) == pytest.approx(expected["ewma_L_for_arl500"], rel=1e-6)


def test_simulated_charts_run_as_long_as_the_equations_say():
    z = rng(1).normal(size=(1500, 400)) + 0.5
    runs_cusum, runs_ewma = [], []
    limit = 2.7 * np.sqrt(0.1 / 1.9)
    for row in z:
        upper, lower = mon.cusum_path(row, 0.5)
        runs_cusum.append(1 + int(np.argmax(np.maximum(upper, lower) > 4)))
        runs_ewma.append(1 + int(np.argmax(np.abs(mon.ewma_path(row, 0.1)) > limit)))
    assert np.mean(runs_cusum) == pytest.approx(mon.cusum_arl(0.5, 4, 0.5), rel=0.06)
    assert np.mean(runs_ewma) == pytest.approx(mon.ewma_arl(0.1, 2.7, 0.5), rel=0.06)


def test_chart_paths_follow_their_recursions():
    upper, lower = mon.cusum_path(np.array([1.0, 1.0, -3.0]), 0.5)
    assert upper.tolist() == [0.5, 1.0, 0.0]
    assert lower.tolist() == [0.0, 0.0, 2.5]
    assert mon.ewma_path(np.array([1.0, 1.0]), 0.5).tolist() == [0.5, 0.75]


@pytest.mark.parametrize(
    "call",
    [
        lambda: mon.cusum_arl(0.5, 0),
        lambda: mon.cusum_arl(-1, 4),
        lambda: mon.ewma_arl(0, 3),
        lambda: mon.ewma_arl(0.1, 0),
        lambda: mon.cusum_threshold(0.5, 1.5),
        lambda: mon.p_chart_limits(1.2, 10),
        lambda: mon.p_chart_limits(0.2, 0),
    ],
)
def test_charts_refuse_impossible_settings(call):
    with pytest.raises(ValueError, match=r"positive|between"):
        call()


def test_p_chart_limits_widen_with_dispersion_and_stay_in_range():
    low, high = mon.p_chart_limits(0.2, 100)
    assert (low, high) == pytest.approx((0.08, 0.32))
    assert mon.p_chart_limits(0.2, 100, dispersion=4.0) == pytest.approx((0.0, 0.44))


def test_expected_performance_equals_the_formula(gold):
    case = gold("cbpe_small")
    result = mon.cbpe(np.array(case["inputs"]["p"]), case["inputs"]["threshold"])
    names = {
        "sens": "sensitivity",
        "spec": "specificity",
        "auc_curve": "auc",
        "auc_expected_pairwise_no_diag": "auc_between_cases",
    }
    for theirs, want in case["expected"].items():
        got = getattr(result, names.get(theirs, theirs))
        assert got == pytest.approx(want, abs=case["tolerance"]), theirs


def test_expected_performance_is_right_on_average_when_calibrated():
    draw = rng(3)
    prob = draw.beta(1, 3, 4000)
    expected = mon.cbpe(prob, 0.3)
    positive = draw.random(4000) < prob
    assert (positive & (prob >= 0.3)).sum() / positive.sum() == pytest.approx(
        expected.sensitivity, abs=0.04
    )


def test_certain_probabilities_leave_expected_figures_undefined():
    sure = mon.cbpe(np.zeros(3), 0.5)
    assert (sure.sensitivity, sure.ppv, sure.f1, sure.auc, sure.auc_between_cases) == (None,) * 5
    assert sure.specificity == 1.0
    alone = mon.cbpe(np.array([0.4]), 0.5)
    assert alone.auc == 0.5
    assert alone.auc_between_cases is None
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        mon.cbpe(np.array([1.1]), 0.5)


def test_max_t_equals_the_multivariate_normal(gold):
    case = gold("max_t_single_step")
    null = mon.gaussian_null(np.array(case["inputs"]["corr"]), 400_000, rng(0))
    result = mon.max_t(np.array(case["inputs"]["z"]), null)
    np.testing.assert_allclose(result.p, case["expected"]["p_adj"], atol=case["tolerance"])
    assert result.critical == pytest.approx(case["expected"]["crit95"], abs=0.01)


def test_twenty_correlated_monitors_need_less_than_bonferroni():
    correlation = np.full((20, 20), 0.7) + 0.3 * np.eye(20)
    null = mon.gaussian_null(correlation, 100_000, rng(2))
    assert (np.abs(null) > 1.96).any(axis=1).mean() == pytest.approx(0.29, abs=0.01)
    assert mon.max_t(np.zeros(20), null).critical == pytest.approx(2.78, abs=0.03)


def test_max_t_leaves_out_incomplete_replicates_and_never_gives_0():
    null = np.array([[1.0, 2.0], [np.nan, 9.0], [0.5, -3.0]])
    result = mon.max_t(np.array([10.0, -2.5]), null)
    assert result.p.tolist() == pytest.approx([1 / 3, 2 / 3])
    with pytest.raises(ValueError, match="no replicate"):
        mon.max_t(np.array([1.0]), np.array([[np.nan]]))


@pytest.mark.parametrize("matrix", [[[1, 0.5], [0.4, 1]], [[2, 0], [0, 1]], [[1, 2], [2, 1]]])
def test_a_matrix_that_is_no_correlation_is_refused(matrix):
    with pytest.raises(ValueError, match="correlation matrix"):
        mon.gaussian_null(np.array(matrix, float), 10, rng())


def test_edges_merge_ties_and_counts_keep_every_value_but_nan():
    reference = np.array([0.0] * 50 + list(range(1, 51)) + [np.nan])
    edges = mon.quantile_edges(reference, 10)
    assert edges.size < 9
    assert (np.diff(edges) > 0).all()
    counts = mon.bin_counts(np.array([-5.0, 0.0, 1e9, np.nan]), edges)
    assert counts.sum() == 3
    assert counts[0] == 2
    assert counts[-1] == 1


@pytest.mark.parametrize(("values", "bins"), [([1.0, 2.0], 1), ([np.nan], 10)])
def test_edges_need_values_and_two_bins(values, bins):
    with pytest.raises(ValueError, match="at least two bins"):
        mon.quantile_edges(np.array(values), bins)


def test_the_expected_psi_without_drift_equals_the_simulation(gold):
    case = gold("psi_null_expectation")
    draw = rng(4)
    for want in case["expected"]["mc"]:
        n = want["n"]
        assert mon.psi_null_expectation(10, n, n) == pytest.approx(want["theory"])
        assert mon.psi_null_quantile(10, n, n) == pytest.approx(want["theory_q95"])
        samples = draw.multinomial(n, np.full(10, 0.1), size=(4000, 2))
        values = [psi(a, b) for a, b in samples]
        assert np.mean(values) == pytest.approx(want["mean"], rel=case["tolerance"])
        assert np.quantile(values, 0.95) == pytest.approx(want["q95"], rel=2 * case["tolerance"])


@pytest.mark.parametrize(("size", "rate"), [(5000, 0.40), (500, 0.55)])
def test_a_fixed_psi_cut_off_fires_without_drift(size, rate):
    # Equal-probability bins of the reference, a window of 100.
    draw = rng(5)
    fired = 0
    for _ in range(1500):
        edges = mon.quantile_edges(draw.normal(size=size), 10)
        window = mon.bin_counts(draw.normal(size=100), edges)
        fired += psi(np.full(10, size / 10), window) > 0.1
    assert fired / 1500 == pytest.approx(rate, abs=0.06)


def test_resampling_both_sides_holds_the_false_alarm_rate_and_the_window_alone_does_not():
    draw = rng(6)
    both = window_only = 0
    for _ in range(60):
        reference, window = draw.integers(0, 10, 500), draw.integers(0, 10, 500)
        counts = np.bincount(reference, minlength=10)
        observed = psi(counts, np.bincount(window, minlength=10))
        null = mon.binned_null_by_patient_resampling(
            reference, 10, np.arange(500), 500, 200, rng=draw, statistic=psi
        )
        both += observed > np.quantile(null, 0.95)
        one_side = [psi(counts, w) for w in draw.multinomial(500, counts / 500, size=200)]
        window_only += observed > np.quantile(one_side, 0.95)
    assert both / 60 <= 0.15
    assert window_only / 60 > 0.3


def test_patients_with_repeated_cases_widen_the_null():
    values = rng(7).normal(size=50)
    patients = np.repeat(np.arange(50), 10)

    def limit(cluster):
        null = mon.null_by_patient_resampling(
            np.repeat(values, 10),
            cluster,
            100,
            200,
            rng(8),
            statistic=lambda a, b: kolmogorov_smirnov(a, b).statistic,
        )
        return np.quantile(null, 0.95)

    assert limit(patients) > 1.5 * limit(np.arange(500))


def test_binned_and_plain_resampling_have_the_same_null():
    bins = rng(9).integers(0, 5, 300)
    cluster = np.repeat(np.arange(100), 3)

    def counted(a, b):
        return psi(np.bincount(a.astype(int), minlength=5), np.bincount(b.astype(int), minlength=5))

    plain = mon.null_by_patient_resampling(bins, cluster, 60, 800, rng(1), statistic=counted)
    binned = mon.binned_null_by_patient_resampling(
        bins, 5, cluster, 60, 800, rng=rng(2), statistic=psi
    )
    assert plain.shape == binned.shape == (800,)
    assert np.mean(plain) == pytest.approx(np.mean(binned), rel=0.1)


def test_the_null_is_fixed_by_its_seed_and_marks_undefined_replicates():
    bins = np.array([0, 1, 1, 0])

    def run(seed):
        return mon.binned_null_by_patient_resampling(
            bins, 2, np.arange(4), 4, 70, rng=rng(seed), statistic=psi
        )

    np.testing.assert_array_equal(run(1), run(1))
    assert (run(1) != run(2)).any()
    undefined = mon.null_by_patient_resampling(
        bins, np.arange(4), 2, 3, rng(), statistic=lambda a, b: None
    )
    assert np.isnan(undefined).all()


def test_a_window_holds_as_many_patients_as_give_its_cases():
    assert _window_patients(400, 100, 40) == 10
    assert _window_patients(400, 100, 1) == 1
    with pytest.raises(ValueError, match="at least one case"):
        _window_patients(400, 100, 0)
    with pytest.raises(ValueError, match="one patient code"):
        mon.null_by_patient_resampling(
            np.ones(3), np.arange(2), 2, 2, rng(), statistic=lambda a, b: 0.0
        )
