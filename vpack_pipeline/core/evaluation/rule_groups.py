"""When the people whom a rule removed are too few to have results.

A rule that reads technical columns or results describes nobody. What does not belong here: the
figures with a rule's cases added back (``exclusion_audit``), how a set is described
(``core.levels``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from vpack_pipeline.core.evaluation.analysis import CaseSet
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
