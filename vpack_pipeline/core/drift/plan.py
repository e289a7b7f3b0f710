"""The executable plan: each monitor with its limits, its owner and what follows a signal."""

from __future__ import annotations

import polars as pl

from vpack_pipeline.core.drift.monitors import kind_of
from vpack_pipeline.core.drift.tables import least_cases
from vpack_pipeline.protocol import Drift


def plan(*, limits: pl.DataFrame, drift: Drift) -> pl.DataFrame:
    """Write down what each monitor does.

    Parameters
    ----------
    limits : drift/limits

    Returns
    -------
    one row per monitor; limits are null where they could not be calibrated, with the reason
    """
    levels = {e.level: e for e in drift.escalation}
    rows = []
    for number, m in enumerate(drift.monitors, start=1):
        escalation = levels.get(m.level)
        rows.append(
            {
                "monitor": m.name,
                "plan_order": number,
                "title": m.title,
                "layer": m.layer,
                "statistic": m.statistic,
                "variable": m.variable,
                "finding": m.finding,
                "sees": m.sees,
                "blind_to": m.blind_to,
                "detectable_change": kind_of(m).change,
                "window_days": drift.window_days,
                "cadence_days": drift.cadence_days,
                "minimum_cases": least_cases(m, drift),
                "level": m.level,
                "owner": escalation.owner if escalation else "nobody named",
                "response": escalation.response if escalation else "none named",
                "action": escalation.action if escalation else "none named",
                "closes_with": escalation.closes_with if escalation else "none named",
                "live_evidence": drift.live_evidence,
            }
        )
    columns = ["monitor", "warning_limit", "action_limit", "status", "reason", "notes", "detail"]
    made = pl.DataFrame(rows).join(limits.select(columns), on="monitor", how="left")
    return made.sort("monitor")
