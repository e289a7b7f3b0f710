"""Names of readers, cases and categories, and the order of rows, move no figure on readers.

The name of a site reaches no function of this section: no contract gives it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from vpack_pipeline import contracts
from vpack_pipeline.core.adjudication.agreement import agreement
from vpack_pipeline.core.adjudication.label_noise import label_noise
from vpack_pipeline.core.adjudication.reader_performance import reader_performance
from vpack_pipeline.core.adjudication.reference_standard import reference_standard
from vpack_pipeline.protocol import Category, Disclosure, Finding, Sampling
from vpack_pipeline_tests.core import adjudication_cases as made

TABLES: Final = {
    "agreement": agreement,
    "label_noise": label_noise,
    "reader_performance": reader_performance,
}
NUMBERS: Final = ("estimate", "lower", "upper", "n", "events")
READERS: Final = {"r0": "zoe", "r1": "ann", "r2": "mia"}
CASES: Final = {f"c{i:03}": f"k{(i * 37) % 120:03}" for i in range(120)}


def reads() -> list[dict[str, Any]]:
    """Three readers of 120 cases on a scale of five, with second sessions and gaps."""
    rng = np.random.default_rng(11)
    found = []
    for i in range(120):
        truth = rng.random() < 0.3
        for j in range(3):
            said = int(np.clip(round(rng.normal(4.2 if truth else 1.8, 0.9)), 1, 5))
            if rng.random() < 0.95:
                found.append(made.read(f"c{i:03}", f"r{j}", str(said)))
            if j == 0 and i % 10 == 0:
                found.append(made.read(f"c{i:03}", "r0", str(said), session=2))
    return found


def figures(
    name: str,
    rows: list[dict[str, Any]],
    finding: Finding = made.NODULE,
    cases: list[str] | None = None,
) -> pl.DataFrame:
    known = made.cases_of(cases or sorted(CASES))
    roster = made.roster(*sorted({r["reader_id"] for r in rows}))
    given: dict[str, Any] = {
        "reads": made.reads_of(rows),
        "readers": roster,
        "printed_words": made.words_of(roster),
        "readers_agreed": True,
        "cases": known,
        "reference": made.reference_of([]),
        "included": made.included_of(known),
        "findings": (finding,),
        "adjudication": made.adjudication(),
        "evaluation": made.EVALUATION,
        "sampling": Sampling(method="consecutive"),
        "disclosure": Disclosure(smallest_group=11),
    }
    standard = ("cases", "reads", "reference", "findings", "adjudication")
    given["reference_standard"] = reference_standard(**{k: given[k] for k in standard})
    contract = contracts.load()[f"adjudication/{name}"]
    assert "site" not in (*contract.inputs, *contract.protocol, *contract.outside)
    asked = {k: given[k] for k in (*contract.inputs, *contract.protocol, *contract.site)}
    return contracts.conform(TABLES[name](**asked), contract)


@functools.cache
def usual(name: str) -> pl.DataFrame:
    return figures(name, reads())


def named(table: pl.DataFrame, rename: Callable[[str, str], str]) -> pl.DataFrame:
    """Rename in the key, and keep the numbers."""
    key = [c for c in ("stratum_kind", "stratum", "reader_id", "metric") if c in table.columns]
    kinds = table["stratum_kind"] if "stratum_kind" in key else [""] * table.height
    renamed = table.with_columns(
        pl.Series(c, [rename(v, kind) for v, kind in zip(table[c], kinds, strict=True)])
        for c in key
        if c != "stratum_kind"
    )
    return renamed.select(*key, *NUMBERS, "status").sort(key)


def same(name: str, _: str) -> str:
    return name


def reader(name: str, kind: str) -> str:
    """Rename readers in a reader's name or a stratum of one or two."""
    if kind in ("reader_pair", "without_reader") or name in READERS:
        return "|".join(sorted(READERS.get(who, who) for who in name.split("|")))
    return name


def value(name: str, kind: str) -> str:
    """Rename values of the scale in a stratum or a metric."""
    what, equals, number = name.rpartition("=")
    if what == "share_rating" or (kind == "cut" and number.isdecimal()):
        number = f"{scaled(float(number)):g}"
    return f"{what}{equals}{number}"


def scaled(rating: float) -> float:
    return 10 * rating - 3


SCALED: Final = Finding(
    name="nodule",
    title="Nodule",
    categories=tuple(Category(value=scaled(v), label=f"grade {v}") for v in range(1, 6)),
    positive_from=scaled(4),
    indeterminate=(scaled(3),),
)


@pytest.mark.parametrize("name", TABLES)
def test_readers_may_have_any_names(name) -> None:
    others = figures(name, [r | {"reader_id": READERS[r["reader_id"]]} for r in reads()])
    assert_frame_equal(named(usual(name), reader), named(others, same), rel_tol=1e-7)


@pytest.mark.parametrize("name", TABLES)
def test_categories_may_have_any_names_that_keep_their_order_and_distances(name) -> None:
    others = figures(name, [r | {"rating": scaled(r["rating"])} for r in reads()], SCALED)
    assert_frame_equal(named(usual(name), value), named(others, same), rel_tol=1e-7)


@pytest.mark.parametrize("name", TABLES)
def test_rows_may_stand_in_any_order(name) -> None:
    rows = reads()
    order = np.random.default_rng(3).permutation(len(rows))
    assert figures(name, [rows[i] for i in order]).equals(usual(name))


@pytest.mark.parametrize("name", TABLES)
def test_cases_may_have_any_names(name) -> None:
    renamed = [r | {"case_id": CASES[r["case_id"]]} for r in reads()]
    others = figures(name, renamed, cases=sorted(CASES.values()))
    # Bounds by resampling draw patients in the order of their pseudonyms, and so anew.
    before, after = (named(t, same).drop("lower", "upper") for t in (usual(name), others))
    assert_frame_equal(before, after, rel_tol=1e-7)
    assert before.height > 20
