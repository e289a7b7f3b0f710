"""What has changed since its check closes the pack, also where that is made alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vpack_pipeline.assets import bench as benches
from vpack_pipeline.assets import by_function, by_model
from vpack_pipeline.assets import materialize as steps
from vpack_pipeline.assets import publish as publishing
from vpack_pipeline.assets.publish import publish
from vpack_pipeline.assets.standing import lock_problems, standing
from vpack_pipeline.cli import main
from vpack_pipeline.errors import GateClosedError
from vpack_pipeline.io.project import ProjectFolder
from vpack_pipeline_tests.pipeline import bench
from vpack_pipeline_tests.pipeline.bench import EARLY, LOOK, SITE

SITE_YAML = Path("data/sites") / SITE / "site.yaml"


def problems(root: Path) -> list[tuple[str, str]]:
    return [(p.where, p.what) for p in lock_problems(bench.bench(root, cut=LOOK))]


def other_title(site: dict[str, Any]) -> None:
    site["title"] = "Another title"


def no_banner(site: dict[str, Any]) -> None:
    assert site.pop("synthetic")


def other_values(site: dict[str, Any]) -> None:
    site["value_maps"] = {"manufacturer": {"ACME": "Another"}}


def other_columns(site: dict[str, Any]) -> None:
    site["inputs"]["reads"]["columns"].popitem()


def other_notes(site: dict[str, Any]) -> None:
    site["notes"] = ["Nothing to see here."]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (other_title, {"pack/claim", "pack/report"}),
        (no_banner, {"pack/claim", "pack/report"}),
        (other_notes, {"pack/claim", "pack/report"}),
        (other_values, {"cohort/instances", "pack/claim", "pack/report"}),
        (other_columns, {"cohort/reads", "cohort/deliveries", "pack/claim", "pack/report"}),
    ],
)
def test_a_changed_site_document_closes_the_pack_alone(
    built: Path, own: Path, change: Callable[[dict[str, Any]], None], told: set[str]
) -> None:
    bench.edit(own / SITE_YAML, change)
    with pytest.raises(GateClosedError):
        publish(bench.bench(own, cut=LOOK))
    assert bench.versions(own) == bench.versions(built)
    found = problems(own)
    assert {what for _, what in found} == {"site.yaml has changed since it was made"}
    assert told <= {asset for asset, _ in found}


def test_the_report_made_again_opens_the_pack_of_a_changed_title(
    own: Path, assume: Callable[..., None]
) -> None:
    assume()
    bench.edit(own / SITE_YAML, other_title)
    at = bench.bench(own, cut=LOOK)
    for asset in ("pack/claim", "pack/report"):
        assert not steps.materialize(at, asset).kept
    assert problems(own) == []
    assert b"Another title" in (publish(at).path / "data" / "report.html").read_bytes()


def swap(root: Path, asset: str) -> None:
    """Put the file of another cut in the place of one: a whole table, and not the one checked."""
    path, other = bench.table_path(root, asset, LOOK), bench.table_path(root, asset, EARLY)
    assert path != other
    path.unlink()
    shutil.copy(other, path)


def test_a_table_swapped_between_lock_and_payload_is_not_packed(
    built: Path, own_unpublished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = own_unpublished

    def opened_then_swapped(*arguments: Any) -> list[Any]:
        found = lock_problems(*arguments)
        swap(root, "evaluation/performance")
        return found

    monkeypatch.setattr(publishing, "lock_problems", opened_then_swapped)
    with pytest.raises(GateClosedError, match="evaluation/performance: a file was changed after"):
        publish(bench.bench(root, cut=LOOK))
    assert len(bench.versions(root)) == len(bench.versions(built)) - 1


def test_a_receipt_swapped_between_lock_and_payload_changes_nothing(
    built: Path, own_unpublished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = own_unpublished

    def opened_then_swapped(*arguments: Any) -> list[Any]:
        found = lock_problems(*arguments)
        for asset in ("evaluation/performance", "pack/report"):
            early = bench.receipt_path(root, asset, EARLY)
            shutil.copy(early, bench.receipt_path(root, asset, LOOK))
        return found

    monkeypatch.setattr(publishing, "lock_problems", opened_then_swapped)
    assert publish(bench.bench(root, cut=LOOK)).version == bench.versions(built)[-1]


@pytest.mark.parametrize(
    ("asset", "read", "way"),
    [
        ("evaluation/failures", "evaluation/index_test", by_function),
        ("eligibility/excluded", "eligibility/flags", by_model),
    ],
)
@pytest.mark.parametrize("is_put_back", [False, True])
def test_a_table_swapped_while_another_is_made_of_it_signs_nothing(
    own: Path,
    monkeypatch: pytest.MonkeyPatch,
    asset: str,
    read: str,
    way: Any,
    is_put_back: bool,
) -> None:
    real = way.compute
    path = bench.table_path(own, read, LOOK)

    def computed_from_another(*arguments: Any) -> Any:
        before = path.read_bytes()
        swap(own, read)
        made = real(*arguments)
        if is_put_back:
            path.unlink()
            path.write_bytes(before)
        return made

    receipt = bench.receipt_path(own, asset, LOOK)
    for known in receipt.parent.iterdir():
        known.unlink()
    monkeypatch.setattr(way, "compute", computed_from_another)
    with pytest.raises(GateClosedError, match=f"{read}: .* changed"):
        steps.materialize(bench.bench(own, cut=LOOK), asset)
    assert not receipt.exists()


def altered(folder: Path) -> None:
    path = folder / "reads.csv"
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")


def gone(folder: Path) -> None:
    shutil.rmtree(folder)


def opened_again(folder: Path) -> None:
    (folder / "DONE").unlink()


def added_to(folder: Path) -> None:
    (folder / "more.csv").write_text("case_id\n")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (altered, "altered after it was closed"),
        (gone, "was closed and is gone or open again"),
        (opened_again, "was closed and is gone or open again"),
        (added_to, "no input of site.yaml has this file"),
    ],
)
def test_a_delivery_that_is_not_as_it_was_counted_is_told_with_the_pack_alone(
    own: Path, change: Callable[[Path], None], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its tables rest on their receipts, so that it closes nothing; but nobody may overlook it."""
    change(own / "data" / "demo" / SITE / "deliveries" / LOOK)
    ran = bench.run(own, only=[benches.LAST])
    assert ran.result.success
    records, _ = ran.metadata(benches.LAST)["changed since"]
    told = [r.data["what"] for r in records]
    assert what in told
    assert what in ran.warnings[benches.LAST]
    with pytest.raises(SystemExit) as left:
        main(["--root", str(own), "status", SITE])
    assert left.value.code == 0
    assert what in capsys.readouterr().err


def test_deliveries_as_they_were_counted_are_no_warning(own: Path) -> None:
    ran = bench.run(own, only=[benches.LAST])
    assert ran.result.success
    assert "changed since" not in ran.metadata(benches.LAST)
    assert benches.LAST not in ran.warnings
    assert standing(ProjectFolder(own), SITE)["altered_deliveries"] == []
