"""The page: its numbers come from the table, its order from the design, and nothing runs in it."""

from __future__ import annotations

import datetime as dt
import html
import os
import pickle
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser

import polars as pl
import pytest
from pack_sample import sample
from report_bench import chapter, complete, rendered, retold, words_of

from vpack_pipeline import contracts
from vpack_pipeline.errors import ContractError, DocumentError
from vpack_pipeline.pack_format import documents, figures
from vpack_pipeline.pack_format.signers import (
    Signer,
    list_signers,
    listing_problems,
    named_signers,
)
from vpack_pipeline.pack_format.text import WORDS
from vpack_pipeline.protocol import Amendment, Sampling, Stratum
from vpack_pipeline.report import chapters, palette, wording, words
from vpack_pipeline.site import NamedSigner

VOID = {"meta", "line", "rect", "circle", "path", "br"}


class Page(HTMLParser):
    """Collects what the tests ask about."""

    def __init__(self, text: str):
        super().__init__()
        self.ids, self.links, self.tags, self.headings = [], [], Counter(), []
        self.anchors, self.regions, self.attributes, self.open = [], [], [], []
        self._anchor = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags[tag] += 1
        self.attributes.append((tag, given))
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "a":
            self.links.append(given["href"])
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)
        if "data-anchor" in given:
            self._anchor = given["data-anchor"]

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag
        if self._anchor is not None:
            self.anchors.append((self._anchor, ""))
            self._anchor = None

    def handle_data(self, data):
        if self._anchor is not None:
            self.anchors.append((self._anchor, data))
            self._anchor = None


@pytest.fixture(scope="module")
def parsed(page) -> Page:
    return Page(page)


def test_every_printed_figure_has_the_text_that_the_table_gives_its_anchor(parsed, study):
    texts = dict(study.report.select("anchor", "text").iter_rows())
    assert len(parsed.anchors) > 1000
    for anchor, shown in parsed.anchors:
        assert WORDS.get(texts[anchor], texts[anchor]) == shown
    assert {shown for _, shown in parsed.anchors} >= {"met", "not met"}


def test_every_anchor_is_traced_to_a_cell_of_an_exported_table(study):
    assert study.report["anchor"].is_unique().all()
    first = study.report.filter(pl.col("anchor").str.starts_with("first."))
    assert first.height > 50
    exported = {asset for asset, contract in contracts.load().items() if contract.export}
    assert (
        {"evaluation/performance", "evaluation/operating_points"} <= set(first["asset"]) <= exported
    )


def test_a_figure_that_is_not_in_the_table_is_an_error_and_no_blank(study):
    gone = "first.nodule_or_mass.prospective.sensitivity.intention_to_diagnose.estimate"
    less = study.report.filter(pl.col("anchor") != gone)
    assert less.height == study.report.height - 1
    with pytest.raises(ContractError, match="no printed figure"):
        rendered(study, report=less)


def test_a_missing_table_row_is_an_error(study):
    less = study.report.filter(
        ~((pl.col("asset") == "evaluation/verification") & pl.col("row_key").str.contains('"share_verified"'))
    )  # fmt: skip
    with pytest.raises((ContractError, IndexError)):
        rendered(study, report=less)


def test_the_chapter_on_performance_opens_with_the_primary_figures_in_their_order(page):
    made = words_of(chapter(page, "performance"))
    order = [
        "Included cases whose label is due",
        "At the threshold",
        "Sensitivity",
        "Specificity",
        "Of 1,000 ",
    ]
    places = [made.index(words) for words in order]
    assert places == sorted(places)


def test_methods_stand_before_results_and_the_contents_name_every_chapter(page):
    shown = (*chapters.CHAPTERS, *chapters.APPENDICES)
    assert [c.number for c in chapters.CHAPTERS] == [str(n + 1) for n in range(11)]
    places = [page.index(f'<section id="{c.id}"') for c in shown]
    assert places == sorted(places)
    contents = chapter(page, "claim")
    for c in shown:
        assert f'<a href="#{c.id}">{c.number}. {c.title}</a>' in contents
    assert [c.id for c in shown[:3]] == ["study", "adjudication", "flow"]


