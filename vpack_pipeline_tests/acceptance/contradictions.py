"""What no pack may say beside something else that it says: wording, monitors, transport, rows.

Each question takes what it is asked of and gives what contradicts itself, in words; none of it is
asked by ``vpack verify``, which holds digests, bounds, units, counts and the plan to one another.
What does not belong here: which packs are asked (``test_acceptance_contradictions``).
"""

from __future__ import annotations

import csv
import datetime
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from vpack_pipeline.io.deliveries import closed_deliveries
from vpack_pipeline.io.warehouse import cut_order
from vpack_pipeline.protocol import Evaluation
from vpack_pipeline_tests.acceptance.site_bench import Built

Row = Mapping[str, Any]
Rows = Counter[tuple[str, str]]
"""Delivery and kind of input → rows."""

ITEM_OF_CLAIM = "Prospective or retrospective"
"""The title of an item of the checklist, which asks it of every study."""
_PROSPECTIVE = re.compile(r"(?<![a-z])prospective", re.IGNORECASE)


def prospective_windows(words: str, evidence: str) -> list[str]:
    """Find where a study whose cases existed before it calls a window of it prospective."""
    if evidence not in ("retrospective", "temporal"):
        return []
    asked = words.replace(ITEM_OF_CLAIM, "")
    return [asked[max(0, m.start() - 40) : m.end() + 40] for m in _PROSPECTIVE.finditer(asked)]


def signals_after_accrual(
    status: Iterable[Row], plan: Iterable[Row], last: datetime.date, evaluation: Evaluation
) -> list[str]:
    """Find monitors of volume that speak of a window in which the study had taken its last case.

    Parameters
    ----------
    status, plan : rows of drift/status and drift/plan
    last : index date of the last case that is monitored
    """
    end = evaluation.prospective.end
    volumes = {row["monitor"] for row in plan if row["statistic"] == "volume"}
    return [
        f"{row['monitor']} from {row['window_start']}"
        for row in status
        if row["monitor"] in volumes and row["signal"] in ("warning", "action")
        if last <= end < datetime.date.fromisoformat(str(row["window_end"]))
    ]


def transported_alone(figures: Iterable[Row]) -> list[str]:
    """Find figures in a target that stand without what they leave out.

    Beside each stand the figures of all cases and of those without a place in the target, and the
    share of the target that no case here stands for.

    Parameters
    ----------
    figures : rows of figures.csv
    """
    keys = [json.loads(f["row_key"]) for f in figures if f["asset"] == "evaluation/transport"]
    printed = {tuple(sorted(key.items())) for key in keys}
    alone = set()
    for key in keys:
        if key["speaks_for"] != "in_target" or key["operating_point"] == "none":
            continue
        beside = [key | {"speaks_for": speaks_for} for speaks_for in ("here", "outside_target")]
        left_out = {"operating_point": "none", "metric": "unsupported_share"}
        if not {tuple(sorted(k.items())) for k in (*beside, key | left_out)} <= printed:
            alone.add(f"{key['metric']} {key['window']} {key['operating_point']}")
    return sorted(alone)


def figures_for_all(endpoints: Iterable[Row], first_page: str) -> list[str]:
    """Find endpoints judged on bounds, or on none, whose figure stands as if it were of all cases."""
    found = []
    for row in endpoints:
        notes = set(row["notes"].split(";"))
        if row["is_headline"] != "true" or row["comparison"] != "absolute":
            continue
        if not notes & {"verdict_on_bounds", "no_interval_for_verdict"} or not row["estimate"]:
            continue
        value = float(row["estimate"])
        shown = f"{value:.3f}" if row["metric"] == "auc" else f"{value:.1%}"
        if f"labelled {shown}" not in first_page:
            found.append(row["endpoint"])
    return found


def rows_lost(delivered: Rows, taken: Rows, refused: Rows) -> list[str]:
    """Find inputs of which another number of rows was delivered than taken and refused."""
    kept = taken + refused
    return [
        f"{kind} of {delivery}: {delivered[delivery, kind]} delivered, {kept[delivery, kind]} kept"
        for delivery, kind in sorted(delivered | kept)
        if delivered[delivery, kind] != kept[delivery, kind]
    ]


def delivered_rows(site: Built) -> Rows:
    """Count the rows of every delivery closed by the cut, with nothing of vpack's own."""
    made: Rows = Counter()
    config = site.bench.study.site
    for name in closed_deliveries(site.root, config):
        if cut_order(name) > cut_order(site.bench.cut):
            continue
        for kind, form in config.inputs.items():
            path = site.root / config.deliveries / name / form.file
            if not path.exists():
                continue
            if path.suffix == ".parquet":
                made[name, str(kind)] = pl.read_parquet(path).height
            else:
                text = io.StringIO(path.read_text(form.encoding), newline="")
                made[name, str(kind)] = (
                    sum(1 for _ in csv.reader(text, delimiter=form.separator)) - 1
                )
    return made


def kept_rows(site: Built) -> tuple[Rows, Rows]:
    """Count the rows that were taken and those that were refused."""
    taken: Rows = Counter()
    refused: Rows = Counter()
    for kind in map(str, site.bench.study.site.inputs):
        taken.update((d, kind) for d in site.table(f"cohort/{kind}")["delivery"])
        refused.update((d, kind) for d in site.quarantine(kind)["delivery"])
    return taken, refused
