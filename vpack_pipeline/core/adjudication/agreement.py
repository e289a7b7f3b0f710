"""How far readers agreed, by which path each case got its label, and the floor asked for.

Poor agreement is a result: it is printed and closes nothing. What does not belong here: how a
coefficient is computed (``stats.agreement``), how a reader did (``reader_performance``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import polars as pl

from vpack_pipeline.contracts import metrics
from vpack_pipeline.core.adjudication.ambiguity import put_kinds
from vpack_pipeline.core.adjudication.basis import ReadBasis, included_reads, matrix
from vpack_pipeline.core.adjudication.basis import read_basis as basis_of
from vpack_pipeline.core.adjudication.coefficients import (
    ALL,
    Panel,
    Stratum,
    by_patient,
    coefficients,
    cut_stratum,
    positive_reads,
    weigh_ratings,
)
from vpack_pipeline.core.adjudication.evidence import (
    ADJUDICATING,
    INDETERMINATE,
    NEGATIVE,
    NON_DIAGNOSTIC,
    POSITIVE,
)
from vpack_pipeline.core.adjudication.floor import put_floor
from vpack_pipeline.core.adjudication.pairs import put_pairs
from vpack_pipeline.core.adjudication.rules import METHODS
from vpack_pipeline.core.figures import Figures
from vpack_pipeline.core.sampling import SampledCases
from vpack_pipeline.protocol import Adjudication, AnySampling, Disclosure, Evaluation, Finding
from vpack_pipeline.stats import agreement as stats
from vpack_pipeline.stats.codes import Code, Coded, Codes, coded
from vpack_pipeline.stats.estimate import FloatArray

LEAST_REPEATED: Final = 0.05
"""Of all reads, the share of repeats below which they say little of how steady readers are."""
LABELS: Final = (POSITIVE, NEGATIVE, INDETERMINATE)
"""What a label may say; ``label_none`` counts the cases without one."""
_CUT: Final = {NEGATIVE: 0.0, INDETERMINATE: 1.0, POSITIVE: 2.0}


def agreement(
    *,
    cases: pl.DataFrame,
    reads: pl.DataFrame,
    included: pl.DataFrame,
    reference_standard: pl.DataFrame,
    findings: tuple[Finding, ...],
    adjudication: Adjudication,
    evaluation: Evaluation,
    sampling: AnySampling,
    disclosure: Disclosure,
    readers_agreed: bool,
) -> pl.DataFrame:
    """Measure agreement of independent reads, and count the paths by which labels came.

    Coefficients rest on each reader's first independent reference read of an included case;
    non-diagnostic reads do not enter. Percent agreement, kappa, AC1 and the nominal alpha are on
    the cut classes (negative, positive, and indeterminate where the protocol has one); positive
    and negative agreement are of that class against the rest; ``krippendorff_alpha`` is ordinal, on
    the ratings as given, and so are AC2, the interval alpha and the ICC, on their values.

    Agreement depends on whom readers read: where cases were not drawn alike, what estimates it is
    weighted by inverse sampling fractions, in observed and chance agreement alike, or refused where
    these are not stated (``core.sampling``); what describes the reads at hand is given as it is.

    Parameters
    ----------
    cases : the case view; ``stratum`` is the sampling stratum
    reads : cohort/reads
    included : eligibility/included
    reference_standard : one row per case × finding
    evaluation : gives the interval's level
    disclosure : its smallest group is the fewest cases of a pair that enters the range of pairs
    readers_agreed : whether each reader may stand alone

    Returns
    -------
    figures by finding, stratum and metric; intervals by leaving out patients.
    Kinds of stratum: ``all`` included cases; ``cut``, each value from which a rating could count as
    positive; and where readers may stand alone, ``reader_pair``, two readers, and
    ``without_reader``, a reader left out.
    ``prespecified_floor`` carries the statistic's figure, the floor in ``method`` and the verdict
    in ``notes``; ``prespecified_floor_by_chance`` what readers who guess would reach of it.
    """
    sampled = SampledCases(cases, sampling, evaluation)
    figures = _Figures()
    known = included_reads(reads, included, findings)
    standard = reference_standard.join(included.select("case_id"), on="case_id")
    level = evaluation.interval.level
    for finding in findings:
        basis = basis_of(known, finding.name)
        panel = Panel.of(basis, finding, readers_agreed=readers_agreed, sampled=sampled)
        figures.why_not[finding.name] = panel.weighing.reason
        found = coefficients(panel, level)
        for stratum, estimates in found.items():
            for name, estimate in estimates.items():
                figures.give(name, estimate, finding=finding.name, **stratum.keys)
        for stratum in (ALL, *map(cut_stratum, panel.cuts)):
            _put_positive_share(figures, panel, stratum)
        put_pairs(figures, panel, disclosure.smallest_group, level)
        put_floor(figures, panel, found[ALL], adjudication.floor)
        reference = known.filter(
            (pl.col("finding") == finding.name) & (pl.col("purpose") == "reference")
        )
        _put_counts(figures, reference, basis, finding.name)
        _put_repeats(figures, basis, finding.name, sampled, level)
        of_finding = standard.filter(pl.col("finding") == finding.name)
        _put_paths(figures, of_finding, finding.name)
        _put_labels(figures, of_finding, finding.name)
        put_kinds(figures, of_finding, finding=finding.name, **ALL.keys)
    return figures.frame()


class _Figures(Figures):
    """Figures of agreement; those that estimate it may be refused for the way cases were drawn.

    ``why_not`` says by finding why.
    """

    def __init__(self) -> None:
        super().__init__("adjudication/agreement")
        self.why_not: dict[str, Code | None] = {}

    def _add(
        self,
        metric: str,
        status: str,
        row: Mapping[str, object],
        *,
        reason: Code | None = None,
        notes: Codes = (),
        method: Codes = (),
    ) -> None:
        declared = metrics.find(self.asset, metric)
        is_of_sample = declared.kind == "count" or declared.conditional_on == "sample"
        why_not = self.why_not[str(row["finding"])]
        if why_not is None or is_of_sample:
            super()._add(metric, status, row, reason=reason, notes=notes, method=method)
        else:
            keys = {name: row.get(name) for name in self.keys}
            super()._add(metric, "refused", keys, reason=why_not)


def _put_positive_share(figures: Figures, panel: Panel, stratum: Stratum) -> None:
    """What chance agreement rests on: how many of the ratings are positive."""
    positives, reads = positive_reads(panel, stratum)
    keys = {"finding": panel.finding.name, **stratum.keys}
    _put_share(figures, "positive_read_share", positives, reads, "no_diagnostic_read", **keys)


def _put_counts(figures: Figures, reads: pl.DataFrame, basis: ReadBasis, finding: str) -> None:
    keys: dict[str, Any] = {"finding": finding, **ALL.keys}
    method = coded("count", basis.name)
    _put_adjudicators(figures, reads, **keys)
    first = basis.first
    n_cases = first["case_id"].n_unique()
    figures.give("n_reads", first.height, n=n_cases, method=method, **keys)
    # Readers are no patients: their number stands without n.
    figures.give("n_readers", first["reader_id"].n_unique(), method=method, **keys)
    figures.give("n_cases", n_cases, n=n_cases, events=n_cases, method=method, **keys)
    for kind in (INDETERMINATE, NON_DIAGNOSTIC):
        count = first.filter(pl.col("class") == kind).height
        figures.give(f"n_{kind}_reads", count, n=first.height, events=count, method=method, **keys)
    together = reads.filter(pl.col("role") == "consensus")
    discussed = int(together["discussion"].fill_null(value=False).sum())
    _put_share(
        figures,
        "share_consensus_discussed",
        discussed,
        together.height,
        "no_consensus_read",
        **keys,
    )


def _put_adjudicators(figures: Figures, reads: pl.DataFrame, **keys: Any) -> None:
    """Who gave tiebreak and consensus reads, and whether these followed sight of peers."""
    deciding = reads.filter(pl.col("role").is_in(ADJUDICATING))
    who = set(deciding["reader_id"])
    own = set(reads.filter(pl.col("role") == "independent")["reader_id"])
    seen = set(deciding["saw_peers"])
    sight = {
        frozenset([True]): "all",
        frozenset([False]): "none",
        frozenset([None]): "not_recorded",
    }
    said = f"saw_peers_{sight.get(frozenset(seen), 'some')}"
    method = coded("count", said if who else None)
    figures.give("n_adjudicators", len(who), method=method, **keys)
    figures.give("n_further_readers", len(who - own), method=method, **keys)


def _put_repeats(
    figures: _Figures, basis: ReadBasis, finding: str, sampled: SampledCases, level: float
) -> None:
    """A reader's further sessions on the same case and arm: how many, and how alike."""
    keys: dict[str, Any] = {"finding": finding, **ALL.keys}
    unit = ("case_id", "reader_id", "arm")
    per = basis.reads.group_by(unit, maintain_order=True).agg(pl.len().alias("sessions"))
    repeated = per.filter(pl.col("sessions") > 1)
    is_few = repeated.height < LEAST_REPEATED * per.height
    _put_share(
        figures,
        "share_read_again",
        repeated.height,
        per.height,
        "no_independent_read",
        "few_repeats" if is_few else None,
        **keys,
    )
    if not repeated.height:
        figures.refuse("repeat_agreement", "no_read_again", n=0, **keys)
        return
    code = pl.col("class").replace_strict(_CUT, default=None, return_dtype=pl.Float64)
    again = matrix(basis.reads.join(repeated, on=unit, how="semi"), code, unit)
    weighing = weigh_ratings(sampled, finding, again.case_id, again.ratings)
    # Cases that were read again may be weighed where those of two readers may not.
    figures.why_not[finding] = weighing.reason
    categories = sorted(_CUT.values())
    left_out = stats.agreement_jackknife(
        again.ratings, categories, again.patient, ("percent_agreement",), weighing.weight
    )["percent_agreement"]
    estimate = by_patient(
        stats.percent_agreement(again.ratings, categories),
        left_out,
        level,
        Code("reader_with_themselves"),
    )
    figures.give("repeat_agreement", weighing.said_of(estimate), **keys)


