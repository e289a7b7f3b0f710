"""Small cells: none printed, none computable."""

from __future__ import annotations

import itertools
import random

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpack_pipeline import contracts
from vpack_pipeline.contracts import Column, Contract
from vpack_pipeline.core.pack.disclosure import HIDDEN, SMALL, suppress, suppress_all
from vpack_pipeline.core.pack.disclosure.protect import Equation, Hidden, determined, protect
from vpack_pipeline_tests.hypothesis_profiles import examples_drawn

FIGURE = Contract(
    asset="evaluation/subgroups",
    description="d",
    grain="g",
    key=("stratum", "metric"),
    may_be_empty=None,
    export=True,
    computed_by="core",
    columns=tuple(
        Column(name=n, type=t, null=n not in ("stratum", "metric"), description="d", disclosure=d)
        for n, t, d in [
            ("stratum", "string", "public"),
            ("metric", "string", "public"),
            ("estimate", "float", "figure"),
            ("n", "int", "count"),
            ("events", "int", "count"),
        ]
    ),
)


def table(rows) -> pl.DataFrame:
    return pl.DataFrame(
        [(s, m, e / n, n, e) for s, m, n, e in rows], schema=FIGURE.polars_schema, orient="row"
    )


def shown(made, metric: str, stratum: str = "all") -> dict:
    here = (pl.col("metric") == metric) & (pl.col("stratum") == stratum)
    return made.frame.filter(here).to_dicts()[0]


def test_a_count_below_the_smallest_cell_is_marked_small_and_its_figure_hidden():
    made = suppress(table([("all", "failed", 400, 4)]), FIGURE, 11)
    assert made.frame["events"].to_list() == [None]
    assert made.frame["estimate"].to_list() == [None]
    assert made.marks["events"].to_list() == [SMALL]
    assert made.marks["estimate"].to_list() == [HIDDEN]


@pytest.mark.parametrize("events", [0, 11, 389, 400])
def test_zero_and_the_smallest_cell_itself_are_printed(events):
    made = suppress(table([("all", "failed", 400, events)]), FIGURE, 11)
    assert made.frame["events"].to_list() == [events]


def test_a_smallest_cell_of_one_hides_nothing():
    frame = table([("all", "failed", 400, 4)])
    assert suppress(frame, FIGURE, 1).frame.equals(frame)


def test_the_few_without_the_event_are_hidden_too():
    made = suppress(table([("all", "sensitivity", 100, 97)]), FIGURE, 11)
    assert shown(made, "sensitivity") | {"n": 0} == {
        "stratum": "all", "metric": "sensitivity", "estimate": None, "n": 0, "events": None
    }  # fmt: skip


def test_few_missed_cannot_be_had_from_other_metrics():
    made = suppress(
        table(
            [
                ("all", "sensitivity", 100, 97),
                ("all", "specificity", 900, 800),
                ("all", "ppv", 197, 97),
                ("all", "npv", 803, 800),
            ]
        ),
        FIGURE,
        11,
    )
    assert shown(made, "sensitivity")["events"] is None
    assert shown(made, "ppv")["events"] is None
    assert shown(made, "ppv")["n"] is None or shown(made, "specificity")["events"] is None
    assert shown(made, "npv")["n"] is None or shown(made, "npv")["events"] is None


def test_few_cleared_cannot_be_had_from_negatives_and_false_alarms():
    made = suppress(table([("all", "n_negative", 500, 100), ("all", "fp", 400, 97)]), FIGURE, 11)
    events = (shown(made, "n_negative")["events"], shown(made, "fp")["events"])
    assert None in events
    fine = suppress(table([("all", "n_negative", 500, 100), ("all", "fp", 400, 80)]), FIGURE, 11)
    assert fine.frame["events"].null_count() == 0


def test_units_of_a_rule_of_conduct_are_hidden_with_its_few_violations_and_else_printed():
    contract = contracts.load()["evaluation/integrity"]
    units = {"few": (400, 3), "many": (350, 50), "none": (300, 0)}
    same = {"metric": "violations", "method": "count", "status": "given", "verdict": "broken"}
    empty = dict.fromkeys(contract.polars_schema)
    rows = [
        empty | same | {"rule": rule, "title": rule, "estimate": float(few), "n": n, "events": few}
        for rule, (n, few) in units.items()
    ]
    whole = suppress(pl.DataFrame(rows, schema=contract.polars_schema), contract, 11)
    made = whole.frame
    assert made.select("n", "events").rows() == [(None, None), (350, 50), (300, 0)]
    # That there were some, and fewer than the smallest cell, is said; of how many is not.
    assert whole.marks.select("n", "events").row(0) == (HIDDEN, SMALL)
    assert made["verdict"].to_list() == ["broken"] * 3


