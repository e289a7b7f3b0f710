"""Agreement between readers: chance-corrected coefficients, specific agreement, bootstrap.

Ratings are a float array of shape (units, readers), nan where a reader gave none. Show several
coefficients side by side: at a low prevalence kappa is small where agreement is high (Feinstein &
Cicchetti 1990), and neither is wrong. What does not belong here: adjudication, reader accuracy.
"""

from vpack_pipeline.stats.agreement.bootstrap import View, agreement_bootstrap, agreement_views
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
from vpack_pipeline.stats.agreement.krippendorff import krippendorff_alpha
from vpack_pipeline.stats.agreement.left_out import leave_one_reader_out
from vpack_pipeline.stats.agreement.pair_tables import pairwise_kappa_bootstrap, pairwise_kappas
from vpack_pipeline.stats.agreement.pairs import cohen_kappa

__all__ = [
    "View",
    "agreement_bootstrap",
    "agreement_views",
    "agreement_weights",
    "brennan_prediger",
    "cohen_kappa",
    "fleiss_kappa",
    "guessed",
    "gwet_ac",
    "icc_agreement",
    "krippendorff_alpha",
    "leave_one_reader_out",
    "mean_shares",
    "pairwise_kappa_bootstrap",
    "pairwise_kappas",
    "percent_agreement",
    "rating_counts",
    "specific_agreement",
]
