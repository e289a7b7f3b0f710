"""When the studies of a window's cases began: by day of the week and part of the day.

A set without weekends or nights, where the archive has them, is not consecutive: a rule of conduct
holds it against the archive (``integrity.sampling``). What does not belong here: that rule, in
which bands people can be described (``core.time_bands``).
"""

from __future__ import annotations

import datetime

import polars as pl

from vpack_pipeline.core.evaluation.looks import WindowedFigures
from vpack_pipeline.core.time_bands import BANDS, described_kinds, with_bands
from vpack_pipeline.core.windows import WINDOWS, window_of
from vpack_pipeline.protocol import Disclosure, Evaluation
from vpack_pipeline.stats.codes import code

_CASES, _INCLUDED = "n_begun", "n_begun_included"


def study_times(
    *,
    cases: pl.DataFrame,
    included: pl.DataFrame,
    evaluation: Evaluation,
    disclosure: Disclosure,
    cut: datetime.date,
) -> pl.DataFrame:
    """Count the cases of each window by when their index study began.

    ``stratum_kind`` is a kind of band, ``stratum`` a band. A kind by which few patients would be
    described has no figures. Cases without a date or time in their index study are left out of
    ``n``. No label is read, so nothing is withheld.

    Parameters
    ----------
    cases : the case view; ``study_date`` and ``study_time_s`` of the index study
    included : eligibility/included
    """
    figures = WindowedFigures(
        "evaluation/study_times", evaluation, cut, open_metrics={_CASES, _INCLUDED}
    )
    is_included = pl.col("case_id").is_in(included["case_id"].implode())
    banded = with_bands(cases).with_columns(
        is_included.alias("is_included"),
        window_of(pl.col("index_date"), evaluation).alias("window"),
    )
    too_small = code("set_too_small", fewest=disclosure.smallest_group)
    for window in WINDOWS:
        everyone = banded.filter(pl.col("window") == window)
        given = described_kinds(everyone, disclosure.smallest_group)
        for kind, bands in BANDS.items():
            known = everyone.drop_nulls(kind)
            for band in bands:
                place = figures.at(window=window, stratum_kind=kind, stratum=band)
                for metric, among in (
                    (_CASES, known),
                    (_INCLUDED, known.filter("is_included")),
                ):
                    if kind in given:
                        place.count(metric, among.filter(pl.col(kind) == band).height, among.height)
                    else:
                        place.refuse(metric, too_small)
    return figures.frame()
