"""How the study was run: one rule a row, held or broken, with counts.

A broken rule is a result: it is printed and closes no gate. What does not belong here: whether the
tables are what they say they are (contracts and gate).
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from vpack_pipeline.core.evaluation.analysis import AnalysisSet, CaseSet
from vpack_pipeline.core.evaluation.looks import PROSPECTIVE, RETROSPECTIVE, withheld_reason
from vpack_pipeline.core.evaluation.verification import ANY, evidence, primary_calls
from vpack_pipeline.core.figures import Figures
from vpack_pipeline.document import Window
from vpack_pipeline.protocol import (
    About,
    Adjudication,
    Eligibility,
    Evaluation,
    Finding,
    IndexTest,
    Sampling,
)
from vpack_pipeline.stats.estimate import BoolArray

HELD: Final = "held"
BROKEN: Final = "broken"
NOT_ASSESSABLE: Final = "not_assessable"
WITHHELD: Final = "withheld"

_NOT_PEOPLE: Final = frozenset(
    {"protocols", "models", "operating points", "rules", "weeks", "findings and sources"}
)
"""Units of the protocol or the calendar: their numbers are no small cells of patients."""
_LEAST_WEEKS: Final = 4
_LEAST_SURPRISE: Final = 0.01
"""An empty week counts as a gap where chance would leave one in less than 1 of 100 studies."""


@dataclass(frozen=True, slots=True)
class Study:
    """Everything that the rules look at."""

    time_split: pl.DataFrame
    reference_standard: pl.DataFrame
    inferences: pl.DataFrame
    included: pl.DataFrame
    cases: pl.DataFrame
    patients: pl.DataFrame
    studies: pl.DataFrame
    case_studies: pl.DataFrame
    reads: pl.DataFrame
    readers: pl.DataFrame
    reference: pl.DataFrame
    predictions: pl.DataFrame
    about: About
    index_test: IndexTest
    findings: tuple[Finding, ...]
    eligibility: Eligibility
    sampling: Sampling
    adjudication: Adjudication
    evaluation: Evaluation
    cut: datetime.date

    @property
    def start(self) -> datetime.datetime:
        """The first moment of the prospective window, in UTC."""
        day = self.evaluation.prospective.start
        return datetime.datetime.combine(day, datetime.time(), datetime.UTC)

    def prospective(self) -> pl.DataFrame:
        """Included case × finding of the prospective window, with the primary model's output."""
        split = self.time_split.filter(
            pl.col("is_included") & (pl.col("window") == PROSPECTIVE)
        ).select("case_id", "finding", "is_mature")
        primary = self.inferences.filter(pl.col("model_id") == self.index_test.primary.id)
        return split.join(primary, on=["case_id", "finding"])


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a rule found among ``n`` units that could be checked."""

    n: int
    violations: int
    unit: str
    has_unknown: bool = False
    reason: str | None = None
    """Why nothing could be checked; or a caution."""
    is_withheld: bool = False


def integrity(
    *,
    time_split: pl.DataFrame,
    reference_standard: pl.DataFrame,
    inferences: pl.DataFrame,
    included: pl.DataFrame,
    cases: pl.DataFrame,
    patients: pl.DataFrame,
    studies: pl.DataFrame,
    case_studies: pl.DataFrame,
    reads: pl.DataFrame,
    readers: pl.DataFrame,
    reference: pl.DataFrame,
    predictions: pl.DataFrame,
    about: About,
    index_test: IndexTest,
    findings: tuple[Finding, ...],
    eligibility: Eligibility,
    sampling: Sampling,
    adjudication: Adjudication,
    evaluation: Evaluation,
    cut: datetime.date,
) -> pl.DataFrame:
    """Check how the study was run, rule by rule; :data:`RULES` says what each asks.

    ``n`` is how many units could be checked, ``events`` and ``estimate`` how many broke the rule;
    ``method`` names the unit, and holds n where units are no cases or people. A rule that no unit
    can be held to is refused as not assessable, and ``reason`` says where some units lacked the
    needed time or answer.
    """
    study = Study(
        time_split=time_split,
        reference_standard=reference_standard,
        inferences=inferences,
        included=included,
        cases=cases,
        patients=patients,
        studies=studies,
        case_studies=case_studies,
        reads=reads,
        readers=readers,
        reference=reference,
        predictions=predictions,
        about=about,
        index_test=index_test,
        findings=findings,
        eligibility=eligibility,
        sampling=sampling,
        adjudication=adjudication,
        evaluation=evaluation,
        cut=cut,
    )
    figures = Figures(["rule"], ["title", "verdict"])
    for name, (title, check) in RULES.items():
        _give(figures, name, title, check(study))
    return figures.frame()


def _give(figures: Figures, rule: str, title: str, found: Outcome) -> None:
    if found.is_withheld:
        figures.withhold("violations", found.reason or "", rule=rule, title=title, verdict=WITHHELD)
        return
    # Without the number: a reason is text, which no rule on small cells reaches.
    unknown = f"some {found.unit} lack what is needed to check them" if found.has_unknown else None
    reason = "; ".join(text for text in (found.reason, unknown) if text) or None
    if found.n == 0:
        nothing = reason or f"there are no {found.unit} to check"
        figures.refuse("violations", nothing, n=0, rule=rule, title=title, verdict=NOT_ASSESSABLE)
        return
    is_public = found.unit in _NOT_PEOPLE
    figures.give(
        "violations",
        found.violations,
        n=None if is_public else found.n,
        events=None if is_public else found.violations,
        method=f"count of {found.unit}" + (f", of {found.n}" if is_public else ""),
        reason=reason,
        rule=rule,
        title=title,
        verdict=BROKEN if found.violations else HELD,
    )


def _judged(frame: pl.DataFrame, is_violation: pl.Expr, unit: str) -> Outcome:
    """Count rows that break a rule; a null could not be checked."""
    found = frame.select(is_violation.alias("is_violation"))["is_violation"]
    n_unknown = found.null_count()
    return Outcome(found.len() - n_unknown, int(found.sum()), unit, n_unknown > 0)


def protocol_registered(study: Study) -> Outcome:
    """The protocol was fixed before the prospective window opened."""
    return Outcome(1, int(study.about.registered_at > study.start), "protocols")


def model_locked(study: Study) -> Outcome:
    """Every model was locked before the prospective window opened."""
    models = study.index_test.models
    late = sum(model.locked_at > study.start for model in models)
    return Outcome(len(models), late, "models")


def thresholds_fixed(study: Study) -> Outcome:
    """Every operating point was fixed before the prospective window opened."""
    points = study.evaluation.operating_points
    return Outcome(len(points), sum(p.fixed_at > study.start for p in points), "operating points")


def rules_before_window(study: Study) -> Outcome:
    """Every eligibility rule was decided before the prospective window opened."""
    rules = study.eligibility.rules
    late = sum(rule.decided_at >= study.evaluation.prospective.start for rule in rules)
    return Outcome(len(rules), late, "rules")


def rules_blind(study: Study) -> Outcome:
    """Every eligibility rule was decided without sight of scores and labels."""
    rules = study.eligibility.rules
    seen = sum(not {"scores", "labels"} <= set(rule.blind_to) for rule in rules)
    return Outcome(len(rules), seen, "rules")


def scored_by_locked_model(study: Study) -> Outcome:
    """No included case was scored before its model was locked."""
    locked = pl.DataFrame(
        {
            "model_id": [m.id for m in study.index_test.models],
            "locked_at": [m.locked_at.astimezone(datetime.UTC) for m in study.index_test.models],
        },
        schema={"model_id": pl.String, "locked_at": pl.Datetime("us", "UTC")},
    )
    scored = (
        study.inferences.filter(pl.col("status") == "ok")
        .join(study.included.select("case_id"), on="case_id", how="semi")
        .join(locked, on="model_id")
    )
    return _judged(scored, pl.col("produced_at") < pl.col("locked_at"), "scores")


def received_before_scored(study: Study) -> Outcome:
    """No included prospective case was scored before it was received."""
    scored = study.prospective().filter(pl.col("status") == "ok")
    return _judged(scored, pl.col("produced_at") < pl.col("received_at"), "scores")


def scored_before_labelled(study: Study) -> Outcome:
    """Every included prospective case was scored before its label was established."""
    labels = study.reference_standard.filter(pl.col("label").is_not_null())
    scored = (
        study.prospective()
        .filter(pl.col("status") == "ok")
        .join(labels.select("case_id", "finding", "established_at"), on=["case_id", "finding"])
    )
    return _judged(scored, pl.col("produced_at") >= pl.col("established_at"), "labelled scores")


def delivered_before_labels(study: Study) -> Outcome:
    """No included prospective score was first delivered after the first evidence for its label.

    Delivery dates cannot be written after the fact, unlike the times inside the files.
    """
    keys = ["case_id", "finding"]
    day = pl.col("delivery").str.head(10).min().alias("day")
    reads = study.reads.filter(pl.col("purpose") == "reference")
    evidence = pl.concat([frame.select(*keys, "delivery") for frame in (reads, study.reference)])
    scores = study.predictions.filter(
        (pl.col("model_id") == study.index_test.primary.id) & (pl.col("status") == "ok")
    )
    both = (
        study.prospective()
        .select(keys)
        .join(scores.group_by(keys).agg(day), on=keys)
        .join(evidence.group_by(keys).agg(day.alias("label_day")), on=keys)
    )
    return _judged(both, pl.col("day") > pl.col("label_day"), "labelled scores")


def no_development_patient(study: Study) -> Outcome:
    """No included patient was used to train or tune."""
    patients = study.patients.join(study.included, on="patient_id", how="semi")
    return _judged(patients, pl.col("in_development"), "patients")


def disjoint_patients(study: Study) -> Outcome:
    """No patient has included cases in both windows."""
    included = study.time_split.filter(
        pl.col("is_included") & pl.col("window").is_in([RETROSPECTIVE, PROSPECTIVE])
    )
    windows = included.group_by("patient_id").agg(pl.col("window").n_unique())
    return _judged(windows, pl.col("window") > 1, "patients")


def consecutive(study: Study) -> Outcome:
    """No week of the prospective window lacks a case, where cases come often enough to tell."""
    unit = "weeks"
    if study.sampling.method != "consecutive":
        reason = f"the protocol claims {study.sampling.method} sampling"
        return Outcome(0, 0, unit, reason=reason)
    window = study.evaluation.prospective
    dates = study.cases.filter(_within("index_date", window))["index_date"].to_list()
    n_weeks = (max(dates, default=window.start) - window.start).days // 7
    weeks = [week for date in dates if (week := (date - window.start).days // 7) < n_weeks]
    if n_weeks < _LEAST_WEEKS:
        return Outcome(0, 0, unit, reason=f"fewer than {_LEAST_WEEKS} whole weeks")
    if n_weeks * math.exp(-len(weeks) / n_weeks) >= _LEAST_SURPRISE:
        return Outcome(0, 0, unit, reason="too few cases a week to tell a gap from chance")
    return Outcome(n_weeks, n_weeks - len(set(weeks)), unit)


def every_study_has_case(study: Study) -> Outcome:
    """Every study of the archive in the prospective window belongs to a case."""
    studies = study.studies.filter(_within("study_date", study.evaluation.prospective))
    used = study.case_studies.filter("in_force").select(
        "study_id", pl.lit(value=True).alias("is_used")
    )
    found = studies.join(used.unique(), on="study_id", how="left")
    return _judged(found, pl.col("is_used").is_null(), "studies")


def every_case_accounted(study: Study) -> Outcome:
    """Every included mature prospective case was sent to the index test, or is reported as not."""
    mature = study.prospective().filter("is_mature")
    return _judged(mature, pl.col("status") == "missing", "cases")


def verification_alike(study: Study) -> Outcome:
    """Labels were sought alike, of any source and of each, whatever the index test said.

    Of any source by the share labelled, of each independent source by the share that it verified;
    alike means within the protocol's tolerance. A source that verified nobody is not judged.
    """
    unit = "findings and sources"
    reason = withheld_reason(study.evaluation, study.cut)
    if reason is not None:
        return Outcome(0, 0, unit, reason=reason, is_withheld=True)
    analysis = AnalysisSet(
        time_split=study.time_split,
        reference_standard=study.reference_standard,
        inferences=study.inferences,
        index_test=study.index_test,
    )
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
            if abs(difference) > study.adjudication.verification_tolerance:
                unlike.append(f"{finding.name} by {source}")
    if n == 0:
        lacking = "no finding has both flagged and unflagged mature cases"
        return Outcome(0, 0, unit, reason=lacking)
    reason = f"not sought alike: {', '.join(unlike)}" if unlike else None
    return Outcome(n, len(unlike), unit, reason=reason)


def _sought(study: Study, mature: CaseSet, finding: str) -> Iterator[tuple[str, BoolArray]]:
    """Give of each source the cases whose label it sought; of any, those that have one."""
    yield f"{ANY} source", mature.is_decided
    come = evidence(finding, study.reference_standard, study.reference, study.adjudication)
    for source in study.adjudication.reference_sources:
        verified = mature.joined(come, f"verified_{source}").fill_null(value=False).to_numpy()
        if verified.any():
            yield source, verified


def readers_blind_to_index_test(study: Study) -> Outcome:
    """No read that makes a label was made with sight of the index test."""
    if not study.adjudication.blind_to_index_test:
        return Outcome(0, 0, "reads", reason="the protocol does not claim it")
    return _judged(_label_reads(study), pl.col("saw_index_test"), "reads")


def readers_blind_to_peers(study: Study) -> Outcome:
    """No independent read that makes a label was made with sight of another."""
    if not study.adjudication.blind_to_peers:
        return Outcome(0, 0, "reads", reason="the protocol does not claim it")
    independent = _label_reads(study).filter(pl.col("role") == "independent")
    return _judged(independent, pl.col("saw_peers"), "reads")


def reference_blind_to_index_test(study: Study) -> Outcome:
    """Nobody who gave an independent reference knew the index test."""
    rows = study.reference.filter("in_force").join(
        study.included.select("case_id"), on="case_id", how="semi"
    )
    return _judged(rows, pl.col("knew_index_test"), "reference labels")


def readers_not_in_development(study: Study) -> Outcome:
    """No reader whose reads make labels took part in development."""
    readers = study.readers.filter("in_force").join(
        _label_reads(study).select("reader_id"), on="reader_id", how="semi"
    )
    return _judged(readers, pl.col("in_development"), "readers")


def _label_reads(study: Study) -> pl.DataFrame:
    return study.reads.filter(pl.col("in_force") & (pl.col("purpose") == "reference")).join(
        study.included.select("case_id"), on="case_id", how="semi"
    )


def _within(column: str, window: Window) -> pl.Expr:
    return pl.col(column).is_between(window.start, window.end)


RULES: Final[Mapping[str, tuple[str, Callable[[Study], Outcome]]]] = {
    check.__name__: ((check.__doc__ or "").partition("\n")[0], check)
    for check in (
        protocol_registered,
        model_locked,
        thresholds_fixed,
        rules_before_window,
        rules_blind,
        scored_by_locked_model,
        received_before_scored,
        scored_before_labelled,
        delivered_before_labels,
        no_development_patient,
        disjoint_patients,
        consecutive,
        every_study_has_case,
        every_case_accounted,
        verification_alike,
        readers_blind_to_index_test,
        readers_blind_to_peers,
        reference_blind_to_index_test,
        readers_not_in_development,
    )
}
"""Rule → what it asks, and its check. The first line of a check's docstring is printed."""
