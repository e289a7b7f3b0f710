"""Rules on how labels came: sought alike, by readers who were blind and took no part before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import polars as pl

from vpack_pipeline.core.evaluation.analysis import CaseSet
from vpack_pipeline.core.evaluation.integrity.study import Outcome, Study, judged
from vpack_pipeline.core.evaluation.looks import withheld_reason
from vpack_pipeline.core.evaluation.missing_labels import is_within
from vpack_pipeline.core.evaluation.verification import ANY, evidence, primary_calls
from vpack_pipeline.core.windows import PROSPECTIVE
from vpack_pipeline.stats.codes import Code, code
from vpack_pipeline.stats.estimate import BoolArray

NOT_CLAIMED: Final = Code("not_claimed")
STATED_ONCE: Final = Code("stated_once_for_all")
"""Why a constant of the site's form is no evidence: nobody recorded it read by read."""


def verification_alike(study: Study) -> Outcome:
    """Labels were sought alike, of any source and of each, whatever the index test said.

    Of any source by the share labelled, of each independent source by the share that it verified;
    alike means within the protocol's tolerance. A source that verified nobody is not judged.
    """
    unit = "findings_and_sources"
    reason = withheld_reason(study.evaluation, study.cut)
    if reason is not None:
        return Outcome(0, 0, unit, reason=reason, is_withheld=True)
    analysis = study.analysis()
    n, unlike = 0, []
    for finding in study.findings:
        mature = analysis.cases(finding.name, study.index_test.primary.id, PROSPECTIVE)
        calls = primary_calls(mature, finding.name, study.index_test, study.evaluation)
        flagged, cleared = calls == "positive", calls == "negative"
        if not (flagged.any() and cleared.any()):
            continue
        for source, sought in _sought(study, mature, finding.name):
            difference = float(sought[flagged].mean() - sought[cleared].mean())
            n += 1
            if not is_within(difference, study.adjudication.verification_tolerance):
                unlike.append(f"{finding.name}/{source}")
    if n == 0:
        return Outcome(0, 0, unit, reason=Code("no_finding_of_both_calls"))
    reason = code("not_sought_alike", sought=tuple(unlike)) if unlike else None
    return Outcome(n, len(unlike), unit, reason=reason)


def _sought(study: Study, mature: CaseSet, finding: str) -> Iterator[tuple[str, BoolArray]]:
    """Give of each source the cases whose label it sought; of any, those that have one."""
    yield ANY, mature.is_decided
    come = evidence(finding, study.reference_standard, study.reference, study.adjudication)
    for source in study.adjudication.reference_sources:
        verified = mature.joined(come, f"verified_{source}").fill_null(value=False).to_numpy()
        if verified.any():
            yield source, verified


def readers_blind_to_index_test(study: Study) -> Outcome:
    """No read that makes a label was made with sight of the index test."""
    if not study.adjudication.blind_to_index_test:
        return Outcome(0, 0, "reads", reason=NOT_CLAIMED)
    if study.is_denied_once("reads", "saw_index_test"):
        return Outcome(0, 0, "reads", reason=STATED_ONCE)
    return judged(_label_reads(study), pl.col("saw_index_test"), "reads")


def readers_blind_to_peers(study: Study) -> Outcome:
    """No independent read that makes a label was made with sight of another."""
    if not study.adjudication.blind_to_peers:
        return Outcome(0, 0, "reads", reason=NOT_CLAIMED)
    if study.is_denied_once("reads", "saw_peers"):
        return Outcome(0, 0, "reads", reason=STATED_ONCE)
    independent = _label_reads(study).filter(pl.col("role") == "independent")
    return judged(independent, pl.col("saw_peers"), "reads")


def reference_blind_to_index_test(study: Study) -> Outcome:
    """Nobody who gave an independent reference knew the index test."""
    if study.is_denied_once("reference", "knew_index_test"):
        return Outcome(0, 0, "reference_labels", reason=STATED_ONCE)
    rows = study.reference.filter("in_force").join(
        study.included.select("case_id"), on="case_id", how="semi"
    )
    return judged(rows, pl.col("knew_index_test"), "reference_labels")


def readers_not_in_development(study: Study) -> Outcome:
    """No reader whose reads make labels took part in development."""
    readers = study.readers.filter("in_force").join(
        _label_reads(study).select("reader_id"), on="reader_id", how="semi"
    )
    return judged(readers, pl.col("in_development"), "readers")


def _label_reads(study: Study) -> pl.DataFrame:
    return study.reads.filter(pl.col("in_force") & (pl.col("purpose") == "reference")).join(
        study.included.select("case_id"), on="case_id", how="semi"
    )
