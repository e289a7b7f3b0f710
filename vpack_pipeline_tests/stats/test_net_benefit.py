"""Net benefit, against dcurves' data and plain loops over patients."""

from __future__ import annotations

import numpy as np
import pytest

from vpack_pipeline.stats.net_benefit import Flagged, net_benefit

Z = 1.959963984540054


def counted(flagged, positive, cluster):
    """Counts of each patient, one after another."""
    patients = np.unique(cluster)

    def of(mask):
        return np.array([float(mask[cluster == p].sum()) for p in patients])

    return Flagged(of(flagged & positive), of(flagged & ~positive), of(positive), of(~positive))


def of_cases(flagged, positive, cluster, *rest):
    return net_benefit(counted(flagged, positive, cluster), *rest)


def test_net_benefit_equals_that_of_dcurves(gold):
    case = gold("decision_curve_dcurves")
    prob, positive = np.array(case["inputs"]["p"]), np.array(case["inputs"]["y"]) == 1
    patients = np.arange(prob.size)
    everyone = np.ones(prob.size, bool)
    for row in case["expected"]["nb"]:
        for name, flagged in (("model", prob >= row["t"]), ("all", everyone), ("none", ~everyone)):
            found = of_cases(flagged, positive, patients, row["t"])
            assert found.value == pytest.approx(row[name], abs=case["tolerance"])


def by_patient(gain, cluster):
    """Variance of a mean of cases as a ratio over patients, one after another."""
    patients, mean, total = np.unique(cluster), gain.mean(), 0.0
    for patient in patients:
        own = gain[cluster == patient]
        total += (own.sum() - mean * own.size) ** 2
    return patients.size / (patients.size - 1) * total / gain.size**2


@pytest.fixture
def cases():
    rng = np.random.default_rng(5)
    positive = rng.random(90) < 0.3
    return rng.random(90) < 0.2 + 0.5 * positive, positive, rng.integers(0, 30, 90)


def test_the_interval_is_that_of_a_ratio_over_patients(cases):
    flagged, positive, cluster = cases
    found = of_cases(flagged, positive, cluster, 0.2)
    gain = np.array(
        [(1 if y else -0.25) if f else 0.0 for f, y in zip(flagged, positive, strict=True)]
    )
    reach = Z * by_patient(gain, cluster) ** 0.5
    assert found.value == pytest.approx(gain.mean())
    assert [found.lower, found.upper] == pytest.approx([gain.mean() - reach, gain.mean() + reach])
    assert (found.n, found.events) == (90, int(flagged.sum()))


def test_a_stated_prevalence_takes_the_place_of_the_sets_own(cases):
    flagged, positive, cluster = cases
    found = of_cases(flagged, positive, cluster, 0.2, 0.05)
    hits, alarms = flagged[positive].mean(), flagged[~positive].mean()
    assert found.value == pytest.approx(0.05 * hits - 0.95 * 0.25 * alarms)
    # Cases weighted to the stated prevalence, the weights taken as known: the same influence.
    total = 0.0
    for patient in np.unique(cluster):
        own = cluster == patient
        of_hits = (flagged[own & positive] - hits).sum() / positive.sum()
        of_alarms = (flagged[own & ~positive] - alarms).sum() / (~positive).sum()
        total += (0.05 * of_hits - 0.95 * 0.25 * of_alarms) ** 2
    n = np.unique(cluster).size
    assert found.upper - found.value == pytest.approx(Z * (n / (n - 1) * total) ** 0.5)
    own = float(positive.mean())
    assert of_cases(flagged, positive, cluster, 0.2, own).value == pytest.approx(
        of_cases(flagged, positive, cluster, 0.2).value
    )


def test_what_cannot_be_given_says_why():
    one, none = np.ones(3), np.zeros(3)
    empty = np.zeros(0)
    assert net_benefit(Flagged(empty, empty, empty, empty), 0.2).reason.name == "no_cases"
    assert net_benefit(Flagged(one, none, one, none), 0.2, 0.1).reason.name == "one_class"
    alone = net_benefit(Flagged(*(part[:1] for part in (one, none, one, none))), 0.2)
    assert (alone.value, alone.lower, alone.notes[0].name) == (1.0, None, "one_patient")
    for spoilt, why in (
        (Flagged(one, none, one[:2], none), "one count is needed for each patient"),
        (Flagged(2 * one, none, one, none), "at most as many as cases"),
        (Flagged(none, none, none, none), "each patient has one case or more"),
    ):
        with pytest.raises(ValueError, match=why):
            net_benefit(spoilt, 0.2)
    with pytest.raises(ValueError, match="threshold is below 1"):
        net_benefit(Flagged(one, none, one, none), 1.0)
