"""The excluded cases of a finding and window, and which rules remove each.

A rule is counted in three ways: in its order, whatever other rules do, and alone. What does not
belong here: what the figures would be with them (``exclusion_audit``), the whole cohort's counts
(``eligibility/flow``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from vpack_pipeline.core.evaluation.analysis import CaseSet

ALL_RULES: Final = "all rules"
"""Stands where a rule's id does, for the cases of every rule at once; no id holds a space."""


@dataclass(frozen=True, slots=True)
class ExcludedCases:
    """Excluded cases of one finding and window.

    Attributes
    ----------
    excluded : eligibility/excluded; ``first_rule`` and ``all_rules``
    """

    cases: CaseSet
    excluded: pl.DataFrame

    def in_order(self, rule: str) -> int:
        """Count the cases of which a rule is the first that removes them."""
        if rule == ALL_RULES:
            return self.cases.n
        return int((self.cases.joined(self.excluded, "first_rule") == rule).sum())

    def whatever_others_do(self, rule: str) -> int:
        """Count the cases that a rule removes, whether others remove them or not."""
        if rule == ALL_RULES:
            return self.cases.n
        return int(removes(rule, self.cases.joined(self.excluded, "all_rules")).sum())

    def by_it_alone(self, rule: str) -> CaseSet:
        """Take the cases that no other rule removes."""
        if rule == ALL_RULES:
            return self.cases
        return self.cases.take((self.cases.joined(self.excluded, "all_rules") == rule).to_numpy())


def removes(rule: str, all_rules: pl.Series) -> pl.Series:
    """Say of each case whether a rule is among all those that remove it."""
    return all_rules.str.split("|").list.contains(rule)