def test_one_small_stratum_hides_a_second():
    made = suppress(
        table(
            [
                ("sex=F", "cases", 1000, 500),
                ("sex=M", "cases", 1000, 480),
                ("sex=O", "cases", 1000, 5),
            ]
        ),
        FIGURE,
        11,
    )
    assert made.frame["events"].null_count() == 2


def flow(removed: list[int], start: int) -> pl.DataFrame:
    rows, left = [], start
    for order, count in enumerate([0, *removed]):
        left -= count
        entered = left + count
        rows.append(
            (
                order,
                f"r{order}",
                "t",
                "exclude",
                "case",
                "case",
                entered,
                count,
                left,
                0,
                0,
                0,
                start,
            )
        )
    return pl.DataFrame(
        rows, schema=contracts.load()["eligibility/flow"].polars_schema, orient="row"
    )


def test_a_small_exclusion_is_merged_with_its_neighbour_and_both_ends_stay():
    made = suppress(flow([300, 5, 200], 1000), contracts.load()["eligibility/flow"], 11)
    assert made.frame["remaining"].to_list()[-1] == 495
    assert made.frame["total"].to_list() == [1000] * 4
    assert made.marks["removed"].to_list()[2] == SMALL
    assert made.frame["removed"].null_count() == 2


def attack(frame: pl.DataFrame, marks: pl.DataFrame, start: int, end: int | None) -> list[set[int]]:
    """Every value that each removed count can have, by trying all flows that fit the print."""
    printed = frame["removed"].to_list()
    remaining = frame["remaining"].to_list()
    entered = frame["entered"].to_list()
    choices = []
    for value, mark in zip(printed[1:], marks["removed"].to_list()[1:], strict=True):
        if value is not None:
            choices.append([value])
        else:
            choices.append(range(1, 5) if mark == SMALL else range(start + 1))
    possible: list[set[int]] = [set() for _ in choices]
    for guess in itertools.product(*choices):
        left = start
        fits = True
        for k, count in enumerate(guess, start=1):
            fits &= entered[k] in (None, left)
            left -= count
            fits &= remaining[k] in (None, left) and left >= 0
        if fits and end in (None, left):
            for values, count in zip(possible, guess, strict=True):
                values.add(count)
    return possible


@examples_drawn(60)
@given(st.lists(st.integers(0, 9), min_size=2, max_size=4), st.integers(0, 12))
def test_no_attacker_with_the_flow_in_hand_can_name_a_small_count(removed, rest):
    start = sum(removed) + rest
    made = suppress(flow(removed, start), contracts.load()["eligibility/flow"], 5)
    if made.frame["total"][0] is None:
        return
    possible = attack(made.frame, made.marks, start, made.frame["remaining"][-1])
    small = [i for i, count in enumerate(removed) if 0 < count < 5]
    for i in small:
        assert made.frame["removed"][i + 1] is None
        assert len(possible[i]) > 1


@pytest.mark.parametrize("seed", range(25))
def test_no_cell_of_a_table_with_margins_can_be_solved(seed):
    draw = random.Random(seed)
    height, width = 4, 3
    cells = {(i, j): draw.randint(0, 30) for i in range(height) for j in range(width)}
    equations = [
        Equation(tuple((1, (i, j)) for j in range(width)), sum(cells[i, j] for j in range(width)))
        for i in range(height)
    ] + [
        Equation(tuple((1, (i, j)) for i in range(height)), sum(cells[i, j] for i in range(height)))
        for j in range(width)
    ]
    small = {v for v, n in cells.items() if 0 < n < 11}
    naive = determined(cells, equations, Hidden(set(small)), 11)
    hidden = protect(cells, equations, small, smallest_cell=11)
    assert small <= hidden.all
    left = determined(cells, equations, hidden, 11)
    assert not (left.solved | left.narrowed) & small
    assert (naive.solved | naive.narrowed) or hidden.complement == set()


def test_two_that_must_be_one_each_do_not_say_so():
    a, b = ("a",), ("b",)
    hidden = protect({a: 1, b: 1}, [Equation(((1, a), (1, b)), 2)], [a, b], smallest_cell=11)
    assert hidden.small == set()
    assert hidden.complement == {a, b}


