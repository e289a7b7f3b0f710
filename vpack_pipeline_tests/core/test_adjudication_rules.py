from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from functools import cache
from itertools import combinations_with_replacement, product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from vpack_pipeline import contracts
from vpack_pipeline.contracts import codes
from vpack_pipeline.core.adjudication.reference_standard import reference_standard
from vpack_pipeline.core.adjudication.rules import METHODS, RULES
from vpack_pipeline.protocol import Adjudication
from vpack_pipeline_tests.core import adjudication_cases as made
from vpack_pipeline_tests.hypothesis_profiles import examples_drawn

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs/adjudication-rules.md"
LABELS = {"+": "positive", "-": "negative", "?": "indeterminate", "": None}
YES = {"yes": True, "no": False}


class Row(NamedTuple):
    table: str
    settings: dict[str, Any]
    cells: dict[str, str]

    @property
    def name(self) -> str:
        cells = [self.cells[k] for k in ("independent", "tiebreak", "consensus", "sources")]
        return f"{self.table}: {' | '.join(cells)}"


def spec_rows() -> list[Row]:
    found, table, options, header = [], "", {}, None
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            table, options, header = line[3:], {}, None
        elif line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if header is None:
                header = cells
            elif not cells[0].startswith("---"):
                found.append(Row(table, dict(options), dict(zip(header, cells, strict=True))))
        elif table and ":" in line:
            key, _, value = line.partition(": ")
            options[key] = value
    return found


def protocol_of(options: dict[str, str]) -> Adjudication:
    given_: dict[str, Any] = {"reference_sources": (), **options}
    for name in ("precedence", "sources"):
        if name in given_:
            given_[name] = tuple(part.strip() for part in given_[name].split(","))
    if "sources" in given_:
        given_["reference_sources"] = given_.pop("sources")
    if "indeterminate_counts_to_quorum" in given_:
        given_["indeterminate_counts_to_quorum"] = YES[given_["indeterminate_counts_to_quorum"]]
    return made.adjudication(**given_)


def sources_of(cell: str) -> list[tuple[str, str, str, int | None]]:
    found = []
    for part in filter(None, (p.strip() for p in cell.split(","))):
        source, mark, days = part.split()
        found.append(("c", source, LABELS[mark], None if days == "never" else int(days)))
    return found


def standard(
    reads: list[Any], reference: Sequence[Any] = (), protocol: Adjudication | None = None
) -> dict[str, Any]:
    frame = reference_standard(
        cases=made.cases_of(["c"]),
        reads=made.reads_of(reads),
        reference=made.reference_of(reference),
        findings=(made.NODULE,),
        adjudication=protocol or made.adjudication(),
    )
    return contracts.conform(frame, contracts.load()["adjudication/reference_standard"]).row(
        0, named=True
    )


@pytest.mark.parametrize("row", spec_rows(), ids=lambda row: row.name)
def test_spec_table_row_is_held(row: Row) -> None:
    cells = row.cells
    found = standard(
        made.panel("c", cells["independent"], cells["tiebreak"], cells["consensus"]),
        sources_of(cells["sources"]),
        protocol_of(row.settings),
    )
    assert (found["label"], found["method"]) == (LABELS[cells["label"]], cells["method"])
    if cells["margin"]:
        assert found["margin"] == pytest.approx(float(cells["margin"]), abs=5e-4)
    else:
        assert found["margin"] is None
    if cells["label"]:
        assert found["reason"] is None
    else:
        assert cells["why"]
        assert cells["why"] in codes.sentences(found["reason"], None)


def test_spec_tables_meet_every_rule_and_every_method() -> None:
    rows = spec_rows()
    named = {rule for row in rows for rule in protocol_of(row.settings).precedence}
    assert named == set(RULES)
    assert {row.cells["method"] for row in rows} == set(METHODS)


