"""The chapter on the reference standard: plain lines, drawings and tables from printed cells."""

from __future__ import annotations

import html
import json
import re

import polars as pl
import pytest
from report_bench import chapter as chapter_of
from report_bench import recoded, rendered, retold, words_of

from vpack_pipeline.contracts import codes
from vpack_pipeline.core.adjudication import ambiguity
from vpack_pipeline.core.adjudication.basis import AFTER_PEERS, INDEPENDENT, UNRECORDED
from vpack_pipeline.report import adjudicated, reading
from vpack_pipeline.report.book import Book
from vpack_pipeline.stats.codes import Code, code

SHAPES = {"svg", "title", "desc", "rect", "line", "path", "circle", "text"}
AGREEMENT, NOISE = adjudicated.AGREEMENT, adjudicated.NOISE


def chapter(page: str) -> str:
    return chapter_of(page, "adjudication", "reads-in-full")


def lines_of(page: str) -> dict[str, str]:
    made = chapter(page)
    found = re.findall(r"<div><dt>(.*?)</dt><dd>(.*?)</dd></div>", made, re.DOTALL)
    opening = in_short(page)
    return {words_of(name): words_of(said) for name, said in found if name in opening}


def in_short(page: str) -> str:
    made = chapter_of(page, "adjudication")
    return made[made.index('<div id="in-short">') : made.index('<div id="reference">')]


def drawing(page: str, name: str) -> str:
    found = re.search(rf'<svg[^>]*aria-labelledby="{name}-title.*?</svg>', page, re.DOTALL)
    assert found is not None, name
    return found.group(0)


@pytest.fixture(scope="module")
def book(study) -> Book:
    return Book(study.report)


@pytest.fixture(scope="module")
def one(study, book) -> adjudicated.Adjudicated:
    return adjudicated.Adjudicated(book, study.protocol.findings[0])


def test_the_chapter_opens_with_short_lines_that_lead_to_their_figures(page):
    told = lines_of(page)
    assert list(told) == [
        "Who",
        "Usable labels",
        "How often each way was needed",
        "How well they agreed",
        "Beyond chance",
        "Agreement asked for beforehand",
        "How certain the cases are",
        "How much of the model's error could be the label's",
    ]
    assert all(len(said.split()) <= 75 for said in told.values()), told
    opening = in_short(page)
    for target in re.findall(r'<dt><a href="#([^"]+)"', opening):
        assert f'id="{target}"' in page


def test_the_lines_say_what_the_cells_say(page, one):
    told = lines_of(page)
    rows = {r.key["metric"]: r for r in one.agreement(stratum="all")}
    assert told["Who"].startswith(f"{rows['n_readers'].says('estimate')} readers")
    assert "without sight of one another's reads" in told["Who"]
    for said, row in one.used_paths():
        events = row.says("events")
        assert f"{events} {said}" in told["How often each way was needed"]
    share = one.book.on_first_page(rows["percent_agreement"])
    assert share.says("estimate").endswith("%")
    assert share.says("estimate") in told["How well they agreed"]
    for name in ("fleiss_kappa", "gwet_ac1"):
        assert rows[name].says("estimate") in told["Beyond chance"]
    assert rows["prespecified_floor"].says("notes") in told["Agreement asked for beforehand"]


def test_whoever_decided_between_readers_stands_in_the_first_line(page, one):
    rows = {r.key["metric"]: r for r in one.agreement(stratum="all")}
    assert rows["n_further_readers"].says("estimate") == "1"
    said = lines_of(page)["Who"]
    assert "; 1 further reader ( radiologist , thoracic )" in said
    assert "decided where they differed, having seen their reads" in said


@pytest.mark.parametrize("sight", list(reading.SIGHT))
def test_the_first_line_says_of_sight_what_is_on_record(study, sight):
    told = recoded(study.report, AGREEMENT, {"metric": "n_adjudicators"}, method=Code(sight))
    assert reading.SIGHT[sight].strip(",; ") in lines_of(rendered(study, report=told))["Who"]


def test_readers_who_adjudicate_too_are_no_further_readers(study):
    told = retold(study.report, AGREEMENT, {"metric": "n_further_readers"}, estimate="0")
    told = retold(told, AGREEMENT, {"metric": "n_adjudicators"}, estimate="3")
    said = lines_of(rendered(study, report=told))["Who"]
    assert "3 of these gave adjudicating reads too" in said
    assert "further reader" not in said
    told = retold(study.report, AGREEMENT, {"metric": "n_adjudicators"}, estimate="2")
    for metric in ("path_third_reader", "path_consensus"):
        told = retold(told, AGREEMENT, {"metric": metric}, events="0")
    said = lines_of(rendered(study, report=told))["Who"]
    assert "read cases beside them and decided none" in said
    assert "with some of these, 2 readers in all gave adjudicating reads too" in said


