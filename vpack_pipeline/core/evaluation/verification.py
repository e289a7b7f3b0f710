"""Was a case's label sought with the same zeal whatever the index test said?

What does not belong here: what a label is (``adjudication``), what difference is tolerated
(``integrity`` holds it to the protocol).
"""

from __future__ import annotations

import datetime
from typing import Final, Unpack

import numpy as np
import numpy.typing as npt
import polars as pl

from vpack_pipeline.core.calls import primary_point
from vpack_pipeline.core.evaluation.analysis import Analysed, AnalysisSet, CaseSet, called
from vpack_pipeline.core.evaluation.looks import WindowedFigures
from vpack_pipeline.core.evaluation.partial_verification import (
    Sought,
    give_by_source,
    give_difference,
    give_whole,
)
from vpack_pipeline.core.evaluation.unweighted import UnweightedFigures
from vpack_pipeline.core.sampling import SampledCases
from vpack_pipeline.core.windows import WINDOWS
from vpack_pipeline.protocol import Adjudication, AnySampling, Evaluation, Finding, IndexTest
from vpack_pipeline.stats.estimate import BoolArray
from vpack_pipeline.stats.proportions import clustered_proportion

ANY: Final = "any"
ALL: Final = "all"
PANEL: Final = "panel"
CALLS: Final = ("positive", "negative", "none")
_OPEN: Final = frozenset({"eligible"})


def verification(
    *,
    cases: pl.DataFrame,
    reference: pl.DataFrame,
    findings: tuple[Finding, ...],
    index_test: IndexTest,
    evaluation: Evaluation,
    sampling: AnySampling,
    adjudication: Adjudication,
    published_looks: pl.DataFrame,
    cut: datetime.date,
    **analysed: Unpack[Analysed],
) -> pl.DataFrame:
    """Count mature cases by the primary model's call: eligible, verified and labelled by source.

    ``call`` is that at the primary operating point; ``none`` is a failed inference, or all cases
    where the protocol states no operating point. A case is ``verified`` by an independent source
    when a row of it has come, by the panel when enough independent reads have, by ``any`` when by
    one of these; ``labelled`` when its positive or negative label is of that source. The shares
    are of eligible cases. Under the call ``all`` stand the performance among cases that each
    source labelled, the difference of the shares verified, and of ``any`` source what partial
    labelling does to the figures (:mod:`partial_verification`). What the way in which cases were
    drawn does not let stand is refused (``sampling``).

    Parameters
    ----------
    cases : the case view; ``stratum`` is the sampling stratum
    reference : cohort/reference; rows in force count
    """
    figures = WindowedFigures(
        "evaluation/verification",
        evaluation,
        cut,
        published_looks,
        open_metrics=_OPEN,
    )
    analysis = AnalysisSet(index_test=index_test, **analysed)
    model_id = index_test.primary.id
    level = evaluation.interval.level
    sampled = SampledCases(cases, sampling, evaluation)
    for finding in findings:
        come = evidence(finding.name, analysed["reference_standard"], reference, adjudication)
        for window in WINDOWS:
            mature = analysis.cases(finding.name, model_id, window)
            calls = primary_calls(mature, finding.name, index_test, evaluation)
            unweighted = UnweightedFigures(
                figures, sampled, finding.name, mature, np.asarray(calls == "positive")
            )
            for call in CALLS:
                among = mature.take(calls == call)
                for source in (*adjudication.reference_sources, PANEL, ANY):
                    place = unweighted.at(
                        finding=finding.name,
                        model_id=model_id,
                        window=window,
                        call=call,
                        source=source,
                    )
                    place.count("eligible", among.n, mature.n)
                    for name in ("verified", "labelled"):
                        mask = _mask(among, come, f"{name}_{source}")
                        place.count(name, int(mask.sum()), among.n)
                        rate = clustered_proportion(mask, among.patient, level)
                        place.give(f"share_{name}", rate)
            sought = Sought(
                mature,
                calls,
                primary_point(evaluation, finding.name, model_id),
                index_test,
                level,
                adjudication,
            )
            at = {"finding": finding.name, "model_id": model_id, "window": window, "call": ALL}
            for source in (*adjudication.reference_sources, PANEL, ANY):
                place = unweighted.at(**at, source=source)
                give_by_source(place, sought, _mask(mature, come, f"labelled_{source}"))
                give_difference(place, sought, _mask(mature, come, f"verified_{source}"))
            give_whole(unweighted.at(**at, source=ANY), sought)
    return figures.frame()


def _mask(cases: CaseSet, come: pl.DataFrame, column: str) -> BoolArray:
    found = cases.joined(come, column).fill_null(value=False)
    return np.asarray(found.to_numpy(), dtype=np.bool_)


def primary_calls(
    cases: CaseSet, finding: str, index_test: IndexTest, evaluation: Evaluation
) -> npt.NDArray[np.str_]:
    """Name the primary model's call of each case; a failed inference is a call of its own."""
    point = primary_point(evaluation, finding, index_test.primary.id)
    if point is None:
        return np.full(cases.n, "none")
    flagged = called(cases, point, index_test).is_flagged
    return np.where(cases.is_usable, np.where(flagged, "positive", "negative"), "none")


def evidence(
    finding: str,
    reference_standard: pl.DataFrame,
    reference: pl.DataFrame,
    adjudication: Adjudication,
) -> pl.DataFrame:
    """One row per case: for each source, whether evidence has come and whether it decided."""
    has_label = pl.col("label").is_in(["positive", "negative"])
    frame = reference_standard.filter(pl.col("finding") == finding).with_columns(
        (pl.col("n_independent") >= adjudication.minimum_readers).alias(f"verified_{PANEL}"),
        has_label.fill_null(value=False).alias(f"labelled_{ANY}"),
    )
    rows = reference.filter(pl.col("in_force") & (pl.col("finding") == finding))
    for source in adjudication.reference_sources:
        come = rows.filter(pl.col("source") == source).select("case_id").unique()
        frame = frame.join(
            come.with_columns(pl.lit(value=True).alias(f"verified_{source}")),
            on="case_id",
            how="left",
        ).with_columns(pl.col(f"verified_{source}").fill_null(value=False))
    sources = [*adjudication.reference_sources, PANEL]
    return frame.with_columns(
        pl.any_horizontal(f"verified_{source}" for source in sources).alias(f"verified_{ANY}"),
        *(
            (has_label & (pl.col("source") == source))
            .fill_null(value=False)
            .alias(f"labelled_{source}")
            for source in sources
        ),
    )