def test_a_share_with_few_missed_is_given_as_a_range():
    made = suppress(table([("all", "sensitivity", 100, 97)]), FIGURE, 11)
    assert made.ranges == {0: (90, 99)}


def test_a_hidden_denominator_gives_no_range():
    assert suppress(table([("all", "sensitivity", 9, 4)]), FIGURE, 11).ranges == {}


# Files

FILES = contracts.load()["cohort/outcomes"]


def outcomes(**files: int) -> pl.DataFrame:
    """Outcomes of files of which the walker read every header: 5,000 images, and these others."""
    parts = {("PARSED", "all"): 5000, ("COPY", "all"): 0}
    for detail, n in files.items():
        outcome = "SET_ASIDE" if detail in ("SR", "RT", "KO") else "QUARANTINED"
        parts[outcome, detail] = n
        parts[outcome, "all"] = parts.get((outcome, "all"), 0) + n
    parts["DELIVERED", "all"] = sum(n for (_, d), n in parts.items() if d == "all")
    rows = [
        dict.fromkeys(FILES.polars_schema, 0)
        | {"outcome": o, "detail": d, "n_files": n, "n_walker": n}
        for (o, d), n in parts.items()
    ]
    return pl.DataFrame(rows, schema=FILES.polars_schema).sort(FILES.key)


def files_shown(frame: pl.DataFrame, column: str = "n_files") -> dict[str, int | None]:
    made = suppress(frame, FILES, 11).frame
    named = made.with_columns(
        pl.when(pl.col("detail") == "all").then("outcome").otherwise("detail").alias("name")
    )
    return dict(named.select("name", column).iter_rows())


def test_few_files_of_a_kind_are_hidden_with_a_second_kind_and_no_total():
    found = files_shown(outcomes(SR=20, RT=1, KO=30))
    assert found["RT"] is None
    assert [found["SR"], found["KO"]].count(None) == 1
    assert found["SET_ASIDE"] == 51
    assert found["DELIVERED"] == 5051


def test_engines_do_not_give_away_what_the_files_hide():
    frame = outcomes(SR=20, RT=1, KO=30)
    files, read = files_shown(frame), files_shown(frame, "n_walker")
    assert [name for name, n in files.items() if n is None and read[name] is not None] == []
    few = frame.with_columns(
        pl.when(pl.col("detail") == "KO").then(27).otherwise("n_walker").alias("n_walker"),
        pl.when(pl.col("detail") == "KO").then(3).otherwise("n_pydicom").alias("n_pydicom"),
    )
    assert files_shown(few, "n_pydicom")["KO"] is None
    assert None in (files_shown(few, "n_walker")["KO"], files_shown(few)["KO"])


@pytest.mark.parametrize(
    ("conflict", "is_hidden"), [(2, True), (16, True), (21, True), (22, False)]
)
def test_files_of_a_conflict_are_counted_by_twos(conflict, is_hidden):
    frame = outcomes(DUP_SOP_CONFLICT=conflict, EMPTY=40, TRUNCATED=50)
    found = files_shown(frame)
    assert (found["DUP_SOP_CONFLICT"] is None) == is_hidden
    assert found["QUARANTINED"] == conflict + 90
    # Else the rest of the sum would tell.
    assert (None in (found["EMPTY"], found["TRUNCATED"])) == is_hidden


@examples_drawn(40)
@given(
    st.lists(st.integers(0, 30), min_size=3, max_size=3),
    st.lists(st.integers(0, 30), min_size=2, max_size=2),
)
def test_no_small_number_of_files_follows_from_the_sums(aside, refused):
    names = ("SR", "RT", "KO", "EMPTY", "TRUNCATED")
    frame = outcomes(**dict(zip(names, (*aside, *refused), strict=True)))
    made = suppress(frame, FILES, 11)
    found = files_shown(frame)
    marks = dict(zip(frame["detail"], made.marks["n_files"], strict=True))
    for group, parts in (("SET_ASIDE", names[:3]), ("QUARANTINED", names[3:])):
        if found[group] is None:
            continue
        left = found[group] - sum(found[p] or 0 for p in parts)
        hidden = [p for p in parts if found[p] is None]
        ranges = [range(1, 11) if marks[p] == SMALL else range(left + 1) for p in hidden]
        fits = [guess for guess in itertools.product(*ranges) if sum(guess) == left]
        whole = dict(zip(names, (*aside, *refused), strict=True))
        for i, name in enumerate(hidden):
            if 0 < whole[name] < 11:
                assert len({guess[i] for guess in fits}) > 1


