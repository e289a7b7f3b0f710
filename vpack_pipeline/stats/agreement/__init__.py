"""Agreement between readers: chance-corrected coefficients, specific agreement, intervals.

Ratings are a float array of shape (units, readers), nan where a reader gave none. Show several
coefficients side by side: at a low prevalence kappa is small where agreement is high (Feinstein &
Cicchetti 1990), and neither is wrong. What does not belong here: adjudication, reader accuracy.
"""

from vpack_pipeline.stats.agreement.coefficients import (
    brennan_prediger,
    fleiss_kappa,
    gwet_ac,
    percent_agreement,
    specific_agreement,
)
from vpack_pipeline.stats.agreement.counts import agreement_weights, rating_counts
from vpack_pipeline.stats.agreement.guessing import guessed, mean_shares
from vpack_pipeline.stats.agreement.icc import icc_agreement
from vpack_pipeline.stats.agreement.jackknife import Jackknife, agreement_jackknife, jackknifed
from vpack_pipeline.stats.agreement.krippendorff import krippendorff_alpha
from vpack_pipeline.stats.agreement.left_out import leave_one_reader_out
from vpack_pipeline.stats.agreement.pair_tables import pair_jackknife, pairwise_kappas
from vpack_pipeline.stats.agreement.pairs import cohen_kappa

__all__ = [
    "Jackknife",
    "agreement_jackknife",
    "agreement_weights",
    "brennan_prediger",
    "cohen_kappa",
    "fleiss_kappa",
    "guessed",
    "gwet_ac",
    "icc_agreement",
    "jackknifed",
    "krippendorff_alpha",
    "leave_one_reader_out",
    "mean_shares",
    "pair_jackknife",
    "pairwise_kappas",
    "percent_agreement",
    "rating_counts",
    "specific_agreement",
]
