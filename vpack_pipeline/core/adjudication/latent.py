"""Soft labels: how likely each case is positive if readers err independently of one another.

The model is Dawid & Skene's (``stats.latent_class``), on the positive and negative independent
reads alone. It is a sensitivity analysis and labels no case. What does not belong here: the model
itself, the hard rules (``rules``), a model of readers who err alike (``panel_error``).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from vpack_pipeline.core.adjudication.basis import (
    ReadBasis,
    ReaderMatrix,
    included_reads,
    read_basis,
    reader_matrix,
)
from vpack_pipeline.core.adjudication.evidence import NEGATIVE, POSITIVE, first_of_reader
from vpack_pipeline.protocol import Finding
from vpack_pipeline.stats.latent_class import LatentClasses, dawid_skene

CATEGORIES: Final = (0.0, 1.0)
"""Negative and positive, as the model sees them."""
MINIMUM: Final = 30
"""Included cases with three independent votes, below which nothing is said."""
TOO_FEW: Final = f"fewer than {MINIMUM} included cases have three positive or negative reads"
CAUTION: Final = (
    "assumes that readers err independently given the truth; where they err alike it takes their"
    " shared error for truth"
)
POSTERIORS: Final = {"case_id": pl.String, "p_positive": pl.Float64}


def case_posteriors(
    reads: pl.DataFrame, included: pl.DataFrame, finding: Finding
) -> pl.DataFrame | str:
    """Give the probability that each included case is positive, by the reads of its panel.

    Each reader's first independent read counts where it is positive or negative.

    Parameters
    ----------
    reads : cohort/reads
    included : eligibility/included

    Returns
    -------
    ``case_id`` and ``p_positive`` in [0, 1], one row per included case with such a read, sorted by
    case; or why there is none: reads that followed sight of peers, or fewer than ``MINIMUM`` cases
    with three votes, or readers whose errors the model cannot tell from the classes
    """
    basis = read_basis(included_reads(reads, included, (finding,)), finding.name)
    votes = vote_matrix(basis)
    model = latent_classes(basis, votes)
    if isinstance(model, str):
        return model
    columns = {"case_id": votes.cases, "p_positive": model.posteriors[:, 1]}
    return pl.DataFrame(columns, schema=POSTERIORS)


def vote_matrix(basis: ReadBasis) -> ReaderMatrix:
    """Lay out the votes: 1 positive, 0 negative; other reads are none."""
    codes = {NEGATIVE: CATEGORIES[0], POSITIVE: CATEGORIES[1]}
    vote = pl.col("class").replace_strict(codes, default=None, return_dtype=pl.Float64)
    return reader_matrix(first_of_reader(basis.reads), vote)


def refusal(basis: ReadBasis, votes: ReaderMatrix) -> str | None:
    """Say why the model is not asked at all."""
    enough = np.count_nonzero(np.count_nonzero(~np.isnan(votes.ratings), axis=1) >= 3)
    return basis.refusal or (TOO_FEW if enough < MINIMUM else None)


def latent_classes(basis: ReadBasis, votes: ReaderMatrix) -> LatentClasses | str:
    """Fit the model, or say why it cannot be."""
    why = refusal(basis, votes)
    if why is not None:
        return why
    fit = dawid_skene(votes.ratings, CATEGORIES)
    if fit.model is None:
        return str(fit.reason)
    return fit.model
