"""A closed delivery is read once: its typed rows are kept, and say what reading it again would."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from forms_bench import CASES, DAY, READERS, READS, Bench, finding, protocol
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from vpack_pipeline import contracts, source_digest
from vpack_pipeline.errors import DeliveryError
from vpack_pipeline.io.cohort.inputs import kept_rows, loading
from vpack_pipeline.io.cohort.inputs.kept_rows import FOLDER, INDEX, KeptRows
from vpack_pipeline.io.deliveries import DONE, PUBLISHED
from vpack_pipeline.io.forms import KINDS
from vpack_pipeline.io.identity import Pseudonyms
from vpack_pipeline.site import IdentifierForm, InputForm
from vpack_pipeline_tests.hypothesis_profiles import examples_drawn

D1, D2, D3, D4 = (f"2026-01-{day:02}" for day in (5, 6, 7, 8))
HEADER = "reader_id,case_id,finding,rating,read_at\n"
APPEND = {"reads": {"file": "reads.csv", "mode": "append"}}
REFERENCE = {"reference": {"file": "reference.csv", "mode": "append"}}
WIDE = {
    "reads": {
        "file": "reads.csv",
        "mode": "append",
        "wide": {"into": "rating", "findings": {"nodule": "N", "effusion": "E"}},
    }
}


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The delivered files that are opened for their rows, in order."""
    opened: list[str] = []
    real = loading.read_form

    def counted(path: Path, where: str, *rest: Any) -> Any:
        opened.append(where)
        return real(path, where, *rest)

    monkeypatch.setattr(loading, "read_form", counted)
    return opened


def everything(bench: Bench, as_of: str | None = None) -> dict[str, pl.DataFrame]:
    """Every table and every quarantine of a cut."""
    made = bench.tables(as_of)
    parts = {f"{name}, refused": loaded.quarantine for name, loaded in made.parts.items()}
    return made.frames | parts


def from_scratch(bench: Bench, as_of: str | None = None) -> dict[str, pl.DataFrame]:
    """The same, of a copy of the site that keeps nothing."""
    copy = bench.root.parent / f"{bench.root.name}-from-scratch"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(bench.root, copy)
    shutil.rmtree(copy / "state" / FOLDER, ignore_errors=True)
    return everything(replace(bench, root=copy), as_of)


def equal(found: Mapping[str, pl.DataFrame], expected: Mapping[str, pl.DataFrame]) -> None:
    assert found.keys() == expected.keys()
    for name, frame in found.items():
        assert_frame_equal(frame, expected[name], check_exact=True)


def hold(bench: Bench, as_of: str | None = None) -> dict[str, pl.DataFrame]:
    """Hold what is made of kept rows to what is made from scratch, frame by frame."""
    found = everything(bench, as_of)
    equal(found, from_scratch(bench, as_of))
    return found


@dataclass(frozen=True)
class Nights:
    """Deliveries by name, each file by its name, and the site's forms of them."""

    inputs: Mapping[str, Any]
    deliveries: Mapping[str, Mapping[str, Any]]
    form: Mapping[str, Any] = field(default_factory=dict)


def cases_of(*rows: str) -> str:
    return "case_id,patient_id,index_date,study,bmi,smoker\n" + "".join(f"{r}\n" for r in rows)


