from __future__ import annotations

import numpy as np
import pytest

from vpack_pipeline.stats import verification_bias
from vpack_pipeline.stats.codes import code
from vpack_pipeline.stats.verification_bias import (
    VerifiedCounts,
    begg_greenes,
    corrected_shares,
    verification_bounds,
)

# Hepatic scintigraphy (Drum & Christacopoulos 1972), as in Begg & Greenes (1983).
LIVER = VerifiedCounts(231, 32, 27, 54, 166, 140)


def test_hepatic_scintigraphy_is_corrected_as_published():
    sensitivity, specificity = begg_greenes(LIVER)
    assert sensitivity.value == pytest.approx(0.836, abs=5e-4)
    assert specificity.value == pytest.approx(0.738, abs=5e-4)
    assert sensitivity.n == 650
    # Among the verified alone: .895 and .628.
    naive = begg_greenes(LIVER._replace(unverified_positive=0, unverified_negative=0))
    assert [figure.value for figure in naive] == pytest.approx([0.895, 0.628], abs=5e-4)


def test_the_interval_is_the_delta_method_on_the_likelihood():
    """A gradient by differences, through the three binomials that the figure is made of."""

    def logit_sensitivity(p):
        flagged, ill_flagged, ill_cleared = p
        return np.log(flagged * ill_flagged / ((1 - flagged) * ill_cleared))

    def logit_specificity(p):
        flagged, ill_flagged, ill_cleared = p
        return np.log((1 - flagged) * (1 - ill_cleared) / (flagged * (1 - ill_flagged)))

    shares, sizes = np.array([429 / 650, 231 / 263, 27 / 81]), np.array([650, 263, 81])
    variances = shares * (1 - shares) / sizes
    for figure, of in zip(begg_greenes(LIVER), (logit_sensitivity, logit_specificity), strict=True):
        steps = 1e-6 * np.eye(3)
        gradient = [(of(shares + s) - of(shares - s)) / 2e-6 for s in steps]
        reach = 1.959963984540054 * np.sqrt(np.square(gradient) @ variances)
        bounds = 1 / (1 + np.exp(-(of(shares) + np.array([-reach, reach]))))
        assert (figure.lower, figure.upper) == pytest.approx(tuple(bounds), abs=1e-8)


def test_full_verification_changes_nothing():
    sensitivity, specificity = begg_greenes(VerifiedCounts(80, 30, 20, 170, 0, 0))
    assert sensitivity.value == pytest.approx(0.8)
    assert specificity.value == pytest.approx(0.85)
    # All verified: the logit interval of a plain proportion.
    reach = 1.959963984540054 * np.sqrt(1 / 80 + 1 / 20)
    assert sensitivity.lower == pytest.approx(1 / (1 + np.exp(-(np.log(4) - reach))))


@pytest.mark.parametrize(
    ("counts", "minimum", "why"),
    [
        ((50, 5, 9, 50, 10, 10), 10, code("few_false_negatives_verified", fewest=10)),
        ((0, 0, 12, 50, 10, 10), 10, verification_bias.UNVERIFIED_RESULT),
        ((50, 5, 0, 0, 10, 10), 0, verification_bias.UNVERIFIED_RESULT),
        ((0, 5, 0, 9, 10, 10), 0, verification_bias.NO_DISEASE),
        ((5, 0, 9, 0, 10, 10), 0, verification_bias.NO_DISEASE),
    ],
)
def test_too_little_verification_is_refused(counts, minimum, why):
    for figure in begg_greenes(VerifiedCounts(*counts), minimum_false_negatives=minimum):
        assert (figure.value, figure.lower) == (None, None)
        assert figure.reason == why


def test_a_figure_at_the_edge_has_no_interval():
    sensitivity, specificity = begg_greenes(
        VerifiedCounts(30, 5, 0, 40, 5, 60), minimum_false_negatives=0
    )
    assert (sensitivity.value, sensitivity.lower) == (1.0, None)
    assert sensitivity.notes == (verification_bias.AT_EDGE,)
    assert specificity.lower is not None


def test_bounds_hold_every_disease_status_of_the_unverified():
    counts = VerifiedCounts(8, 3, 4, 9, 2, 3)
    sensitivities, specificities = [], []
    for ill_positive in range(3):
        for ill_negative in range(4):
            tp, fn = 8 + ill_positive, 4 + ill_negative
            fp, tn = 3 + 2 - ill_positive, 9 + 3 - ill_negative
            sensitivities.append(tp / (tp + fn))
            specificities.append(tn / (tn + fp))
    sensitivity, specificity = verification_bounds(counts)
    assert sensitivity == (min(sensitivities), max(sensitivities))
    assert specificity == (min(specificities), max(specificities))
    empty, _ = verification_bounds(VerifiedCounts(0, 3, 0, 9, 0, 0))
    assert empty == (None, None)


def test_counts_below_zero_are_an_error():
    with pytest.raises(
        ValueError, match=r"unverified_positive: every value is a number in \[0, ∞\)"
    ):
        begg_greenes(VerifiedCounts(1, 1, 1, 1, -1, 0))


def test_replicates_are_corrected_as_the_sample_is():
    counts = [VerifiedCounts(80, 20, 15, 200, 10, 300), VerifiedCounts(40, 3, 12, 90, 0, 0)]
    found = corrected_shares(np.array(counts))
    for row, one in enumerate(counts):
        assert [f[row] for f in found] == pytest.approx([e.value for e in begg_greenes(one)])
    assert np.isnan(corrected_shares(np.zeros((1, 6)))[0]).all()
