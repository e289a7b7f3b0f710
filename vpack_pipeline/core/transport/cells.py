"""Cells that a set and a target have in common, from the cells of each.

A set is counted in printed cells: products of the printed levels of some variables, of which those
with few patients stand together. A target is counted in levels of its own: each is one printed
level, several together, or none. The common cells are the smallest that both can be added up to.
Everything here is numbers and lists, so that a script can do the same. What does not belong here:
any figure (``answer``), how a typed level is read (``typed``).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NotRequired, TypedDict

from vpack_pipeline.core.level_words import TIMES

COUNTS: Final = (
    "n_cases",
    "n_positive",
    "tp",
    "n_negative",
    "tn",
    "undecided_cases",
    "undecided_cases_flagged",
)
"""What is counted in each cell; the first is the sum of positive, negative and undecided."""

Counts = Mapping[str, float]
Combination = tuple[int, ...]
"""A printed level of each variable, by its place."""


class PrintedCell(TypedDict):
    """One cell in which this set is counted."""

    label: str
    combinations: Sequence[Sequence[int]]
    """Which products of printed levels it is."""
    counts: Counts | None
    """None where its results are not printed, though it may hold cases."""
    weighted: NotRequired[Counts | None]
    """The same under sampling weights, where cases were not drawn alike."""


class Group(TypedDict):
    """One level of the target, and the persons in it."""

    label: str
    levels: Sequence[int]
    """The printed levels that it is; none where no case here has it."""
    persons: float


class TargetCell(TypedDict):
    """One joint cell of the target."""

    groups: Sequence[int]
    """A level of each variable, by its place among the target's levels."""
    persons: float


class Target(TypedDict):
    """The target: its levels of each variable, and its joint cells where it has them."""

    levels: Sequence[Sequence[Group]]
    """Of a variable that the target does not state: one level that is all printed ones."""
    cells: Sequence[TargetCell] | None
    """None: margins only."""


@dataclass(frozen=True, slots=True)
class CommonCell:
    """A cell that set and target have in common.

    ``products`` are the target's combinations of levels in it; ``counts`` is None where it holds no
    case, or where no results are printed of it or of a part of it.
    """

    labels: tuple[str, ...]
    products: tuple[Combination, ...]
    counts: Counts | None
    weighted: Counts | None

    @property
    def label(self) -> str:
        """Its name."""
        return " + ".join(self.labels)

    @property
    def has_results(self) -> bool:
        """Whether there are results of cases here."""
        return self.counts is not None


def common_cells(cells: Sequence[PrintedCell], target: Target) -> list[CommonCell]:
    """Add printed cells up until none is cut by a level of the target.

    A printed cell that holds nobody ties no others together.

    Returns
    -------
    in the order of the printed cells; then, one by one, the target's combinations of levels that no
    case here has

    Raises
    ------
    ValueError
        Two levels of the target share a printed level.
    """
    of_product = dict(_products(target))
    cell_of = {
        tuple(at): k
        for k, cell in enumerate(cells)
        for at in cell["combinations"]
        if cell["counts"] is None or cell["counts"]["n_cases"] > 0
    }
    parent = list(range(len(cells)))
    for printed in of_product.values():
        touched = [_root(parent, cell_of[at]) for at in printed if at in cell_of]
        for other in touched[1:]:
            low, high = sorted((_root(parent, touched[0]), _root(parent, other)))
            parent[high] = low
    products: dict[int, list[Combination]] = {}
    nowhere = []
    for product, printed in of_product.items():
        found = next((cell_of[at] for at in printed if at in cell_of), None)
        if found is None:
            nowhere.append(product)
        else:
            products.setdefault(_root(parent, found), []).append(product)
    made = []
    for root in sorted({_root(parent, k) for k in cell_of.values()}):
        parts = [cell for k, cell in enumerate(cells) if _root(parent, k) == root]
        made.append(
            CommonCell(
                tuple(part["label"] for part in parts),
                tuple(products.get(root, ())),
                _sum([part["counts"] for part in parts]),
                _sum([part.get("weighted") for part in parts]),
            )
        )
    for product in nowhere:
        chosen = [target["levels"][v][at]["label"] for v, at in enumerate(product)]
        made.append(CommonCell((TIMES.join(chosen),), (product,), None, None))
    return made


def _products(target: Target) -> Iterator[tuple[Combination, list[Combination]]]:
    """Give each combination of the target's levels, and the printed ones that it is."""
    for levels in target["levels"]:
        stated = [at for group in levels for at in group["levels"]]
        if len(set(stated)) < len(stated):
            raise ValueError("target: two levels share a printed level")
    places = [range(len(levels)) for levels in target["levels"]]
    for product in itertools.product(*places):
        chosen = [target["levels"][v][at]["levels"] for v, at in enumerate(product)]
        yield product, list(itertools.product(*chosen))


def _root(parent: list[int], at: int) -> int:
    while parent[at] != at:
        at = parent[at]
    return at


def _sum(parts: Sequence[Counts | None]) -> Counts | None:
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return {name: sum(part[name] for part in known) for name in COUNTS}
