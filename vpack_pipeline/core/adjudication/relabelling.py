"""Labels as the protocol's rules would have made them from other reads: without a reader, without
the independent sources.

What does not belong here: the label in force (``reference_standard``), what other labels do to a
figure (``evaluation/label_sensitivity``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from vpack_pipeline.core.adjudication.evidence import (
    evidence,
)
from vpack_pipeline.core.adjudication.rules import RULES, first_to_decide
from vpack_pipeline.protocol import Adjudication, Finding

SOURCE_RULE: Final = "independent_reference"


@dataclass(frozen=True, slots=True)
class Relabelling:
    """Included cases of one finding, their evidence, and the rules that make it a label.

    Parameters
    ----------
    cases, reads, reference : tables of section cohort, of included cases alone
    """

    cases: pl.DataFrame
    reads: pl.DataFrame
    reference: pl.DataFrame
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
        """Keep what is of included cases and of the finding."""
        ours = included.select("case_id")
        of_finding = pl.col("finding") == finding.name
        return cls(
            cases.join(ours, on="case_id", how="semi"),
            reads.filter(of_finding).join(ours, on="case_id", how="semi"),
            reference.filter(of_finding).join(ours, on="case_id", how="semi"),
            finding,
            adjudication,
        )

    @property
    def readers(self) -> list[str]:
        """Who made a reference read of these cases, by pseudonym."""
        made = self.reads.filter(pl.col("in_force") & (pl.col("purpose") == "reference"))
        return sorted(made["reader_id"].unique().to_list())

    def without(self, reader: str) -> pl.DataFrame:
        """Label each case as if a reader had not taken part: ``case_id``, ``label``."""
        kept = self.reads.filter(pl.col("reader_id") != reader)
        return self._labelled(self._evidence(kept))

    def by_panel(self) -> pl.DataFrame:
        """Label each case from its reads alone, with ``patient_id`` and ``reference_label``."""
        known = self._evidence(self.reads)
        labels = self._labelled(known, by_sources=False)
        return labels.with_columns(known["patient_id"], known["reference_label"])

    def _evidence(self, reads: pl.DataFrame) -> pl.DataFrame:
        return evidence(self.cases, reads, self.reference, (self.finding,), self.adjudication)

    def _labelled(self, known: pl.DataFrame, *, by_sources: bool = True) -> pl.DataFrame:
        names = [n for n in self.adjudication.precedence if by_sources or n != SOURCE_RULE]
        rules = [RULES[name](self.adjudication) for name in names]
        label = first_to_decide(rules, "label").cast(pl.String)
        return known.select("case_id", label.alias("label"))
