"""Figures of strata of two packs at the levels that both can be brought to.

A pack folds small levels of people into others, so that two packs of one protocol can print other
levels. Their common levels are the finest that each pack's printed levels add up to. Counts and
shares are added up there; an area is not to be had from its parts. What does not belong here: how
levels are folded (``core.representativeness``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from vpack_pipeline.core.diff.figures import (
    WINDOWS,
    Difference,
    Pair,
    Tables,
    Value,
    shared_findings,
    value_of,
)
from vpack_pipeline.core.level_words import MISSING
from vpack_pipeline.pack_format.planned import primary_model

Plain = Mapping[str, Any]
WhyNot = Literal["levels_not_told", "levels_defined_otherwise"]

SUBGROUPS: Final = "evaluation/subgroups"
LEVELS: Final = "representativeness/levels"
_COUNTS: Final = ("n_cases", "n_positive", "n_negative")
_SHARES: Final = ("sensitivity", "specificity")
_METRICS: Final = (*_COUNTS, *_SHARES, "auc")
_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class CommonLevel:
    """A level that both packs have, or that printed levels of each add up to."""

    label: str
    a: tuple[str, ...]
    """Printed levels of A that it holds."""
    b: tuple[str, ...]

    @property
    def is_coarser(self) -> bool:
        """Whether figures of a pack have to be added up for it."""
        return len(self.a) > 1 or len(self.b) > 1


@dataclass(frozen=True, slots=True)
class StratumPair:
    """One figure of one common level, of both packs."""

    variable: str
    level: CommonLevel
    pair: Pair


@dataclass(frozen=True, slots=True)
class Incomparable:
    """A variable whose levels cannot be brought together, and why."""

    variable: str
    why_not: WhyNot


def common_levels(a: Mapping[str, str], b: Mapping[str, str]) -> list[CommonLevel] | None:
    """Give the finest levels that the printed levels of both packs add up to.

    Parameters
    ----------
    a, b : level of the protocol → printed level, in the protocol's order

    Returns
    -------
    in the order of ``a``; None where the packs have other levels

    >>> a = {"<50": "<50", "50–70": "≥50", "≥70": "≥50"}
    >>> b = {"<50": "<50", "50–70": "50–70", "≥70": "≥70"}
    >>> [(level.label, level.a, level.b) for level in common_levels(a, b)]
    [('<50', ('<50',), ('<50',)), ('≥50', ('≥50',), ('50–70', '≥70'))]
    """
    if a.keys() != b.keys():
        return None
    part = {level: level for level in a}
    for printed in (a, b):
        first: dict[str, str] = {}
        for level, shown in printed.items():
            start = first.setdefault(shown, level)
            old, new = part[level], part[start]
            part = {name: new if of == old else of for name, of in part.items()}
    parts: dict[str, list[str]] = {}
    for level, of in part.items():
        parts.setdefault(of, []).append(level)
    return [_common(levels, a, b) for levels in parts.values()]


def _common(levels: Sequence[str], a: Mapping[str, str], b: Mapping[str, str]) -> CommonLevel:
    shown = [tuple(dict.fromkeys(printed[level] for level in levels)) for printed in (a, b)]
    whole = [of[0] for of in shown if len(of) == 1]
    return CommonLevel(whole[0] if whole else " + ".join(shown[0]), shown[0], shown[1])


def strata(a: Tables, b: Tables) -> Iterator[StratumPair | Incomparable]:
    """Give the figures of planned subgroups at common levels, or say why there are none.

    No difference has an interval: those of strata hold for all levels of a variable together.
    """
    planned = [pack.protocol["evaluation"]["subgroups"]["variables"] for pack in (a, b)]
    printed = [_printed(pack) for pack in (a, b)]
    for variable in (name for name in planned[0] if name in planned[1]):
        if any(variable not in of for of in printed):
            yield Incomparable(variable, "levels_not_told")
            continue
        levels = common_levels(printed[0][variable], printed[1][variable])
        if levels is None:
            yield Incomparable(variable, "levels_defined_otherwise")
            continue
        for finding, title in shared_findings(a.protocol, b.protocol):
            yield from _at_levels(a, b, variable, levels, finding, title)


def _printed(pack: Tables) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for row in pack.rows(LEVELS):
        found.setdefault(row["variable"], {})[row["level"]] = row["printed_level"]
    return found


def _at_levels(
    a: Tables, b: Tables, variable: str, levels: Sequence[CommonLevel], finding: str, title: str
) -> Iterator[StratumPair]:
    found = [_figures(pack, variable, finding) for pack in (a, b)]
    for level in levels:
        for window in WINDOWS:
            # Cases with a missing value are counted and have no results.
            for metric in ("n_cases",) if level.label == MISSING else _METRICS:
                one, two = (
                    _together(metric, [of.get((window, name, metric)) for name in shown])
                    for of, shown in zip(found, (level.a, level.b), strict=True)
                )
                if one is not None or two is not None:
                    less = _less(one, two)
                    pair = Pair(SUBGROUPS, "performance", title, window, metric, one, two, less)
                    yield StratumPair(variable, level, pair)


def _less(a: Value | None, b: Value | None) -> Difference | None:
    if a is None or b is None or a.estimate is None or b.estimate is None:
        return None
    return Difference(b.estimate - a.estimate, None, None, "simultaneous")


def _figures(pack: Tables, variable: str, finding: str) -> dict[tuple[str, str, str], Value | None]:
    model = primary_model(pack.protocol)
    return {
        (row["window"], row["stratum"], row["metric"]): value_of(row, pack)
        for row in pack.rows(SUBGROUPS)
        if (row["finding"], row["model_id"], row["stratum_kind"]) == (finding, model, variable)
    }


def _together(metric: str, parts: Sequence[Value | None]) -> Value | None:
    """Add up the figures of printed levels; None where a part is missing or nothing adds up."""
    if len(parts) == 1:
        return parts[0]
    given = [part for part in parts if part is not None and part.estimate is not None]
    if len(given) < len(parts):
        return None
    if metric in _COUNTS:
        return Value(sum(p.estimate or 0.0 for p in given), None, None, None, None, None)
    if metric in _SHARES and all(_is_plain_share(part) for part in given):
        n, events = (sum(getattr(p, name) for p in given) for name in ("n", "events"))
        return Value(events / n, None, None, n, events, None)
    return None


def _is_plain_share(value: Value) -> bool:
    """Tell whether a share is that of its counts, and not one of weighted cases."""
    if not value.n or value.events is None or value.estimate is None:
        return False
    return abs(value.events / value.n - value.estimate) <= _ROUNDING
