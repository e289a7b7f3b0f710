"""Labels as the protocol's rules would have made them from other reads: without a reader, with
readers drawn anew, without the independent sources.

What does not belong here: the label in force (``reference_standard``), what other labels do to a
figure (``evaluation/label_sensitivity``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from vpack_pipeline.core.adjudication.evidence import (
    CLASSES,
    INDETERMINATE,
    NEGATIVE,
    NON_DIAGNOSTIC,
    POSITIVE,
    classified,
    count_of,
    evidence,
    first_of_reader,
)
from vpack_pipeline.core.adjudication.rules import RULES, first_to_decide
from vpack_pipeline.protocol import Adjudication, Finding

SOURCE_RULE: Final = "independent_reference"
_CODES: Final = {NEGATIVE: 0, POSITIVE: 1, INDETERMINATE: 2, NON_DIAGNOSTIC: 3}
_NAMES: Final = np.array(list(_CODES))
_CHUNK: Final = 50

LabelCodes = npt.NDArray[np.int8]
"""1 positive, 0 negative, 2 indeterminate, -1 undecided."""


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

    def drawn(
        self, replicates: int, rng: np.random.Generator
    ) -> Iterator[tuple[pl.Series, LabelCodes]]:
        """Draw each case's independent readers anew, with replacement, and label it again.

        A case keeps its number of independent reads, and its other evidence. Reads are drawn in
        the order of their ratings, so that no draw depends on what a reader is called.

        Yields
        ------
        the ``case_id`` of each case, and labels (at most 50 replicates, cases)
        """
        known = self._evidence(self.reads)
        reads = self._own_reads(known["case_id"])
        fixed = _codes(self._labelled(known)["label"])
        # Readers of one mind are of one mind however they are drawn.
        differ = np.where(reads < 0, reads[:, :1], reads).min(axis=1) < reads.max(axis=1)
        open_cases, reads = known.filter(pl.Series(differ)), reads[differ]
        for start in range(0, replicates, _CHUNK):
            size = min(_CHUNK, replicates - start)
            labels = np.tile(fixed, (size, 1))
            if open_cases.height:
                said = _draw(reads, size, rng)
                again = pl.concat([open_cases] * size).with_columns(_counts(said))
                labels[:, differ] = _codes(self._labelled(again)["label"]).reshape(size, -1)
            yield known["case_id"], labels

    def _evidence(self, reads: pl.DataFrame) -> pl.DataFrame:
        return evidence(self.cases, reads, self.reference, (self.finding,), self.adjudication)

    def _labelled(self, known: pl.DataFrame, *, by_sources: bool = True) -> pl.DataFrame:
        names = [n for n in self.adjudication.precedence if by_sources or n != SOURCE_RULE]
        rules = [RULES[name](self.adjudication) for name in names]
        label = first_to_decide(rules, "label").cast(pl.String)
        return known.select("case_id", label.alias("label"))

    def _own_reads(self, case_id: pl.Series) -> LabelCodes:
        """Classes of the independent reads, (cases, most reads), by rating, -1 = none.

        Non-diagnostic reads come last.
        """
        own = first_of_reader(
            classified(self.reads, (self.finding,)).filter(
                (pl.col("purpose") == "reference") & (pl.col("role") == "independent")
            )
        )
        place = pl.DataFrame({"case_id": case_id}).with_row_index("row")
        code = pl.col("class").replace_strict(_CODES, default=None, return_dtype=pl.Int8)
        laid = (
            own.with_columns(code.alias("code"))
            .join(place, on="case_id")
            .sort("row", pl.col("code") == _CODES[NON_DIAGNOSTIC], "rating", "code")
            .with_columns(pl.int_range(pl.len()).over("row").alias("slot"))
        )
        width = int(laid["slot"].max() or 0) + 1 if laid.height else 1  # type: ignore[arg-type]
        found = np.full((place.height, width), -1, dtype=np.int8)
        found[laid["row"].to_numpy(), laid["slot"].to_numpy()] = laid["code"].to_numpy()
        return found


def _codes(label: pl.Series) -> LabelCodes:
    codes = label.replace_strict(_CODES, default=-1, return_dtype=pl.Int8)
    return np.asarray(codes.to_numpy(), dtype=np.int8)


def _draw(reads: LabelCodes, size: int, rng: np.random.Generator) -> LabelCodes:
    """Draw as many reads as each case has: (size, cases, width), sorted as the reads are."""
    n = (reads >= 0).sum(axis=1)
    chosen = np.floor(rng.random((size, *reads.shape)) * n[:, None]).astype(np.intp)
    is_read = np.arange(reads.shape[1]) < n[:, None]
    chosen = np.sort(np.where(is_read, chosen, reads.shape[1]), axis=2)
    said = np.take_along_axis(
        np.broadcast_to(reads, chosen.shape), np.minimum(chosen, reads.shape[1] - 1), axis=2
    )
    return np.asarray(np.where(is_read, said, -1), dtype=np.int8)


def _counts(said: LabelCodes) -> list[pl.Series]:
    """The columns of the evidence that follow from the independent reads, drawn anew."""
    flat = said.reshape(-1, said.shape[2])
    columns = [
        pl.Series(count_of("independent", kind), (flat == _CODES[kind]).sum(axis=1))
        for kind in CLASSES
    ]
    n = ((flat >= 0) & (flat != _CODES[NON_DIAGNOSTIC])).sum(axis=1)
    rows = np.arange(len(flat))
    for name, middle in (("median_low", (n - 1) // 2), ("median_high", n // 2)):
        code = flat[rows, np.clip(middle, 0, flat.shape[1] - 1)]
        named = pl.Series(name, _NAMES[np.maximum(code, 0)])
        columns.append(pl.select(pl.when(pl.Series(n > 0)).then(named).alias(name))[name])
    return columns
