"""The panel's error that follows from its readers', and how well a correlation fits the votes."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from vpack_pipeline.core.adjudication.basis import against_others
from vpack_pipeline.core.adjudication.common_factor import (
    CORRELATIONS,
    misfit,
    rates_with_replicates,
    reader_rates,
)
from vpack_pipeline.core.adjudication.panel_error import Votes, chances, panel_error, positive_reads
from vpack_pipeline.stats.codes import Code
from vpack_pipeline_tests.core import adjudication_cases as made
from vpack_pipeline_tests.core.test_adjudication_readers import row, simulated, table


def test_against_the_majority_of_two_others_readers_of_85_95_are_of_826_948() -> None:
    """Expected votes of 40,000 cases at 10% prevalence: the others' own errors shift both rates."""
    whole = []
    for panel, n in (("+++", 2461), ("++-", 3 * 519), ("+--", 3 * 1701), ("---", 30879)):
        whole += [panel] * n
    classes = {"+": "positive", "-": "negative"}
    reads = pl.DataFrame(
        [
            {"case_id": f"{i}", "finding": "nodule", "reader_id": f"r{j}", "class": classes[said]}
            for i, panel in enumerate(whole)
            for j, said in enumerate(panel)
        ]
    )
    found = against_others(reads)
    for said, rate in (("positive", 0.061525 / 0.0745), ("negative", 0.771975 / 0.8145)):
        met = found.filter(pl.col("others") == said)
        assert (met["class"] == said).mean() == pytest.approx(rate, abs=1e-12)
    assert pytest.approx((0.826, 0.948), abs=5e-4) == (0.061525 / 0.0745, 0.771975 / 0.8145)


@pytest.mark.parametrize("rho", CORRELATIONS)
def test_one_mind_or_else_one_more_such_reader_errs_as_a_majority_of_three(rho: float) -> None:
    one = np.array([0.85])
    found = panel_error(one, np.array([0.95]), np.array([0.1]), 3, rho).sensitivity[0]
    for first in (2, 3):
        right = positive_reads(one, first + 1, rho)[0]
        # Of j right ones among all, the further reader is one with probability j / (first + 1).
        split = [right[j] * j / (first + 1) for j in range(2, first + 1)]
        together = positive_reads(one, first, rho)[0, first]
        assert together + sum(split) == pytest.approx(found, abs=1e-12)
    told = row(table("label_noise", simulated(60)), "panel_error", stratum="0.3")
    assert "majority_of_blind_readers" in made.said_of(told)


def test_three_votes_fit_every_correlation_and_five_do_not() -> None:
    three, five = (Votes(np.full(k + 1, k), np.arange(k + 1)) for k in (3, 5))
    for votes, told in ((three, False), (five, True)):
        ill, well = (chances(votes, np.array([r]), 0.3)[0] for r in (0.85, 0.05))
        counts = 3000 * (0.1 * ill + 0.9 * well)
        deviances = [
            misfit(votes, counts, reader_rates(votes, counts[None], rho), rho)
            for rho in CORRELATIONS
        ]
        assert deviances[1] == pytest.approx(0, abs=1e-4)
        assert (max(deviances) > 3.84) == told
    # Panels of one vote tell nothing and are not asked.
    more = Votes(np.append(three.n, 1), np.append(three.positive, 1))
    counts = np.array([2000.0, 100, 100, 200, 70])
    rates = reader_rates(more, counts[None], 0.0)
    alone = reader_rates(three, counts[None, :4], 0.0)
    assert misfit(more, counts, rates, 0.0) == pytest.approx(misfit(three, counts[:4], alone, 0.0))


def test_a_correlation_that_fits_worse_than_another_says_so() -> None:
    found = table("label_noise", simulated(1500, seed=4, readers=5, correlation=0.5))
    worse, best = (row(found, "misfit", stratum=rho) for rho in ("0", "0.5"))
    assert worse["estimate"] > best["estimate"] + 3.84
    assert worse["notes"] == "fits_worse_than;zero_is_no_misfit"
    assert best["notes"] == "zero_is_no_misfit"
    assert (best["n"], best["events"]) == (1500, None)
    refused = row(table("label_noise", simulated(60)[:2]), "misfit", stratum="0")
    assert refused["status"] == "refused"


def test_a_fit_at_the_top_says_so() -> None:
    """Readers who concur on every positive case: none is missed by any."""
    votes = Votes(np.full(4, 3), np.arange(4))
    counts = np.array([900.0, 60.0, 0.0, 100.0])
    found = rates_with_replicates(votes, counts, counts[None], 0.0)
    assert found.caution == Code("fit_at_top")
