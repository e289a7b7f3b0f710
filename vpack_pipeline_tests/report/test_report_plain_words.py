"""What a reader without statistics meets: made-up readers named, ranges in words, no riddles."""

from __future__ import annotations

import html
import re

import pytest
from report_bench import chapter, rendered, retold, words_of

from vpack_pipeline.protocol import FollowUp
from vpack_pipeline.report import adjudicated, reader_figures, reading, words
from vpack_pipeline.report.book import Book, Cell, Row
from vpack_pipeline.report.rows import Notes
from vpack_pipeline.report.study import made_up_readers, reference_line
from vpack_pipeline.site import Synthetic

ATTRIBUTION = "evaluation/error_attribution"
LABELS = "evaluation/label_sensitivity"
VERIFICATION = "evaluation/verification"
INTEGRITY = "evaluation/integrity"
SHARES = ("share_not_separable", "share_of_disagreements")
GONE = {"estimate": "", "lower": "", "upper": "", "status": "refused", "reason": "no such read"}
OF_READERS = ("readers", "answers", "pairs", "reader-doubts")
"""Blocks in which figures of single readers stand."""


def block(page: str, name: str) -> str:
    """The markup of one block, up to the next one."""
    start = page.index(f'<div id="{name}">')
    rest = page[start + 1 :]
    ends = [
        m.start()
        for m in re.finditer(r"</div>\s*(?=<div id=|</section>|</details></section>)", rest)
    ]
    return page[start : start + 1 + ends[0]]


def opening(page: str) -> str:
    made = chapter(page, "adjudication")
    return made[: made.index('<p class="source">')]


def noise_line(page: str) -> str:
    made = opening(page)
    return words_of(made[made.index('<a href="#error-attribution">') :])


@pytest.fixture(scope="module")
def one(study) -> adjudicated.Adjudicated:
    return adjudicated.Adjudicated(Book(study.report), study.protocol.findings[0])


def of_parts(study, *parts: str):
    made = tuple(Synthetic(part=part, note=f"Note on {part}.") for part in parts)
    return study.site.model_copy(update={"synthetic": made})


@pytest.mark.parametrize(
    ("part", "is_theirs"),
    [
        ("everything", True),
        ("roster", True),
        ("Readers", True),
        ("reads of the panel", True),
        ("ratings", True),
        ("scores", False),
        ("image pixels", False),
        ("already reading", False),
    ],
)
def test_a_synthetic_part_concerns_readers_by_a_word_of_its_name(study, part, is_theirs):
    found = made_up_readers(of_parts(study, part))
    assert [s.part for s in found] == ([part] if is_theirs else [])


def test_made_up_readers_are_named_where_figures_of_readers_stand(study):
    page = rendered(study, site=of_parts(study, "scores", "roster"))
    said = "Synthetic (roster): Note on roster."
    assert said in words_of(opening(page))
    for name in OF_READERS:
        made = words_of(block(page, name))
        assert said in made, name
        assert made.count(said) == made.count("If one reader had not been there") + 1
    assert "Note on scores" not in chapter(page, "adjudication", "reads-in-full")


def test_real_readers_are_not_called_made_up(study):
    page = rendered(study, site=of_parts(study, "scores"))
    assert 'class="made-up"' not in page


def test_the_line_on_noise_says_where_disagreements_fell(page, study, one):
    said = noise_line(page)
    model = study.protocol.index_test.primary.id
    rows = [
        one.book.on_first_page(r)
        for r in one.book.rows(ATTRIBUTION, model_id=model, window="prospective")
        if r.key["metric"] in SHARES and r.key["panel_state"] in ("all", "unanimous")
        and r.key["assumption"] in ("none", "0.5")
    ]  # fmt: skip
    wanted = [r for r in rows if (r.key["metric"], r.key["panel_state"]) != (SHARES[1], "all")]
    assert len(wanted) == 3
    for row in wanted:
        assert row.says("estimate") in said
        assert "%" in row.says("estimate")
    assert "after the lock" in said
    assert "up to" in said
    assert "(a scenario, no bound)" in said
    assert len(said.split()) <= 75


def test_the_line_on_noise_falls_back_on_the_time_before_the_lock(study):
    told = retold(study.report, ATTRIBUTION, {"window": "prospective"}, **GONE)
    assert "with the label before the lock" in noise_line(rendered(study, report=told))
    told = retold(study.report, ATTRIBUTION, {}, **GONE)
    assert "Not known: no such read" in noise_line(rendered(study, report=told))


