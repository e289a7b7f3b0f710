"""What a file may look like: encodings, quotes, decimals, wide and long, CSV and parquet."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from forms_bench import DAY, PREDICTIONS, READS, Bench, protocol
from polars.testing import assert_frame_equal

from vpack_pipeline.errors import DeliveryError
from vpack_pipeline.io.forms import (
    FIELDS,
    KINDS,
    REASONS,
    Form,
    fields_of,
    form_problems,
    template_headers,
    typed,
    typed_schema,
)
from vpack_pipeline.site import InputForm, InputKind

BARE = "reader_id,case_id,finding,rating\n"


def read(tmp_path: Path, reads: object, **form: object) -> pl.DataFrame:
    """Read one reads file and give the accepted rows; nothing may be quarantined."""
    inputs = {"reads": {"file": "reads.csv", **form}}
    bench = Bench(tmp_path, inputs=inputs)
    bench.deliver_all(reads_csv=reads)
    tables = bench.tables()
    assert tables.refused("reads") == []
    return tables["reads"]


@pytest.fixture
def plain(tmp_path: Path) -> pl.DataFrame:
    return read(tmp_path / "plain", READS)


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (b"\xef\xbb\xbf" + READS.encode(), {}),
        (READS.replace("\n", "\r\n").encode(), {}),
        (READS.rstrip("\n").encode(), {}),
        ((READS + "\n\n").encode(), {}),
        (READS.encode("utf-16"), {"encoding": "utf-16"}),
        (READS.encode("latin-1"), {"encoding": "latin-1"}),
        (READS.replace(",", ";").encode(), {"separator": ";"}),
        (READS.replace(",", "\t").encode(), {"separator": "\t"}),
        (READS.replace("R1,C1", '"R1"," C1 "').encode(), {}),
    ],
    ids=[
        "bom",
        "crlf",
        "no-last-newline",
        "blank-end",
        "utf-16",
        "latin-1",
        "semicolon",
        "tab",
        "quoted",
    ],
)
def test_the_same_rows_come_from_every_way_to_write_them(
    tmp_path: Path, plain: pl.DataFrame, content: bytes, form: dict[str, object]
) -> None:
    assert_frame_equal(read(tmp_path, content, **form), plain)


def test_a_quoted_newline_is_part_of_a_cell_and_lines_count_rows(tmp_path: Path) -> None:
    text = BARE.replace("rating", "rating,discussion")
    text += 'R1,C1,nodule,4,"seen twice,\nthen agreed"\nR2,C1,nodule,2,\n'
    table = read(tmp_path, text)
    assert table["line"].to_list() == [1, 2]
    assert table["discussion"].to_list() == [True, None]


def test_a_header_without_rows_is_an_empty_table(tmp_path: Path) -> None:
    assert read(tmp_path, BARE).height == 0


def test_one_row_is_one_row(tmp_path: Path) -> None:
    assert read(tmp_path, BARE + "R1,C1,nodule,4").height == 1


def test_decimal_comma_is_read_where_it_is_declared(tmp_path: Path) -> None:
    text = "case_id;finding;model_id;score\nC1;nodule;m-1;0,91\nC2;nodule;m-1;8e-2\n"
    form = {"file": "predictions.csv", "separator": ";", "decimal": ","}
    bench = Bench(tmp_path, inputs={"predictions": form})
    bench.deliver_all(predictions_csv=text)
    assert sorted(bench.tables()["predictions"]["score"]) == [0.08, 0.91]


@pytest.mark.parametrize("text", ["0.91", "1.234,5", "1 000", "0,9,1", "٣", "0x1", "12%"])
def test_a_number_in_another_form_is_no_number(tmp_path: Path, text: str) -> None:
    form = {"file": "predictions.csv", "separator": ";", "decimal": ","}
    bench = Bench(tmp_path, inputs={"predictions": form})
    bench.deliver_all(predictions_csv=f"case_id;finding;model_id;score\nC1;nodule;m-1;{text}\n")
    assert bench.tables().refused("predictions") == [(1, "score", "BAD_NUMBER")]


def test_a_wide_form_is_the_long_form_written_otherwise(tmp_path: Path) -> None:
    long = BARE + (
        "R1,C1,nodule,4\nR1,C1,effusion,1\nR2,C1,nodule,2\nR1,C2,nodule,1\nR1,C2,effusion,5\n"
    )
    wide = "reader_id,case_id,Nodule?,Effusion?\nR1,C1,4,1\nR2,C1,2,\nR1,C2,1,5\n"
    columns = {"into": "rating", "findings": {"nodule": "Nodule?", "effusion": "Effusion?"}}
    key = ["reader_id", "case_id", "finding"]
    one = read(tmp_path / "long", long).sort(key).drop("line")
    other = read(tmp_path / "wide", wide, wide=columns).sort(key)
    assert_frame_equal(one, other.drop("line"))
    assert sorted(other["line"]) == [1, 1, 2, 3, 3]


def test_an_empty_wide_row_is_refused_cell_by_cell_unless_it_was_not_diagnostic(
    tmp_path: Path,
) -> None:
    columns = {"into": "rating", "findings": {"nodule": "n", "effusion": "e"}}
    bench = Bench(tmp_path, inputs={"reads": {"file": "reads.csv", "wide": columns}})
    text = "reader_id,case_id,n,e,is_diagnostic\nR1,C1,,,false\nR2,C1,,,true\nR3,C1,2\n"
    bench.deliver_all(reads_csv=text)
    tables = bench.tables()
    assert tables["reads"]["finding"].sort().to_list() == ["effusion", "nodule"]
    assert tables["reads"]["rating"].to_list() == [None, None]
    assert tables.refused("reads") == [
        (2, "rating", "MISSING_VALUE"),
        (2, "rating", "MISSING_VALUE"),
        (3, None, "RAGGED_ROW"),
    ]
    positions = tables.parts["reads"].quarantine["position"].to_list()
    assert positions == [f"{DAY}:2:effusion", f"{DAY}:2:nodule", f"{DAY}:3"]


def test_parquet_gives_the_same_table_as_csv(tmp_path: Path) -> None:
    extra = ",read_at,saw_peers,session\n"
    text = BARE.replace("\n", extra) + "R1,7,nodule,4,2026-01-01T10:00:00+01:00,true,2\n"
    text += "R2,7,nodule,2,,,1\n"
    cases = "case_id,patient_id,index_date\n7,1,2025-12-01\n"
    csv_bench = Bench(tmp_path / "csv")
    csv_bench.deliver_all(cases_csv=cases, reads_csv=text, predictions_csv=None)
    frame = pl.DataFrame(
        {
            "reader_id": ["R1", "R2"],
            "case_id": [7, 7],
            "finding": ["nodule", "nodule"],
            "rating": [4.0, 2.0],
            "read_at": pl.Series(["2026-01-01T09:00:00", None]).str.to_datetime(time_zone="UTC"),
            "saw_peers": [True, None],
            "session": [2, 1],
        }
    )
    days = pl.DataFrame({"case_id": [7], "patient_id": [1], "index_date": ["2025-12-01"]})
    inputs = {"reads": {"file": "reads.parquet"}, "cases": {"file": "cases.parquet"}}
    bench = Bench(tmp_path / "parquet", inputs=inputs)
    bench.deliver_all(
        cases_csv=None,
        cases_parquet=days.with_columns(pl.col("index_date").str.to_date()),
        reads_csv=None,
        reads_parquet=frame,
        predictions_csv=None,
    )
    one, other = csv_bench.tables(), bench.tables()
    assert one["reads"].height == 2
    assert_frame_equal(one["reads"], other["reads"])
    assert_frame_equal(one["cases"], other["cases"])


def test_identifiers_that_became_floats_are_refused_as_a_file(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"reader_id": ["R1"], "case_id": [7.0], "finding": ["nodule"], "rating": [4]}
    )
    bench = Bench(tmp_path, inputs={"reads": {"file": "reads.parquet"}})
    bench.deliver_all(reads_csv=None, reads_parquet=frame)
    with pytest.raises(DeliveryError, match="'case_id' holds identifiers as floating-point"):
        bench.tables()


def test_constants_value_maps_and_null_words(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        "Radiologist,Fall,Grad,Ort,Gut\nR1,C1,4a,x,yes\nR2,C1,b2,x,1\nR3,C1,n/a,x,\n",
        columns={
            "reader_id": "Radiologist",
            "case_id": "Fall",
            "rating": "Grad",
            "is_diagnostic": "Gut",
        },
        constants={"finding": "nodule", "session": 2, "saw_peers": False},
        values={"rating": {"4a": 4, "b2": 2.0}, "is_diagnostic": {"": False}},
        nulls=("", "n/a"),
        ignore=("Ort",),
    )
    assert table["rating"].to_list() == [4.0, 2.0, None]
    assert table["is_diagnostic"].to_list() == [True, True, False]
    assert set(table["session"]) == {2}
    assert set(table["saw_peers"]) == {False}


def test_an_unmapped_null_rating_needs_a_non_diagnostic_read(tmp_path: Path) -> None:
    bench = Bench(tmp_path, inputs={"reads": {"file": "reads.csv", "nulls": ("", "n/a")}})
    text = BARE.replace("\n", ",is_diagnostic\n") + "R1,C1,nodule,n/a,no\nR2,C1,nodule,n/a,yes\n"
    bench.deliver_all(reads_csv=text)
    tables = bench.tables()
    assert tables["reads"]["is_diagnostic"].to_list() == [False]
    assert tables.refused("reads") == [(2, "rating", "MISSING_VALUE")]


def test_dates_follow_the_declared_form(tmp_path: Path) -> None:
    form = {"file": "cases.csv", "date_format": "%d.%m.%Y"}
    bench = Bench(tmp_path, inputs={"cases": form})
    rows = "C1,P1,01.12.2025\nC2,P2,2025-12-02\nC3,P2,02.12.25\n"
    bench.deliver_all(
        cases_csv="case_id,patient_id,index_date\n" + rows, reads_csv=None, predictions_csv=None
    )
    tables = bench.tables()
    assert [str(d) for d in tables["cases"]["index_date"]] == ["2025-12-01"]
    assert tables.refused("cases") == [(2, "index_date", "BAD_DATE"), (3, "index_date", "BAD_DATE")]


@pytest.mark.parametrize(
    ("written", "form", "outcome"),
    [
        ("2025-12-30T08:00:00Z", {}, "2025-12-30 08:00:00"),
        ("2025-12-30 08:00+01:00", {}, "2025-12-30 07:00:00"),
        ("2025-12-30T08:00:00.250-0530", {}, "2025-12-30 13:30:00.250000"),
        ("2025-12-30T08:00:00", {}, "TIME_WITHOUT_ZONE"),
        ("2025-12-30T08:00:00", {"zone": "Europe/Zurich"}, "2025-12-30 07:00:00"),
        ("2025-12-30T08:00:00Z", {"zone": "Europe/Zurich"}, "2025-12-30 08:00:00"),
        ("2025-10-26T02:30:00", {"zone": "Europe/Zurich"}, "AMBIGUOUS_TIME"),
        ("2025-03-30T02:30:00", {"zone": "Europe/Zurich"}, "AMBIGUOUS_TIME"),
        ("2025-12-30", {}, "BAD_DATE"),
        ("2025-12-30T24:00:00Z", {}, "BAD_DATE"),
        ("2025-12-30T08:00:60Z", {}, "BAD_DATE"),
        ("2025-12-30T08:00:00+25:00", {}, "BAD_DATE"),
        ("30/12/2025 8h05", {"datetime_format": "%d/%m/%Y %Hh%M"}, "TIME_WITHOUT_ZONE"),
        (
            "30/12/2025 08h05",
            {"datetime_format": "%d/%m/%Y %Hh%M", "zone": "Asia/Tokyo"},
            "2025-12-29 23:05:00",
        ),
        ("30.12.2025", {"datetime_format": "%d.%m.%Y", "zone": "UTC"}, "2025-12-30 00:00:00"),
        ("2025-12-30 08:00 +0100", {"datetime_format": "%Y-%m-%d %H:%M %z"}, "2025-12-30 07:00:00"),
    ],
)
def test_a_time_needs_a_zone_and_one_meaning(
    tmp_path: Path, written: str, form: dict[str, str], outcome: str
) -> None:
    bench = Bench(tmp_path, inputs={"reads": {"file": "reads.csv", **form}})
    bench.deliver_all(reads_csv=BARE.replace("\n", ",read_at\n") + f"R1,C1,nodule,4,{written}\n")
    tables = bench.tables()
    if outcome in REASONS:
        assert tables.refused("reads") == [(1, "read_at", outcome)]
    else:
        assert [str(t.replace(tzinfo=None)) for t in tables["reads"]["read_at"]] == [outcome]


@pytest.mark.parametrize(
    ("content", "form", "message"),
    [
        (b"", {}, "is empty"),
        (b"\n\n", {}, "is empty"),
        (
            b"reader_id,case_id,finding,rating,\nR1,C1,nodule,4,\n",
            {},
            "column 5 of the header has no name",
        ),
        (b"reader_id,case_id,finding,rating,rating\n", {}, "column 5 has the same header"),
        (b'reader_id,case_id,finding,rating\nR1,"C1,nodule,4\n', {}, "not well formed"),
        (b'reader_id,case_id,finding,rating\nR1,"C1"x,nodule,4\n', {}, "not well formed"),
        (b"reader_id,case_id,finding,rating\nR\xe9,C1,nodule,4\n", {}, "is not utf-8"),
        (READS.encode("utf-16"), {}, "byte order mark"),
        (b"\xef\xbb\xbf" + READS.encode(), {"encoding": "latin-1"}, "byte order mark"),
        (READS.replace(",", ";").encode(), {}, "none is a known header"),
        (
            b"reader_id,case_id,finding\n",
            {},
            "no column 'rating' for rating; the file has reader_id",
        ),
    ],
)
def test_a_file_that_cannot_be_read_as_a_whole_is_an_error(
    tmp_path: Path, content: bytes, form: dict[str, str], message: str
) -> None:
    bench = Bench(tmp_path, inputs={"reads": {"file": "reads.csv", **form}})
    bench.deliver_all(reads_csv=content)
    with pytest.raises(DeliveryError, match=message) as caught:
        bench.tables()
    assert f"{DAY}/reads.csv" in str(caught.value)


def test_a_broken_parquet_file_is_an_error(tmp_path: Path) -> None:
    bench = Bench(tmp_path, inputs={"reads": {"file": "reads.parquet"}})
    bench.deliver_all(reads_csv=None, reads_parquet=b"PAR1 no")
    with pytest.raises(DeliveryError, match="cannot be read as parquet"):
        bench.tables()


def test_a_misspelled_header_is_named_with_the_nearest(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.deliver_all(reads_csv="reader_id,case_id,finding,rateing,saw_pears\nR1,C1,nodule,4,no\n")
    with pytest.raises(DeliveryError) as caught:
        bench.tables()
    text = str(caught.value)
    assert "no column 'rating'" in text
    assert "did you mean 'rateing'?" in text
    assert "unknown column 'saw_pears' — did you mean 'saw_peers'?" in text


def test_every_unreadable_file_is_named_at_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.deliver_all(reads_csv="reader_id\nR1\n", predictions_csv=b"", cases_csv="case_id\n")
    with pytest.raises(DeliveryError) as caught:
        bench.tables()
    assert {p.where.partition("/")[2] for p in caught.value.problems} == {
        "reads.csv",
        "predictions.csv",
        "cases.csv",
    }


def test_a_file_without_a_header_row_does_not_print_a_patient(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.deliver_all(cases_csv="DOE^JANE,19700101,2025-12-01\n")
    with pytest.raises(DeliveryError) as caught:
        bench.tables()
    assert "DOE" not in str(caught.value)
    assert "19700101" not in str(caught.value)


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"columns": {"ratign": "Grade"}}, "ratign is no column of reads — did you mean 'rating'?"),
        ({"constants": {"reeder_id": "R1"}}, "did you mean 'reader_id'?"),
        ({"values": {"ratings": {"a": 1}}}, "did you mean 'rating'?"),
        ({"columns": {"arm": "Arm"}, "constants": {"arm": "a"}}, "has a header and a constant"),
        ({"columns": {"arm": "Arm"}, "ignore": ("Arm",)}, "header 'Arm' is also read"),
        ({"zone": "Europe/Zurihc"}, "no IANA time zone"),
        ({"separator": '"'}, "cannot separate"),
        ({"date_format": "%Q"}, "gives no date"),
        ({"date_format": "%Y-%m"}, "gives no date"),
        ({"date_format": "DD.MM.YYYY"}, "gives no date"),
        ({"datetime_format": "%H:%M"}, "gives no time"),
        ({"wide": {"into": "rating", "findings": {"nodul": "N"}}}, "did you mean 'nodule'?"),
        ({"wide": {"into": "score", "findings": {"nodule": "N"}}}, "no column score by finding"),
    ],
)
def test_a_form_that_cannot_work_is_refused_before_a_file_is_opened(
    form: dict[str, object], message: str
) -> None:
    bench = Bench(Path("/nowhere"))
    written = InputForm.model_validate({"file": "reads.csv", **form})
    found = "\n".join(str(p) for p in form_problems("reads", written, bench.protocol))
    assert message in found


def test_a_declared_header_that_is_absent_is_not_taken_as_null(tmp_path: Path) -> None:
    form = {"file": "reads.csv", "columns": {"saw_peers": "SawPeers"}}
    bench = Bench(tmp_path, inputs={"reads": form})
    bench.deliver_all()
    with pytest.raises(DeliveryError, match="no column 'SawPeers' for saw_peers"):
        bench.tables()


def test_a_constant_beside_a_column_of_its_name_is_ambiguous(tmp_path: Path) -> None:
    form = {"file": "reads.csv", "constants": {"rating": 3}}
    bench = Bench(tmp_path, inputs={"reads": form})
    bench.deliver_all()
    with pytest.raises(DeliveryError, match="declares a constant"):
        bench.tables()


@pytest.mark.parametrize("kind", KINDS)
def test_a_template_is_a_file_that_can_be_read(tmp_path: Path, kind: str) -> None:
    header = ",".join(template_headers(kind, Bench(tmp_path).protocol)) + "\n"  # type: ignore[arg-type]
    bench = Bench(tmp_path, inputs={kind: {"file": f"{kind}.csv"}})
    bench.deliver_all(**{f"{kind}_csv": header})
    assert bench.tables()["deliveries"].filter(pl.col("kind") == kind)["rows"].to_list() == [0]


@pytest.mark.parametrize("kind", KINDS)
def test_the_columns_of_no_file_are_those_of_a_file(tmp_path: Path, kind: InputKind) -> None:
    fields = fields_of(kind, protocol())
    cells = pl.DataFrame(schema={"line": pl.Int64, "finding_cell": pl.String})
    form = Form(kind, cells, (), frozenset())
    rows = typed(form, fields, InputForm(file="some.csv"), Bench(tmp_path).ids)
    assert list(rows.schema.items()) == list(typed_schema(fields).items())


def test_every_kind_has_its_fields_and_every_code_its_remedy() -> None:
    assert set(FIELDS) == set(KINDS)
    assert all(reason.what and reason.remedy for reason in REASONS.values())


def test_predictions_are_read_in_order_of_their_key(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.deliver_all(predictions_csv=PREDICTIONS)
    assert bench.tables()["predictions"]["line"].to_list() == [1, 2]