def figures_of(asset: str, rows: list[dict]) -> pl.DataFrame:
    """A figure table of one finding, every row given."""
    schema = contracts.load()[asset].polars_schema
    plain = dict.fromkeys(schema) | {"finding": "nodule", "status": "given", "estimate": 0.5}
    return pl.DataFrame([plain | row for row in rows], schema=schema, orient="row")


def agreed(*rows: tuple[str, str, str, int, int | None]):
    asset = "adjudication/agreement"
    names = ("stratum_kind", "stratum", "metric", "n", "events")
    frame = figures_of(asset, [dict(zip(names, r, strict=True)) for r in rows])
    return suppress(frame, contracts.load()[asset], 11)


def test_a_panel_that_lacks_few_cases_of_the_whole_does_not_give_them_away():
    made = agreed(
        ("all", "all", "fleiss_kappa", 400, None),
        ("without_reader", "a", "fleiss_kappa", 396, None),
        ("without_reader", "b", "fleiss_kappa", 350, None),
        ("reader_pair", "b|c", "cohen_kappa", 396, None),
        ("reader_pair", "b|c", "percent_agreement", 396, None),
    )
    few = [shown(made, "fleiss_kappa", s)["n"] for s in ("all", "a")]
    assert None in few
    assert shown(made, "fleiss_kappa", "b")["n"] == 350
    # What is hidden of one panel is hidden of every other of as many cases.
    same = (("a", "fleiss_kappa"), ("b|c", "percent_agreement"))
    both = {shown(made, metric, stratum)["n"] for stratum, metric in same}
    assert len(both) == 1


def test_cuts_that_differ_by_few_positive_reads_do_not_give_them_away():
    made = agreed(
        ("all", "all", "positive_read_share", 900, 140),
        ("cut", "2", "positive_read_share", 900, 140),
        ("cut", "1", "positive_read_share", 900, 143),
        ("cut", "3", "positive_read_share", 900, 90),
    )
    counts = [shown(made, "positive_read_share", c)["events"] for c in "12"]
    assert counts.count(None) == 1
    same = shown(made, "positive_read_share")["events"]
    assert same == shown(made, "positive_read_share", "2")["events"]
    assert shown(made, "positive_read_share", "3")["events"] == 90


def test_strata_that_overlap_are_no_parts_of_a_whole():
    made = agreed(
        ("reader_pair", "a|b", "percent_agreement", 5, None),
        ("reader_pair", "a|c", "percent_agreement", 60, None),
        ("reader_pair", "b|c", "percent_agreement", 80, None),
    )
    assert [shown(made, "percent_agreement", p)["n"] for p in ("a|b", "a|c", "b|c")] == [
        None,
        60,
        80,
    ]


def test_disagreements_less_false_alarms_do_not_give_few_misses_away():
    asset = "evaluation/error_attribution"
    states = {"split": (200, 50, 40, 10), "unanimous": (600, 90, 60, 30)}
    rows = []
    for state, (cases, wrong, false_alarms, misses) in states.items():
        counts = {
            "n_cases": (800, cases),
            "disagreement": (cases, wrong),
            "false_positives": (cases, false_alarms),
            "false_negatives": (cases, misses),
            "share_of_disagreements": (140, wrong),
        }
        rows += [
            {"panel_state": state, "assumption": "none", "metric": m, "n": n, "events": e}
            for m, (n, e) in counts.items()
        ]
    made = suppress(figures_of(asset, rows), contracts.load()[asset], 11)
    of_split = made.frame.filter(panel_state="split")
    known = dict(of_split.select("metric", "events").iter_rows())
    assert known["false_negatives"] is None
    wrong = known["disagreement"] or known["share_of_disagreements"]
    assert wrong is None or known["false_positives"] is None


def test_reads_counted_by_label_and_by_half_do_not_give_each_other_away():
    asset = "adjudication/reader_performance"
    rows = {
        "sensitivity_leave_one_out": (60, 30),
        "specificity_leave_one_out": (140, 100),
        "agreement_with_others_first_half": (100, 95),
        "agreement_with_others_second_half": (100, 35),
        "agreement_with_others_change": (200, None),
    }
    frame = figures_of(
        asset,
        [
            {"reader_id": reader, "metric": metric, "n": n, "events": events}
            for reader in ("all", "r1")
            for metric, (n, events) in rows.items()
        ],
    )
    made = suppress(frame, contracts.load()[asset], 11)
    hidden = made.frame.filter(reader_id="r1").filter(pl.col("events").is_null())["metric"]
    # The first half hides its 5 disagreements; the others must not add up to them.
    assert "agreement_with_others_first_half" in hidden.to_list()
    assert len(set(hidden.to_list()) - {"agreement_with_others_change"}) >= 2


