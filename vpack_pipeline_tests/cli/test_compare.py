"""``vpack compare``: what a reviewer types, what they are told, and what is refused, with why."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from vpack_pipeline.cli import cli
from vpack_pipeline.errors import InputError, VpackError
from vpack_pipeline_tests.counted_pack import CELLS, cells, counted_pack, protocol_digest

STORED = Path(__file__).parents[1] / "io" / "packs"
JOINT = """age_years,setting,n
<50,emergency,100
<50,ward,100
≥50,emergency,100
≥50,ward,100
"""


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return counted_pack(tmp_path_factory.mktemp("pack"))


@pytest.fixture
def run(pack, tmp_path):
    def compare(text, *arguments, of=pack, encoding="utf-8"):
        given = []
        if text is not None:
            file = tmp_path / "counts.csv"
            file.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
            given = [str(file)]
        done = CliRunner().invoke(cli, ["compare", str(of), *given, *arguments])
        if isinstance(done.exception, VpackError):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.output

    return compare


@pytest.fixture
def figures(run):
    def compared(text, *arguments, **rest):
        found = json.loads(run(text, "--json", *arguments, **rest))
        return found, found["places"][0]["windows"]["retrospective"]["answer"]

    return compared


def refusal(run, text, *arguments, **rest):
    with pytest.raises(InputError) as refused:
        run(text, *arguments, **rest)
    return str(refused.value)


# --- what is answered


def sensitivity(answer, of="in_target"):
    return answer["figures"][of]["sensitivity"]["estimate"]


def even(counts=CELLS):
    """The sensitivity where every cell of two by two has as many persons."""
    shares = [(tp / n, positive / n) for n, positive, tp, _, _ in counts.values() if n]
    return sum(a for a, _ in shares) / sum(b for _, b in shares)


def test_figures_in_a_typed_population_are_those_of_its_mix(figures):
    found, answer = figures(JOINT)
    assert sensitivity(answer) == pytest.approx(even())
    assert sensitivity(answer, "here") == pytest.approx(77 / 110)
    assert found["population"]["persons"] == 400
    assert found["contains"] == "the counts you typed"
    assert answer["support"]["share_weight_zero_missing_value"]["estimate"] == 6 / 536


def test_text_says_whom_it_stands_for_figures_changes_and_what_cannot_be_said(run):
    said = run(JOINT)
    for part in (
        "harbour/1.0, data cut 2026-06-01",
        "contains the counts you typed",
        "Whom this set stands for",
        "0.0% of your population is in cells without a case here.",
        "lack a value and are in no cell",
        "Sensitivity goes from 50.0% of 40 in ≥50 × ward to 90.0% of ",
        "At a prevalence of",
        "Your counts can contradict neither.",
        "The area under the ROC curve there",
        "after the lock: Locked, m-2\n  Nothing can be said: ",
    ):
        assert part in said, part
    assert "same_within" not in said
    assert "Lower" not in said
    assert "Lower" in run(JOINT, "--all")


def test_where_leaving_cases_out_flatters_it_is_said_beside_the_figure(run):
    said = run("age_years,setting,n\n<50,emergency,100\n≥50,emergency,50\n")
    assert "Sensitivity reads better there (90.0%) than here (70.0%) also because cases" in said
    assert "of these it is 53.3%" in said
    assert "reads better" not in run(JOINT)


def test_the_page_holds_the_same_and_no_script(run, tmp_path):
    run(JOINT, "--html", str(tmp_path / "page.html"))
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    for part in ("contains the counts you typed", "default-src 'none'", "≥50 × ward", "50.0%"):
        assert part in page, part
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_the_template_has_every_cell_and_is_read_back(run, figures):
    joint = run(None, "--template").splitlines()
    comment = joint.pop(0)
    assert comment == f"# protocol {protocol_digest()[:12]}"
    assert joint[0] == "age_years,setting,n"
    assert len(joint) == 1 + 2 * 3
    filled = "\n".join([comment, joint[0], *(line + "7" for line in joint[1:])])
    # The third setting holds nobody here: a third of the persons are in cells without a case.
    _, answer = figures(filled)
    assert answer["support"]["unsupported_share"]["estimate"] == pytest.approx(1 / 3)
    margins = run(None, "--template", "--margins").splitlines()
    assert margins[2:] == ["<50,,", "≥50,,", ",emergency,", ",ward,", ",other,"]


def test_counts_for_the_cells_of_another_protocol_are_refused(run, figures):
    _, plain = figures(JOINT)
    # As a spreadsheet saves the line: in quotation marks, with empty cells behind it.
    _, stated = figures(f'"# protocol {protocol_digest()[:12]}",,\n{JOINT}')
    assert stated == plain
    said = refusal(run, f"sep=,\n# protocol 0123456789ab,,\n{JOINT}")
    assert "counts.csv, line 2: says that the counts are for the cells of another protocol" in said
    assert "--template" in said


def test_columns_and_levels_are_read_in_any_case(figures):
    _, plain = figures(JOINT)
    _, typed = figures(JOINT.replace("age_years,setting,n", "Age years,SETTING,Count").title())
    assert typed == plain


def test_where_figures_lie_against_the_goals_is_said(run):
    goal = "The goal for sensitivity is 76.0%: in your population "
    even = JOINT.replace("<50,emergency,100", "<50,emergency,1000")
    assert f"{goal}it is neither shown nor ruled out." in run(even)
    few = JOINT.replace("emergency,100", "emergency,9000")
    assert f"{goal}the interval lies above it." in run(few)
    many = JOINT.replace("≥50,ward,100", "≥50,ward,9000")
    assert f"{goal}the interval lies below it." in run(many)
    margins = "age_years,setting,n\n<50,,10\n≥50,,990\n,emergency,10\n,ward,990\n"
    assert f"{goal}every joint table with these margins lies below it; sampling error" in run(
        margins
    )


def test_cells_of_which_a_set_has_too_many_or_too_few_are_named(run):
    said = run(JOINT.replace("≥50,ward,100", "≥50,ward,700"))
    assert (
        "Over-represented here, at least twofold: <50 × emergency (37.7% here, 10.0% there)" in said
    )
    assert "Under-represented here, at least twofold: ≥50 × ward (15.1% here, 70.0% there)." in said
    assert "represented" not in run("age_years,n\n<50,300\n≥50,230\n")


def test_what_is_counted_is_said(run):
    assert "One case of this pack is one study: count cases likewise." in run(JOINT)


def test_margins_give_the_nearest_table_and_its_range(figures):
    text = "age_years,setting,n\n<50,,200\n≥50,,200\n,emergency,200\n,ward,200\n"
    found, answer = figures(text)
    assert found["population"]["kind"] == "margins"
    low, high = (sensitivity(answer, f"{end}_in_target") for end in ("lowest", "highest"))
    assert low < even() < high
    # All of it lies below the goal of .76.
    assert low < sensitivity(answer) < high < 0.76
    assert answer["figures"]["in_target"]["sensitivity"]["lower"] is None


def test_margins_whose_tables_lie_on_both_sides_of_the_goal_are_refused(run):
    text = "age_years,setting,n\n<50,,300\n≥50,,100\n,emergency,250\n,ward,150\n"
    said = run(text)
    assert "on both sides of the goal of 76%: joint counts are needed" in said


def test_a_typed_prevalence_moves_predictive_values(figures, run):
    _, plain = figures(JOINT)
    found, answer = figures(JOINT, "--prevalence", "3%")
    assert found["population"]["prevalence"] == 0.03
    assert answer["figures"]["in_target"]["prevalence"]["estimate"] == pytest.approx(0.03)
    ppv = [a["figures"]["in_target"]["ppv"]["estimate"] for a in (answer, plain)]
    assert ppv[0] < ppv[1] / 3
    assert "odds of disease of all cells" in run(JOINT, "--prevalence", "0,03")
    margins = "age_years,setting,n\n<50,,1\n≥50,,1\n,ward,2\n"
    assert "count all variables together, or leave the prevalence out" in run(
        margins, "--prevalence", "0.03"
    )


def test_levels_finer_than_the_packs_are_added_up(figures):
    fine = """age_years,setting,n