def test_without_an_assumed_correlation_the_line_says_why(study):
    place = {"assumption": "0.5", "metric": "share_not_separable"}
    first = study.report
    told = retold(first, ATTRIBUTION, place, **GONE)
    said = noise_line(rendered(study, report=told))
    assert "is not computed: no such read" in said
    assert "scenario" not in said


def test_the_spread_over_labels_is_the_lowest_and_the_highest_cell(page, study, one):
    model = study.protocol.index_test.primary.id
    made = words_of(block(page, "label-sensitivity"))
    for window in ("retrospective", "prospective"):
        rows = one.book.rows(LABELS, model_id=model, window=window)
        cells = [r["estimate"] for r in rows if r.key["metric"].startswith("sensitivity")]
        known = sorted((c for c in cells if c.number is not None), key=lambda c: c.number)
        said = made[made.index(f"{words.WINDOWS[window]}: over all labels") :]
        found = re.search(r"goes from (\S+) \(“.+?”\) to (\S+) \(“", said)
        assert found.groups() == (known[0].text, known[-1].text)
    assert "the goal was above" in made


def test_labels_without_a_figure_stand_below_the_table_by_their_reason(study):
    told = retold(study.report, LABELS, {"variation": "drop_reader"}, **GONE)
    made = words_of(block(rendered(study, report=told), "label-sensitivity"))
    assert "Not computed: without any one of the readers. Why: no such read ." in made
    assert "Without the reader" not in made
    place = {"variation": "drop_reader", "window": "prospective"}
    made = words_of(
        block(
            rendered(study, report=retold(study.report, LABELS, place, **GONE)), "label-sensitivity"
        )
    )
    assert "Prospective, not computed: without any one of the readers." in made


def test_a_block_without_any_figure_is_a_sentence_and_no_table(study):
    told = retold(study.report, LABELS, {}, **GONE)
    made = block(rendered(study, report=told), "label-sensitivity")
    assert "<table" not in made
    assert words_of(made).count("no such read") == 1


def test_too_few_printed_figures_are_not_compared(study):
    told = study.report
    for metric in ("sensitivity", "sensitivity_corrected"):
        told = retold(told, LABELS, {"metric": metric}, estimate="")
    assert "too few sensitivities are printed" in words_of(
        block(rendered(study, report=told), "label-sensitivity")
    )


def test_assumptions_without_a_figure_stand_below_the_table(study):
    place = {"assumption": "0.3"}
    told = retold(study.report, ATTRIBUTION, place, **GONE)
    made = words_of(block(rendered(study, report=told), "error-attribution"))
    rest = made[made.index("Retrospective, not computed: ") :]
    assert words.ASSUMPTIONS["0.3"] in rest
    assert "Why: no such read ." in rest


def test_a_refused_figure_is_an_empty_cell_with_a_note(study):
    told = retold(study.report, ATTRIBUTION, {"panel_state": "split"}, **GONE)
    page = rendered(study, report=told)
    made = block(page, "error-attribution")
    assert re.search(r'<td><sup><a href="#[^"]+" aria-label="note (\w+)">\1</a></sup></td>', made)
    assert "no such read" in words_of(made)
    assert not re.search(r">\s*refused\s*<", page)
    assert str(Cell("a.b.status", "refused").__html__()) == "not computed"
    assert "data-anchor" in Cell("a.b.status", "withheld").__html__()
    assert "refused" in Cell("a.b.reason", "refused").__html__()


@pytest.mark.parametrize(("figure", "word"), [("1.000", "yes"), ("0.000", "no")])
def test_whether_a_figure_may_stand_alone_is_yes_or_no(study, figure, word):
    place = {"metric": "naive_is_headline", "call": "all"}
    told = retold(study.report, VERIFICATION, place, estimate=figure, status="given")
    made = block(rendered(study, report=told), "verification")
    line = made[made.index(words.METRICS["naive_is_headline"]) :]
    line = words_of(line[: line.index("</tr>")])
    assert word in line
    assert figure not in line