def _rated(reader: str, *counts: int) -> list[dict]:
    """The ratings 1, 2, 3 and the reads that were not diagnostic, of one reader."""
    metrics = ("share_rating=1", "share_rating=2", "share_rating=3", "share_non_diagnostic")
    return [
        {"reader_id": reader, "metric": m, "n": sum(counts), "events": e}
        for m, e in zip(metrics, counts, strict=True)
    ]


def _events(frame: pl.DataFrame, reader: str) -> dict[str, int | None]:
    return dict(frame.filter(reader_id=reader).select("metric", "events").iter_rows())


def test_a_rating_that_a_reader_gave_a_few_times_does_not_follow_from_the_others():
    asset = "adjudication/reader_performance"
    rows = [
        *_rated("r1", 140, 56, 4, 0),
        *_rated("r2", 120, 50, 30, 0),
        *_rated("r3", 90, 80, 30, 0),
    ]
    pooled = _rated("all", 350, 186, 64, 0)
    made = suppress(figures_of(asset, [*pooled, *rows]), contracts.load()[asset], 11).frame
    printed = {
        (reader, metric): events
        for reader, metric, events in made.select("reader_id", "metric", "events").iter_rows()
    }
    few = ("r1", "share_rating=3")
    assert printed[few] is None
    # An attacker who knows that ratings make up a reader, and readers all of them, solves nothing.
    readers, metrics = ("r1", "r2", "r3"), sorted({m for _, m in printed})
    hidden = [cell for cell, events in printed.items() if events is None]
    sums = [[(r, m) for m in metrics] for r in (*readers, "all")]
    sums += [[(r, m) for r in (*readers, "all")] for m in metrics]
    known = np.array([[float(cell in cells) for cell in hidden] for cells in sums])
    known[4:, [r == "all" for r, _ in hidden]] *= -1
    alone = np.array([float(cell == few) for cell in hidden])
    rank = np.linalg.matrix_rank
    assert rank(np.vstack([known, alone])) == rank(known) + 1


def test_an_indeterminate_rating_is_hidden_by_both_its_names():
    asset = "adjudication/reader_performance"
    unsure = {"reader_id": "r1", "metric": "share_indeterminate", "n": 200, "events": 56}
    frame = figures_of(asset, [*_rated("r1", 140, 56, 4, 0), unsure])
    shown_events = _events(suppress(frame, contracts.load()[asset], 11).frame, "r1")
    assert shown_events["share_rating=3"] is None
    # All reads less the first rating and the second, by either of its names, are the few.
    second = (shown_events["share_rating=2"], shown_events["share_indeterminate"])
    assert shown_events["share_rating=1"] is None or second == (None, None)


def test_how_often_all_readers_chose_a_rating_does_not_follow_from_the_cuts():
    readers, agreement = "adjudication/reader_performance", "adjudication/agreement"
    frames = {
        readers: figures_of(readers, _rated("all", 400, 96, 4, 0)),
        agreement: figures_of(
            agreement,
            [
                {
                    "stratum_kind": kind,
                    "stratum": s,
                    "metric": "positive_read_share",
                    "n": 500,
                    "events": e,
                }
                for kind, s, e in (("all", "all", 100), ("cut", "2", 100), ("cut", "3", 4))
            ],
        ),
    }
    made = suppress_all(frames, contracts.load(), 11)
    by_value = _events(made[readers].frame, "all")
    by_cut = dict(made[agreement].frame.select("stratum", "events").iter_rows())
    assert by_value["share_rating=3"] is None
    assert by_cut["3"] is None
    # 500 − 400 and the reads from the second rating up are the same 100.
    if by_value["share_rating=2"] is not None:
        assert by_cut["2"] is None
        assert by_cut["all"] is None
        assert by_value["share_rating=1"] is None


def test_reads_that_readers_left_open_are_hidden_in_both_tables():
    readers, agreement = "adjudication/reader_performance", "adjudication/agreement"
    frames = {
        readers: figures_of(readers, _rated("all", 400, 50, 4, 46)),
        agreement: figures_of(
            agreement,
            [{"stratum": "all", "metric": "n_non_diagnostic_reads", "n": 500, "events": 46}],
        ),
    }
    made = suppress_all(frames, contracts.load(), 11)
    here = _events(made[readers].frame, "all")["share_non_diagnostic"]
    assert made[agreement].frame["events"].to_list() == [here]