<40,emergency,60
40-50,emergency,40
<40,ward,100
50–70,emergency,30
>=70,emergency,70
50–70,ward,90
>=70,ward,10
"""
    assert figures(fine)[1] == figures(JOINT)[1]
    folded = JOINT + "<50,clinic,20\n"
    _, answer = figures(folded)
    assert answer["support"]["unsupported_share"]["estimate"] == pytest.approx(20 / 420)


def test_coarser_levels_are_compared_at_the_common_coarsening(figures):
    coarse = "age_years,setting,n\n<50,emergency or ward,10\n≥50,emergency or ward,30\n"
    _, answer = figures(coarse)
    young, old = (20 + 20) / 300, (30 + 40) / 230
    hits = 0.25 * 30 / 300 + 0.75 * 47 / 230
    assert sensitivity(answer) == pytest.approx(hits / (0.25 * young + 0.75 * old))
    labels = [cell["label"] for cell in answer["cells"] if cell["persons"]]
    assert labels == ["<50 × emergency + <50 × ward", "≥50 × emergency + ≥50 × ward"]


def test_one_variable_alone_is_compared_by_itself(figures, run):
    one = "age_years,n\n<50,10\n≥50,30\n"
    found, answer = figures(one)
    assert found["population"]["not_stated"] == ["setting"]
    assert sensitivity(answer) == pytest.approx(
        (0.25 * 30 / 300 + 0.75 * 47 / 230) / (0.25 * 40 / 300 + 0.75 * 70 / 230)
    )
    assert "setting is not stated" in run(one)


def test_further_variables_of_the_profile_are_added_up_over(figures, tmp_path):
    table = counted_pack(tmp_path / "wide", levels_csv=wide_levels())
    text = JOINT.replace("setting,n", "setting,sex,n").replace(",100", ",F,100")
    assert figures(text, of=table)[1] == figures(JOINT)[1]


def wide_levels():
    from vpack_pipeline_tests.counted_pack import levels

    return levels() + b"sex,1,F,F,true\nsex,2,M,M,true\nsex,3,missing,missing,true\n"


def test_persons_in_one_cell_have_that_cells_figures(figures):
    _, answer = figures("age_years,setting,n\n<50,ward,100\n")
    assert sensitivity(answer) == pytest.approx(12 / 20)
    assert sensitivity(answer, "outside_target") == pytest.approx(65 / 90)


def test_counts_that_part_nothing_are_refused_as_one_cell(run):
    text = "setting,n\nemergency or ward or other,100\n"
    assert "have one cell in common" in run(text)


def test_a_population_outside_of_all_cells_has_no_figure(run):
    said = run("age_years,setting,n\n<50,clinic,60\n≥50,other,40\n")
    assert "100.0% of your population is in cells without a case here." in said
    assert "2 of 2 cells of the target, 100% of it, hold no case here" in said.replace(
        "100.0%", "100%"
    )


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + JOINT,
        "sep=;\n" + JOINT.replace(",", ";"),
        JOINT.replace(",", ";").replace(";100", ";100,0"),
        JOINT.replace(",", "\t"),
        JOINT.replace(",100", ",1 00").replace("1 00", "100.0"),
        JOINT + "<50,other,\n",
    ],
    ids=["bom", "sep", "decimal-comma", "tabs", "decimals", "not-filled-in"],
)
def test_what_spreadsheets_write_is_read(figures, text):
    assert figures(text)[1] == figures(JOINT)[1]


def test_wide_text_of_a_spreadsheet_is_read(figures):
    text = JOINT.replace(",", "\t")
    assert figures(text, encoding="utf-16")[1] == figures(JOINT)[1]


# --- what is refused

OTHER_HEADER = "sex,kvp,n\nF,80,5\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (JOINT.replace(",100\n<50,ward", ",-4\n<50,ward"), "line 2, column n: is negative"),
        (JOINT.replace("y,100", "y,10.5", 1), "line 2, column n: is no whole number"),
        (JOINT.replace("y,100", "y,1.000", 1), "line 2, column n: is no whole number"),
        (JOINT.replace("y,100", "y,25%", 1), "line 2, column n: is a percentage"),
        (JOINT.replace("ward", "theatre", 1), "line 3, column setting: is no level of the pack"),
        (JOINT.replace("<50,e", "<40,e", 1) + "40–60,ward,3\n", "line 6, column age_years: is no"),
        (JOINT.replace("≥50,ward", "≥50,emergency"), "line 5: counts the same cell as line 4"),
        (OTHER_HEADER, "column 1 is no variable of this pack's protocol"),
        ("emergency,5\nward,3\n", "line 1: is no header: it names no column of this pack"),
        ("n\n5\n", "none of the pack's cells is counted by these"),
        ("age_years,setting\n<50,ward\n", "there is no column n"),
        ("age_years,age_years,n\n<50,<50,3\n", "a column stands there twice"),
        ("", "is empty"),
        ("age_years,setting,n\n", "counts nobody in any cell"),
        ("age_years,setting,n\n<50,ward,0\n", "counts nobody in any cell"),
        ("age_years,setting,n\n<50,ward,3,4\n", "line 2: has more or fewer cells"),
        (JOINT + "<50,,300\n≥50,,100\n", "do not agree on age_years <50"),
        (JOINT + "<50,,1\n≥50,,1\n", "add up to"),
        ("setting,n\nemergency,3\nemergency or ward,5\n", "overlaps that of another line"),
        ("setting,n\nemergency or theatre,3\n", "line 2, column setting: is no level"),
        ("age_years,n\n60-50,3\n", "line 2, column age_years: is no level"),
        ("setting,n\nemergency,3\n,5\n", "line 3: states no level"),
        ("setting,n\ncasualty,3\nward,1\nICU,5\n", "lines 2, 4, column setting: is no level"),
        ("setting,n\ncasualty,3\n", "“other” is for values that mean none of these"),
        (b"age_years,n\n\xff\xfa,3\n", "is no UTF-8 text"),
    ],
)
def test_bad_counts_are_named_with_a_remedy(run, text, said):
    found = refusal(run, text)
    assert said in found
    assert " — " in found


def test_every_problem_is_named_at_once(run):
    text = JOINT.replace("ward", "theatre", 1).replace("≥50,ward", "old,ward")
    found = refusal(run, text)
    assert "line 3, column setting" in found
    assert "line 5, column age_years" in found


@pytest.mark.parametrize("prevalence", ["0", "1", "3", "-0.1", "100%", "often"])
def test_a_prevalence_that_is_none_is_refused(run, prevalence):
    found = refusal(run, JOINT, f"--prevalence={prevalence}")
    assert "--prevalence: is not above 0 and below 1 — write a share such as 0.03, or 3%" in found


def test_a_pack_of_an_older_format_has_no_cells(run, tmp_path):
    with tarfile.open(STORED / "format-1.tar.xz") as archive:
        archive.extractall(tmp_path / "old", filter="data")
    (old,) = (p for p in tmp_path.glob("old/*/versions/*") if p.is_dir())
    found = refusal(run, JOINT, of=old)
    assert "holds no counts of cells: it was made before they travelled (format 1)" in found
    assert "ask the site for a pack of a newer vpack" in found


def test_a_file_that_is_not_there_a_folder_and_a_missing_name_are_refused(run, pack, tmp_path):
    assert "is no pack" in refusal(run, JOINT, of=tmp_path)
    with pytest.raises(InputError, match="is no file"):
        CliRunner().invoke(cli, ["compare", str(pack), "nowhere.csv"], catch_exceptions=False)
    with pytest.raises(InputError, match="POPULATION: is missing"):
        CliRunner().invoke(cli, ["compare", str(pack)], catch_exceptions=False)


def test_a_finding_that_the_pack_does_not_have_is_refused(run):
    assert "--finding: is no finding of the pack — use nodule" in refusal(
        run, JOINT, "--finding", "mass"
    )
    assert "Nodule" in run(JOINT, "--finding", "nodule")


def test_an_altered_table_is_refused(run, tmp_path):
    altered = counted_pack(tmp_path / "altered")
    table = altered / "data/tables/evaluation.transport_cells.csv"
    table.write_bytes(table.read_bytes().replace(b"153.0", b"154.0", 1))
    with pytest.raises(VpackError, match="has another digest"):
        run(JOINT, of=altered)
    (altered / "manifest-sha256.txt").write_text("no manifest\n", encoding="utf-8")
    with pytest.raises(VpackError, match="cannot be read"):
        run(JOINT, of=altered)


def test_tables_that_are_none_are_refused(run, tmp_path):
    header = b"finding,model_id\nnodule,m-2\n"
    short = counted_pack(tmp_path / "short", transport_cells_csv=header)
    with pytest.raises(VpackError, match="does not have the columns"):
        run(JOINT, of=short)
    part = cells({label: n for label, n in CELLS.items() if label != "other"})
    lacking = counted_pack(tmp_path / "lacking", transport_cells_csv=part)
    with pytest.raises(VpackError, match="lacks a cell, or its design effects"):
        run(JOINT, of=lacking)
    odd = counted_pack(tmp_path / "odd", transport_cells_csv=cells().replace(b"153.0", b"many"))
    with pytest.raises(VpackError, match="is not written as a pack is"):
        run(JOINT, of=odd)


def test_a_pack_without_cells_says_so(run, tmp_path):
    none = cells().split(b"\n", 1)[0] + b"\n"
    empty = counted_pack(tmp_path / "empty", transport_cells_csv=none)
    found = refusal(run, JOINT, of=empty)
    assert "names no variable by which figures could be carried elsewhere" in found


def test_a_file_far_too_large_is_refused(run):
    assert "is too large for a table of counts" in refusal(run, "n\n" + "1\n" * 3_000_000)
