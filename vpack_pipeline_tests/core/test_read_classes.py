"""The class of a read: one function, whether reads make labels, are compared or are beside the model."""

from __future__ import annotations

import numpy as np
import polars as pl
from adjudication_cases import NODULE, cases_of, included_of, read, reads_of

from vpack_pipeline.core.adjudication.basis import included_reads, read_basis
from vpack_pipeline.core.adjudication.coefficients import Panel
from vpack_pipeline.core.adjudication.evidence import classified
from vpack_pipeline.core.evaluation.unaided import comparator_reads

SAID = ("1", "2", "3", "4", "5", "x")
CLASSES = ("negative", "negative", "indeterminate", "positive", "positive", "non_diagnostic")
CASES = [f"c{i}" for i in range(len(SAID))]


def test_a_rating_is_cut_at_the_scale_and_what_is_indeterminate_stays_so() -> None:
    rows = [read(case, "r0", said) for case, said in zip(CASES, SAID, strict=True)]
    rows.append(read("c0", "r1", "5", is_diagnostic=False))
    rows.append(read("c1", "r1", "5", is_diagnostic=None))
    rows.append(read("c2", "r1", "5", in_force=False))
    rows.append(read("c3", "r1", "5", finding="effusion"))
    found = classified(reads_of(rows), [NODULE])
    assert found["class"].to_list() == [*CLASSES, "non_diagnostic", "positive"]


def test_agreement_is_on_the_same_classes() -> None:
    rows = [read(case, r, said) for case, said in zip(CASES, SAID, strict=True) for r in "rs"]
    known = included_reads(reads_of(rows), included_of(cases_of(CASES)), [NODULE])
    panel = Panel.of(read_basis(known, "nodule"), NODULE, readers_agreed=True)
    code = {"negative": 0.0, "indeterminate": 1.0, "positive": 2.0}
    expected = [[code[name]] * 2 for name in CLASSES if name in code]
    np.testing.assert_array_equal(panel.cut, expected)
    assert panel.rated.shape == panel.cut.shape
    np.testing.assert_array_equal(panel.cut_at(3.0)[:, 0], [0, 0, 1, 1, 1])


def test_unaided_readers_are_counted_on_the_same_classes() -> None:
    rows = [
        read(case, "r0", said, purpose="comparator") for case, said in zip(CASES, SAID, strict=True)
    ]
    rows.append(read("c0", "r1", "5", purpose="comparator", saw_index_test=True))
    rows.append(read("c0", "r2", "5"))
    found = comparator_reads(reads_of(rows), NODULE).sort("case_id")
    sure = [(c, k) for c, k in zip(CASES, CLASSES, strict=True) if k in {"positive", "negative"}]
    assert found.select("case_id", "class").rows() == sure
    assert found["class"].dtype == pl.String
