"""How each reference reader did, against the other readers and against an independent source.

Other readers err too: agreement with them is a reference line, not a ceiling. What does not belong
here: agreement of readers as a group (``agreement``), what follows for labels (``label_noise``),
and comparators, who are held against the reference standard (``evaluation/performance``). Who only
adjudicates made no independent read, and stands here by name and count without being judged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import polars as pl

from vpack_pipeline.core.adjudication.basis import (
    NOT_AGREED,
    against_others,
    included_reads,
    read_basis,
)
from vpack_pipeline.core.adjudication.evidence import (
    ADJUDICATING,
    INDETERMINATE,
    NEGATIVE,
    NON_DIAGNOSTIC,
    POSITIVE,
    UNIT,
    first_of_reader,
    independent_labels,
)
from vpack_pipeline.core.adjudication.latent import ReaderAccuracy, reader_accuracy
from vpack_pipeline.core.adjudication.red_flags import Flagging, put_flags, with_halves
from vpack_pipeline.core.figures import Figures
from vpack_pipeline.core.printed_words import ROSTER, Words, words_of_roster
from vpack_pipeline.protocol import Adjudication, Evaluation, Finding
from vpack_pipeline.stats.codes import Code, code, coded
from vpack_pipeline.stats.proportions.intervals import clustered_proportion

ALL_READERS: Final = "all"
THESE_READERS: Final = Code("these_readers_only")
_TARGETS: Final = {"leave_one_out": "others", "independent": "reference_label"}
_NOTES: Final = {"leave_one_out": "others_err_too", "independent": "only_with_reference"}


def reader_performance(
    *,
    reads: pl.DataFrame,
    readers: pl.DataFrame,
    printed_words: pl.DataFrame,
    cases: pl.DataFrame,
    reference: pl.DataFrame,
    included: pl.DataFrame,
    findings: tuple[Finding, ...],
    adjudication: Adjudication,
    evaluation: Evaluation,
    readers_agreed: bool,
) -> pl.DataFrame:
    """Give sensitivity and specificity of reference readers, one by one and together.

    A reader's first independent read of an included case is held against the majority of two or
    more others (leave one out) and against the independent sources, whether or not these gave the
    case its label. A read that is indeterminate or not diagnostic is counted, and is right about
    nothing. Where all reads followed sight of peers every such figure is refused. Beside them stand
    the rates that Dawid and Skene's model gives (:mod:`latent`), and what may speak against the
    reads (:mod:`red_flags`): change over time, pace, a jump after sight of the index test. How a
    reader uses the scale is counted whatever the basis: ``share_rating=`` each of its values, which
    with ``share_non_diagnostic`` make up the reader's reads.

    Whoever gave a reference read of an included case has a row of each metric. Of readers whose
    reads are none of these, such as an adjudicator, what needs them is refused;
    ``n_adjudicating_reads`` counts tiebreak and consensus reads, a reader's first of a case.

    Parameters
    ----------
    reads, readers, printed_words, cases, reference : tables of section cohort
    included : eligibility/included
    readers_agreed : whether each reader may stand alone

    Returns
    -------
    figures by finding, reader and metric; reader ``all``, always there, pools the reads. The
    roster's words on a reader, as they are printed, stand beside each of their rows. Where readers
    may not stand alone, there are the rows of ``all``, one of which says so.
    """
    figures = Figures("adjudication/reader_performance")
    known = included_reads(reads, included, findings).join(
        independent_labels(cases, reference, findings, adjudication),
        on=UNIT,
        how="left",
        maintain_order="left",
    )
    roster = readers.filter("in_force").select(
        "reader_id", "years_experience", "in_development", *ROSTER
    )
    for finding in findings:
        basis = read_basis(known, finding.name)
        first = first_of_reader(
            known.filter(pl.col("finding") == finding.name, pl.col("purpose") == "reference")
        )
        rows = with_halves(against_others(basis.first))
        group = _Group(
            finding.name,
            Flagging(basis.name, basis.refusal, evaluation.interval.level),
            reader_accuracy(basis, finding, evaluation),
            frozenset(roster.filter("in_development")["reader_id"]),
            {rating_metric(c.value): c.value for c in finding.categories},
            None if readers_agreed else NOT_AGREED,
        )
        _put(figures, group, ALL_READERS, rows)
        for name in sorted(set(rows["reader_id"])):
            _put(figures, group, name, rows.filter(pl.col("reader_id") == name))
        others = set(first["reader_id"]) - set(rows["reader_id"])
        _put_unread(figures, group, first.filter(pl.col("reader_id").is_in(others)))
        _put_adjudicating(figures, finding.name, first)
        _put_experience(figures, finding.name, rows, first["reader_id"], roster)
    made = _with_roster(figures.frame(), roster, words_of_roster(printed_words))
    return made if readers_agreed else _together(made)


@dataclass(frozen=True, slots=True)
class _Group:
    finding: str
    how: Flagging
    latent: ReaderAccuracy | Code
    developers: frozenset[str]
    ratings: dict[str, float]
    alone: Code | None
    """Why no reader stands alone."""


def _put(figures: Figures, group: _Group, reader: str, rows: pl.DataFrame) -> None:
    keys: dict[str, Any] = {"finding": group.finding, "reader_id": reader}
    n_cases = rows["case_id"].n_unique()
    method = coded("count", group.how.basis)
    notes = coded(_developed(group, rows), group.alone)
    figures.give("n_reads", rows.height, n=n_cases, method=method, notes=notes, **keys)
    is_rated = pl.col("class") != NON_DIAGNOSTIC
    kinds = {f"share_{k}": pl.col("class") == k for k in (INDETERMINATE, NON_DIAGNOSTIC)}
    values = {m: is_rated & (pl.col("rating") == v) for m, v in group.ratings.items()}
    for metric, is_so in (kinds | values).items():
        if not rows.height:
            figures.refuse(metric, "no_read", n=0, events=0, **keys)
            continue
        count = rows.filter(is_so).height
        share = count / rows.height
        figures.give(metric, share, n=rows.height, events=count, method="share", **keys)
    for against in _TARGETS:
        for metric, label in (("sensitivity", POSITIVE), ("specificity", NEGATIVE)):
            _put_share_right(figures, group.how, rows, metric, label, against, **keys)
    _put_latent(figures, group.latent, reader, rows, **keys)
    put_flags(figures, group.how, rows, **keys)


def _put_unread(figures: Figures, group: _Group, reads: pl.DataFrame) -> None:
    """Say of readers without a read that enters why they have no figure, metric by metric."""
    pooled = pl.col("finding") == group.finding, pl.col("reader_id") == ALL_READERS
    metrics = figures.frame().filter(pooled)["metric"].to_list()
    for (name,), own in reads.sort("reader_id").group_by("reader_id", maintain_order=True):
        has_own = "independent" in own["role"]
        why = "not_without_sight_of_peers" if has_own else "adjudicated_only"
        notes = _developed(group, own)
        for metric in metrics:
            keys: dict[str, Any] = {"finding": group.finding, "reader_id": str(name)}
            if metric == "n_reads":
                method = coded("count", group.how.basis)
                figures.give(metric, 0, n=0, method=method, notes=notes, **keys)
            else:
                figures.refuse(metric, why, n=0, **keys)


def _put_adjudicating(figures: Figures, finding: str, first: pl.DataFrame) -> None:
    """Count the reads that decided, or were to decide, what independent reads left open."""
    counts = dict.fromkeys(sorted(set(first["reader_id"])), 0)
    deciding = first.filter(pl.col("role").is_in(ADJUDICATING))
    counts |= dict(deciding.group_by("reader_id").len().iter_rows())
    for reader, n in {ALL_READERS: deciding.height, **counts}.items():
        figures.give(
            "n_adjudicating_reads",
            n,
            n=n,
            events=n,
            method="count",
            finding=finding,
            reader_id=reader,
        )


def rating_metric(value: float) -> str:
    """Name the share of a reader's reads that have this rating.

    >>> rating_metric(3.0)
    'share_rating=3'
    """
    return f"share_rating={value:g}"


def _developed(group: _Group, rows: pl.DataFrame) -> Code | None:
    """Say of a reader, or of readers together, that the index test has learnt from them."""
    readers = set(rows["reader_id"])
    who = len(readers & group.developers)
    if not who:
        return None
    if len(readers) == 1:
        return Code("reader_developed")
    return code("readers_developed", developers=who, readers=len(readers))


def _put_latent(
    figures: Figures, latent: ReaderAccuracy | Code, reader: str, rows: pl.DataFrame, **keys: Any
) -> None:
    metrics = ("sensitivity_dawid_skene", "specificity_dawid_skene")
    if isinstance(latent, Code):
        for metric in metrics:
            figures.refuse(metric, latent, **keys)
        return
    own = latent.pooled if reader == ALL_READERS else latent.by_reader.get(reader)
    if own is None:
        for metric in metrics:
            figures.refuse(metric, "no_vote_of_reader", n=0, **keys)
        return
    n = rows.filter(pl.col("class").is_in([POSITIVE, NEGATIVE])).height
    for metric, estimate in zip(metrics, own, strict=True):
        figures.give(metric, estimate, n=n, notes=_of_whom(reader), **keys)


def _put_share_right(
    figures: Figures,
    how: Flagging,
    rows: pl.DataFrame,
    metric: str,
    label: str,
    against: str,
    **keys: Any,
) -> None:
    if how.refusal is not None:
        figures.refuse(f"{metric}_{against}", how.refusal, **keys)
        return
    met = rows.filter(pl.col(_TARGETS[against]) == label)
    right = (met["class"] == label).to_numpy().astype(np.bool_)
    estimate = clustered_proportion(right, np.asarray(met["patient_id"].to_list()), how.level)
    if not met.height:
        estimate = replace(estimate, reason=code("no_read_of_class", label=label))
    notes = (_NOTES[against], _of_whom(keys["reader_id"])) if met.height else ()
    made = replace(estimate, method=coded(estimate.method, how.basis), notes=coded(*notes))
    figures.give(f"{metric}_{against}", made, **keys)


def _of_whom(reader: str) -> Code | None:
    """Say of readers pooled that the figure is theirs and no other reader's."""
    return THESE_READERS if reader == ALL_READERS else None


