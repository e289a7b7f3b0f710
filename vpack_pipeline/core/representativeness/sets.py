"""The sets that are compared, seen through one variable, or several, in printed levels.

What does not belong here: which sets can be described (``core.levels``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from vpack_pipeline.core.levels import Description, PrintedLevels
from vpack_pipeline.core.rules_on_people import removed_by
from vpack_pipeline.core.target import Target
from vpack_pipeline.core.variables import MISSING
from vpack_pipeline.core.windows import WINDOWS, window_of
from vpack_pipeline.protocol import Evaluation
from vpack_pipeline.stats.codes import Code

SETS: Final = ("cohort", "included", *WINDOWS, "excluded", "target")
NOT_STATED: Final = Code("variable_not_in_target")
OUTSIDE_LEFT_OUT: Final = Code("cases_outside_windows_left_out")


@dataclass(frozen=True, slots=True)
class View:
    """Every set in the printed levels of one variable, or of several together.

    Attributes
    ----------
    cases : of each set but the target, its rows of the case view with ``printed``
    target : persons by printed level
    reasons : set → why it cannot be described; those that can are not in it
    cautions : set → what to know of one that is described
    """

    levels: PrintedLevels
    cases: Mapping[str, pl.DataFrame]
    target: Counter[str]
    reasons: Mapping[str, Code]
    cautions: Mapping[str, Code]

    def counts(self, name: str) -> Counter[str]:
        """Count cases (target: persons) by printed level."""
        return self.target if name == "target" else Counter(self.cases[name]["printed"])


def view_of(
    description: Description,
    cases: pl.DataFrame,
    included: pl.DataFrame,
    excluded: pl.DataFrame,
    target: Target,
    rules: Mapping[str, frozenset[str]],
    windows: Mapping[str, frozenset[str]],
) -> View:
    """See every set through a variable, or several.

    Where the included cases outside of both windows are too few to be described beside the
    others, they are left out, of the cohort too: else what the cohort has more than the included
    and the excluded would tell of them. Whom a rule on these variables removed is known from the
    rule and the flow: the excluded without those are a set too.

    Parameters
    ----------
    cases : the case view
    included, excluded : which of them are in and out, by ``case_id``
    rules : the personal columns that each rule reads
    windows : the included cases of each window, as :func:`by_window` gives them
    """
    placed = cases.join(description.cases.select("case_id", "printed"), on="case_id")
    whole = frozenset(included["case_id"])
    shown = _described(description, whole)
    left_out = whole - shown
    chosen = {
        "cohort": frozenset(cases["case_id"]) - left_out,
        "included": shown,
        **windows,
        "excluded": frozenset(excluded["case_id"]),
    }
    reading = [rule for rule, names in rules.items() if names & set(description.levels.names)]
    without_named = chosen["excluded"] - removed_by(excluded, reading)
    reasons: dict[str, Code] = {}
    printed: list[frozenset[str]] = []
    for name in (*WINDOWS, "included", "cohort", "excluded"):
        is_told = name not in ("cohort", "excluded") or description.is_allowed(without_named)
        if is_told and description.is_allowed(chosen[name], *printed):
            printed.append(chosen[name])
        else:
            reasons[name] = description.is_too_small
    persons = target.in_levels(description.levels)
    if description.has_few_persons(persons):
        reasons["target"] = description.is_too_small
    frames = {
        name: placed.filter(pl.col("case_id").is_in(list(ids))).sort("case_id")
        for name, ids in chosen.items()
    }
    without = ("included", "cohort") if left_out else ()
    cautions = {name: OUTSIDE_LEFT_OUT for name in without if name not in reasons}
    return View(description.levels, frames, persons, reasons, cautions)


def by_window(
    cases: pl.DataFrame, included: pl.DataFrame, evaluation: Evaluation
) -> dict[str, frozenset[str]]:
    """Give the included cases of each window.

    Parameters
    ----------
    cases : the case view
    included : which of them are in, by ``case_id``
    """
    own = cases.join(included.select("case_id"), on="case_id", how="semi")
    placed = own.select("case_id", window_of(pl.col("index_date"), evaluation).alias("window"))
    return {name: frozenset(placed.filter(window=name)["case_id"]) for name in WINDOWS}


def _described(description: Description, included: frozenset[str]) -> frozenset[str]:
    if description.is_allowed(included) or not description.core:
        return included
    lacking = description.cases.filter(pl.col("printed") == MISSING)["case_id"]
    return description.core | (included & frozenset(lacking))