def test_gold_cases_are_decided_by_definition() -> None:
    gold = json.loads((HERE / "gold/adjudication_rules.json").read_text())
    said = {0: "-", 1: "+", 2: "?"}
    names = {"reference_standard": "independent_reference"}
    for case, expected in zip(gold["inputs"]["cases"], gold["expected"]["cases"], strict=True):
        reads = made.panel(
            "c",
            " ".join(said[r] for r in case["r"]),
            said[case["adjudicator"]] if "adjudicator" in case else "",
        )
        reference = (
            [("c", "pathology", LABELS[said[case["reference"]]], 5)] if "reference" in case else []
        )
        found = standard(reads, reference)
        label = None if expected["label"] is None else LABELS[said[expected["label"]]]
        method = names.get(expected["method"], expected["method"])
        assert (found["label"], found["method"]) == (label, method)


def test_counts_and_panel_state_describe_independent_reads_only() -> None:
    found = standard(made.panel("c", "+ + - ? x", "+", "+"))
    assert found["n_reads"] == 7
    assert found["n_independent"] == 5
    assert [found[f"n_{k}"] for k in ("positive", "negative", "indeterminate")] == [2, 1, 1]
    assert found["n_non_diagnostic"] == 1
    assert found["panel_state"] == "split"
    states = {"": "none", "x": "none", "+ x": "single", "- - x": "unanimous", "+ ?": "split"}
    for said, state in states.items():
        assert standard(made.panel("c", said))["panel_state"] == state


def test_unneeded_tiebreak_read_is_counted_and_not_used() -> None:
    found = standard(made.panel("c", "- -", "+"))
    assert (found["label"], found["n_unused_tiebreak"]) == ("negative", 1)
    assert standard(made.panel("c", "+ -", "+"))["n_unused_tiebreak"] == 0


def test_only_reference_reads_in_force_make_labels() -> None:
    unseen = [
        made.read("c", "r0", "+", purpose="comparator"),
        made.read("c", "r1", "+", in_force=False),
    ]
    assert standard(unseen)["method"] == "no_reads"


def test_a_readers_repeat_votes_once_with_the_first_session_of_the_standard_arm() -> None:
    reads = [
        made.read("c", "r0", "+", session=2),
        made.read("c", "r0", "-", session=1, arm="abbreviated"),
        made.read("c", "r0", "-", session=1),
    ]
    found = standard(reads)
    assert (found["n_reads"], found["n_negative"], found["method"]) == (1, 1, "single_reader")


def test_a_revoked_independent_source_labels_nothing() -> None:
    frame = reference_standard(
        cases=made.cases_of(["c"]),
        reads=made.reads_of([]),
        reference=made.reference_of([("c", "pathology", "positive", 3)]).with_columns(
            in_force=pl.lit(value=False)
        ),
        findings=(made.NODULE,),
        adjudication=made.adjudication(),
    )
    assert frame["label"].to_list() == [None]


def test_every_case_in_force_and_finding_has_a_row() -> None:
    other = made.PLAIN.model_copy(update={"name": "effusion"})
    cases = made.cases_of(["b", "a", "gone"]).with_columns(in_force=pl.col("case_id") != "gone")
    frame = reference_standard(
        cases=cases,
        reads=made.reads_of(made.panel("a", "+ +") + made.panel("gone", "+ +")),
        reference=made.reference_of([]),
        findings=(made.NODULE, other),
        adjudication=made.adjudication(),
    )
    keys = list(frame.select("case_id", "finding").iter_rows())
    assert keys == [("a", "effusion"), ("a", "nodule"), ("b", "effusion"), ("b", "nodule")]
    assert frame["label"].to_list() == [None, "positive", None, None]


def test_label_is_established_by_the_latest_deciding_read() -> None:
    later = made.WHEN + datetime.timedelta(days=9)
    reads = made.panel("c", "+ -", "-")
    reads[2]["read_at"] = later
    found = standard(reads)
    assert (found["established_at"], found["days_to_reference"]) == (later, 10)
    reads[1]["read_at"] = None
    unknown = standard(reads)
    assert (unknown["established_at"], unknown["days_to_reference"]) == (None, None)
    assert standard(made.panel("c", "+ +"))["established_at"] == made.WHEN