def test_an_appendix_is_closed_until_a_reader_opens_it(page):
    for appendix in chapters.APPENDICES:
        made = chapter(page, appendix.id)
        assert made.count("<details>") == 1
        assert made.index("<details>") < made.index("<h2")


def test_each_item_says_in_which_chapter_or_appendix_it_is_answered(page, study):
    made = words_of(chapter(page, "claim"))
    assert "35 Who was included and excluded, with a flow chart Chapter 3" in made
    assert "16 Who gave the reference standard Appendix B" in made
    assert "1 The title says that AI is tested, and of what kind First page" in made
    with pytest.raises(ContractError, match="no place nowhere"):
        chapters.place_of("nowhere")


def test_the_report_names_whom_the_site_names_to_sign(study, page, tmp_path):
    """As the payload lists them: a verifier reads both, and compares."""
    named = (
        Signer("statistician", f"SHA256:{'+/aZ09' * 7}8"),
        Signer("builder", "SHA256:" + "A" * 43),
    )
    given = tuple(NamedSigner(role=s.role, fingerprint=s.fingerprint) for s in named)
    made = rendered(study, site=study.site.model_copy(update={"signers": given}))
    said = words_of(chapter(made, "availability"))
    assert f"To be signed by statistician: {named[0].fingerprint} builder: SHA256:AAA" in said
    assert "To be signed by The site names nobody." in words_of(page)
    data = tmp_path / "data"
    data.mkdir()
    (data / "report.html").write_text(made, encoding="utf-8")
    (data / "signers.json").write_bytes(list_signers(named))
    assert listing_problems(tmp_path) == []
    assert named_signers(tmp_path) == named
    for other in (
        page,
        rendered(study, site=study.site.model_copy(update={"signers": given[::-1]})),
    ):
        (data / "report.html").write_text(other, encoding="utf-8")
        assert len(listing_problems(tmp_path)) == 1


def test_no_text_of_a_document_passes_for_a_named_signer(study):
    text = f'<p class="signer">builder: <span class="code">SHA256:{"A" * 43}</span></p>'
    site = study.site.model_copy(update={"notes": (text,), "title": text})
    assert '<p class="signer">' not in rendered(study, site=site)


def test_the_windows_stand_side_by_side_with_interval_and_verdict(page):
    table = page[page.index('id="headline-nodule_or_mass-caption"') :]
    table = re.sub("<[^>]*>", " ", table[: table.index("</table>")])
    assert re.search(r"Retrospective\s+Prospective", table)
    assert (
        len(re.findall(r"\d+\.\d to \d+\.\d", re.sub(r"\s+", " ", table).replace(" to ", " to ")))
        >= 4
    )
    assert re.search("not met|inconclusive|met", table)


def test_the_report_judges_the_primary_endpoints_together_and_says_the_rule(page, study):
    (row,) = study.tables["evaluation/overall_verdict"].to_dicts()
    text = " ".join(re.sub("<[^>]*>", " ", page).split())
    words = {"met": "met", "not_met": "not met", "not_shown": "not shown"}[row["verdict"]]
    said = f"Primary endpoints together: {words} ( {row['estimate']:.0f} of 3 met);"
    assert f"{said} all must be met, each at the whole alpha." in text.replace("  ", " ")


def test_amendments_are_printed_with_the_history_of_the_protocol(page, study):
    assert "<dt>Amendments</dt><dd>None is stated.</dd>" in page
    made = Amendment(
        date=dt.date(2026, 8, 1), what="Less <b>.", why="Slow.", seen="The first look."
    )
    changed = study.protocol.model_copy(update={"amendments": (made,)})
    text = rendered(study, protocol=changed)
    assert "<p>2026-08-01: Less &lt;b&gt;. Why: Slow. Seen by then: The first look.</p>" in text


def test_every_claim_item_points_to_a_place_in_the_page(parsed, study):
    assert study.claim["item"].to_list() == list(range(1, 45))
    assert set(study.claim["evidence"]) <= set(parsed.ids)


