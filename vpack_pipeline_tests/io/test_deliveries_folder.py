"""What is delivered, closed, remembered and counted at which cut."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path

import pytest
from forms_bench import DAY, READS, Bench

from vpack_pipeline.errors import DeliveryError, InputError, UsageError
from vpack_pipeline.io.cohort.inputs.kept_rows import FOLDER
from vpack_pipeline.io.deliveries import (
    DONE,
    LEDGER,
    PUBLISHED,
    choose_cut,
    closed_deliveries,
    counted,
    deliver,
    open_deliveries,
    parse_cut,
    survey,
)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def publish(bench: Bench, *cuts: str) -> None:
    state = bench.root / "state"
    state.mkdir(exist_ok=True)
    (state / PUBLISHED).write_text(json.dumps(cuts))


def names(bench: Bench, cut: str) -> list[str]:
    return [d.name for d in counted(survey(bench.edge()), cut)]


def test_an_open_delivery_is_named_and_ignored(bench: Bench) -> None:
    bench.deliver_all()
    bench.deliver("2026-01-06", closed=False, reads_csv="anything")
    assert closed_deliveries(bench.root, bench.site) == (DAY,)
    assert open_deliveries(bench.root, bench.site) == ("2026-01-06",)
    assert set(bench.tables()["deliveries"]["delivery"]) == {DAY}


def test_a_day_orders_its_deliveries_by_number(bench: Bench) -> None:
    for name in (f"{DAY}.10", DAY, f"{DAY}.2", "2025-12-31"):
        bench.deliver(name, reads_csv=READS)
    assert closed_deliveries(bench.root, bench.site) == (
        "2025-12-31",
        DAY,
        f"{DAY}.2",
        f"{DAY}.10",
    )
    assert choose_cut(bench.edge()) == f"{DAY}.10"


@pytest.mark.parametrize("change", ["altered", "added", "removed"])
def test_a_closed_delivery_never_changes(bench: Bench, change: str) -> None:
    folder = bench.deliver_all()
    bench.tables()
    if change == "altered":
        (folder / "reads.csv").write_text(READS + "R3,C1,nodule,5\n")
    elif change == "added":
        bench.inputs = {"reference": {"file": "reference.csv"}}
        (folder / "reference.csv").write_text("case_id,finding,source,label\n")
    else:
        (folder / "reads.csv").unlink()
    with pytest.raises(DeliveryError, match=f"{change} after it was closed"):
        bench.tables()


def test_a_closed_delivery_never_opens_or_goes(bench: Bench) -> None:
    folder = bench.deliver_all()
    survey(bench.edge())
    (folder / DONE).unlink()
    with pytest.raises(DeliveryError, match="gone or open again"):
        survey(bench.edge())


def test_an_open_delivery_may_still_change(bench: Bench) -> None:
    folder = bench.deliver("2026-01-06", closed=False, reads_csv="a")
    bench.deliver_all()
    survey(bench.edge())
    (folder / "reads.csv").write_text(READS)
    (folder / DONE).touch()
    assert names(bench, "2026-01-06") == [DAY, "2026-01-06"]


def test_a_loader_gives_only_what_was_counted(bench: Bench) -> None:
    folder = bench.deliver_all()
    frames = bench.tables().frames
    (folder / "readers.csv").write_text("reader_id\nR7\n")
    edge = bench.edge(DAY)
    assert bench.call("readers", edge, **frames).table.equals(frames["readers"])
    shutil.rmtree(bench.root / "state" / FOLDER)  # the rows of the file that was counted
    with pytest.raises(DeliveryError, match="not the file that cohort/deliveries counted"):
        bench.call("readers", edge, **frames)
    with pytest.raises(DeliveryError, match="altered after it was closed"):
        bench.tables()


def test_a_file_that_no_input_names_is_an_error_with_the_nearest(bench: Bench) -> None:
    bench.deliver_all()
    bench.deliver("2026-01-06", raeds_csv=READS)
    told = (
        r"set `file: raeds\.csv` under inputs\.reads in site\.yaml, or name the file 'reads\.csv'"
    )
    with pytest.raises(DeliveryError, match=told):
        survey(bench.edge())


@pytest.mark.parametrize("name", ["2026-1-5", "2026-02-30", f"{DAY}.1", f"{DAY}.02", "january"])
def test_a_folder_that_is_no_delivery_is_an_error(bench: Bench, name: str) -> None:
    bench.deliver(name, reads_csv=READS)
    with pytest.raises(DeliveryError, match="is no delivery"):
        closed_deliveries(bench.root, bench.site)


def test_without_a_folder_or_a_closed_delivery_there_is_no_cut(bench: Bench) -> None:
    with pytest.raises(DeliveryError, match=r"folder named in site\.yaml is absent"):
        choose_cut(bench.edge())
    bench.deliver(closed=False, reads_csv=READS)
    with pytest.raises(DeliveryError, match="no delivery is closed"):
        choose_cut(bench.edge())


def test_the_cut_is_what_was_asked_for_or_the_newest_delivery(bench: Bench) -> None:
    bench.deliver("2026-01-05", reads_csv=READS)
    bench.deliver("2026-01-08", reads_csv=READS)
    bench.deliver("2026-01-08.2", reads_csv=READS)
    edge = bench.edge()
    assert choose_cut(edge) == "2026-01-08.2"
    assert choose_cut(edge, "2026-01-08") == "2026-01-08.2"
    assert choose_cut(edge, "2026-01-07") == "2026-01-07"
    assert choose_cut(edge, choose_cut(edge, "2026-01-08")) == "2026-01-08.2"
    assert names(bench, "2026-01-07") == ["2026-01-05"]
    assert names(bench, "2026-01-08") == ["2026-01-05", "2026-01-08"]
    assert len(names(bench, "2026-02-01")) == 3
    with pytest.raises(UsageError, match="no such delivery"):
        choose_cut(edge, "2026-01-08.3")
    with pytest.raises(DeliveryError, match="no delivery counts"):
        names(bench, "2026-01-04")


@pytest.mark.parametrize(
    "text", ["", "today", "2026-13-01", "2026-01-05.1", "2026-01-05.x", "2026-01-05\n2"]
)
def test_a_cut_is_a_date(text: str) -> None:
    with pytest.raises(UsageError, match="is no date"):
        parse_cut(text)


def test_the_table_changes_with_what_a_cut_counts_and_not_with_the_cut(bench: Bench) -> None:
    bench.deliver_all()
    bench.deliver("2026-03-02", reads_csv=READS)
    first, before, after, later = (
        bench.tables(cut)["deliveries"] for cut in (DAY, "2026-03-01", "2026-03-02", "2026-04-01")
    )
    assert first.equals(before)
    assert after.equals(later)
    assert before["delivered_on"].max() == date.fromisoformat(DAY)
    assert after.height == before.height + 1


def test_what_closes_after_a_pack_was_published_is_known_from_the_next_cut(bench: Bench) -> None:
    bench.deliver_all()
    before = bench.tables("2026-01-10")
    publish(bench, "2026-01-10")
    bench.deliver("2026-01-07", reads_csv="reader_id,case_id,finding,rating\n")
    again = bench.tables("2026-01-10")
    assert again["deliveries"].equals(before["deliveries"])
    assert again["reads"].equals(before["reads"])
    assert names(bench, "2026-01-09") == [DAY]
    assert names(bench, "2026-01-11") == [DAY, "2026-01-07"]
    # A later publication does not move what is known already.
    publish(bench, "2026-01-10", "2026-01-12")
    assert names(bench, "2026-01-11") == [DAY, "2026-01-07"]


def test_a_published_day_stays_as_it_was_when_another_delivery_comes(bench: Bench) -> None:
    bench.deliver_all()
    survey(bench.edge())
    publish(bench, DAY)
    bench.deliver(f"{DAY}.2", reads_csv=READS)
    assert choose_cut(bench.edge(), DAY) == DAY
    assert choose_cut(bench.edge()) == f"{DAY}.2"
    assert names(bench, DAY) == [DAY]
    assert names(bench, f"{DAY}.2") == [DAY, f"{DAY}.2"]


def test_a_broken_ledger_is_an_error_and_not_a_fresh_start(bench: Bench) -> None:
    bench.deliver_all()
    survey(bench.edge())
    (bench.root / "state" / LEDGER).write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        survey(bench.edge())


def test_deliver_copies_closes_and_counts_up(bench: Bench, tmp_path: Path) -> None:
    source = tmp_path / "export"
    source.mkdir()
    file = source / "reads.csv"
    file.write_text(READS)
    day = date(2026, 1, 5)
    assert deliver(bench.site, bench.root, [file], day) == DAY
    with pytest.raises(UsageError, match=f"the one file is identical to {DAY}: nothing"):
        deliver(bench.site, bench.root, [file], day)
    file.write_text(READS + "R3,C2,nodule,1\n")
    assert deliver(bench.site, bench.root, [file], day) == f"{DAY}.2"
    file.write_text(READS)
    # A cut of its own, where a pack of this day was published already.
    assert deliver(bench.site, bench.root, [file], day, published=[f"{DAY}.3"]) == f"{DAY}.4"
    assert (bench.root / "deliveries" / DAY / "reads.csv").read_text() == READS
    assert closed_deliveries(bench.root, bench.site) == (DAY, f"{DAY}.2", f"{DAY}.4")
    assert not [e for e in (bench.root / "deliveries").iterdir() if e.name.startswith(".")]


def test_deliver_does_not_touch_a_delivery_that_is_still_open(bench: Bench, tmp_path: Path) -> None:
    file = tmp_path / "reads.csv"
    file.write_text(READS)
    day = date(2026, 1, 5)
    assert deliver(bench.site, bench.root, [file], day, close=False) == DAY
    assert open_deliveries(bench.root, bench.site) == (DAY,)
    with pytest.raises(DeliveryError, match="still open"):
        deliver(bench.site, bench.root, [file], day)


def test_deliver_refuses_everything_if_one_file_is_wrong(bench: Bench, tmp_path: Path) -> None:
    good, wrong = tmp_path / "reads.csv", tmp_path / "prediction.csv"
    good.write_text(READS)
    wrong.write_text("x")
    files = [good, wrong, good, tmp_path / "cases.csv"]
    with pytest.raises(UsageError) as caught:
        deliver(bench.site, bench.root, files, date(2026, 1, 5))
    text = str(caught.value)
    assert "did you mean 'predictions.csv'?" in text
    assert "reads.csv: is named more than once" in text
    assert "cases.csv: is absent" in text
    assert not (bench.root / "deliveries").exists()
    with pytest.raises(UsageError, match="no file is named"):
        deliver(bench.site, bench.root, [], date(2026, 1, 5))