C1, C2, C3 = (
    "C1,P1,2025-12-01,1.2.1,21.5,yes",
    "C2,P2,2025-12-02,A2,,",
    "C3,P1,2025-12-03,1.2.1,30,no",
)
BATTERY = {
    "rows that are added": Nights(
        APPEND,
        {
            D1: {"reads_csv": HEADER + "R1,C1,nodule,4,2026-01-01T08:00:00Z\n"},
            D2: {"reads_csv": HEADER + "R2,C1,nodule,2,\n"},
            D3: {"reads_csv": HEADER + "R1,C1,nodule,5,2026-01-02T08:00:00Z\n"},
            D4: {"reads_csv": HEADER},
        },
    ),
    "full files that retract": Nights(
        {},
        {
            D1: {"cases_csv": cases_of(C1, C2)},
            D2: {"cases_csv": cases_of(C2)},
            D3: {"cases_csv": cases_of(C3, C1)},
            D4: {"cases_csv": cases_of("C1,P1,2025-12-04,,,maybe", C2)},
        },
    ),
    "rows that are faulty, ragged or written twice": Nights(
        APPEND | REFERENCE,
        {
            D1: {
                "reads_csv": READS + "R1,C1,nodule,4\nR9,C1,nodule,3\nR1,C9,nodule,9\nR1\n",
                "reference_csv": "case_id,finding,source,label\nC1,nodule,registry,positive\n"
                "C1,nodule,registry,negative\nC7,nodule,registry,negative\n",
            },
            D2: {"readers_csv": READERS + "R9,2\n", "reads_csv": READS + "R2,C1,cyst,4\n,,,\n"},
            D3: {
                "cases_csv": CASES + "C9,P2,2025-12-03\n",
                "reference_csv": "case_id,finding,source,label\nC1,nodule,registry,unknown\n",
            },
        },
    ),
    "wide forms": Nights(
        WIDE,
        {
            D1: {"reads_csv": "reader_id,case_id,N,E\nR1,C1,4,1\nR2,C1,9,\nR1,C2,,\n"},
            D2: {"reads_csv": "reader_id,case_id,N,E\nR1,C1,4,1\nR1,C1,4,1\nR3,C2,3\n"},
            D3: {"reads_csv": "reader_id,case_id,N,E\nR1,C1,,2\n"},
        },
    ),
    "parquet": Nights(
        {"predictions": {"file": "predictions.parquet", "mode": "append"}},
        {
            day: {
                "predictions_csv": None,
                "predictions_parquet": pl.DataFrame(
                    {"case_id": ["C1", "C3"], "finding": "nodule", "model_id": "m-1", "score": s}
                ),
            }
            for day, s in ((D1, 0.25), (D2, 1.5), (D3, 1 / 3))
        },
    ),
    "every other kind of input": Nights(
        {
            **REFERENCE,
            **{k: {"file": f"{k}.csv"} for k in ("development", "operations", "population")},
            **{k: {"file": f"{k}.csv"} for k in ("case_studies", "patient_map")},
        },
        {
            D1: {
                "patient_map_csv": "patient_id,same_as\nP9,P1\nP8,P9\n",
                "case_studies_csv": "case_id,study,role\nC1,1.2.1,index\nC2,A2,index\nC2,A7,prior\n",
                "development_csv": "patient_id,study\nP9,\n,1.2.2\n,\n",
                "operations_csv": "study,turnaround_s\nA1,3\nA2,-1\n",
                "population_csv": "sex,age_years,n\nF,<40,10\nM,40-65,20\n",
            },
            D2: {
                "patient_map_csv": "patient_id,same_as\nP8,P2\n",
                "case_studies_csv": "case_id,study,role\nC1,1.2.1,index\nC9,A2,index\n",
                "development_csv": "patient_id,study\nP8,\n",
                "operations_csv": "study,turnaround_s\nA1,4\nA1,4\n",
                "population_csv": "sex,age_years,n\nF,<40,11\nX,<40,11\n",
            },
        },
    ),
    "one file that comes again on a later day": Nights(
        {},
        {
            # An event of the seventh cannot be told of on the fifth.
            D1: {"cases_csv": cases_of(C1, "C2,P2,2026-01-07,1.2.2,,")},
            D4: {"cases_csv": cases_of(C1, "C2,P2,2026-01-07,1.2.2,,")},
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BATTERY)
def test_kept_rows_say_what_reading_every_delivery_again_says(
    tmp_path: Path, read: list[str], name: str
) -> None:
    nights = BATTERY[name]
    bench = Bench(tmp_path / "site", inputs=dict(nights.inputs))
    made = {}
    for number, (delivery, files) in enumerate(nights.deliveries.items()):
        lay = bench.deliver if number else bench.deliver_all
        given = {k: v for k, v in files.items() if v is not None or not number}
        lay(delivery, **given)
        read.clear()
        made[delivery] = everything(bench)
        new = [e.name for e in (bench.root / "deliveries" / delivery).iterdir() if e.name != DONE]
        assert sorted(read) == sorted(f"{delivery}/{file}" for file in new)
    read.clear()
    again = {cut: everything(bench, cut) for cut in made}
    assert read == []
    for cut, found in made.items():
        expected = from_scratch(bench, cut)
        equal(found, expected)
        equal(again[cut], expected)


def test_the_second_night_reads_one_file_and_not_sixty(tmp_path: Path, read: list[str]) -> None:
    bench = Bench(tmp_path / "site", inputs=APPEND)
    bench.deliver_all()
    first = date.fromisoformat(DAY)
    for night in range(1, 60):
        rows = f"R1,C{1 + night % 2},nodule,{1 + night % 5},{first}T10:{night:02}:00Z\n"
        bench.deliver(f"{first + timedelta(days=night)}", reads_csv=HEADER + rows)
    everything(bench)
    assert len(read) == len(set(read)) == 60 + 3  # and cases, readers, predictions
    read.clear()
    newest = f"{first + timedelta(days=60)}"
    bench.deliver(newest, reads_csv=HEADER + f"R2,C2,nodule,5,{newest}T08:00:00Z\n")
    found = everything(bench)
    assert read == [f"{newest}/reads.csv"]
    assert found["reads"].height == 63


def test_a_delivery_that_comes_late_stands_in_its_place(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "site", inputs=APPEND)
    bench.deliver_all()
    bench.deliver(D3, reads_csv=HEADER + "R1,C1,nodule,5,\n")
    everything(bench)
    (bench.root / "state" / PUBLISHED).write_text(json.dumps([D3]))
    bench.deliver(D2, reads_csv=HEADER + "R1,C1,nodule,1,\nR3,C1,nodule,2,\n")
    assert hold(bench, D3)["reads"].height == 4
    later = hold(bench, D4)["reads"]
    assert later["delivery"].unique().sort().to_list() == [DAY, D2, D3]
    assert later.filter(delivery=D2)["superseded_by"].to_list() == [D3, None]


CHANGES: dict[str, Callable[[Bench], Bench]] = {
    "another header": lambda b: replace(
        b, inputs={"cases": {"file": "cases.csv", "columns": {"bmi": "bmi 2"}}}
    ),
    "another value": lambda b: replace(
        b, inputs={"cases": {"file": "cases.csv", "values": {"bmi": {"20.5": 25}}}}
    ),
    "another decimal point": lambda b: replace(
        b, inputs={"cases": {"file": "cases.csv", "decimal": ","}}
    ),
    "another covariate": lambda b: replace(
        b, protocol=protocol(covariates=b.protocol.covariates[1:])
    ),
    "another padding": lambda b: replace(b, identifiers={"patient": IdentifierForm(zero_pad=6)}),
    "another issuer": lambda b: replace(b, issuer="HOME"),
    "another secret": lambda b: replace(b, secret=b"t" * 32),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_decides_the_rows_reads_them_again(
    tmp_path: Path, read: list[str], change: str
) -> None:
    plain = Bench(
        tmp_path / "site",
        inputs={"cases": {"file": "cases.csv", "ignore": ["bmi 2"]}},
        protocol=protocol(),
    )
    header, rows = "case_id,patient_id,index_date,bmi,bmi 2\n", "C1,1,2025-12-01,20.5,30\n"
    plain.deliver_all(cases_csv=header + rows)
    ignoring = replace(plain, inputs={"cases": InputForm(file="cases.csv", ignore=("bmi 2",))})
    before = everything(ignoring)
    changed = CHANGES[change](plain)
    forms = {"columns": {}, "ignore": ("bmi 2",), **changed.inputs["cases"]}
    if "bmi 2" in forms["columns"].values():
        forms["ignore"] = ("bmi",)
    if change == "another covariate":
        forms["ignore"] = ("bmi", "bmi 2")
    changed = replace(changed, inputs={"cases": forms})
    read.clear()
    after = everything(changed)
    assert f"{DAY}/cases.csv" in read
    assert not after["cases"].equals(before["cases"])
    hold(changed)
    read.clear()
    # What was kept before is of no use any more, and stands in nobody's way.
    assert everything(ignoring)["cases"].equals(before["cases"])
    assert f"{DAY}/cases.csv" in read


def test_another_finding_reads_reads_again_and_no_cases(tmp_path: Path, read: list[str]) -> None:
    bench = Bench(tmp_path / "site")
    bench.deliver_all()
    everything(bench)
    read.clear()
    other = finding("nodule").model_copy(update={"categories": finding("nodule").categories[:3]})
    changed = replace(bench, protocol=protocol(findings=(other, finding("effusion"))))
    assert everything(changed)["reads"].height == 2
    assert sorted(read) == [f"{DAY}/predictions.csv", f"{DAY}/reads.csv"]
    hold(changed)


def test_another_line_of_the_reader_reads_everything_again(
    tmp_path: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path / "site")
    bench.deliver_all()
    before = everything(bench)
    read.clear()
    monkeypatch.setattr(source_digest, "digest_of", lambda _: "another line")
    after = everything(bench)
    assert len(read) == 4
    assert all(frame.equals(after[name]) for name, frame in before.items())


def test_replacing_or_adding_is_decided_without_reading_again(
    tmp_path: Path, read: list[str]
) -> None:
    bench = Bench(tmp_path / "site")
    bench.deliver_all()
    bench.deliver(D2, reads_csv=HEADER + "R2,C2,nodule,5,\n")
    assert everything(bench)["reads"]["in_force"].to_list() == [False, False, False, True]
    read.clear()
    added = hold(replace(bench, inputs=APPEND))
    assert added["reads"]["in_force"].all()
    assert [name for name in read if name.startswith(D2)] == [f"{D2}/reads.csv"]  # from scratch


def test_the_protocol_that_a_kind_is_read_by_is_declared_by_whoever_reads_it() -> None:
    """What a table is not given it cannot ask for: all who read a kind must declare its blocks."""
    known = contracts.load()
    for kind in KINDS:
        assert {*known[f"cohort/{kind}"].protocol} <= {*known["cohort/deliveries"].protocol}, kind
    assert {*known["cohort/cases"].protocol} <= {*known["cohort/case_studies"].protocol}


def kept_folder(bench: Bench, kind: str = "reads") -> Path:
    return bench.root / "state" / FOLDER / kind


def part_of(bench: Bench, kind: str = "reads") -> Path:
    (part,) = kept_folder(bench, kind).glob("*.parquet")
    return part


def cut_short(bench: Bench) -> None:
    part = part_of(bench)
    part.write_bytes(part.read_bytes()[:-9])


def flip_a_bit(bench: Bench) -> None:
    part = part_of(bench)
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)


def lose_the_rows(bench: Bench) -> None:
    part_of(bench).unlink()


def lose_the_folder(bench: Bench) -> None:
    shutil.rmtree(kept_folder(bench).parent)


def cut_the_index_short(bench: Bench) -> None:
    index = kept_folder(bench) / INDEX
    index.write_bytes(index.read_bytes()[:-9])


def write_no_index(bench: Bench) -> None:
    (kept_folder(bench) / INDEX).write_text('["mac"]')


def put_in_rows(bench: Bench) -> str:
    """Add a row to the kept ones, as one who has no secret can, and give the new file's digest."""
    part = part_of(bench)
    rows = pl.read_parquet(part)
    forged = pl.concat([rows, rows.head(1).with_columns(pl.lit(9).alias("line").cast(pl.Int64))])
    forged.write_parquet(part)
    digest = hashlib.sha256(part.read_bytes()).hexdigest()
    part.rename(part.with_name(f"{digest}.parquet"))
    return digest


def forge_the_index(bench: Bench) -> None:
    digest = put_in_rows(bench)
    index = kept_folder(bench) / INDEX
    told = json.loads(index.read_text())
    told["parts"][0]["sha256"] = digest
    told["parts"][0]["files"][DAY]["rows"] += 1
    index.write_text(json.dumps(told))


def sign_it_with_another_secret(bench: Bench) -> None:
    forge_the_index(bench)
    index = kept_folder(bench) / INDEX
    told = json.loads(index.read_text())
    theirs = Pseudonyms(b"t" * 32, {}, None)
    rows = KeptRows(bench.root / "state", "reads", told["reading"], theirs)
    told["mac"] = rows._mac({k: v for k, v in told.items() if k != "mac"})
    index.write_text(json.dumps(told))


def bring_another_kind(bench: Bench) -> None:
    """Rows of predictions that were read alike, as far as the index of reads goes."""
    shutil.rmtree(kept_folder(bench))
    shutil.copytree(kept_folder(bench, "predictions"), kept_folder(bench))


@pytest.mark.parametrize(
    "harm",
    [
        cut_short,
        flip_a_bit,
        lose_the_rows,
        lose_the_folder,
        cut_the_index_short,
        write_no_index,
        put_in_rows,
        forge_the_index,
        sign_it_with_another_secret,
        bring_another_kind,
    ],
)
def test_what_is_damaged_or_forged_is_read_again_and_never_trusted(
    tmp_path: Path, read: list[str], harm: Callable[[Bench], object]
) -> None:
    bench = Bench(tmp_path / "site", inputs=APPEND)
    bench.deliver_all()
    before = everything(bench)
    harm(bench)
    read.clear()
    after = everything(bench)
    assert f"{DAY}/reads.csv" in read
    assert all(frame.equals(after[name]) for name, frame in before.items())
    read.clear()
    everything(bench)
    assert read == []
    assert part_of(bench)


def test_rows_of_an_exchanged_file_are_not_kept_under_its_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path / "site")
    folder = bench.deliver_all()
    real = loading.read_form

    def exchanged(path: Path, *rest: Any) -> Any:
        (folder / "reads.csv").write_text(READS.replace("4", "5"))
        try:
            return real(path, *rest)
        finally:
            (folder / "reads.csv").write_text(READS + "R3,C1,nodule,1\n")

    with monkeypatch.context() as patch:
        patch.setattr(loading, "read_form", exchanged)
        with pytest.raises(DeliveryError, match=r"reads\.csv: is not the file that"):
            everything(bench)
    (folder / "reads.csv").write_text(READS)
    assert everything(bench)["reads"]["rating"].to_list() == [4.0, 2.0, 1.0]


def test_a_file_that_cannot_be_read_keeps_the_others(tmp_path: Path, read: list[str]) -> None:
    bench = Bench(tmp_path / "site")
    folder = bench.deliver_all(reads_csv="who,what\n", readers_csv="whom\n")
    with pytest.raises(DeliveryError) as caught:
        everything(bench)
    assert [p.where for p in caught.value.problems] == [f"{DAY}/readers.csv", f"{DAY}/reads.csv"]
    (folder / "reads.csv").write_text(READS)
    (folder / "readers.csv").write_text(READERS)
    read.clear()
    hold(bench)
    assert read[:2] == [f"{DAY}/readers.csv", f"{DAY}/reads.csv"]


def test_kept_rows_are_private_and_hold_no_identifier(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "site", issuer="HOME")
    bench.deliver_all(cases_csv="case_id,patient_id,index_date,issuer\nC1,P1,2025-12-01,AWAY\n")
    everything(bench)
    root = bench.root / "state" / FOLDER
    for path in [root, *root.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    for part in root.rglob("*.parquet"):
        cells = {str(v) for c in pl.read_parquet(part).get_columns() for v in c.to_list()}
        assert not cells & {"C1", "C2", "P1", "P2", "R1", "R2", "AWAY", "HOME"}, part


def rows_of(*deliveries: tuple[str, int]) -> dict[str, pl.DataFrame]:
    return {
        name: pl.DataFrame(
            {"line": range(1, n + 1), "value": [f"{name} {i}" for i in range(n)]},
            schema={"line": pl.Int64, "value": pl.String},
        ).with_columns(pl.lit(name).alias("delivery"))
        for name, n in deliveries
    }


def held(rows: KeptRows, files: Mapping[str, str]) -> dict[str, pl.DataFrame]:
    frames, taken = rows.take(files)
    together = pl.concat(frames) if frames else None
    assert rows.counts(files).keys() == taken
    return {name: together.filter(delivery=name) for name in sorted(taken) if together is not None}


def test_nights_make_few_files_and_each_row_is_seldom_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = KeptRows(tmp_path, "reads", "r", Pseudonyms(b"s" * 32, {}, None))
    written = 0
    real = KeptRows._write

    def counted(self: KeptRows, frame: pl.DataFrame) -> str:
        nonlocal written
        written += frame.height
        return real(self, frame)

    monkeypatch.setattr(KeptRows, "_write", counted)
    for night in range(200):
        rows.keep({f"d{night}": f"{night}"}, rows_of((f"d{night}", 10)))
        assert len(list((tmp_path / FOLDER / "reads").glob("*.parquet"))) <= 9
    assert written <= 10 * 200 * 9
    assert len(rows.counts({f"d{n}": f"{n}" for n in range(200)})) == 200


@examples_drawn(40)
@given(
    nights=st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 30)), max_size=4)),
    lost=st.sets(st.integers(0, 20)),
)
def test_whatever_is_kept_or_lost_each_delivery_gives_its_rows_or_none(
    tmp_path_factory: pytest.TempPathFactory,
    nights: Sequence[Sequence[tuple[int, int]]],
    lost: set[int],
) -> None:
    state = tmp_path_factory.mktemp("state")
    rows = KeptRows(state, "reads", "r", Pseudonyms(b"s" * 32, {}, None))
    known: dict[str, tuple[str, pl.DataFrame]] = {}
    for number, night in enumerate(nights):
        made = rows_of(*{f"d{name}": n for name, n in night}.items())
        files = {name: f"{name} of night {number}" for name in made}
        rows.keep(files, made)
        known |= {name: (files[name], frame) for name, frame in made.items()}
        parts = sorted((state / FOLDER / "reads").glob("*.parquet"))
        if number in lost and parts:
            parts[0].unlink()
    files = {name: digest for name, (digest, _) in known.items()}
    frames, taken = rows.take(files)
    for name, (_, expected) in known.items():
        found = [f.filter(delivery=name) for f in frames if name in f["delivery"]]
        assert len(found) <= 1
        if name in taken:
            assert_frame_equal(found[0] if found else expected.clear(), expected)
        else:
            assert not found
    assert lost or taken == set(known)
    assert rows.take(dict.fromkeys(known, "another file")) == ([], set())


