"""Readers who guess: by simulation, the coefficients of independent answers of equal shares."""

from __future__ import annotations

import numpy as np
import pytest

from vpack_pipeline.stats import agreement

SHARES = {"negative": 0.82, "indeterminate": 0.021, "positive": 0.159}
"""The margins of the demonstration site's readers."""
CLASSES = (0.0, 1.0, 2.0)


@pytest.fixture(scope="module")
def drawn() -> np.ndarray:
    rng = np.random.default_rng(4)
    return rng.choice(CLASSES, size=(200_000, 3), p=list(SHARES.values())).astype(float)


def test_ac1_of_guessing_readers_is_far_from_zero() -> None:
    assert agreement.guessed("gwet_ac1", SHARES) == pytest.approx(0.6445, abs=5e-4)


@pytest.mark.parametrize(
    ("statistic", "computed"),
    [
        ("percent_agreement", agreement.percent_agreement),
        ("gwet_ac1", agreement.gwet_ac),
        ("fleiss_kappa", agreement.fleiss_kappa),
        ("krippendorff_alpha_nominal", agreement.krippendorff_alpha),
    ],
)
def test_what_guessing_reaches_is_what_drawn_answers_give(drawn, statistic, computed) -> None:
    found = computed(drawn, CLASSES).value
    assert agreement.guessed(statistic, SHARES) == pytest.approx(found, abs=0.004)


@pytest.mark.parametrize("kind", ["positive", "negative"])
def test_agreement_on_a_class_is_its_share(drawn, kind) -> None:
    is_of = (drawn == {"positive": 2.0, "negative": 0.0}[kind]).astype(float)
    found = agreement.specific_agreement(is_of)[0].value
    assert agreement.guessed(f"{kind}_agreement", SHARES) == pytest.approx(found, abs=0.004)


def test_other_statistics_are_not_known() -> None:
    assert agreement.guessed("icc", SHARES) is None


def test_shares_are_averaged_over_rated_units() -> None:
    ratings = np.array([[0, 0, 2], [2, np.nan, np.nan], [np.nan, np.nan, np.nan]])
    assert agreement.mean_shares(ratings, CLASSES) == pytest.approx([1 / 3, 0, 2 / 3])