def test_few_cases_of_a_kind_do_not_follow_from_states_of_panels_or_paths():
    agreement, noise = "adjudication/agreement", "adjudication/label_noise"
    kinds = {"contradicted": 60, "unsure": 4, "clear": 300, "single": 36}
    undecided = {"contradicted": 20, "unsure": 0, "clear": 0, "single": 16}
    rows = [
        *({"metric": f"cases_{k}", "n": 400, "events": e} for k, e in kinds.items()),
        *({"metric": f"undecided_{k}", "n": kinds[k], "events": e} for k, e in undecided.items()),
        {"metric": "path_unresolved", "n": 400, "events": 36},
        {"metric": "path_majority", "n": 400, "events": 364},
    ]
    states = [{"metric": "share_split", "n": 400, "events": 64}]
    made = suppress_all(
        {
            agreement: figures_of(agreement, [{"stratum": "all"} | r for r in rows]),
            noise: figures_of(noise, [{"stratum": "all"} | r for r in states]),
        },
        contracts.load(),
        11,
    )
    printed = dict(made[agreement].frame.select("metric", "events").iter_rows())
    ns = dict(made[agreement].frame.select("metric", "n").iter_rows())
    assert printed["cases_unsure"] is None
    split = made[noise].frame["events"].item()
    assert split is None or printed["cases_contradicted"] is None
    # A kind's cases stand again as the whole of those without a label.
    for kind in kinds:
        assert (printed[f"cases_{kind}"] is None) == (ns[f"undecided_{kind}"] is None)
    assert sum(printed[f"cases_{k}"] is None for k in kinds) >= 2


def test_cases_of_fewer_votes_do_not_follow_from_those_of_enough():
    asset = "adjudication/label_noise"
    rows = [
        {"stratum_kind": "all", "metric": "n_cases", "n": 496},
        {"stratum_kind": "error_correlation", "metric": "panel_error", "n": 496},
        {"stratum_kind": "dawid_skene", "metric": "n_cases", "n": 500, "events": 500},
        {"stratum_kind": "dawid_skene", "metric": "prevalence", "n": 500},
        {"stratum_kind": "independent_reference", "metric": "n_cases", "n": 80, "events": 80},
    ]
    made = suppress(figures_of(asset, rows), contracts.load()[asset], 11).frame
    printed = set(made["n"].drop_nulls())
    # One of the two is hidden, wherever it stands; the others are not.
    assert len(printed & {496, 500}) == 1
    assert 80 in printed


def _pointed(**counts: tuple[int, int]) -> list[dict]:
    """Rows of one operating point: metric → (n, events)."""
    same = {"operating_point": "p", "analysis": "intention_to_diagnose", "window": "prospective"}
    return [same | {"metric": m, "n": n, "events": e} for m, (n, e) in counts.items()]


POINTED = {
    "sensitivity": (136, 126),
    "specificity": (173, 158),
    "fp": (309, 15),
    "fn": (309, 10),
    "flagged_per_1000": (1036, 411),
    "indeterminate_flagged": (1036, 68),
    "indeterminate_unflagged": (1036, 107),
    "unlabelled_flagged": (1036, 202),
    "unlabelled_unflagged": (1036, 350),
}


def test_few_misses_do_not_follow_from_all_that_were_flagged():
    asset = "evaluation/operating_points"
    made = suppress(figures_of(asset, _pointed(**POINTED)), contracts.load()[asset], 11).frame
    printed = dict(made.select("metric", "events").iter_rows())
    assert printed["fn"] is None
    # Flagged less those without a decided label are hits and false alarms; hits are 136 less misses.
    parts = ("flagged_per_1000", "indeterminate_flagged", "unlabelled_flagged", "fp")
    assert any(printed[m] is None for m in parts)
    cleared = ("flagged_per_1000", "indeterminate_unflagged", "unlabelled_unflagged", "fp")
    assert any(printed[m] is None for m in cleared)