def test_how_often_a_source_was_sought_is_said_in_a_sentence(page, study, one):
    made = words_of(block(page, "verification"))
    for source in study.protocol.adjudication.reference_sources:
        for window in ("retrospective", "prospective"):
            rows = [
                one.book.on_first_page(
                    one.book.row(
                        VERIFICATION,
                        window=window, call=call, source=source, metric="share_verified",
                    )
                )
                for call in ("positive", "negative")
            ]  # fmt: skip
            flagged, cleared = (r.says("estimate") or "an unknown share" for r in rows)
            said = f"{words.SOURCES[source]} was sought in {flagged} of flagged and {cleared}"
            assert said in made, said
    none = study.protocol.adjudication.model_copy(update={"reference_sources": ()})
    protocol = study.protocol.model_copy(update={"adjudication": none})
    assert " was sought in " not in words_of(
        block(rendered(study, protocol=protocol), "verification")
    )


def test_figures_of_completed_inferences_say_so(page):
    made = words_of(block(page, "verification"))
    assert "Completed inferences only, so that the figures differ from the headline" in made
    for kind in ("begg_greenes", "bounds"):
        for side in ("sensitivity", "specificity"):
            assert words.METRICS[f"{side}_{kind}"].endswith("completed inferences only")


def test_captions_say_how_the_answer_between_is_counted(page, study):
    between = [
        c.label
        for f in study.protocol.findings
        for c in f.categories
        if c.value in f.indeterminate
    ]  # fmt: skip
    assert f"“{between[0]}” counted as an answer of its own" in words_of(block(page, "agreement"))
    assert f"“{between[0]}” counted as yes or no at this line" in words_of(block(page, "cuts"))


def test_the_studys_own_line_is_marked_in_the_drawing(page, one):
    said = re.findall(r">([^<>]+)</text>", block(page, "cuts"))
    own = html.unescape(said[said.index("the study&#39;s line") - 1])
    assert one.cut_title(f"{one.finding.positive_from:g}").endswith(own)
    assert said.count("the study&#39;s line") == 1


def row_of(estimate: str) -> Row:
    cells = {"estimate": estimate, "lower": "", "upper": "", "status": "given", "reason": ""}
    return Row("a/b", {}, {name: Cell(f"a.{name}", text) for name, text in cells.items()})


def test_a_reason_and_the_notes_beside_it_stand_each_under_its_own_anchor():
    row = row_of("")
    row.cells["reason"] = Cell("a.reason", "no cases", ("no_cases",))
    row.cells["notes"] = Cell("a.notes", "<weighted>", ("label_sampled",))
    assert str(row.note.__html__()) == (
        '<span data-anchor="a.reason">no cases</span>; '
        '<span data-anchor="a.notes">&lt;weighted&gt;</span>'
    )
    assert row.note.codes == ("no_cases", "label_sampled")
    assert row.has_code("label_sampled")


def opacities(*estimates: str) -> list[str]:
    places = [(0, 1), (0, 2), (1, 2)]
    cells = {at: row_of(text) for at, text in zip(places, estimates, strict=True)}
    made = reader_figures.matrix("x", "X", ["a", "b", "c"], cells, "What")
    return re.findall(r'class="w0 field" fill-opacity="([\d.]+)"', made)


def test_shades_run_from_the_lowest_to_the_highest_value_with_a_key():
    key, fields = opacities("0.536", "0.550", "0.565")[:2], opacities("0.536", "0.550", "0.565")[2:]
    assert key == ["0.05", "0.40"]
    assert fields[::2] == ["0.05", "0.22", "0.40"]
    assert set(opacities("0.5", "0.5", "0.5")) == {"0.40"}
    assert opacities("—", "—", "—") == ["0.00"] * 6


def test_the_key_names_the_values_at_its_ends(page, one):
    made = words_of(block(page, "pairs"))
    rows = [r for p in one.pairs() for r in one.agreement(stratum=p.stratum, metric="cohen_kappa")]
    found = sorted((r["estimate"] for r in rows), key=lambda c: c.number)
    assert f"least alike: {found[0]}" in made
    assert f"most alike: {found[-1]}" in made
    assert not re.search(r"paler|darker", made)


def test_reads_with_sight_of_the_model_are_followed_up(study):
    told = retold(study.report, INTEGRITY, {}, verdict="held")
    assert "Such reads count like the others" not in rendered(study, report=told)
    told = retold(told, INTEGRITY, {"rule": "readers_blind_to_peers"}, verdict="broken")
    assert "Such reads count like the others" not in rendered(study, report=told)
    told = retold(told, INTEGRITY, {"rule": "readers_blind_to_index_test"}, verdict="broken")
    made = block(rendered(study, report=told), "reference")
    assert "Such reads count like the others" in made
    assert '<a href="#reader-doubts">' in made


