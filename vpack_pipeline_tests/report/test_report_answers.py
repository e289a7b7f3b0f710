"""The reviewer's five questions: each is answered where its link leads, whatever the site holds."""

from __future__ import annotations

import html
import re

import polars as pl
import pytest
from report_bench import chapter, rendered, retold, words_of

from vpack_pipeline.protocol import Protocol, Sampling, SamplingByWindow
from vpack_pipeline.report import chapters, words

FLOW, PERFORMANCE = "eligibility/flow", "evaluation/performance"
AGREEMENT, STATUS = "adjudication/agreement", "drift/status"
MODEL = {"model_id": "nodule-2", "stratum": "all"}


def markup(page: str, name: str) -> str:
    opened = r'<section id="{}"[^>]*><h2[^>]*>[^<]*</h2>\s*<div class="answer"><p class="question">'
    found = re.search(opened.format(name) + r"[^<]*</p>(.*?)</div>", page, re.DOTALL)
    assert found is not None, f"{name} does not open with its answer"
    return found.group(1)


def answer(page: str, name: str) -> str:
    return words_of(markup(page, name)).replace(" .", ".").replace(" ;", ";")


def test_every_question_leads_to_a_chapter_that_opens_with_a_plain_answer(page):
    last = [c.id for c in chapters.CHAPTERS[-2:]]
    assert [q.chapter for q in chapters.QUESTIONS] + last == [c.id for c in chapters.CHAPTERS]
    for question in chapters.QUESTIONS:
        assert f'<p class="question">{question.text}</p>' in page
        said = answer(page, question.chapter)
        assert 2 <= len(re.findall(r"[.!?](?= |$)", said)) <= 4, said
        assert len(said.split()) < 110, said


def test_every_number_of_an_answer_about_data_is_a_printed_figure(page, study):
    texts = dict(study.report.select("anchor", "text").iter_rows())
    for question in chapters.QUESTIONS:
        made = markup(page, question.chapter)
        shown = re.findall(r'<span data-anchor="([^"]+)">([^<]*)</span>', made)
        assert all(texts[anchor] == html.unescape(text) for anchor, text in shown)
        assert shown or question.chapter in ("study", "profile", "gates")
        if question.chapter == "study":
            continue  # The protocol's dates and its number of endpoints.
        bare = words_of(re.sub(r"<span data-anchor.*?</span>", "", made))
        rules = study.protocol.adjudication
        # What is left are the numbers of the protocol's rule, which are no figures.
        of_rule = {str(rules.follow_up_minimum_days), str(rules.minimum_readers), str(rules.quorum)}
        of_rule |= set(re.findall(r"\d+", f"{rules.floor.value:g}"))
        bare = bare.replace("AC1", "")
        assert set(re.findall(r"\d+", bare)) <= of_rule


def test_an_answer_names_the_figures_of_its_tables(page, study):
    delivered = study.tables["eligibility/cases"].height
    assert f"delivered {delivered} cases" in answer(page, "flow")
    assert "consecutive" in answer(page, "flow")
    assert answer(page, "performance").startswith("Before deployment: as planned, the model ran")


def test_a_set_that_nobody_was_left_in_says_so(study):
    last = len(study.protocol.eligibility.rules)
    told = retold(study.report, FLOW, {"rule_order": last}, remaining="0")
    for metric in ("path_independent_reference", "path_unresolved", "path_no_reads"):
        told = retold(told, AGREEMENT, {"metric": metric}, n="0", events="0")
    told = retold(told, AGREEMENT, {"metric": "n_readers"}, estimate="0")
    made = rendered(study, report=told)
    assert "left nobody: no figure here rests on any case" in answer(made, "flow")
    said = words_of(chapter(made, "adjudication"))
    assert "No independent read of any reader is on record" in said
    assert "there was nothing to decide" in said


def test_a_single_reader_is_said_in_words(study):
    told = retold(study.report, AGREEMENT, {"metric": "n_readers"}, estimate="1")
    made = rendered(study, report=told)
    assert "a single reader, so that nothing shows how far readers agree" in words_of(
        chapter(made, "adjudication")
    )


def test_without_prospective_cases_the_answer_does_not_speak_of_them(study):
    place = MODEL | {"metric": "n_cases", "window": "prospective"}
    made = rendered(study, report=retold(study.report, PERFORMANCE, place, estimate="0"))
    assert "No case from after the model was locked has a label due yet" in (
        answer(made, "performance")
    )


def test_withheld_and_exploratory_figures_are_named_with_their_reason(study):
    place = MODEL | {"metric": "n_positive", "window": "prospective"}
    for reason in (
        "no look yet: the first look is the cut X",
        "exploratory: the look of X is void",
    ):
        made = rendered(study, report=retold(study.report, PERFORMANCE, place, reason=reason))
        assert f"Of those after the lock: {reason}." in answer(made, "performance")
        assert reason in chapter(made, "performance").partition('<div id="integrity">')[0]


def test_what_the_monitors_have_shown_is_told_from_what_they_could_not(study):
    def without_alarm(report):
        is_since = pl.col("anchor") == "first.drift.since"
        told = pl.when(is_since).then(pl.lit("")).otherwise(pl.col("text"))
        return report.with_columns(told.alias("text"))

    is_first = pl.col("anchor").str.starts_with("first.")
    none = without_alarm(study.report.filter(is_first | (pl.col("asset") != STATUS)))
    told = answer(rendered(study, report=none), "drift")
    assert "no window has ended since the reference" in told
    mute = without_alarm(retold(study.report, STATUS, {}, signal=""))
    assert "None has given a signal so far" in answer(rendered(study, report=mute), "drift")
    calm = without_alarm(retold(study.report, STATUS, {}, signal="none"))
    assert "None has called for action so far" in answer(rendered(study, report=calm), "drift")


@pytest.mark.parametrize("kind", sorted(words.DEPLOYMENT))
def test_every_kind_of_evidence_says_on_which_side_of_deployment_it_stands(study, kind):
    about = study.protocol.about.model_copy(update={"evidence_kind": kind})
    protocol = study.protocol.model_copy(update={"about": about})
    said = answer(rendered(study, protocol=protocol), "performance")
    assert said.startswith(words.DEPLOYMENT[kind])
    assert ("After deployment" in said) == (kind == "live_observational")


def test_draws_that_differ_are_told_with_their_windows():
    whole = Sampling(method="consecutive")
    enriched = Sampling(method="random", depends_on=("label",))
    both = SamplingByWindow(retrospective=enriched, prospective=whole)
    assert words.drawn(both) == (
        "As planned, the site took cases drawn at random from those that came in the earlier"
        " window and every case as it came (a consecutive sample) in the later window."
    )
    assert words.population(whole, "ppv", "nodule") == ""
    told = "Not given: cases were drawn by label and no sampling fractions are stated."
    assert words.population(enriched, "ppv", "nodule") == told
    assert words.population(both, "ppv", "nodule") == f"In the earlier window: {told}"


def test_every_kind_and_every_sampling_has_its_words():
    kinds = Protocol.model_fields["about"].annotation.model_fields["evidence_kind"].annotation
    assert set(words.DEPLOYMENT) == set(words.EVIDENCE) == set(kinds.__args__)
    method = Sampling.model_fields["method"].annotation
    assert set(words.DRAWN) == set(method.__args__)
