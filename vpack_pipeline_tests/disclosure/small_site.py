"""The tables of one small made-up site, and random ones, for packs that are attacked.

What does not belong here: the attack (``attack``, ``two_releases``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from vpack_pipeline.protocol import Protocol
from vpack_pipeline_tests.disclosure.attack import READ
from vpack_pipeline_tests.disclosure.knowledge import FLOW, LEVELS, PROFILE
from vpack_pipeline_tests.report.pack_sample import sample

WINDOWS = ("retrospective", "prospective", "outside")
AT = {"finding": "nodule_or_mass", "model_id": "nodule-2"}

Tables = dict[str, pl.DataFrame]


def frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, infer_schema_length=None)


def figure(metric: str, n: int | None, events: int | None, **more: Any) -> dict[str, Any]:
    row = {"metric": metric, "n": n, "events": events, "estimate": None if n is None else 0.0}
    nothing = {"lower": None, "upper": None, "method": "count", "status": "given"}
    return (
        AT
        | {"window": "retrospective", "stratum_kind": "all", "stratum": "all"}
        | row
        | nothing
        | more
    )


def flow(included: int = 150, **removed: int) -> pl.DataFrame:
    """The flow of cases of which each rule alone removes so many."""
    total = left = included + sum(removed.values())
    rows = []
    for order, (rule, n) in enumerate([("start", 0), *removed.items()]):
        left -= n
        row = {"rule_order": order, "rule": rule, "unit": "case", "remaining": left, "total": total}
        counts = dict.fromkeys(("removed", "marginal", "unique_to_rule"), n)
        rows.append(row | counts | {"unknown": 0})
    return frame(rows)


def safe() -> Tables:
    """A site in which the setting *outpatient* (4 included) is printed as *inpatient or other*.

    Included: 80 emergency, 66 inpatient, 4 outpatient; the 60 excluded are too small to describe.
    """
    levels = [
        {"variable": "setting", "level": x, "printed_level": p, "is_personal": True, "reason": r}
        for x, p, r in (
            ("emergency", "emergency", None),
            ("inpatient", "rest", None),
            ("outpatient", "rest", "level_has_few_patients"),
            ("missing", "missing", None),
        )
    ]
    bins = ("emergency", "rest", "missing")
    profile = [
        {"variable": "setting", "bin": b, "set": s, "n": n, "n_total": t, "share": None}
        for s, t, counts in (("included", 150, (80, 70, 0)), ("excluded", 60, (None,) * 3))
        for b, n in zip(bins, counts, strict=True)
    ]
    windows = [
        figure("n_cases", n, n, window=w) for w, n in zip(WINDOWS, (90, 60, 0), strict=True)
    ] + [
        figure("n_immature", n, 0, window=w)
        for w, n in (("retrospective", 90), ("prospective", 60))
    ]
    return {
        LEVELS: frame(levels),
        PROFILE: frame(profile),
        FLOW: flow(radiograph=60),
        "evaluation/performance": frame(windows),
        "evaluation/subgroups": frame(
            [
                figure("n_cases", n, n, stratum_kind="setting", stratum=x)
                for x, n in (("emergency", 50), ("rest", 40), ("missing", 0))
            ]
        ),
    }


def changed(
    tables: Tables, asset: str, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> Tables:
    rows = [row | change(row) for row in tables[asset].iter_rows(named=True)]
    return tables | {asset: frame(rows)}


def added(tables: Tables, asset: str, *rows: dict[str, Any]) -> Tables:
    known = tables[asset].to_dicts() if asset in tables else []
    return tables | {asset: frame([*known, *rows])}


def profile_row(label: str, of_set: str, n: int | None, total: int, **more: Any) -> dict[str, Any]:
    row = {"variable": "setting", "bin": label, "set": of_set, "n": n, "n_total": total}
    return row | {"share": None} | more


def apart() -> Tables:
    """The same site, but the folded level stands for itself; its count is not printed."""
    whole = changed(safe(), LEVELS, lambda r: {"printed_level": r["level"], "reason": None})
    return changed(whole, PROFILE, lambda r: {"bin": "inpatient", "n": None} if r["bin"] == "rest" else {})  # fmt: skip


def exported(seed: int) -> tuple[Tables, Protocol]:
    """A random small site: 60 to 250 cases, every table that the attacker reads."""
    n = int(np.random.default_rng(seed).integers(60, 250))
    made = sample(n=n, seed=seed, wanted=READ)
    return attacked(made.tables), made.protocol


def attacked(pool: Tables) -> Tables:
    """Keep the tables that the attacker reads; that it reads no other is tested."""
    return {a: t for a, t in pool.items() if a in READ}