def test_label_may_be_older_than_the_index_date() -> None:
    assert standard([], [("c", "pathology", "positive", -4)])["days_to_reference"] == -4


def test_expected_source_is_the_one_that_came_or_the_first_in_precedence() -> None:
    assert standard(made.panel("c", "+ -"))["expected_source"] == "pathology"
    assert standard(made.panel("c", "+ +"))["expected_source"] == "panel"
    later = [("c", "follow_up", "positive", 4)]
    assert standard([], later)["expected_source"] == "follow_up"
    panel_first = made.adjudication(precedence=("majority", "independent_reference"))
    assert standard([], protocol=panel_first)["expected_source"] == "panel"
    sourceless = made.adjudication(precedence=("independent_reference",), reference_sources=())
    assert standard([], protocol=sourceless)["expected_source"] == "panel"


PROTOCOLS = st.builds(
    made.adjudication,
    precedence=st.permutations(list(RULES)).flatmap(
        lambda names: st.integers(1, len(names)).map(lambda n: tuple(names[:n]))
    ),
    minimum_readers=st.integers(1, 3),
    quorum=st.integers(1, 3),
    vote=st.sampled_from(["cut_then_vote", "median_then_cut"]),
    indeterminate_counts_to_quorum=st.booleans(),
    indeterminate_policy=st.sampled_from(["undecided", "indeterminate"]),
    non_diagnostic_policy=st.sampled_from(["drop_read", "undecided"]),
)
MARKS = st.lists(st.sampled_from(["1", "2", "3", "4", "5", "x"]), max_size=5).map(" ".join)
FEW = st.lists(st.sampled_from(["1", "3", "5", "x"]), max_size=2).map(" ".join)
TIEBREAKS = st.one_of(FEW, st.sampled_from(["=1", "=5"]))
SAID = st.lists(st.tuples(MARKS, TIEBREAKS, FEW), min_size=1, max_size=12)
Said = list[tuple[str, str, str]]


def panels(said: Said) -> list[Any]:
    return [read for i, parts in enumerate(said) for read in made.panel(f"c{i:04}", *parts)]


@cache
def numbered_cases(n: int) -> pl.DataFrame:
    return made.cases_of([f"c{i:04}" for i in range(n)])


def labels(reads: pl.DataFrame, n: int, protocol: Adjudication) -> pl.DataFrame:
    return reference_standard(
        cases=numbered_cases(n),
        reads=reads,
        reference=made.reference_of([]),
        findings=(made.NODULE,),
        adjudication=protocol,
    )


@examples_drawn(15, a_night=800)
@given(protocol=PROTOCOLS, said=SAID, data=st.data())
def test_neither_row_order_nor_reader_names_change_a_label(
    protocol: Adjudication, said: Said, data: st.DataObject
) -> None:
    reads = panels(said)
    names = sorted({r["reader_id"] for r in reads})
    renamed = dict(zip(names, data.draw(st.permutations(names)), strict=True))
    shuffled = data.draw(st.permutations(reads))
    other = [r | {"reader_id": renamed[r["reader_id"]]} for r in shuffled]
    found, again = (labels(made.reads_of(rows), len(said), protocol) for rows in (reads, other))
    assert_frame_equal(found, again)


MIRROR = str.maketrans("15", "51")


@cache
def every_small_panel() -> Said:
    """All panels of up to three independent reads with what adjudicators may have added."""
    marks = ["1", "3", "5", "x"]
    independent = [
        " ".join(said) for n in range(4) for said in combinations_with_replacement(marks, n)
    ]
    adjudicated = ["", *marks, "1 5"]
    return list(product(independent, [*adjudicated, "=1", "=5"], adjudicated))


@cache
def small_panel_reads(*, mirrored: bool = False) -> pl.DataFrame:
    said = every_small_panel()
    if mirrored:
        said = [(a.translate(MIRROR), b.translate(MIRROR), c.translate(MIRROR)) for a, b, c in said]
    return made.reads_of(panels(said))