def test_usable_labels_are_counted_before_the_ways_to_them(page, one, study):
    rows = {r.key["metric"]: r for r in one.agreement(stratum="all")}
    events = {m: rows[f"label_{m}"].says("events") for m in ("usable", "positive", "negative")}
    said = lines_of(page)["Usable labels"]
    assert said.startswith(f"{events['usable']} of {rows['label_usable'].says('n')} (")
    assert f"%): {events['positive']} positive" in said.replace(" )", ")").replace("( ", "(")
    assert f"{events['negative']} negative" in said
    nobody = study.report
    for metric in reading.LABELS:
        nobody = retold(nobody, AGREEMENT, {"metric": metric}, n="0", events="0")
    made = rendered(study, report=nobody)
    assert lines_of(made)["Usable labels"] == "No case was included."
    assert "labels-table-" in made
    assert "Only a positive or a negative label" not in made


def test_everyone_stands_in_the_roster_and_only_readers_in_their_figures(page, one):
    def table(name: str) -> str:
        made = page[page.index(f'id="{name}-{one.finding.name}-caption"') :]
        return words_of(made[: made.index("</table>")])

    assert len(set(one.roster_ids()) - set(one.reader_ids())) == 1
    # Pseudonyms of the sample begin alike: they are counted.
    for name, listed in (
        ("reader-roster", one.roster_ids()),
        ("reader-performance", one.reader_ids()),
        ("answers-table", one.reader_ids()),
        ("reader-doubts", one.reader_ids()),
    ):
        assert table(name).count("00000000") == len(listed) - 1, name


def test_why_kappa_and_ac1_part_is_said_only_where_they_do(study):
    place = {"metric": "fleiss_kappa", "stratum": "all"}
    apart = code("kappa_below_ac1", by=0.2, often="rare")
    made = rendered(study, report=recoded(study.report, AGREEMENT, place, notes=apart))
    why = "Why they part: kappa lies more than 0.2 below AC1: positive reads are rare"
    assert why in lines_of(made)["Beyond chance"]
    assert re.search(r"Positive are [\d.]+% of the reads", lines_of(made)["Beyond chance"])
    made = rendered(study, report=recoded(study.report, AGREEMENT, place, notes=None))
    assert "here they say much the same" in lines_of(made)["Beyond chance"]


def test_a_floor_that_only_the_estimate_reaches_is_put_in_plain_words(study):
    verdict = Code("floor_reached_uncertainly")
    place = {"metric": "prespecified_floor"}
    made = rendered(study, report=recoded(study.report, AGREEMENT, place, notes=verdict))
    said = lines_of(made)["Agreement asked for beforehand"]
    assert said.endswith("it might have been missed.")
    bare = study.protocol.adjudication.model_copy(update={"floor": None})
    protocol = study.protocol.model_copy(update={"adjudication": bare})
    why = codes.sentence("no_floor", None)
    told = retold(study.report, AGREEMENT, place, status="refused", estimate="")
    told = recoded(told, AGREEMENT, place, reason=Code("no_floor"), notes=None)
    made = rendered(study, report=told, protocol=protocol)
    assert lines_of(made)["Agreement asked for beforehand"].replace(" .", ".") == f"{why}."


def test_agreement_that_was_refused_is_told_with_its_reason(study):
    told = study.report
    gone = {"estimate": "", "lower": "", "upper": "", "status": "refused", "reason": "too few"}
    for metric in ("percent_agreement", "positive_agreement", "fleiss_kappa", "gwet_ac1"):
        told = retold(told, AGREEMENT, {"metric": metric, "stratum": "all"}, **gone)
    said = lines_of(rendered(study, report=told))
    assert said["How well they agreed"].startswith("Not known: too few")
    assert said["Beyond chance"].startswith("Not known: too few")


def test_no_pseudonym_is_printed_in_full(page):
    assert re.findall(r"[0-9a-f]{32}", words_of(chapter(page))) == []


def test_every_figure_of_agreement_and_noise_stands_in_a_table(page, study):
    shown = set(re.findall(r'data-anchor="([^"]+)"', chapter(page)))
    for asset in (AGREEMENT, NOISE, adjudicated.READERS):
        cells = study.report.filter(
            (pl.col("asset") == asset)
            & (pl.col("column") == "estimate")
            & (pl.col("text") != "")
            & ~pl.col("anchor").str.starts_with("first.")
        )
        missing = set(cells["anchor"]) - shown
        keys = cells.filter(pl.col("anchor").is_in(list(missing)))["row_key"].to_list()
        # The number of cases of a pair is printed once, as its own count.
        assert all('"metric": "n_cases"' in k or '"metric":"n_cases"' in k for k in keys), keys


