"""When the people whom a rule removed are too few to have results.

A rule that reads technical columns or results describes nobody. What does not belong here: the
figures with a rule's cases added back (``exclusion_audit``), how a set is described
(``core.levels``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import polars as pl

from vpack_pipeline.core.evaluation.analysis import CaseSet
from vpack_pipeline.core.evaluation.excluded_cases import removes
from vpack_pipeline.core.levels import MOSTLY_POSITIVE, Description, is_mostly
from vpack_pipeline.core.rules_on_people import personal_columns
from vpack_pipeline.protocol import Covariate, Disclosure, Eligibility
from vpack_pipeline.stats.codes import Code, code


@dataclass(frozen=True, slots=True)
class RuleGroups:
    """The groups of people that rules describe.

    Attributes
    ----------
    columns : rule → the personal columns that it reads; other rules are not in it
    known : variable → its description, where it has printed levels
    """

    columns: Mapping[str, frozenset[str]]
    known: Mapping[str, Description]
    smallest: int

    @classmethod
    def of(
        cls,
        eligibility: Eligibility,
        covariates: Iterable[Covariate],
        disclosure: Disclosure,
        known: Mapping[str, Description],
    ) -> Self:
        """Read from the protocol's rules which personal columns they name."""
        columns = personal_columns(eligibility, covariates, disclosure)
        return cls(columns, known, disclosure.smallest_group)

    def reason(self, rule: str, group: CaseSet, mature: CaseSet) -> Code | None:
        """Say why the cases that a rule adds back have no results; None where they have.

        Parameters
        ----------
        group : those cases of a window, whether their label is due or not
        mature : those whose label is due
        """
        names = self.columns.get(rule)
        if names is None or group.n == 0:
            return None
        described = [self.known[name] for name in sorted(names) if name in self.known]
        is_allowed = all(one.is_allowed(group.rows_in(one.cases["case_id"])) for one in described)
        if group.n_patients < self.smallest or not is_allowed:
            return code("set_too_small", fewest=self.smallest)
        n_positive, n_decided = int(mature.is_positive.sum()), int(mature.is_decided.sum())
        return MOSTLY_POSITIVE if is_mostly(n_positive, n_decided) else None

    def uncounted(self, excluded: pl.DataFrame, windows: Sequence[pl.Series]) -> dict[str, Code]:
        """Say of which rules the cases are not counted whatever other rules do.

        That count tells, beside those in order and alone, how many of them another rule removes
        too: people whom two rules describe. So these are nobody or enough in each window, and in
        the rest of the cohort, which the participant flow adds.

        Parameters
        ----------
        excluded : eligibility/excluded
        windows : cases of each window that are counted
        """
        parts = [excluded.filter(pl.col("case_id").is_in(w.implode())) for w in windows]
        seen = pl.concat(windows)
        parts.append(excluded.filter(~pl.col("case_id").is_in(seen.implode())))
        reason = code("set_too_small", fewest=self.smallest)
        return {rule: reason for rule in self.columns if any(self._few(rule, p) for p in parts)}

    def _few(self, rule: str, excluded: pl.DataFrame) -> bool:
        of_rule = excluded.filter(removes(rule, excluded["all_rules"]))
        later = of_rule.filter(pl.col("first_rule") != rule)
        shared = of_rule.filter(pl.col("all_rules") != rule)
        n_patients = [people["patient_id"].n_unique() for people in (later, shared)]
        return any(0 < n < self.smallest for n in n_patients)