def test_ways_to_a_label_bear_one_name_in_drawing_and_table(page, one):
    made = block(page, "paths")
    drawing, table = made[: made.index("</svg>")], made[made.index("<table") :]
    for said, _ in one.used_paths():
        assert words.capital(said) in words_of(drawing)
    for said, _ in one.paths():
        assert words.capital(said) in words_of(table)
    assert set(reading.PATHS) >= {row.key["metric"] for _, row in one.paths()}


def test_a_single_vote_is_spoken_of_only_where_there_is_one(study):
    said = "rests on a single vote"
    for count, is_said in (("0", False), ("12", True), ("—", True)):
        told = retold(study.report, adjudicated.NOISE, {"metric": "share_single"}, events=count)
        assert (said in words_of(block(rendered(study, report=told), "certainty"))) == is_said


def test_the_panel_as_seen_is_held_against_what_is_assumed(study, page, one):
    made = words_of(block(page, "label-noise"))
    assert "three or more said positive or negative" in made
    assert "The more alike readers err, the less their agreement proves" in made
    for correlation, said in words.SAME_MISTAKE.items():
        assert f"Errors correlated by {correlation} ({said})" in made
    seen = {"stratum": "independent_reference"}
    told = study.report
    for metric, figure in (("panel_sensitivity", "0.981"), ("panel_specificity", "0.970")):
        whole = {"estimate": figure, "lower": "", "upper": "", "status": "given"}
        told = retold(told, adjudicated.NOISE, seen | {"metric": metric}, **whole)
    made = words_of(block(rendered(study, report=told), "label-noise"))
    assert "sensitivity 0.981, specificity 0.970" in made.replace(" ,", ",")
    told = retold(study.report, adjudicated.NOISE, seen, **GONE)
    made = words_of(block(rendered(study, report=told), "label-noise"))
    assert "the panel was seen at work" not in made


def test_notes_are_lettered_so_that_no_count_gains_a_digit(page):
    notes = Notes("x")
    marks = [notes.mark(Cell("a", text)) for text in ("one", "two", "one")]
    assert marks == ["a", "b", "a"]
    assert [letter for letter, _ in notes.lettered()] == ["a", "b"]
    shown = re.findall(r"<sup><a [^>]*>([^<]*)</a></sup>", page)
    assert shown
    assert all(mark.isalpha() for mark in shown)


def test_no_riddle_is_left_in_the_words(page):
    said = words_of(page)
    for riddle in ("of one mind", "Naive figure", "Share verified", "Sensitivity, Begg"):
        assert riddle not in said, riddle
    assert said.count("Label noise: labels that are wrong") == 1


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1,234", 1234.0), ("−0.020", -0.02), ("91.2%", 91.2), ("−7.8 points", -7.8),
        ("<0.0005", 0.0), (">−0.0005", 0.0), ("", None), ("met", None),
    ],
)  # fmt: skip
def test_a_printed_text_is_read_back_as_a_number(text, number):
    assert Cell("a", text).number == number


def test_an_interval_whose_bound_is_too_small_to_be_told_is_printed():
    cells = {"estimate": "0.002", "lower": "<0.0005", "upper": "0.006"}
    row = Row("a/b", {}, {name: Cell(name, text) for name, text in cells.items()})
    assert words_of(str(row.interval)) == "0.002 ( <0.0005 to 0.006 )"


def test_the_time_that_a_finding_states_for_a_negative_follow_up_stands_with_its_source(study):
    own = FollowUp(minimum_days=730, source="a guideline")
    finding = study.protocol.findings[0].model_copy(update={"negative_follow_up": own})
    adjudication = study.protocol.adjudication.model_copy(
        update={"precedence": ("independent_reference",), "reference_sources": ("follow_up",)}
    )
    protocol = study.protocol.model_copy(
        update={"findings": (finding,), "adjudication": adjudication}
    )
    days = adjudication.follow_up_minimum_days
    told = f"after {days} days; for {finding.title}, 730 days by a guideline)"
    assert told in reference_line(protocol)