def test_drawings_hold_only_printed_texts(page, study):
    texts = set(study.report["text"])
    name = study.protocol.findings[0].name
    for kind in ("paths", "certainty", "pairs", "answers"):
        made = drawing(page, f"{kind}-{name}-drawing")
        assert "<title" in made
        assert "<desc" in made
        assert set(re.findall(r"<([a-z]+)", made)) <= SHAPES
        for said in re.findall(r"<text[^>]*>([^<]*)</text>", made):
            for number in re.findall(r"\d[\d,.]*\d|\d", html.unescape(said)):
                is_name = re.fullmatch(r"[0-9a-f]{8}", said)
                assert is_name or number in texts, said


def test_a_pair_without_kappa_has_a_field_without_shade(study):
    report = study.report
    some = next(s for s in report["row_key"] if '"reader_pair"' in s and '"cohen_kappa"' in s)
    stratum = json.loads(some)["stratum"]
    place = {"metric": "cohen_kappa", "stratum": stratum}
    told = retold(report, AGREEMENT, place, estimate="", status="refused")
    one = adjudicated.Adjudicated(Book(told), study.protocol.findings[0])
    assert 'fill-opacity="0.00"' in str(one.pair_drawing())


def test_without_pairs_or_cuts_a_sentence_stands_for_the_drawing(study):
    own = '"stratum_kind":"(reader_pair|cut|without_reader)"'
    kept = study.report.filter(~pl.col("row_key").str.contains(own))
    many = code("pairs_not_listed", readers=16, pairs=120, most=15)
    told = recoded(kept, AGREEMENT, {"metric": "n_reader_pairs"}, notes=many)
    made = words_of(chapter(rendered(study, report=told)))
    assert "Pairs of readers are not listed: 16 readers make 120 pairs" in made
    assert "one line between them and nothing to compare" in made


def test_refused_noise_is_one_sentence_and_no_table(study):
    gone = {"estimate": "", "lower": "", "upper": "", "status": "refused"}
    told = retold(study.report, NOISE, {}, **gone)
    told = recoded(told, NOISE, {}, reason=Code("reads_followed_peers"))
    why = codes.sentence("reads_followed_peers", None)
    made = chapter(rendered(study, report=told))
    assert "error-correlation-" not in made
    assert words_of(made).count(f"Not given: {why}") == 3


def test_every_path_vote_and_basis_has_its_words(study):
    metrics = set(study.tables[AGREEMENT]["metric"])
    assert {m for m in metrics if m.startswith("path_")} == set(reading.PATHS)
    assert {m for m in metrics if m.startswith("label_")} == set(reading.LABELS)
    families = ("path_", "label_", "cases_", "undecided_")
    assert metrics - set(reading.AGREED) == {m for m in metrics if m.startswith(families)}
    assert set(reading.KINDS) == set(ambiguity.KINDS)
    noise = study.tables[NOISE]
    whole = noise.filter(pl.col("stratum") == "all")["metric"]
    assert set(reading.VOTES) == {m for m in whole if m.startswith("share_")}
    assert set(noise["metric"]) <= set(reading.NOISE)
    assert set(reading.BASES) == {c.name for c in (INDEPENDENT, AFTER_PEERS, UNRECORDED)}


def test_what_each_reader_said_is_drawn_and_tabled_alike(page, one):
    made = words_of(drawing(page, f"answers-{one.finding.name}-drawing"))
    for reader in one.reader_ids():
        assert adjudicated.short(reader) in made
    table = page[page.index(f'id="answers-table-{one.finding.name}-caption"') :]
    table = words_of(table[: table.index("</table>")])
    for _, said in one.answers():
        assert said in table
    for row in one.answer_rows():
        assert row.says("estimate") in table
        # What nobody said is not drawn.
        is_drawn = row.says("events") not in ("", "0")
        assert not is_drawn or dict(one.answers())[row.key["metric"]] in made


def test_without_reads_a_sentence_stands_for_what_readers_said(study):
    gone = {"estimate": "", "status": "refused", "reason": "no read", "events": "0", "n": "0"}
    told = retold(study.report, adjudicated.READERS, {}, **gone)
    made = chapter(rendered(study, report=told))
    assert "so that there is nothing to count" in words_of(made)
    assert "answers-table-" not in made


def test_ambiguous_cases_stand_by_kind_with_those_left_without_label(page, one):
    table = page[page.index(f'id="kinds-{one.finding.name}-caption"') :]
    lines = table[: table.index("</table>")].split("<tr>")[2:]
    assert len(lines) == len(reading.KINDS)
    for line, (said, row, without) in zip(lines, one.kinds(), strict=True):
        told = words_of(line)
        assert told.startswith(said)
        assert row.says("events") in told
        assert without.says("events") in told
