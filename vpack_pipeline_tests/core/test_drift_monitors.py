"""Each monitor: its numbers agree with the statistics module, and nothing missing is lost."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from drift_bench import Site, monitor, plan_of

from vpack_pipeline.core.drift.monitors import MISSING, MONITORS, UNSEEN, Encoding, Kind
from vpack_pipeline.core.drift.plan import plan
from vpack_pipeline.stats.distances import jensen_shannon, kolmogorov_smirnov, psi
from vpack_pipeline.stats.monitoring import bin_counts, cbpe, quantile_edges

RNG = np.random.default_rng(20260105)
REFERENCE = RNG.normal(0, 1, 4000)
WINDOW = RNG.normal(0.4, 1.2, 700)


def value(name: str, reference: Any, window: Any, bins: int = 10) -> float:
    kind = MONITORS[name]
    encoding = kind.prepare(reference, bins)
    sums = [encoding.encode(v, 0.0).sum(axis=0)[None, :] for v in (reference, window)]
    return float(kind.statistic(*sums)[0])


def amounts(name: str, reference: Any, values: Any, shift: float = 0.0) -> dict[str, float]:
    encoding = MONITORS[name].prepare(reference, 4)
    sums = encoding.encode(values, shift).sum(axis=0)
    return dict(zip(encoding.labels, sums.tolist(), strict=True))


@pytest.mark.parametrize(("name", "oracle"), [("psi", psi), ("jensen_shannon", jensen_shannon)])
def test_distances_are_those_of_the_statistics_module(name: str, oracle: Any) -> None:
    edges = quantile_edges(REFERENCE, 10)
    counts = [np.append(bin_counts(v, edges), 0.0) for v in (REFERENCE, WINDOW)]
    assert value(name, REFERENCE, WINDOW) == pytest.approx(oracle(*counts), rel=1e-12)


def test_the_binned_ks_distance_is_close_to_and_never_above_the_exact_one() -> None:
    exact = kolmogorov_smirnov(REFERENCE, WINDOW).statistic
    assert exact is not None
    binned = value("ks", REFERENCE, WINDOW)
    assert exact - 0.02 <= binned <= exact + 1e-12


def test_the_proxy_is_the_change_of_expected_sensitivity() -> None:
    probs = [RNG.beta(2, 5, 500), RNG.beta(2, 3, 300)]
    expected = [cbpe(p, 0.4).sensitivity for p in probs]
    pairs = [np.stack([p, p >= 0.4], axis=1) for p in probs]
    assert expected[0] is not None
    assert expected[1] is not None
    assert value("cbpe", *pairs) == pytest.approx(abs(expected[1] - expected[0]), rel=1e-6)


def test_a_case_without_a_score_enters_no_expectation() -> None:
    pairs = np.asarray([[0.8, 1.0], [np.nan, np.nan], [0.2, np.nan]])
    assert amounts("cbpe", pairs, pairs) == pytest.approx(
        {"expected found": 0.8, "expected missed": 0.0}
    )


def test_a_mean_shift_is_in_standard_deviations_of_the_reference() -> None:
    expected = abs(WINDOW.mean() - REFERENCE.mean()) / REFERENCE.std()
    assert value("mean_shift", REFERENCE, WINDOW) == pytest.approx(expected, rel=1e-9)


def test_a_reference_without_spread_has_no_mean_shift() -> None:
    assert np.isnan(value("mean_shift", np.full(30, 0.1), np.full(7, 0.1)))
    assert np.isnan(value("mean_shift", np.zeros(30), np.ones(7)))


def test_volume_is_the_same_distance_for_half_and_for_double() -> None:
    kind = MONITORS["volume"]
    found = kind.statistic(np.asarray([[99.5], [99.5]]), np.asarray([[49.5], [199.5]]))
    assert found == pytest.approx([np.log(2)] * 2)
    assert np.isfinite(kind.statistic(np.asarray([[99.5]]), np.asarray([[0.0]]))).all()


def test_every_case_falls_into_one_bin_and_missing_has_its_own() -> None:
    reference = np.asarray([1.0, 2, 3, 4, 5, np.nan])
    found = amounts("psi", reference, np.asarray([-9.0, 99, np.nan, np.nan]))
    assert found[MISSING] == 2
    assert sum(found.values()) == 4


def test_categories_are_told_apart_from_new_and_from_missing_ones() -> None:
    found = amounts("new_category", ["a", "b", "b", None], ["a", "c", None, "b"])
    assert found == {"b": 1, "a": 1, UNSEEN: 1, MISSING: 1}
    assert value("new_category", ["a", "b"], ["a", "c", "c", None]) == 0.5


def test_numbers_can_be_categories_and_their_gaps_are_missing() -> None:
    found = amounts("new_category", np.asarray([1.0, 2.0]), np.asarray([2.0, 3.0, np.nan]))
    assert found == {"1.0": 0, "2.0": 1, UNSEEN: 1, MISSING: 1}


def test_truth_values_are_categories_whatever_is_missing() -> None:
    assert set(amounts("psi", [True, False], [True])) == {"true", "false", UNSEEN, MISSING}
    assert set(amounts("psi", [True, None], [True])) == {"true", UNSEEN, MISSING}


def test_a_constant_and_an_empty_reference_have_bins() -> None:
    assert amounts("psi", np.full(9, 2.0), np.asarray([2.0, 3.0])) == {"≤2": 1, ">2": 1, MISSING: 0}
    assert amounts("psi", np.asarray([np.nan]), np.asarray([2.0])) == {"all": 1, MISSING: 0}
    assert amounts("psi", [], ["a"]) == {UNSEEN: 1, MISSING: 0}


def test_a_rate_counts_what_is_known() -> None:
    assert amounts("rate", [], [True, False, None, True]) == {"yes": 2, "no": 1}
    assert amounts("missing_rate", [], [1.0, None, float("nan")]) == {MISSING: 2, "present": 1}


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("psi", REFERENCE),
        ("jensen_shannon", ["a"] * 60 + ["b"] * 40),
        ("ks", REFERENCE),
        ("missing_rate", [1.0] * 90 + [None] * 10),
        ("rate", [True] * 20 + [False] * 80),
        ("mean_shift", REFERENCE),
        ("volume", np.ones(100)),
        ("cbpe", np.stack([np.linspace(0.01, 0.99, 99), np.linspace(0, 1, 99) > 0.5], axis=1)),
    ],
)
def test_an_injected_change_moves_the_statistic_and_none_leaves_it(name: str, given: Any) -> None:
    kind = MONITORS[name]
    encoding = kind.prepare(given, 10)
    same, moved, more = (encoding.encode(given, s).sum(axis=0)[None, :] for s in (0.0, 0.5, 1.0))
    assert kind.statistic(same, same)[0] == pytest.approx(0, abs=1e-12)
    assert 0 < kind.statistic(same, moved)[0] < kind.statistic(same, more)[0]


def test_injected_odds_grow_as_said_by_whole_cases() -> None:
    moved = amounts("rate", [], [True] * 200 + [False] * 800, shift=float(np.log(2)))
    assert moved == {"yes": 333, "no": 667}  # odds 1/4 become 1/2
    assert amounts("rate", [], [True] * 5, shift=1.0) == {"yes": 5, "no": 0}


def test_injected_loss_of_volume_and_of_the_first_category_is_as_said() -> None:
    half = float(np.log(2))
    assert amounts("volume", np.ones(100), np.ones(100), half) == {"cases": 50}
    moved = amounts("jensen_shannon", ["a"] * 60 + ["b"] * 40, ["a"] * 60 + ["b"] * 40, half)
    assert moved == {"a": 30, "b": 70, UNSEEN: 0, MISSING: 0}


@pytest.mark.parametrize("name", sorted(MONITORS))
def test_an_empty_window_is_undefined_or_far_but_never_the_same(name: str) -> None:
    kind = MONITORS[name]
    given: Any = np.ones((20, 2)) if name == "cbpe" else np.ones(20)
    encoding = kind.prepare(given, 5)
    reference = encoding.encode(given, 0.0).sum(axis=0)[None, :]
    found = kind.statistic(reference, np.zeros_like(reference))[0]
    assert np.isnan(found) if name != "volume" else found > 3


@pytest.mark.parametrize("amounts_are", ["bins", "rate", "moments", "volume"])
def test_a_new_monitor_needs_no_more_than_its_entry(
    amounts_are: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(_values: Any, _bins: int) -> Encoding:
        def encode(values: Any, shift: float) -> Any:
            is_old = np.asarray(values) + 10 * shift > 60
            return np.stack([is_old, ~is_old], axis=1).astype(float)

        return Encoding(("old", "young"), encode)

    kind = Kind(
        prepare, MONITORS["rate"].statistic, amounts_are, "Shares.", "more are old", needs="number"
    )
    monkeypatch.setitem(MONITORS, "made_up", kind)
    site = Site(drift=plan_of(monitor("watched", "made_up", "age_years")))
    made = site.baseline()
    assert made["bin"].to_list() == ["old", "young"]
    if amounts_are in {"bins", "rate"}:
        assert made["share"].sum() == pytest.approx(1)
        assert made["events"].to_list() == made["amount"].to_list()
    else:
        assert made["share"].null_count() == made["events"].null_count() == 2
    # A volume is that of one window of 60 days out of the reference's 366.
    part = 60 / 366 if amounts_are == "volume" else 1.0
    assert made["amount"].sum() == pytest.approx(part * made["n"][0])
    limits = site.limits()
    assert limits.filter(pl.col("monitor") == "watched")["status"].to_list() == ["given"]
    assert set(site.status(limits=limits)["status"]) == {"given"}
    (planned,) = plan(limits=limits, drift=site.drift).to_dicts()
    assert planned["detectable_change"] == "more are old"
    assert planned["minimum_cases"] == (0 if amounts_are == "volume" else 50)


@pytest.mark.parametrize(
    ("type_", "taking"),
    [
        ("string", {"psi", "jensen_shannon", "new_category", "missing_rate", "volume", "cbpe"}),
        ("float", set(MONITORS) - {"rate"}),
        ("bool", set(MONITORS) - {"ks", "mean_shift"}),
    ],
)
def test_a_monitor_says_which_variables_it_takes(type_: str, taking: set[str]) -> None:
    assert {name for name, kind in MONITORS.items() if kind.takes(type_)} == taking