@pytest.mark.parametrize("failed", [0, 2])
def test_few_misses_do_not_follow_from_disagreements_parted_by_panel(failed):
    points, parted = "evaluation/operating_points", "evaluation/error_attribution"
    same = {"window": "prospective", "assumption": "none"}
    rows = []
    for state, cases, alarms, misses in (
        ("all", 309 - failed, 15, 10),
        ("split", 161 - failed, 12, 10),
        ("unanimous", 148, 3, 0),
        ("single_or_few", 0, 0, 0),
        ("independent_reference", 0, 0, 0),
    ):
        counts = {
            "n_cases": (309 - failed, cases),
            "disagreement": (cases, alarms + misses),
            "false_positives": (cases, alarms),
            "false_negatives": (cases, misses),
            "share_of_disagreements": (25, alarms + misses),
        }
        rows += [
            same | {"panel_state": state, "metric": m, "n": n, "events": e}
            for m, (n, e) in counts.items()
        ]
    only = {m: POINTED[m] for m in ("sensitivity", "specificity", "fp", "fn")}
    made = suppress_all(
        {points: figures_of(points, _pointed(**only)), parted: figures_of(parted, rows)},
        contracts.load(),
        11,
    )
    whole = made[parted].frame.filter(panel_state="all")
    printed = dict(whole.select("metric", "events").iter_rows())
    at_point = dict(made[points].frame.select("metric", "events").iter_rows())
    assert at_point["fn"] is None
    alarms = at_point["fp"] or printed["false_positives"]
    assert alarms is None or (printed["disagreement"] or printed["share_of_disagreements"]) is None
    if failed:
        # 309 decided less those parted are the two that failed.
        parts = made[parted].frame.filter(pl.col("metric") == "n_cases", panel_state="split")
        assert parts["events"].item() is None or printed["n_cases"] is None
        rest = made[parted].frame.filter(pl.col("metric") == "n_cases", panel_state="unanimous")
        assert None in (parts["events"].item(), rest["events"].item())


AGREEMENT, PERFORMANCE = "adjudication/agreement", "evaluation/performance"


def _labelled(**counts: int) -> list[dict]:
    """Cases by label, as a share of them all, and those of use together."""
    counts["usable"] = counts["positive"] + counts["negative"]
    n = sum(e for k, e in counts.items() if k != "usable")
    return [
        {"stratum": "all", "metric": f"label_{k}", "n": n, "events": e} for k, e in counts.items()
    ]


def _of_windows(**counts: tuple[int, int]) -> list[dict]:
    """Mature cases of both windows by label."""
    names = {"positive", "negative", "indeterminate", "undecided"}
    windows = ("retrospective", "prospective")
    sizes = [sum(counts[k][w] for k in names) for w in range(2)]
    return [
        {
            "model_id": "m",
            "window": window,
            "stratum": "all",
            "metric": f"n_{k}",
            "n": sizes[w],
            "events": counts[k][w],
        }
        for w, window in enumerate(windows)
        for k in sorted(names)
    ]


def _texts(frame: pl.DataFrame) -> dict[str, int | None]:
    return dict(frame.select("metric", "events").iter_rows())


def test_labels_of_a_few_do_not_follow_from_the_others_nor_from_paths_and_kinds():
    rows = [
        *_labelled(positive=120, negative=260, indeterminate=16, none=4),
        *(
            {"stratum": "all", "metric": m, "n": n, "events": e}
            for m, n, e in (
                ("path_unresolved", 400, 4),
                ("path_no_reads", 400, 0),
                ("path_majority", 400, 396),
                ("cases_clear", 400, 300),
                ("cases_unsure", 400, 100),
                ("undecided_clear", 300, 0),
                ("undecided_unsure", 100, 4),
            )
        ),
    ]
    found = _texts(suppress(figures_of(AGREEMENT, rows), contracts.load()[AGREEMENT], 11).frame)
    for name in ("label_none", "path_unresolved", "undecided_unsure"):
        assert found[name] is None, name
    # What a reader may put together: the labels make up 400, and two of them those of use.
    usable = found["label_usable"]
    if usable is None and None not in (found["label_positive"], found["label_negative"]):
        usable = found["label_positive"] + found["label_negative"]
    assert usable is None or found["label_indeterminate"] is None


def test_where_no_label_is_rare_all_are_printed():
    rows = _labelled(positive=120, negative=260, indeterminate=40, none=60)
    found = suppress(figures_of(AGREEMENT, rows), contracts.load()[AGREEMENT], 11).frame
    assert found["events"].null_count() == 0


