"""The variables by which cases are parted, with the levels that are printed of each.

Variables of the protocol have its levels; those of people are described in printed ones
(``core.levels``). What else an image's header says of the acquisition has the words that it was
given (``core.printed_words``). What does not belong here: any figure of a level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from vpack_pipeline.contracts import header_fields
from vpack_pipeline.core.evaluation.analysis import CaseSet
from vpack_pipeline.core.evaluation.case_index import look_up
from vpack_pipeline.core.levels import TIMES, Description
from vpack_pipeline.core.printed_words import words_of_cases
from vpack_pipeline.core.variables import MISSING, bin_labels, binned, value_of
from vpack_pipeline.protocol import Covariate, Disclosure, Evaluation, Representativeness, Variable
from vpack_pipeline.stats.codes import Code, code
from vpack_pipeline.stats.estimate import IntArray

PACKAGE_DATA = ("contracts",)


@dataclass(frozen=True, slots=True)
class Parting:
    """A variable by whose levels cases are parted.

    Attributes
    ----------
    levels : every level that has a row, in the order of print
    level_of : ``case_id`` and ``level``, one row per case of the case view
    described : how it is described; None where it is technical and has the words of headers, or
        tells of the finding
    fewest : of what tells of the finding, patients of any level of a set that is shown by it
    """

    name: str
    levels: tuple[str, ...]
    level_of: pl.DataFrame
    described: Description | None = None
    fewest: int = 0

    @property
    def device(self) -> str | None:
        """Of a header field that names what made the image, or ran on it: which of the two."""
        if self.is_personal:
            return None
        return next((f.device for f in header_fields.load() if f.name == self.name), None)

    @property
    def is_personal(self) -> bool:
        """Whether it describes people."""
        return self.described is not None and self.described.levels.is_personal

    def too_small(self, everyone: CaseSet) -> Code | None:
        """Say that a set cannot be described by it; None where it can."""
        if self.described is not None:
            rows = everyone.rows_in(self.described.cases["case_id"])
            return self.described.too_small(rows)
        own = pl.DataFrame(
            {"level": everyone.joined(self.level_of, "level"), "patient": everyone.patient}
        )
        patients = own.filter(pl.col("level") != MISSING).group_by("level").n_unique()["patient"]
        is_thin = bool((patients < self.fewest).any())
        return code("set_too_small", fewest=self.fewest) if is_thin else None

    def reason(self, level: str, n_cases: int) -> Code | None:
        """Say why a level has no results of its own; None where it has."""
        return None if self.described is None else self.described.levels.reason(level, n_cases)

    @property
    def shown_of(self) -> pl.DataFrame:
        """Give ``case_id`` and, as ``level``, the printed level that each case's level is part of.

        Of a technical variable every level is printed as it is.
        """
        if self.described is None or not self.is_personal:
            return self.level_of
        return self.described.cases.select("case_id", pl.col("printed").alias("level"))


def codes_of(cases: CaseSet, parting: Parting) -> IntArray:
    """Give each case the code of its printed level, from 0 in the order of their names."""
    level = cases.joined(parting.shown_of, "level")
    codes: IntArray = level.rank("dense").cast(pl.Int64).to_numpy() - 1
    return codes


def levels_of(sets: Sequence[CaseSet], frame: pl.DataFrame) -> list[pl.Series]:
    """Look up the level of the cases of several sets of one analysis set, all at once.

    Parameters
    ----------
    frame : ``case_id`` and ``level``
    """
    if not sets:
        return []
    rows = sets[0].index.rows_of(frame["case_id"])
    return [look_up(frame["level"], rows[one.case]) for one in sets]


def planned(
    cases: pl.DataFrame,
    evaluation: Evaluation,
    representativeness: Representativeness,
    covariates: Sequence[Covariate],
    known: dict[str, Description],
) -> list[Parting]:
    """Give the variables of planned subgroups, then others of the profile that say how images
    were acquired.

    Parameters
    ----------
    cases : the case view
    known : of :func:`describe`
    """
    named = {v.name: v for v in representativeness.variables}
    subgroups = [named[name] for name in evaluation.subgroups.variables]
    fields = {f.name for f in header_fields.load() if f.acquisition}
    covered = {v.name for v in subgroups} | {c.name for c in covariates}
    others = [v for v in named.values() if v.name in fields and v.name not in covered]
    return [_of_protocol(cases, v, covariates, known) for v in (*subgroups, *others)]


def _of_protocol(
    cases: pl.DataFrame,
    variable: Variable,
    covariates: Sequence[Covariate],
    known: dict[str, Description],
) -> Parting:
    level_of = cases.select("case_id", binned(cases, variable, covariates).alias("level"))
    return Parting(variable.name, tuple(bin_labels(variable)), level_of, known[variable.name])


def described_together(
    known: dict[str, Description], representativeness: Representativeness
) -> list[Parting]:
    """Give the variables that the protocol declares joint, with the cells that are printed.

    Parameters
    ----------
    known : of :func:`describe`; of those of transport alone there is none here
    """
    declared = {TIMES.join(names) for names in representativeness.joint}
    return [
        Parting(
            name,
            tuple(one.levels.labels),
            one.cases.select("case_id", pl.col("printed").alias("level")),
            one,
        )
        for name, one in known.items()
        if name in declared
    ]


def acquired(
    cases: pl.DataFrame,
    words: pl.DataFrame,
    included: pl.DataFrame,
    representativeness: Representativeness,
    covariates: Sequence[Covariate],
    disclosure: Disclosure,
) -> list[Parting]:
    """Give what headers say in words of the acquisition and the profile does not name.

    Parameters
    ----------
    cases : the case view
    words : cohort/printed_words
    included : eligibility/included; levels are those that an included case has
    """
    printed = words_of_cases(words, representativeness, covariates, disclosure)
    named = {v.name for v in representativeness.variables} | {c.name for c in covariates}
    found = []
    for field in header_fields.load():
        if not field.acquisition or field.name in named or field.name not in printed:
            continue
        if field.name not in cases.columns:
            continue
        value = value_of(cases, field.name, covariates)
        shown = value.replace_strict(printed[field.name], default=None, return_dtype=pl.String)
        level_of = cases.select("case_id", shown.fill_null(MISSING).alias("level"))
        seen = level_of.join(included.select("case_id"), on="case_id", how="semi")["level"]
        levels = sorted(set(seen.to_list()) - {MISSING}, key=_in_order)
        if levels:
            found.append(Parting(field.name, (*levels, MISSING), level_of))
    return found


def _in_order(word: str) -> tuple[str, int]:
    """Put *unlisted 10* after *unlisted 9*."""
    stem, _, number = word.rpartition(" ")
    return (stem, int(number)) if number.isdecimal() else (word, 0)
