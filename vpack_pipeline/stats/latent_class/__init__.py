"""Latent classes behind several readers' ratings, without a reference standard.

Dawid & Skene (1979): each unit has one true class, and given it readers err independently, each
with a confusion matrix of their own. Where readers err alike (the same subtle lesion escapes all
of them) the model takes their shared error for truth: a sensitivity analysis, no reference. What
does not belong here: rules by which readers decide a label, and known reference errors.
"""

from vpack_pipeline.stats.latent_class.intervals import (
    CERTAIN,
    LatentClassIntervals,
    dawid_skene_intervals,
)
from vpack_pipeline.stats.latent_class.model import LatentClasses, LatentClassFit, dawid_skene

__all__ = [
    "CERTAIN",
    "LatentClassFit",
    "LatentClassIntervals",
    "LatentClasses",
    "dawid_skene",
    "dawid_skene_intervals",
]