def test_two_at_once_lose_nothing(tmp_path: Path) -> None:
    ids = Pseudonyms(b"s" * 32, {}, None)

    def keep(number: int) -> None:
        rows = KeptRows(tmp_path, "reads", "r", ids)
        for night in range(10):
            name = f"d{number}-{night}"
            rows.keep({name: name}, rows_of((name, number)))
            frames, taken = rows.take({name: name})
            assert taken == {name}
            assert sum(f.height for f in frames) == number

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(keep, range(4)))
    every = {f"d{n}-{night}": f"d{n}-{night}" for n in range(4) for night in range(10)}
    frames, taken = KeptRows(tmp_path, "reads", "r", ids).take(every)
    assert taken == set(every)
    assert sum(f.height for f in frames) == 10 * sum(range(4))


def test_two_builds_at_once_make_the_same_tables(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "site", inputs=APPEND)
    bench.deliver_all()
    for night, day in enumerate((D2, D3, D4)):
        bench.deliver(day, reads_csv=HEADER + f"R{1 + night},C2,nodule,5,\n")
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(everything, [bench, bench])
    expected = hold(bench)
    for name, frame in expected.items():
        assert first[name].equals(frame)
        assert second[name].equals(frame)


def test_cleaning_removes_what_is_of_no_use(tmp_path: Path, read: list[str]) -> None:
    bench = Bench(tmp_path / "site", inputs=APPEND | REFERENCE)
    bench.deliver_all(reference_csv="case_id,finding,source,label\n")
    everything(bench)
    state = bench.root / "state"
    (kept_folder(bench) / ".writing-x").touch()
    changed = replace(bench, inputs={"reads": {**APPEND["reads"], "nulls": ["n/a"]}})
    of_now = [loading.kept_of(kind, changed.edge(DAY)) for kind in changed.site.inputs]
    assert kept_rows.clean(state, of_now) == 1 + 2 + 2  # the draft, then parts with their indexes
    assert not list(kept_folder(bench).glob("*.parquet"))
    assert not kept_folder(bench, "reference").exists()
    assert part_of(bench, "cases")
    assert kept_rows.clean(state, of_now) == 0
    read.clear()
    everything(bench)
    assert sorted(read) == [f"{DAY}/reads.csv", f"{DAY}/reference.csv"]
    assert kept_rows.clean(tmp_path / "nothing", []) == 0
    assert os.listdir(tmp_path) == ["site"]
