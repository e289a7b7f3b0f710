"""The difference of two packs in words, for what no stored pack shows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from vpack_pipeline.cli import diff_rows, diff_words
from vpack_pipeline.core.diff.causes import Causes, Ground
from vpack_pipeline.core.diff.figures import Difference, Pair, Value, Verdict
from vpack_pipeline.core.diff.pack_diff import PackDiff, PackSide
from vpack_pipeline.core.diff.protocol_fields import FieldChange
from vpack_pipeline.core.diff.strata import CommonLevel, Incomparable, StratumPair

MODEL = {"id": "m", "version": "1.0", "digest": "sha256:0", "locked_at": "2026-01-01"}
SAME = Ground((MODEL, MODEL), (), (), (), (), (), ())
READERS = Causes(("readers",), ())
SIDE = PackSide("harbour/1.0-2026-07-20-0", "harbour", "study@1.0", "2026-07-20", 7, "0", ())
SUBGROUPS = "evaluation/subgroups"


def value(estimate: float | None, half: float | None = None) -> Value:
    if estimate is None or half is None:
        return Value(estimate, None, None, 10, 9, None if estimate is not None else "too few")
    return Value(estimate, estimate - half, estimate + half, 10, 9, None)


def share(a: Value | None, b: Value | None, subject: str = "Nodule") -> Pair:
    return Pair(SUBGROUPS, "performance", subject, "prospective", "sensitivity", a, b, None)


def found(**changes: Any) -> PackDiff:
    return replace(
        PackDiff(
            a=SIDE,
            b=SIDE,
            is_same_site=True,
            ground=SAME,
            n_tables=9,
            causes={SUBGROUPS: READERS, "drift/status": Causes((), ("data",))},
            verdicts=(),
            figures=(),
            strata=(),
            incomparable=(),
        ),
        **changes,
    )


def text(**changes: Any) -> str:
    return " ".join(diff_words.text(found(**changes), everything=False).split())


def test_a_joined_level_names_its_parts_and_what_does_not_add_up() -> None:
    level = CommonLevel("≥50", ("50–70", "≥70"), ("≥50",))
    stratum = StratumPair("age", level, share(None, value(0.9, 0.05)))
    row = diff_rows.stratum_row(stratum, READERS, names_finding=False)
    assert row == (
        "age ≥50 (A: 50–70, ≥70): Sensitivity, prospective",
        "does not add up from its parts", "90.0% (85.0% to 95.0%)", "–", "readers",
    )  # fmt: skip
    gone = StratumPair("age", CommonLevel("<50", ("<50",), ("<50",)), share(None, value(0.9)))
    assert diff_rows.stratum_row(gone, READERS, names_finding=False)[1] == "not in the pack"
    shown = text(strata=(stratum,), incomparable=(Incomparable("sex", "levels_defined_otherwise"),))
    assert "sex is not compared: the packs define its levels in different ways." in shown


def test_findings_are_named_where_there_are_several() -> None:
    pairs = (share(value(0.9), value(0.8)), share(value(0.9), value(0.8), "Effusion"))
    assert "Effusion, Sensitivity, prospective 90.0% 80.0%" in text(figures=pairs)
    assert "Figure A B B less A Cause Sensitivity, prospective" in text(figures=pairs[:1])


@pytest.mark.parametrize(
    ("asset", "metric", "said"),
    [
        (SUBGROUPS, "sensitivity", "−10.0 points (−20.0 to 0.0)"),
        (SUBGROUPS, "auc", "−0.100 (−0.200 to 0.000)"),
    ],
)
def test_a_difference_has_the_unit_of_its_figure(asset: str, metric: str, said: str) -> None:
    less = Difference(-0.1, -0.2, 0.0, None)
    pair = Pair(asset, "performance", "Nodule", None, metric, value(0.9), value(0.8), less)
    assert diff_rows.figure_row(pair, READERS, names_finding=False)[3] == said


def test_what_a_rule_removed_is_a_count() -> None:
    less = Difference(-3.0, None, None, "without_interval")
    pair = Pair(
        "eligibility/flow", "exclusions", "Adults", None, "removed", value(9), value(6), less
    )
    row = diff_rows.figure_row(pair, READERS, names_finding=False)
    assert row == ("Adults: cases removed", "9", "6", "−3", "readers")


def test_a_monitor_without_a_judged_window_has_no_signal_yet() -> None:
    judged = Verdict("drift/status", "drift", "age", "Age", None, None, "action")
    row = diff_rows.verdict_row(judged, Causes((), ("data",)))
    assert row == (
        "Gravest drift signal: Age", "no window judged yet", "action", "not attributed: data?",
    )  # fmt: skip
    endpoint = replace(judged, kind="endpoint", a=None, b="void")
    assert diff_rows.verdict_row(endpoint, Causes((), ()))[1:] == (
        "no verdict", "void", "not attributed: the packs tell of no difference",
    )  # fmt: skip


def test_what_packs_rest_on_is_told_where_it_differs() -> None:
    assert "Model the same: m 1.0 Data the same Readers the same Protocol the same Code" in text()
    tables = tuple(f"cohort/t{n}" for n in range(8))
    other = replace(SAME, cuts=("2026-07-20", "2026-04-10"), data=tables, readers=tables[:1])
    said = text(ground=other)
    assert "tables of the data cuts 2026-07-20, 2026-04-10" in said
    assert "other content: t0, t1, t2, t3, t4, t5 and 2 more" in said
    assert "Readers other content: t0" in said
    moved = {**MODEL, "locked_at": "2026-02-01"}
    assert "m 1.0 in both, with another entry" in text(ground=replace(SAME, model=(MODEL, moved)))


def test_a_protocol_of_another_name_that_says_the_same_is_told() -> None:
    renamed = replace(SIDE, protocol="study@1.1")
    assert "study@1.0 in A, study@1.1 in B; the same but for its name" in text(b=renamed)


def test_a_field_is_told_in_words_with_both_values() -> None:
    field = FieldChange(("evaluation", "looks", "2026-07-20", "information"), 0.5, None)
    assert diff_rows.field_row(field) == ("evaluation: looks, 2026-07-20, information", "0.5", "–")
    whole = FieldChange(("unit_of_analysis",), "study", "lesion")
    assert diff_rows.field_row(whole) == ("unit of analysis", "study", "lesion")
    item = FieldChange(("drift", "monitors", "age"), None, {"title": "Age", "name": "age"})
    assert diff_rows.field_row(item)[2] == "Age"
    assert diff_rows.field_row(FieldChange(("x",), "y" * 99, []))[1:] == ("y" * 59 + "…", "[]")


def test_changes_are_counted_by_what_they_are_attributed_to() -> None:
    pair = share(value(0.9), value(0.8))
    judged = Verdict("drift/status", "drift", "age", "Age", None, "none", "action")
    said = text(figures=(pair,), verdicts=(judged,))
    assert "1 of 1 verdicts and 1 of 1 figures of interest changed." in said
    assert "Due to the readers: 1 of 2 changes. Nothing else differs behind them." in said
    assert (
        "Not attributed: 1 of 2 changes. Behind them more than one thing differs, or may." in said
    )
    same = share(value(0.9), value(0.9))
    assert (
        "changes" not in diff_words.text(found(figures=(same,)), everything=False).split("\n\n")[1]
    )


def test_a_terminal_obeys_nothing_that_a_pack_says() -> None:
    field = FieldChange(("evaluation", "seed"), "\x1b[2J", "plain")
    said = text(ground=replace(SAME, fields=(field,)))
    assert "\x1b" not in said
    assert r"evaluation: seed \x1b[2J plain" in said
