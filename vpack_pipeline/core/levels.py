"""In which levels people are described: what every table that describes a set of people asks.

The levels themselves are decided once, in ``representativeness/levels``, from the core sets: the
included cases by window, and all of them together. Any other set is described in those levels or
not at all. What does not belong here: how small levels are folded (``representativeness``), and
how a value falls into a level of the protocol (``variables``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import polars as pl

from vpack_pipeline.core.level_words import MISSING, TIMES, joined
from vpack_pipeline.core.variables import binned, codes_of
from vpack_pipeline.core.windows import WINDOWS, window_of
from vpack_pipeline.protocol import Covariate, Disclosure, Evaluation, Representativeness, Variable
from vpack_pipeline.stats.codes import Code, code
from vpack_pipeline.stats.estimate import BoolArray, IntArray

__all__ = [
    "MOSTLY_POSITIVE",
    "NOT_JOINT",
    "NO_RESULTS_OF_MISSING",
    "ONE_LEVEL",
    "TIMES",
    "Description",
    "PatientsByLevel",
    "PrintedLevels",
    "core_sets",
    "describe",
    "is_mostly",
    "joined",
    "patients_in_order",
    "printed_levels",
    "rows_of",
]

NO_RESULTS_OF_MISSING: Final = Code("missing_has_no_results")
MOSTLY_POSITIVE: Final = Code("mostly_positive")
NOT_JOINT: Final = Code("levels_not_joint")
ONE_LEVEL: Final = Code("cells_folded_into_one")


@dataclass(frozen=True, slots=True)
class PrintedLevels:
    """The levels in which one variable, or several together, are printed.

    Attributes
    ----------
    variables : one, or several that are described together
    printed : level → printed level, in the protocol's order. Of several variables: the cells of
        their own printed levels that are printed; any other is ``rest``
    is_personal : whether it describes people, so that a set may be too small for it
    singly : of several variables, the printed levels of each
    """

    variables: tuple[Variable, ...]
    printed: dict[str, str]
    is_personal: bool
    singly: tuple[dict[str, str], ...] = ()
    rest: str = ""

    @property
    def labels(self) -> list[str]:
        """Printed levels in order; ``missing`` is the last."""
        return list(dict.fromkeys(self.printed.values()))

    @property
    def names(self) -> list[str]:
        """Names of the variables."""
        return [v.name for v in self.variables]

    @property
    def is_one(self) -> bool:
        """Whether all levels were folded into one, beside ``missing``."""
        each = self.singly or (self.printed,)
        # The one, and missing.
        return len(self.labels) <= 2 or all(len(set(one.values())) <= 2 for one in each)

    def of(self, cell: Sequence[str]) -> str:
        """Give the printed level of a level of each variable, as the protocol has them."""
        if not self.singly:
            return self.printed[cell[0]]
        shown = [printed[level] for printed, level in zip(self.singly, cell, strict=True)]
        return self.printed.get(joined(shown), self.rest)

    def label(self, cases: pl.DataFrame, covariates: Sequence[Covariate]) -> pl.Series:
        """Give the printed level of each case, in the order of ``cases``."""
        columns = [binned(cases, v, covariates) for v in self.variables]
        cell_of, found = codes_of(pl.DataFrame(columns).to_struct())
        made = [self.of(tuple(cell.values())) for cell in found]
        return pl.Series("printed", made, dtype=pl.String).gather(cell_of)

    def reason(self, level: str, n_cases: int) -> Code | None:
        """Say why a level of one variable has no results of its own; None where it has.

        Parameters
        ----------
        n_cases : in the level; where nobody lacks the value, there are no results to keep back
        """
        if not self.is_personal:
            return None
        if level == MISSING:
            return NO_RESULTS_OF_MISSING if n_cases else None
        shown = self.printed[level]
        is_alone = list(self.printed.values()).count(shown) == 1
        return None if is_alone else code("level_folded", level=shown)


def printed_levels(
    levels: pl.DataFrame, representativeness: Representativeness
) -> dict[str, PrintedLevels]:
    """Read the table of levels: by name of a variable, or of several that are described together.

    Parameters
    ----------
    levels : representativeness/levels
    """
    known = {v.name: v for v in representativeness.variables}
    parts = levels.sort("level_order").partition_by("variable", as_dict=True)
    rows = {str(name): part for (name,), part in parts.items()}
    printed = {
        name: dict(part.select("level", "printed_level").iter_rows()) for name, part in rows.items()
    }
    found = {}
    for name, part in rows.items():
        names = name.split(TIMES)
        if not known.keys() >= {*names}:
            continue  # Table 1 alone shows it.
        singly = tuple(printed[one] for one in names) if len(names) > 1 else ()
        found[name] = PrintedLevels(
            tuple(known[one] for one in names),
            printed[name],
            bool(part["is_personal"][0]),
            singly,
            # Before missing, the last, stands what is not printed by itself.
            str(part["printed_level"][-2]) if singly else "",
        )
    return found


def core_sets(cases: pl.DataFrame, evaluation: Evaluation, smallest: int) -> list[pl.DataFrame]:
    """Give the sets from which levels are decided: by window, then all together.

    Parameters
    ----------
    cases : included cases with a known value

    Returns
    -------
    windows of at least ``smallest`` patients and, where there are two, both together; a smaller
    window is not described, and the levels of others do not yield to it
    """
    placed = cases.with_columns(window_of(pl.col("index_date"), evaluation).alias("window"))
    windows = [placed.filter(pl.col("window") == w).drop("window") for w in WINDOWS]
    large = [w for w in windows if w["patient_id"].n_unique() >= smallest]
    return [*large, pl.concat(large)] if len(large) > 1 else large


def patients_in_order(cases: pl.DataFrame) -> pl.DataFrame:
    """Give the ``row`` of each case and its ``patient``'s code, by date and pseudonym of the case.

    Parameters
    ----------
    cases : ``case_id``, ``patient_id`` and ``index_date``
    """
    patient = codes_of(cases["patient_id"])[0].alias("patient")
    placed = cases.select("index_date", "case_id", patient).with_row_index("row")
    # Cases mostly come in the order of their pseudonyms, which is then not sorted again.
    in_order = placed.sort("case_id").sort("index_date", maintain_order=True)
    return in_order.select(pl.col("row", "patient").cast(pl.Int64))


@dataclass(frozen=True, slots=True)
class PatientsByLevel:
    """Patients and printed level of the cases that have one, to count those of any set quickly.

    Attributes
    ----------
    row : the rows of the cases, those of a patient in order of date and pseudonym
    patient, level : (n,) their codes, 0 to P-1 and 0 to L-1
    """

    row: IntArray
    patient: IntArray
    level: IntArray

    @classmethod
    def of(cls, printed: pl.Series, in_order: pl.DataFrame) -> Self:
        """Number the levels of the cases that have one.

        Parameters
        ----------
        printed : the printed level of each row
        in_order : what :func:`patients_in_order` gives
        """
        row, patient = (in_order[name].to_numpy() for name in ("row", "patient"))
        level = codes_of(printed)[0].cast(pl.Int64).to_numpy()
        known = (printed != MISSING).to_numpy()[row]
        return cls(row[known], patient[known], level[row[known]])

    def has_few(self, is_in: BoolArray, smallest: int) -> bool:
        """Say whether some level of a set has patients, but fewer than ``smallest``.

        They are counted twice: in the level of their first case of the set, and with any case
        in it.

        Parameters
        ----------
        is_in : which rows the set has
        """
        chosen = is_in[self.row]
        patient, level = self.patient[chosen], self.level[chosen]
        if not patient.size:
            return False
        shape = int(patient.max()) + 1, int(level.max()) + 1
        has_any = np.zeros(shape, dtype=np.bool_)
        has_any[patient, level] = True
        has_first = np.zeros(shape, dtype=np.bool_)
        of_patients, first = np.unique(patient, return_index=True)
        has_first[of_patients, level[first]] = True
        counts = np.concatenate([has_any.sum(axis=0), has_first.sum(axis=0)])
        return bool(((counts > 0) & (counts < smallest)).any())


@dataclass(frozen=True, slots=True)
class Description:
    """Which sets can be described in the printed levels of one variable.

    Attributes
    ----------
    cases : the case view's ``case_id``, ``patient_id`` and ``index_date``, with ``printed``
    sets : for each set that is printed, which rows of ``cases`` it has
    """

    levels: PrintedLevels
    cases: pl.DataFrame
    sets: tuple[BoolArray, ...]
    smallest: int
    patients: PatientsByLevel

    @classmethod
    def of(
        cls,
        levels: PrintedLevels,
        cases: pl.DataFrame,
        included: BoolArray,
        in_order: pl.DataFrame,
        covariates: Sequence[Covariate],
        evaluation: Evaluation,
        disclosure: Disclosure,
    ) -> Self:
        """Place every case of the case view; the core sets are printed.

        Parameters
        ----------
        included : which of them are in
        in_order : what :func:`patients_in_order` gives of ``cases``
        """
        placed = cases.select(
            "case_id", "patient_id", "index_date", levels.label(cases, covariates)
        )
        smallest = disclosure.smallest_group
        patients = PatientsByLevel.of(placed["printed"], in_order)
        if not levels.is_personal:
            return cls(levels, placed, (), smallest, patients)
        rows_of_all = placed.select("patient_id", "index_date").with_row_index("row")
        own = rows_of_all.filter(included, placed["printed"] != MISSING)
        found = []
        for one in core_sets(own, evaluation, smallest):
            rows = np.zeros(placed.height, dtype=np.bool_)
            rows[one["row"].to_numpy()] = True
            found.append(rows)
        return cls(levels, placed, tuple(found), smallest, patients)

    @property
    def core(self) -> frozenset[str]:
        """The cases with a known value from which the levels were decided, all together."""
        return frozenset(self.cases["case_id"].filter(self.sets[-1]) if self.sets else ())

    def is_allowed(self, case_ids: Iterable[str] | BoolArray, *others: frozenset[str]) -> bool:
        """Say whether a set can be described: each printed level is empty or has enough patients.

        The same is asked of what the set lacks of each printed set that holds it, and of what it
        adds to each that it holds.

        Parameters
        ----------
        case_ids : of the set, or which rows of ``cases`` it has
        others : further sets that are printed; their missing values do not matter
        """
        if not self.levels.is_personal:
            return True
        known = self._known(case_ids)
        gaps = [known]
        for other in (*self.sets, *(self._known(o) for o in others)):
            gap = other ^ known
            if not (gap & known).any() or not (gap & other).any():
                gaps.append(gap)
        return not any(self.patients.has_few(gap, self.smallest) for gap in gaps)

    @property
    def is_too_small(self) -> Code:
        """Say of a set that it cannot be described."""
        return code("set_too_small", fewest=self.smallest)

    def too_small(self, case_ids: Iterable[str] | BoolArray) -> Code | None:
        """Say that a set cannot be described; None where it can."""
        return None if self.is_allowed(case_ids) else self.is_too_small

    def has_few_persons(self, counts: Mapping[str, int]) -> bool:
        """Say whether persons, who are counted and are no cases, are too few in a printed level."""
        known = [n for level, n in counts.items() if level != MISSING]
        return self.levels.is_personal and any(0 < n < self.smallest for n in known)

    def _known(self, case_ids: Iterable[str] | BoolArray) -> BoolArray:
        is_known = (self.cases["printed"] != MISSING).to_numpy()
        rows = case_ids if isinstance(case_ids, np.ndarray) else rows_of(self.cases, case_ids)
        return np.asarray(rows & is_known)


def rows_of(cases: pl.DataFrame, case_ids: Iterable[str]) -> BoolArray:
    """Mark the rows of ``cases`` whose ``case_id`` is among some."""
    chosen = (
        case_ids if isinstance(case_ids, pl.Series) else pl.Series([*case_ids], dtype=pl.String)
    )
    return cases["case_id"].is_in(chosen.implode()).to_numpy()


def is_mostly(events: int, n: int) -> bool:
    """Say whether nine tenths of a group or more are alike, so that a share tells of each.

    >>> is_mostly(9, 10), is_mostly(89, 100), is_mostly(0, 0)
    (True, False, False)
    """
    return n > 0 and 10 * events >= 9 * n


def describe(
    levels: pl.DataFrame,
    cases: pl.DataFrame,
    included: pl.DataFrame,
    representativeness: Representativeness,
    covariates: Sequence[Covariate],
    evaluation: Evaluation,
    disclosure: Disclosure,
) -> dict[str, Description]:
    """Make the description of every variable of the table of levels, by its name.

    Parameters
    ----------
    levels : representativeness/levels
    cases : the case view
    included : which of them are in, by ``case_id``
    """
    is_in, in_order = rows_of(cases, included["case_id"]), patients_in_order(cases)
    return {
        name: Description.of(one, cases, is_in, in_order, covariates, evaluation, disclosure)
        for name, one in printed_levels(levels, representativeness).items()
    }
