"""What each rule removed, as a reader sees it: three counts, figures, and what would lose a goal."""

from __future__ import annotations

import html

from report_bench import recoded, rendered, retold, words_of

from vpack_pipeline.stats.codes import Code

AUDIT = "evaluation/exclusion_audit"
ALL = {"rule": "all rules", "window": "prospective"}


def block(page: str) -> str:
    start = page.index('id="exclusion-audit"')
    return page[start : page.index("</section>", start)]


def said(page: str) -> str:
    return words_of(block(page))


def point(**changes):
    return {"metric": "tipping_point_sensitivity", **changes}


def with_tipping_point(study):
    told = retold(study.report, AUDIT, point(**ALL), estimate="5", n="14")
    told = recoded(told, AUDIT, point(**ALL), reason=None)
    share = ALL | {"metric": "tipping_share_sensitivity"}
    return retold(told, AUDIT, share, estimate="35.7%")


def test_a_tipping_point_stands_in_a_sentence_beside_the_errors_here(study) -> None:
    told = said(rendered(study, report=with_tipping_point(study)))
    assert (
        "the goal of sensitivity is lost if 5 of 14 cases that are, or may be, positive were missed:"
        " 35.7% of them, against 20.0% of those included."
    ) in told
    assert "Errors that lose the goal of sensitivity" in told


def test_a_goal_that_is_never_or_always_cleared_says_so(study) -> None:
    for name, verb in (
        ("goal_never_cleared", "not reached even if none of"),
        ("goal_always_cleared", "kept even if all"),
    ):
        told = recoded(study.report, AUDIT, point(), reason=Code(name))
        page = said(rendered(study, report=told))
        assert f"the goal of sensitivity is {verb}" in page
        # All rules say the same: a column of it would say nothing more.
        assert "Errors that lose the goal of sensitivity" not in page


def test_a_rule_that_others_precede_has_its_row(study) -> None:
    counts = study.tables[AUDIT].filter(metric="n_removed", window="retrospective")
    idle = next(r for r in counts.sort("estimate")["rule"] if r != "all rules")
    title = next(r.title for r in study.protocol.eligibility.rules if r.id == idle)
    where = {"rule": idle, "window": "retrospective"}
    none = study.report
    for metric in ("n_removed", "n_removed_marginal", "n_removed_only"):
        none = retold(none, AUDIT, where | {"metric": metric}, estimate="0")
    removing = retold(none, AUDIT, where | {"metric": "n_removed_marginal"}, estimate="3")
    row = f'<th scope="row">{html.escape(title)}</th>'

    def rows(report) -> int:
        return block(rendered(study, report=report)).count(row)

    assert rows(removing) == rows(none) + 1


def test_bounds_are_printed_where_they_differ(study) -> None:
    alike = study.report
    for name in ("sensitivity", "specificity"):
        for side in ("worst_case", "best_case"):
            alike = retold(alike, AUDIT, {"metric": f"{name}_{side}"}, estimate="0.500")
    assert "from 0." not in said(rendered(study, report=alike))
    apart = retold(alike, AUDIT, {"metric": "sensitivity_best_case"}, estimate="0.600")
    assert "from 0.500 to 0.600" in said(rendered(study, report=apart))


def test_days_and_hours_are_printed_in_the_finer_bands_that_every_window_has(study) -> None:
    def days(report) -> str:
        page = rendered(study, report=report)
        start = page.index('id="study-times"')
        return words_of(page[start : page.index("</section>", start)])

    times = "evaluation/study_times"
    given = recoded(retold(study.report, times, {}, estimate="20"), times, {}, reason=None)
    assert "Monday 20" in days(given)
    assert "Monday to Friday" not in days(given)
    few = retold(given, times, {"stratum_kind": "weekday", "window": "prospective"}, estimate="")
    assert "Monday to Friday 20" in days(few)
    assert "Monday 20" in days(few)
