"""At a look that no endpoint takes, the page says that what it shows after the lock is exploratory."""

from __future__ import annotations

from report_bench import rendered, retold, words_of

ENDPOINTS = "evaluation/endpoints"
SAID = "No endpoint takes the look at this cut, so every figure after the lock is exploratory here."


def at_look(study, **verdict_of):
    """Set the verdicts of the cut's look: all alike, or of one endpoint another."""
    look = study.cut.partition(".")[0]
    judged = {e.id for e in study.protocol.evaluation.endpoints if e.window == "prospective"}
    told = study.report
    for endpoint in sorted(judged):
        verdict = verdict_of.get(endpoint, "not_taken")
        told = retold(told, ENDPOINTS, {"endpoint": endpoint, "look": look}, verdict=verdict)
    return told


def test_what_no_endpoint_takes_is_said_above_the_figures(study) -> None:
    page = rendered(study, report=at_look(study))
    # The sheet, the primary figures, the verdicts, the ranking and the curve.
    assert words_of(page).count(SAID) == 4 + len(study.protocol.findings)


def test_a_look_that_one_endpoint_takes_is_no_exploration(study) -> None:
    first = next(e.id for e in study.protocol.evaluation.endpoints if e.window == "prospective")
    assert SAID not in words_of(rendered(study, report=at_look(study, **{first: "inconclusive"})))


def test_a_cut_between_looks_is_said_by_its_rows_alone(study) -> None:
    assert SAID not in words_of(rendered(study, report=at_look(study), cut="1999-01-01.1"))