def test_blocks_and_links_lead_somewhere_and_ids_are_unique(parsed):
    assert [i for i, n in Counter(parsed.ids).items() if n > 1] == []
    inside = {link.removeprefix("#") for link in parsed.links if link.startswith("#")}
    assert inside <= set(parsed.ids)
    # Beside the page in its pack, where an acceptance test finds them.
    beside = {link for link in parsed.links if not link.startswith("#")}
    sources = {documents.table_of(c.asset) for c in contracts.load().values() if c.export}
    sources |= {documents.receipt_of(asset) for asset in contracts.load()}
    assert beside - sources == {
        "compare.html",
        "figures.csv",
        "gates/",
        "gates/index.html",
        "protocol.yaml",
        "tables/",
    }
    assert {b.id for b in chapters.blocks()} <= set(parsed.ids)


def test_the_page_is_self_contained_small_and_runs_nothing(study, page, parsed):
    known = [figures.Figure(*row) for row in study.report.select(figures.HEADER).iter_rows()]
    in_pack = figures.by_line(page, figures.printed(page, known))
    assert len(in_pack.encode()) < 1_000_000
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in page
    assert not parsed.tags.keys() & {"script", "img", "link", "iframe", "object", "form", "input"}
    for _, given in parsed.attributes:
        assert not any(name.startswith("on") or name == "src" for name in given)
    assert "@import" not in page
    assert "url(" not in page


def test_a_screen_reader_finds_its_way(page, parsed):
    assert '<html lang="en">' in page
    assert parsed.tags["main"] == parsed.tags["header"] == parsed.tags["footer"] == 1
    assert parsed.headings[0] == 1
    assert parsed.headings.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(parsed.headings, parsed.headings[1:], strict=False))
    assert parsed.tags["caption"] == parsed.tags["table"]
    assert parsed.tags["title"] == parsed.tags["svg"] + 1
    cells = [given for tag, given in parsed.attributes if tag == "th"]
    assert all(given.get("scope") in ("col", "row", "rowgroup") for given in cells)
    labelled = [given for tag, given in parsed.attributes if "aria-labelledby" in given]
    assert all(set(g["aria-labelledby"].split()) <= set(parsed.ids) for g in labelled)


def test_synthetic_data_is_labelled_and_the_boundary_is_stated_once(page, study):
    assert '<div class="banner"' in page
    assert '@top-center { content: "Synthetic data' in page
    assert page.count(wording.BOUNDARY) == 1
    real = study.site.model_copy(update={"synthetic": ()})
    made = rendered(study, site=real)
    assert '<div class="banner"' not in made
    assert "Synthetic data" not in made


def test_documents_are_printed_as_text_and_never_as_markup(study):
    site = study.site.model_copy(update={"title": '<script>alert("x")</script>'})
    made = rendered(study, site=site)
    assert "<script" not in made
    assert "&lt;script&gt;" in made


@pytest.mark.parametrize(
    "claim",
    [
        "FDA-cleared", "FDA approved", "CE marked", "ce-MARKED", "HIPAA-compliant", "GxP compliant",
        "clinically proven", "regulatory-grade", "guaranteed", "FDA\ncleared", "C<b>E</b> marked",
    ],
)  # fmt: skip
def test_a_status_that_a_pack_cannot_claim_fails_the_page(claim):
    with pytest.raises(DocumentError, match="it would say"):
        wording.check(f"<p>The product is {claim}.</p>")


@pytest.mark.parametrize("fine", ["the FDA was not asked", wording.BOUNDARY, "face marked", "CEO"])
def test_other_words_pass(fine):
    wording.check(f"<p>{fine}</p>")


def test_forbidden_words_of_a_site_reach_no_page(study):
    site = study.site.model_copy(update={"notes": ("Our archive is HIPAA-compliant.",)})
    with pytest.raises(DocumentError):
        rendered(study, site=site)


@pytest.mark.parametrize("scheme", [palette.LIGHT, palette.DARK])
def test_text_stands_out_from_its_ground(scheme):
    for ink, ground in palette.TEXT_ON:
        assert palette.contrast(scheme[ink], scheme[ground]) >= 4.5, (ink, ground)


def test_the_same_inputs_give_the_same_bytes_under_another_hash_seed_zone_and_locale(
    tmp_path, study, page
):
    names = ("report", "claim", "protocol", "site", "receipts", "cut")
    (tmp_path / "in.pkl").write_bytes(pickle.dumps({n: getattr(study, n) for n in names}))
    code = (
        "import pickle, sys\n"
        "from vpack_pipeline.report.rendering import render\n"
        "sys.stdout.buffer.write(render(**pickle.load(open(sys.argv[1], 'rb'))))\n"
    )
    env = os.environ | {"PYTHONHASHSEED": "7", "TZ": "Pacific/Auckland", "LC_ALL": "C"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "in.pkl")],
        env=env,
        capture_output=True,
        check=True,
    )
    assert done.stdout == page.encode()