@pytest.mark.parametrize("late", [0, 3, 40])
def test_few_labels_that_are_not_due_do_not_follow_from_both_windows(late: int):
    windows = {
        "positive": (60, 50),
        "negative": (150, 120),
        "indeterminate": (30, 20),
        "undecided": (40, 30),
    }
    whole = {k: sum(v) for k, v in windows.items()} | {"positive": 110 + late}
    labels = _labelled(none=whole.pop("undecided"), **whole)
    frames = {
        AGREEMENT: figures_of(AGREEMENT, labels),
        PERFORMANCE: figures_of(PERFORMANCE, _of_windows(**windows)),
    }
    made = suppress_all(frames, contracts.load(), 11)
    all_of_them = _texts(made[AGREEMENT].frame)
    ours = made[PERFORMANCE].frame.filter(metric="n_positive")["events"].to_list()
    is_told = all_of_them["label_positive"] is not None and None not in ours
    assert is_told == (late != 3)
    if late == 3 and None not in ours:
        # Nor from those of use less the negative ones.
        assert None in (all_of_them["label_usable"], all_of_them["label_negative"])


@pytest.mark.parametrize("few", ["indeterminate", "undecided"])
def test_few_of_one_window_do_not_follow_from_all_less_the_other(few: str):
    windows = {
        "positive": (60, 50),
        "negative": (150, 120),
        "indeterminate": (30, 20),
        "undecided": (40, 30),
    } | {few: (30, 4)}
    whole = {k: sum(v) for k, v in windows.items()}
    labels = _labelled(none=whole.pop("undecided"), **whole)
    frames = {
        AGREEMENT: figures_of(AGREEMENT, labels),
        PERFORMANCE: figures_of(PERFORMANCE, _of_windows(**windows)),
    }
    made = suppress_all(frames, contracts.load(), 11)
    by_window = dict(
        made[PERFORMANCE].frame.filter(metric=f"n_{few}").select("window", "events").iter_rows()
    )
    assert by_window["prospective"] is None
    label = "label_none" if few == "undecided" else f"label_{few}"
    assert None in (_texts(made[AGREEMENT].frame)[label], by_window["retrospective"])


def test_few_adjudications_that_were_not_needed_do_not_follow_from_all_of_them():
    readers = "adjudication/reader_performance"
    reads = [
        {"reader_id": r, "metric": "n_adjudicating_reads", "n": n, "events": n}
        for r, n in (("all", 98), ("a", 0), ("t", 98))
    ]
    rows = [
        {"stratum": "all", "metric": "path_third_reader", "n": 400, "events": 94},
        {"stratum": "all", "metric": "path_majority", "n": 400, "events": 306},
        {"stratum": "all", "metric": "n_unused_tiebreak_reads", "events": 4, "method": "count"},
    ]
    frames = {AGREEMENT: figures_of(AGREEMENT, rows), readers: figures_of(readers, reads)}
    made = suppress_all(frames, contracts.load(), 11)
    agreed_ = _texts(made[AGREEMENT].frame)
    assert agreed_["n_unused_tiebreak_reads"] is None
    counted = dict(made[readers].frame.select("reader_id", "events").iter_rows())
    assert agreed_["path_third_reader"] is None or {counted["all"], counted["t"]} == {None}


def test_what_guessing_would_reach_is_hidden_with_the_positive_reads_it_rests_on():
    rows = [
        {"stratum": "all", "metric": m, "n": 900, "events": 5}
        for m in ("positive_read_share", "prespecified_floor_by_chance")
    ]
    made = suppress(figures_of(AGREEMENT, rows), contracts.load()[AGREEMENT], 11).frame
    assert made["estimate"].null_count() == 2
    assert made["events"].null_count() == 2


def test_few_misses_do_not_follow_from_the_bounds_of_missing_labels():
    asset = "evaluation/operating_points"
    rows = _pointed(**POINTED)
    bounds = {
        "best_case": {"sensitivity": (406, 396), "specificity": (630, 615)},
        "worst_case": {"sensitivity": (593, 126), "specificity": (443, 158)},
    }
    for analysis, figures in bounds.items():
        rows += [row | {"analysis": analysis} for row in _pointed(**figures)]
    made = suppress(figures_of(asset, rows), contracts.load()[asset], 11).frame
    printed = {(r["analysis"], r["metric"]): (r["n"], r["events"]) for r in made.to_dicts()}
    itd = "intention_to_diagnose"
    assert printed[itd, "fn"][1] is None
    # All flagged less false alarms, less the cases by which a class grows, are the hits.
    flagged, alarms = printed[itd, "flagged_per_1000"][1], printed[itd, "fp"][1]
    for analysis, metric, known in (
        ("best_case", "sensitivity", printed[itd, "sensitivity"][0]),
        ("worst_case", "specificity", printed[itd, "specificity"][0]),
    ):
        assert None in (flagged, alarms, printed[analysis, metric][0], known)
