"""Run a contract's suite over a table's files; keep counts and nothing else.

Great Expectations returns raw values in several places and passes in silence on nothing. So only
whitelisted numbers leave this module, and an expectation that met no row is ``vacuous``: no pass.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from vpack_pipeline.contracts import Contract
from vpack_pipeline.errors import ContractError
from vpack_pipeline.gate.fold import fold, queries
from vpack_pipeline.gate.suite import UNEXPECTED_ROWS, Planned, build, plan

Outcome = Literal["pass", "fail", "error", "vacuous"]


@dataclass(frozen=True, slots=True)
class Checked:
    """The outcome of one expectation: counts, never values."""

    id: str
    type: str
    severity: str
    outcome: Outcome
    closes: bool
    why: str
    element_count: int | None
    unexpected_count: int | None

    def as_dict(self) -> dict[str, Any]:
        """Plain data for a receipt."""
        return asdict(self)


def run(
    contract: Contract, files: Sequence[Path], rows: int, within: Path | None = None
) -> list[Checked]:
    """Check a table.

    Parameters
    ----------
    contract : what the table must satisfy
    files : the parquet files of the table, all of them
    rows : how many rows were written
    within : the folder that expectations may read; that of the files where it is not given

    Returns
    -------
    one outcome per expectation, in the contract's order

    Raises
    ------
    ContractError
        An expectation is misspelled, or some were lost on the way.
    """
    may_be_empty = contract.may_be_empty is not None
    try:
        return evaluate(plan(contract), files, rows, may_be_empty=may_be_empty, within=within)
    except ContractError as error:
        raise ContractError(f"{contract.asset}: {error}") from None


def evaluate(
    planned: Sequence[Planned],
    files: Sequence[Path],
    rows: int,
    *,
    may_be_empty: bool,
    within: Path | None = None,
) -> list[Checked]:
    """Evaluate expectations over a table's files; see :func:`run`.

    What one query can ask of many is asked in one; where it finds anything, or cannot run, those
    that it may have been are asked by themselves.
    """
    folder = within or Path(os.path.commonpath([f.parent for f in files]))
    one, folded = fold(planned)
    alone = [p for p in planned if p not in folded]
    results = _results(files, folder, [*alone, one] if one else alone)
    if one and _outcome(one, results.get(one.id), rows) in {"pass", "vacuous"}:
        results |= {p.id: _nothing_found(p, rows) for p in folded}
    elif folded:
        suspects = _find(files, folder, folded) or {p.id for p in folded}
        results |= {p.id: _nothing_found(p, rows) for p in folded if p.id not in suspects}
        results |= _results(files, folder, [p for p in folded if p.id in suspects])
    return [_judge(entry, results.get(entry.id), rows, may_be_empty) for entry in planned]


@dataclass(frozen=True, slots=True)
class _Result:
    """What is taken of Great Expectations' result."""

    success: bool
    result: Mapping[str, Any]
    exception_info: Mapping[str, Any]


def _nothing_found(planned: Planned, rows: int) -> _Result:
    """Give what Great Expectations says of an expectation that passes over all rows."""
    if planned.type.startswith("expect_table"):
        return _Result(True, {"observed_value": None}, {})
    counts = {"observed_value": 0, "element_count": rows, "unexpected_count": 0}
    return _Result(True, counts, {})


def _find(files: Sequence[Path], folder: Path, folded: Sequence[Planned]) -> set[str]:
    from vpack_pipeline.gate.engine import find

    return find(files, queries(folded), folder)


def _results(files: Sequence[Path], folder: Path, planned: Sequence[Planned]) -> dict[str, _Result]:
    import great_expectations as gx

    from vpack_pipeline.gate.engine import context, validate

    context()
    suite = gx.ExpectationSuite(name="contract", expectations=[build(p) for p in planned])
    if len(suite.expectations) != len(planned):
        raise ContractError("expectations were lost while the suite was built")
    return {
        r.expectation_config.meta["id"]: _Result(
            bool(r.success), dict(r.result or {}), dict(r.exception_info or {})
        )
        for r in validate(files, suite, folder)
    }


def _judge(planned: Planned, result: _Result | None, rows: int, may_be_empty: bool) -> Checked:
    found: Mapping[str, Any] = {} if result is None else result.result
    element_count = _count(found.get("element_count"))
    unexpected = _count(found.get("unexpected_count"))
    if planned.type == UNEXPECTED_ROWS:
        element_count, unexpected = rows, _count(found.get("observed_value"))
    elif planned.type.startswith("expect_table"):
        element_count = rows
    elif rows == 0 and result is not None and result.success:
        unexpected = 0  # which Great Expectations says of some types and not of others
    outcome = _outcome(planned, result, rows)
    tolerated = outcome == "vacuous" and (
        planned.may_be_vacuous is not None or (rows == 0 and may_be_empty)
    )
    closes = outcome != "pass" and not tolerated and planned.severity == "critical"
    return Checked(
        planned.id,
        planned.type,
        planned.severity,
        outcome,
        closes,
        planned.why,
        element_count,
        unexpected,
    )


def _outcome(planned: Planned, result: _Result | None, rows: int) -> Outcome:
    # Comparing column lists gives no counts; anything else without a result has raised.
    may_say_nothing = planned.type == "expect_table_columns_to_match_ordered_list"
    if result is None or not (result.result or may_say_nothing) or _raised(result):
        return "error"
    if not result.success:
        return "fail"
    return "vacuous" if _is_vacuous(planned, result.result, rows) else "pass"


def _raised(result: _Result) -> bool:
    info = result.exception_info
    nested = [v for v in info.values() if isinstance(v, Mapping)]
    return bool(info.get("raised_exception")) or any(v.get("raised_exception") for v in nested)


def _is_vacuous(planned: Planned, found: Mapping[str, Any], rows: int) -> bool:
    """Tell whether an expectation passed because it met nothing."""
    if planned.type.startswith("expect_table") or planned.id == "table_types":
        return False
    if rows == 0:
        return True
    if planned.type == UNEXPECTED_ROWS:
        return False
    elements, missing = found.get("element_count"), found.get("missing_count")
    if elements is None:
        return False
    return elements == 0 or (missing is not None and elements == missing)


def _count(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
