"""Tables of a pack that cannot be true side by side: each kind forged once, every digest anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from vpack_pipeline.pack_format import bag
from vpack_pipeline_tests.io.forging import ENDPOINTS, Change, forge, found, swapped, writable
from vpack_pipeline_tests.io.forging import cell as written
from vpack_pipeline_tests.io.test_packs_formats import unpacked

POINTS = "tables/evaluation.operating_points.csv"
STATUS = "tables/drift.status.csv"
LIMITS = "tables/drift.limits.csv"
FLOW = "tables/eligibility.flow.csv"
AGREEMENT = "tables/adjudication.agreement.csv"


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A copy of the stored pack of the newest format."""
    return writable(unpacked(bag.FORMAT, tmp_path))


def cells(text: str, **values: str) -> Change:
    """Write cells of the first row that holds a text."""

    def done(content: bytes) -> bytes:
        lines = content.decode().split("\n")
        number = next(i for i, line in enumerate(lines) if text in line)
        for column, value in values.items():
            content = written(number, column, value)(content)
        return content

    return done


SHARE = "a share lies outside of 0 to 1"
VERDICT = "its verdict is not that of its bound and its goal"
RAISED = {"warning_limit": "0.1", "action_limit": "0.2"}
FORGED: dict[str, tuple[dict[str, Change | None], str, str]] = {
    "bounds out of order": (
        {f"{ENDPOINTS}.csv": cells("auc_after_lock", lower="0.999")},
        f"{ENDPOINTS}.csv",
        "its lower bound lies above its upper one",
    ),
    "a share in per cent": ({POINTS: cells(",sensitivity,", upper="97.1")}, POINTS, SHARE),
    "a share of a family": (
        {AGREEMENT: cells(",label_positive,", estimate="2.0")},
        AGREEMENT,
        SHARE,
    ),
    "met below the goal": (
        {f"{ENDPOINTS}.csv": cells("auc_after_lock", lower="0.8")},
        f"{ENDPOINTS}.csv",
        VERDICT,
    ),
    "met without a bound": (
        {f"{ENDPOINTS}.csv": cells("auc_after_lock", lower="")},
        f"{ENDPOINTS}.csv",
        VERDICT,
    ),
    "not met above the goal": (
        {f"{ENDPOINTS}.csv": swapped(",inconclusive,", ",not_met,")},
        f"{ENDPOINTS}.csv",
        VERDICT,
    ),
    "a limit that is not the plan's": (
        {STATUS: cells("call_rate", **RAISED)},
        STATUS,
        "its limits are not those of drift/limits",
    ),
    "a monitor without limits": (
        {STATUS: cells("call_rate", monitor="weather")},
        STATUS,
        "its limits are not those of drift/limits",
    ),
    "a silent signal": (
        {
            LIMITS: cells("call_rate", **RAISED),
            STATUS: cells("call_rate", value="0.3", signal="none", **RAISED),
        },
        STATUS,
        "its signal is not that of its value and limits",
    ),
    "a case lost between rules": (
        {FLOW: cells(",case,", remaining="187")},
        FLOW,
        "its counts are not what the rule before left",
    ),
    "labels of other cases": (
        {AGREEMENT: cells(",label_usable,", n="163")},
        AGREEMENT,
        "is of other cases than eligibility/flow left",
    ),
}


@pytest.mark.parametrize("kind", FORGED)
def test_tables_that_cannot_be_true_side_by_side_are_told(kind: str, pack: Path) -> None:
    changes, name, what = FORGED[kind]
    told = found(forge(pack, changes))
    assert any(t.startswith(f"data/{name}: line ") and t.endswith(what) for t in told), told
