"""An input that lost its rows closes the gate and decides no look; of others it is told."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from vpack_pipeline import contracts
from vpack_pipeline.assets import bench as benches
from vpack_pipeline.assets import materialize as steps
from vpack_pipeline.assets.intake import DECISIVE
from vpack_pipeline.assets.publish import looks_to_build
from vpack_pipeline.assets.standing import standing
from vpack_pipeline.gate import causes
from vpack_pipeline.gate.causes import ACCEPTED
from vpack_pipeline.io.deliveries import PUBLISHED, choose_cut
from vpack_pipeline.io.project import ProjectFolder
from vpack_pipeline_tests.pipeline import bench
from vpack_pipeline_tests.pipeline.bench import LOOK, SITE

SITE_YAML = Path("data/sites") / SITE / "site.yaml"
READS = Path("data/demo") / SITE / "deliveries" / LOOK / "reads.csv"


def with_dates_of_another_format(text: str) -> str:
    return re.sub(r"(\d{4})-(\d\d)-(\d\d)", r"\3/\2/\1", text)


def to_reads() -> list[str]:
    """List the table of reads and what it is computed from, in order."""
    known = benches.dependencies()
    wanted = causes.ancestors("cohort/reads", known) | {"cohort/reads"}
    return [asset for asset in contracts.order(known) if asset in wanted]


def test_reads_that_are_all_refused_decide_no_look_and_a_delivery_of_that_day_does(
    own_early: Path, assume: Callable[..., None]
) -> None:
    """Put there by hand, with no command that would refuse it, and built as the sensor asks for."""
    assume()
    bench.edit(own_early / SITE_YAML, lambda s: s["inputs"]["reads"].update(mode="full"))
    path = own_early / READS
    sound = path.read_text(encoding="utf-8")
    path.write_text(with_dates_of_another_format(sound), encoding="utf-8")
    before = bench.versions(own_early)
    ran = bench.run(own_early, only=[*to_reads(), benches.LAST])
    assert not ran.result.success
    assert ran.checks["cohort/reads"] is False
    assert bench.versions(own_early) == before
    folder = ProjectFolder(own_early)
    assert LOOK not in (folder.state(SITE) / PUBLISHED).read_text()
    assert looks_to_build(folder, SITE, "2026-08-01") == [LOOK]
    told = standing(folder, SITE)
    n = sound.count("\n") - 1
    lost = f"{n} of {n} rows delivered since {LOOK} were refused"
    assert any(where == "cohort/reads" and lost in what for where, what, _ in told["closed_by"])

    bench.deliver(own_early, f"{LOOK}.2", reads__csv=sound)
    at = bench.bench(own_early)
    assert at.cut == choose_cut(at.edge, LOOK) == f"{LOOK}.2"
    for asset in to_reads():
        assert steps.materialize(at, asset).receipt.passed, asset


def test_each_input_says_whether_enough_of_it_was_accepted(built: Path) -> None:
    found = {}
    for asset in benches.dependencies():
        if asset.startswith("cohort/"):
            checks = {c["id"]: c for c in bench.receipt(built, asset, LOOK)["checks"]}
            found[asset] = checks.get(ACCEPTED)
    inputs = {asset: check for asset, check in found.items() if check is not None}
    assert len(inputs) == 11
    assert {a for a, c in inputs.items() if c["severity"] == "critical"} == DECISIVE
    assert {a for a, c in inputs.items() if c["outcome"] == "fail"} == {
        "cohort/patient_map",
        "cohort/population",
    }
    assert not any(c["closes"] for c in inputs.values())


@pytest.mark.parametrize("asset", sorted(DECISIVE))
def test_a_site_that_accepts_less_is_open_and_one_that_demands_all_is_closed(
    own: Path, assume: Callable[..., None], asset: str
) -> None:
    """Which share has to be accepted is part of what the table is kept by."""
    assume()
    kind = asset.partition("/")[2]
    checks = bench.receipt(own, asset, LOOK)["checks"]
    (accepted,) = [c for c in checks if c["id"] == ACCEPTED]
    all_of_it = 1.0 if accepted["unexpected_count"] else 0.95
    bench.edit(own / SITE_YAML, lambda s: s["inputs"][kind].update(accept_at_least=all_of_it))
    made = steps.materialize(bench.bench(own, cut=LOOK), asset)
    assert not made.kept
    assert made.receipt.passed == (accepted["unexpected_count"] == 0)