def _put_paths(figures: Figures, standard: pl.DataFrame, finding: str) -> None:
    keys: dict[str, Any] = {"finding": finding, **ALL.keys}
    for method in METHODS:
        count = standard.filter(pl.col("method") == method).height
        _put_share(figures, f"path_{method}", count, standard.height, "no_case_included", **keys)
    unused = int(standard["n_unused_tiebreak"].sum())
    figures.give("n_unused_tiebreak_reads", unused, events=unused, method="count", **keys)
    days: FloatArray = standard["days_to_reference"].drop_nulls().cast(pl.Float64).to_numpy()
    for name, share in (("median", 0.5), ("p90", 0.9)):
        metric = f"days_to_reference_{name}"
        if days.size:
            value = float(np.quantile(days, share, method="inverted_cdf"))
            figures.give(metric, value, n=days.size, method="order_statistic", **keys)
        else:
            figures.refuse(metric, "no_label_of_known_time", n=0, **keys)


def _put_labels(figures: Figures, standard: pl.DataFrame, finding: str) -> None:
    """What the labels say; ``label_usable`` counts those that are positive or negative."""
    label = pl.col("label")
    kinds = {name: label == name for name in LABELS} | {
        "none": label.is_null(),
        "usable": label.is_in([POSITIVE, NEGATIVE]),
    }
    for name, is_so in kinds.items():
        _put_share(
            figures,
            f"label_{name}",
            standard.filter(is_so).height,
            standard.height,
            "no_case_included",
            finding=finding,
            **ALL.keys,
        )


def _put_share(
    figures: Figures,
    metric: str,
    count: int,
    total: int,
    why_none: Coded,
    note: Coded | None = None,
    **keys: Any,
) -> None:
    """A share of what was delivered: a description of this set, so that it has no interval."""
    if not total:
        figures.refuse(metric, why_none, n=0, events=0, **keys)
        return
    share = count / total
    figures.give(metric, share, n=total, events=count, method="share", notes=note, **keys)
