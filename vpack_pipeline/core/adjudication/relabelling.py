"""Labels as the protocol's rules would have made them from other reads: without a reader, without
the independent sources.

What does not belong here: the label in force (``reference_standard``), what other labels do to a
figure (``evaluation/label_sensitivity``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import polars as pl

from vpack_pipeline.core.adjudication.evidence import gathered, independent_labels, votes
from vpack_pipeline.core.adjudication.rules import RULES, first_to_decide
from vpack_pipeline.protocol import Adjudication, Finding

SOURCE_RULE: Final = "independent_reference"


@dataclass(frozen=True)
class Relabelling:
    """Included cases of one finding, their evidence, and the rules that make it a label.

    Attributes
    ----------
    cases : cohort/cases, of included cases alone
    voting : their reads that vote; without a reader they are the rows of the others
    labels : their independent labels
    known : all that is known of each
    """

    cases: pl.DataFrame
    voting: pl.DataFrame
    labels: pl.DataFrame
    known: pl.DataFrame
    finding: Finding
    adjudication: Adjudication

    @classmethod
    def of(
        cls,
        *,
        cases: pl.DataFrame,
        reads: pl.DataFrame,
        reference: pl.DataFrame,
        included: pl.DataFrame,
        finding: Finding,
        adjudication: Adjudication,
    ) -> Relabelling:
        """Keep what is of included cases and of the finding.

        Parameters
        ----------
        cases, reads, reference : tables of section cohort
        """
        ids, of_finding = included.select("case_id"), pl.col("finding") == finding.name
        ours = cases.select("case_id", "patient_id", "index_date", "in_force")
        ours = ours.join(ids, on="case_id", how="semi")
        read = reads.filter(of_finding).join(ids, on="case_id", how="semi")
        sources = reference.filter(of_finding).join(ids, on="case_id", how="semi")
        voting = votes(read, (finding,))
        labels = independent_labels(ours, sources, (finding,), adjudication)
        known = gathered(ours, voting, labels, (finding,))
        return cls(ours, voting, labels, known, finding, adjudication)

    @property
    def readers(self) -> list[str]:
        """Who made a reference read of these cases, by pseudonym."""
        return sorted(self.voting["reader_id"].unique().to_list())

    def without(self, reader: str) -> pl.DataFrame:
        """Label each case as if a reader had not taken part: ``case_id``, ``label``, unsorted."""
        read = self.voting.filter(pl.col("reader_id") == reader)
        affected = self.cases.join(read, on="case_id", how="semi")
        others = self.voting.filter(pl.col("reader_id") != reader)
        others = others.join(affected, on="case_id", how="semi")
        again = gathered(affected, others, self.labels, (self.finding,))
        same = self._as_known.join(affected, on="case_id", how="anti")
        return pl.concat([same, self._labelled(again)])

    @cached_property
    def _as_known(self) -> pl.DataFrame:
        return self._labelled(self.known)

    def by_panel(self) -> pl.DataFrame:
        """Label each case from its reads alone, with ``patient_id`` and ``reference_label``."""
        labels = self._labelled(self.known, by_sources=False)
        return labels.with_columns(self.known["patient_id"], self.known["reference_label"])

    def _labelled(self, known: pl.DataFrame, *, by_sources: bool = True) -> pl.DataFrame:
        names = [n for n in self.adjudication.precedence if by_sources or n != SOURCE_RULE]
        rules = [RULES[name](self.adjudication) for name in names]
        label = first_to_decide(rules, "label").cast(pl.String)
        return known.select("case_id", label.alias("label"))