def test_before_the_first_look_the_prospective_window_is_withheld_and_says_why():
    early = complete(sample(cut=dt.date(2026, 7, 19), n=400))
    made = rendered(early)
    assert "no look yet: the first look is the cut 2026-07-20" in made
    texts = dict(early.report.select("anchor", "text").iter_rows())
    at = "first.nodule_or_mass.prospective.sensitivity.intention_to_diagnose."
    assert texts[f"{at}estimate"] == ""
    assert texts[f"{at}status"] == "withheld"


def test_a_figure_is_printed_as_it_is_or_not_at_all(study, page):
    cells = re.findall(r'data-anchor="[^"]+">([^<]*)<', page)
    assert len(cells) > 1000
    assert "" in cells
    texts = [*study.report["text"], *map(html.unescape, cells)]
    assert not [t for t in texts if t in {"—", "–", "<11", "hidden"}]
    assert "hidden" not in words_of(page)


def test_where_there_is_no_figure_the_cell_is_empty_and_its_note_says_why(study):
    place = {"metric": "ppv", "analysis": "intention_to_diagnose", "window": "retrospective"}
    gone = {"estimate": "", "lower": "", "upper": "", "status": "refused", "reason": "no such case"}
    told = retold(study.report, "evaluation/operating_points", place, **gone)
    made = rendered(study, report=told)
    made = made[made.index('<div id="operating-points">') :]
    line = made[made.index(f'<th scope="row">{words.METRICS["ppv"]}</th>') :]
    empty = re.match(
        r'[^\n]*\n<td><sup><a href="#([^"]+)" aria-label="note (\w+)">\2</a></sup></td>', line
    )
    assert empty is not None
    note = made[made.index(f'<li id="{empty[1]}">') :]
    assert words_of(note[: note.index("</li>")]).strip() == "no such case"


def test_the_primary_figures_open_with_bounds_where_cases_were_labelled_unlike(study):
    key = {"window": "retrospective", "call": "all", "metric": "naive_is_headline"}
    why = "flagged and cleared cases are labelled in unlike shares"
    told = retold(
        study.report, "evaluation/verification", key, estimate="0.000", status="given", notes=why
    )
    first = words_of(chapter(rendered(study, report=told), "performance"))
    caution = f"bounds over every missing label; {why}"
    # Sensitivity and specificity of the one window, each before the figure among those labelled.
    assert first.count(caution) == 2
    assert re.search(r"\d% to \d+\.\d% " + caution, first)
    assert caution not in words_of(rendered(study))


def test_the_report_says_whom_a_figure_is_of_where_cases_were_not_drawn_alike(study, page):
    strata = [
        Stratum(name="flagged", fraction=1.0),
        Stratum(name="cleared", fraction=0.02),
        Stratum(name="portable", fraction=0.0),
    ]
    told = "Of all cases that occurred: weighted for sampling by score."
    not_sampled = "Not of portable: none was sampled."
    assert told not in words_of(page)
    drawn = Sampling(method="random", depends_on=("score",), strata=tuple(strata))
    protocol = study.protocol.model_copy(update={"sampling": drawn})
    text = words_of(rendered(study, protocol=protocol))
    assert f"and for, the model. {told} {not_sampled}" in text
    assert f"at the share of positives of the cases that they are of. {told}" in text
    by_label = Sampling(method="convenience", depends_on=("label",))
    protocol = study.protocol.model_copy(update={"sampling": by_label})
    text = words_of(rendered(study, protocol=protocol))
    stands = "Within the sample: drawing cases by label does not change this."
    assert f"and for, the model. {stands}" in text
    refused = "Not given: cases were drawn by label and no sampling fractions are stated."
    assert f"at the share of positives of the cases that they are of. {refused}" in text
    primary = next(e for e in protocol.evaluation.endpoints if e.rank == "primary")
    assert f"{primary.title} ( primary ) {stands}" in text
