"""The tables baseline, limits and status."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Self, TypedDict, Unpack

import numpy as np
import polars as pl

from vpack_pipeline.contracts import codes
from vpack_pipeline.core.drift.calibration import Calibration, Limit, calibrate
from vpack_pipeline.core.drift.held_out import REPEATS, Rate
from vpack_pipeline.core.drift.monitors import kind_of
from vpack_pipeline.core.drift.people import People
from vpack_pipeline.core.drift.reference import Baseline, Reference, baseline_of, reference_of
from vpack_pipeline.core.drift.signals import all_values, monitored_cases, take
from vpack_pipeline.core.evaluation.looks import withheld_reason
from vpack_pipeline.core.levels import describe
from vpack_pipeline.core.printed_words import words_of_cases
from vpack_pipeline.core.windows import closed_windows, lies_within, reaches_beyond_accrual
from vpack_pipeline.protocol import (
    Covariate,
    Disclosure,
    Drift,
    Evaluation,
    IndexTest,
    Monitor,
    Representativeness,
)
from vpack_pipeline.stats.codes import Code, Codes, code, coded

PACKAGE_DATA: Final = ("contracts/codes",)
WHOLE_PLAN = "(whole plan)"
ACCRUAL_OVER: Final = Code("accrual_over")


class Given(TypedDict):
    """What the section's tables are made of.

    ``cases`` is eligibility/cases, ``included`` eligibility/included, ``scores``
    evaluation/index_test, ``levels`` representativeness/levels and ``printed_words``
    cohort/printed_words.
    """

    cases: pl.DataFrame
    included: pl.DataFrame
    scores: pl.DataFrame
    levels: pl.DataFrame
    printed_words: pl.DataFrame
    covariates: tuple[Covariate, ...]
    representativeness: Representativeness
    evaluation: Evaluation
    index_test: IndexTest
    disclosure: Disclosure
    drift: Drift


@dataclass(frozen=True, slots=True)
class _Watched:
    """The monitored cases, what each monitor sees of them, and whom it describes."""

    cases: pl.DataFrame
    values: dict[str, Any]
    reference: Reference
    people: People
    drift: Drift
    reasons: dict[str, Code]
    """Monitor → why its reference cannot be described."""

    @classmethod
    def of(cls, given: Given) -> Self:
        """Read the values of every monitor."""
        drift = given["drift"]
        own = monitored_cases(given["cases"], given["included"])
        blocks = (given["representativeness"], given["covariates"], given["evaluation"])
        known = describe(
            given["levels"], given["cases"], given["included"], *blocks, given["disclosure"]
        )
        people = People(known)
        outputs = (given["scores"], given["covariates"], given["evaluation"], given["index_test"])
        words = words_of_cases(
            given["printed_words"],
            given["representativeness"],
            given["covariates"],
            given["disclosure"],
        )
        values = dict(all_values(drift.monitors, own, *outputs, people, words))
        in_reference = own.filter(lies_within(pl.col("index_date"), drift.reference))["case_id"]
        reasons = {
            m.name: reason
            for m in drift.monitors
            if (reason := people.reason(m, in_reference)) is not None
        }
        reference = reference_of(own, values, drift, people)
        return cls(own, values, reference, people, drift, reasons)

    def calibrated(self) -> Calibration:
        """Calibrate the limits of the monitors whose reference can be described."""
        watched = tuple(m for m in self.drift.monitors if m.name not in self.reasons)
        return calibrate(self.reference, self.drift.model_copy(update={"monitors": watched}))


def baseline(**given: Unpack[Given]) -> pl.DataFrame:
    """Give the reference amounts of every monitor.

    Returns
    -------
    one row per monitor and bin; ``amount`` is a count of cases, a sum of values or an expected
    count, as ``bin`` says, and null where the reference is too small to describe; ``share`` is null
    where amounts are no parts of a whole
    """
    watched = _Watched.of(given)
    reference, drift = watched.reference, watched.drift
    rows = []
    for monitor in drift.monitors:
        made = baseline_of(monitor, reference, drift)
        is_parts = kind_of(monitor).is_parts
        total = float(made.sums.sum())
        is_shown = monitor.name not in watched.reasons
        for number, (label, amount) in enumerate(zip(made.encoding.labels, made.sums, strict=True)):
            rows.append(
                {
                    "monitor": monitor.name,
                    "bin_order": number,
                    "bin": label,
                    "amount": float(amount) if is_shown else None,
                    "share": float(amount) / total if is_shown and is_parts and total else None,
                    "n": reference.n,
                    # The count behind an amount that is one.
                    "events": math.floor(amount) if is_shown and is_parts else None,
                }
            )
    schema = {
        "monitor": pl.String,
        "bin_order": pl.Int64,
        "bin": pl.String,
        "amount": pl.Float64,
        "share": pl.Float64,
        "n": pl.Int64,
        "events": pl.Int64,
    }
    return pl.DataFrame(rows, schema=schema).sort("monitor", "bin_order")


def limits(**given: Unpack[Given]) -> pl.DataFrame:
    """Calibrate warning and action limits under one false-alarm budget.

    Returns
    -------
    one row per monitor and one for the whole plan; rates are per window, on held-out patients, the
    mean over several splits of the reference patients with its spread between splits and the
    half-width of its 95% Monte Carlo interval; delays in days to the first action signal
    """
    watched = _Watched.of(given)
    reference, drift = watched.reference, watched.drift
    made = watched.calibrated()
    found = {**made.limits, **{name: Limit(reason=why) for name, why in watched.reasons.items()}}
    rows = [_limit_row(m, found[m.name], made, reference, drift) for m in drift.monitors]
    rows.append(_plan_row(made, reference, drift))
    return pl.DataFrame(rows, schema=_LIMIT_SCHEMA).sort("monitor")


_LIMIT_SCHEMA = {
    "monitor": pl.String,
    "warning_limit": pl.Float64,
    "action_limit": pl.Float64,
    "warning_rate": pl.Float64,
    "action_rate": pl.Float64,
    "warning_rate_spread": pl.Float64,
    "action_rate_spread": pl.Float64,
    "monte_carlo_error": pl.Float64,
    "warning_power": pl.Float64,
    "action_power": pl.Float64,
    "median_delay_days": pl.Int64,
    "p90_delay_days": pl.Int64,
    "cases_before_signal": pl.Int64,
    "window_n": pl.Int64,
    "reference_n": pl.Int64,
    "status": pl.String,
    "reason": pl.String,
    "notes": pl.String,
    "detail": pl.String,
}


_HALF = 0.5


def _limit_row(
    monitor: Monitor, limit: Limit, made: Calibration, reference: Reference, drift: Drift
) -> dict[str, Any]:
    power = limit.action_power
    median, p90 = _delay(power, 0.5, drift), _delay(power, 0.9, drift)
    per_day = reference.n / reference.days
    note = None
    if kind_of(monitor).is_event:
        note = "new_category_is_event"
    elif median is None:
        note = "change_not_detectable"
    elif power is not None and power < _HALF:
        note = "change_not_detectable_in_one_window"
    notes = () if limit.reason else coded(note)
    return {
        "monitor": monitor.name,
        "warning_limit": limit.warning,
        "action_limit": limit.action,
        **_rates(limit.warning_rate, limit.action_rate),
        "warning_power": limit.warning_power,
        "action_power": power,
        "median_delay_days": median,
        "p90_delay_days": p90,
        "cases_before_signal": None if median is None else round(median * per_day),
        "window_n": made.window_n,
        "reference_n": reference.n,
        "status": "given" if limit.warning is not None else "refused",
        **_said(limit.reason, notes),
    }


def _plan_row(made: Calibration, reference: Reference, drift: Drift) -> dict[str, Any]:
    is_given = made.warning_rate is not None
    return {
        **dict.fromkeys(_LIMIT_SCHEMA),
        "monitor": WHOLE_PLAN,
        **_rates(made.warning_rate, made.action_rate),
        "window_n": made.window_n,
        "reference_n": reference.n,
        "status": "given" if is_given else "refused",
        **_said(made.reason, _held(made, reference, drift) if is_given else ()),
    }


def _said(reason: Code | None, notes: Codes = ()) -> dict[str, str | None]:
    """Write the codes of a row; these tables have no methods."""
    cells = codes.cells(reason, notes)
    return {name: cells[name] for name in ("reason", "notes", "detail")}


def _rates(warning: Rate | None, action: Rate | None) -> dict[str, float | None]:
    return {
        "warning_rate": warning.mean if warning else None,
        "action_rate": action.mean if action else None,
        "warning_rate_spread": warning.spread if warning else None,
        "action_rate_spread": action.spread if action else None,
        "monte_carlo_error": warning.monte_carlo_error if warning else None,
    }


def _held(made: Calibration, reference: Reference, drift: Drift) -> Codes:
    """Note the budget, how it was tried, and whether the plan kept to it on held-out patients."""
    levels = {
        "warning": (made.warning_budget, made.warning_rate),
        "action": (made.action_budget, made.action_rate),
    }
    budgets = {name: float(f"{budget:.3g}") for name, (budget, _) in levels.items()}
    rates = [rate for _, rate in levels.values() if rate is not None]
    is_short = drift.window_days * rates[0].folds > reference.days
    over = tuple(name for name, (budget, rate) in levels.items() if rate and rate.is_above(budget))
    return coded(
        code("budget_per_window", **budgets),
        code("mean_of_splits", splits=rates[0].splits, repeats=REPEATS),
        "split_below_window" if is_short else None,
        code("budget_exceeded", levels=over) if over else None,
    )


def _delay(power: float | None, quantile: float, drift: Drift) -> int | None:
    """Days until an action signal has come with this chance; None beyond ten years.

    The first window that lies wholly after the change ends after its own length.
    """
    if power is None or power <= 0:
        return None
    windows = 1 if power >= 1 else math.ceil(math.log(1 - quantile) / math.log(1 - power))
    days = drift.window_days + (windows - 1) * drift.cadence_days
    return days if days <= 3653 else None


def status(*, limits: pl.DataFrame, cut: date, **given: Unpack[Given]) -> pl.DataFrame:
    """Say what each monitor showed in every window that ended before the cut.

    Parameters
    ----------
    limits : drift/limits

    Returns
    -------
    one row per monitor and window; ``signal`` is none, warning, action, or null where there is
    none to give, with the reason
    """
    watched = _Watched.of(given)
    own, drift = watched.cases, watched.drift
    bounds = {r["monitor"]: r for r in limits.iter_rows(named=True)}
    withheld = withheld_reason(given["evaluation"], cut)
    rows: list[dict[str, Any]] = []
    baselines = [baseline_of(m, watched.reference, drift) for m in drift.monitors]
    last: date | None = own["index_date"].max()  # type: ignore[assignment]  # a column of dates
    for span in closed_windows(drift, cut):
        is_over = reaches_beyond_accrual(span, last, given["evaluation"])
        mask = own.select(lies_within(pl.col("index_date"), span)).to_series()
        for made in baselines:
            window = take(watched.values[made.monitor.name], mask.to_numpy())
            unfit = watched.people.reason(made.monitor, own.filter(mask)["case_id"])
            if is_over and kind_of(made.monitor).is_volume:
                unfit = ACCRUAL_OVER
            row = _status_row(made, window, int(mask.sum()), bounds, drift, withheld, unfit)
            keys = {"monitor": made.monitor.name, "window_start": span.start}
            rows.append({**keys, "window_end": span.end, **row})
    return pl.DataFrame(rows, schema=_STATUS_SCHEMA).sort("monitor", "window_start")


_STATUS_SCHEMA = {
    "monitor": pl.String,
    "window_start": pl.Date,
    "window_end": pl.Date,
    "n": pl.Int64,
    "value": pl.Float64,
    "warning_limit": pl.Float64,
    "action_limit": pl.Float64,
    "signal": pl.String,
    "status": pl.String,
    "reason": pl.String,
    "detail": pl.String,
}


def _status_row(
    made: Baseline,
    window: Any,
    n: int,
    bounds: dict[str, dict[str, Any]],
    drift: Drift,
    withheld: Code | None,
    unfit: Code | None,
) -> dict[str, Any]:
    limit = bounds[made.monitor.name]
    row: dict[str, Any] = {
        "n": n,
        "value": None,
        "warning_limit": limit["warning_limit"],
        "action_limit": limit["action_limit"],
        "signal": None,
        "status": "given",
        "reason": None,
        "detail": None,
    }
    kind = kind_of(made.monitor)
    is_behind_looks = kind.is_proxy or made.monitor.layer in {"proxy", "truth_audit"}
    if is_behind_looks and withheld is not None:
        return row | {"status": "withheld", **_said(withheld)}
    if limit["warning_limit"] is None:
        return row | {name: limit[name] for name in ("status", "reason", "detail")}
    if n < least_cases(made.monitor, drift):
        few = code("few_cases_in_window", minimum=drift.minimum_cases)
        return row | {"status": "refused", **_said(few)}
    if unfit is not None:
        return row | {"status": "refused", **_said(unfit)}
    sums = made.encoding.encode(window, 0.0).sum(axis=0)[None, :]
    value = float(made.statistic(sums)[0])
    if not np.isfinite(value):
        return row | {"status": "refused", **_said(Code("undefined_in_window"))}
    return row | {"value": value, "signal": _signal(value, limit)}


def least_cases(monitor: Monitor, drift: Drift) -> int:
    """Cases that a window needs: an empty one says much of volume, one case can be an event."""
    kind = kind_of(monitor)
    return 0 if kind.is_volume or kind.is_event else drift.minimum_cases


def _signal(value: float, limit: dict[str, Any]) -> str:
    if value > limit["action_limit"]:
        return "action"
    return "warning" if value > limit["warning_limit"] else "none"