def _put_experience(
    figures: Figures, finding: str, rows: pl.DataFrame, everyone: pl.Series, roster: pl.DataFrame
) -> None:
    names = everyone.unique().sort().alias("reader_id").to_frame()
    years = names.join(roster, on="reader_id", how="left", maintain_order="left").select(
        "reader_id", "years_experience"
    )
    is_pooled = pl.col("reader_id").is_in(set(rows["reader_id"]))
    pooled = years.filter(is_pooled)["years_experience"].drop_nulls().median()
    for reader, value in [(ALL_READERS, pooled), *years.iter_rows()]:
        figures.give(
            "years_experience",
            value,
            method="median_of_readers" if reader == ALL_READERS else "as_delivered",
            reason="not_delivered",
            finding=finding,
            reader_id=reader,
        )


def _together(frame: pl.DataFrame) -> pl.DataFrame:
    """Keep the rows of all readers; where they are one in truth, without figures."""
    reading = pl.col("reader_id").ne(ALL_READERS) & (pl.col("n") > 0)
    sizes = frame.filter(reading, metric="n_reads").group_by("finding").len()
    alone = set(sizes.filter(pl.col("len") == 1)["finding"])
    pooled = frame.filter(reader_id=ALL_READERS)
    refused = Figures("adjudication/reader_performance")
    for row in pooled.filter(pl.col("finding").is_in(alone)).iter_rows(named=True):
        keys = {name: row[name] for name in refused.keys}
        refused.refuse(row["metric"], NOT_AGREED, **keys)
    several = pooled.filter(~pl.col("finding").is_in(alone))
    return pl.concat([several, refused.frame()]).sort("finding", "reader_id", "metric")


def _with_roster(frame: pl.DataFrame, roster: pl.DataFrame, words: Words) -> pl.DataFrame:
    known = roster.select(
        "reader_id", *(pl.col(c).replace_strict(words[c], return_dtype=pl.String) for c in ROSTER)
    )
    joined = frame.drop(ROSTER).join(known, on="reader_id", how="left", maintain_order="left")
    return joined.select(frame.columns)