def agreeing_reads_count(protocol: Adjudication) -> pl.Expr:
    """Whether one more agreeing read meets a panel of the size that the protocol's rules ask for,
    and calls in no third reader: by being the first to differ from reads that are indeterminate."""
    asked = protocol.precedence
    least = max(protocol.minimum_readers, protocol.quorum, 2 if "third_reader" in asked else 1)
    diagnostic = pl.col("n_independent") - pl.col("n_non_diagnostic")
    calls = (pl.col("n_indeterminate") == diagnostic) & (pl.col("n_unused_tiebreak") > 0)
    may_call = "third_reader" in asked and protocol.indeterminate_policy == "undecided"
    return (diagnostic >= least) & (~calls | (not may_call))


MEDIAN_BEFORE_CONSENSUS = made.adjudication(
    precedence=("independent_reference", "third_reader", "unanimity", "majority", "consensus"),
    vote="median_then_cut",
    indeterminate_policy="indeterminate",
)


@examples_drawn(10, a_night=500)
@given(protocol=PROTOCOLS)
@example(protocol=MEDIAN_BEFORE_CONSENSUS)
def test_a_further_agreeing_read_changes_no_label(protocol: Adjudication) -> None:
    said = every_small_panel()
    before = labels(small_panel_reads(), len(said), protocol)
    settled = before.filter(pl.col("label").is_not_null() & agreeing_reads_count(protocol))
    assert settled.is_empty() == (set(protocol.precedence) == {"independent_reference"})
    mark = {"positive": "+", "negative": "-", "indeterminate": "?"}
    more = [
        made.read(case, "r-new", mark[label])
        for case, label in settled.select("case_id", "label").iter_rows()
    ]
    after = labels(pl.concat([small_panel_reads(), made.reads_of(more)]), len(said), protocol)
    kept = settled.select("case_id", "label").join(after, on="case_id", suffix="_after")
    changed = kept.filter(pl.col("label").ne_missing(pl.col("label_after")))
    assert [said[int(case[1:])] for case in changed["case_id"]] == []


@examples_drawn(10, a_night=500)
@given(protocol=PROTOCOLS)
def test_mirrored_reads_give_the_mirrored_label(protocol: Adjudication) -> None:
    """No tie is broken in favour of a class."""
    said = every_small_panel()
    swap = {"positive": "negative", "negative": "positive"}
    found = labels(small_panel_reads(), len(said), protocol)["label"]
    mirrored = labels(small_panel_reads(mirrored=True), len(said), protocol)["label"]
    assert mirrored.to_list() == [swap.get(label, label) for label in found]


def test_many_cases_are_decided_as_their_votes_say() -> None:
    rng = np.random.default_rng(7)
    n = 20_000
    case = np.repeat([f"c{i:06}" for i in range(n)], 5)
    reads = pl.DataFrame(
        {
            "reader_id": np.tile([f"r{i}" for i in range(5)], n),
            "case_id": case,
            "finding": "nodule",
            "arm": "standard",
            "session": 1,
            "purpose": "reference",
            "role": "independent",
            "saw_index_test": False,
            "saw_peers": False,
            "rating": rng.choice([1.0, 3.0, 5.0], 5 * n),
            "is_diagnostic": True,
            "read_at": made.WHEN,
            "duration_s": None,
            "discussion": None,
            "in_force": True,
        },
        schema=made.READS,
    )
    frame = reference_standard(
        cases=made.cases_of(sorted(set(case))),
        reads=reads,
        reference=made.reference_of([]),
        findings=(made.NODULE,),
        adjudication=made.adjudication(minimum_readers=3, quorum=3),
    )
    votes = frame.select("n_positive", "n_negative").to_numpy()
    expected = np.where(
        (votes[:, 0] >= 3) & (votes[:, 0] > votes[:, 1]),
        "positive",
        np.where((votes[:, 1] >= 3) & (votes[:, 1] > votes[:, 0]), "negative", "none"),
    )
    unsure = frame["n_indeterminate"].to_numpy() == 5
    found = frame["label"].fill_null("none").to_numpy()
    assert frame.height == n
    assert (found[~unsure] == expected[~unsure]).all()
