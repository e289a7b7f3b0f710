"""When the prospective window may be seen: the looks of the protocol, and what lies between them.

A look is a cut at which a verdict is given. Before the first, whatever needs labels of the
prospective window, or stands in for them, is withheld; between and after looks, and at one
that is void, it is exploratory. What does not belong here: the verdicts (``endpoints``).
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping
from typing import Any, Final

import polars as pl

from vpack_pipeline.core.figures import Figures
from vpack_pipeline.core.windows import PROSPECTIVE
from vpack_pipeline.protocol import Endpoint, Evaluation
from vpack_pipeline.stats.codes import Code, Coded, Codes, code, coded
from vpack_pipeline.stats.estimate import Estimate

DIFFERENCE: Final = "prospective_minus_retrospective"
VOID: Final = "void"
"""The verdict of a look taken under a protocol that has changed since."""
_LOOKS: Final = {"endpoint": pl.String, "look": pl.String, "verdict": pl.String}
_BEHIND_LOOKS: Final = frozenset({PROSPECTIVE, DIFFERENCE})


def withheld_reason(evaluation: Evaluation, cut: datetime.date) -> Code | None:
    """Say why figures of the prospective window that need labels are withheld at a cut.

    Returns
    -------
    the reason before the first look; None from the first look on
    """
    first = evaluation.looks[0].cut
    if cut >= first:
        return None
    return code("no_look_yet", first=first.isoformat())


def is_judged_at_looks(endpoint: Endpoint) -> bool:
    """Whether an endpoint's verdict needs the prospective window, and so is given at looks alone.

    Any other is computed at every cut.
    """
    return endpoint.window == PROSPECTIVE or endpoint.comparison == "non_inferiority"


def void_endpoints(published_looks: pl.DataFrame, look: datetime.date) -> frozenset[str]:
    """Endpoints of which a look speaks no longer: what they rest on has changed since.

    Parameters
    ----------
    published_looks : the verdicts of past looks: ``endpoint``, ``look`` as a date or
        ``YYYY-MM-DD``, ``verdict``
    """
    of_look = pl.col("look").cast(pl.String) == look.isoformat()
    void = published_looks.filter(of_look & (pl.col("verdict") == VOID))
    return frozenset(void["endpoint"])


def exploratory_note(
    evaluation: Evaluation, cut: datetime.date, published_looks: pl.DataFrame
) -> Code | None:
    """Say that a prospective figure at this cut was seen outside a look; None at a valid look.

    Before the first look there is nothing to note: figures are withheld. A look that is void is
    none: what is seen at its cut is exploratory too. Where it is void for some endpoints alone,
    they are named, since a figure cannot tell which of them it stands beside.
    """
    past = [look.cut for look in evaluation.looks if look.cut <= cut]
    if not past:
        return None
    if past[-1] < cut:
        return code("exploratory_after_look", look=past[-1].isoformat())
    void = void_endpoints(published_looks, cut)
    if not void:
        return None
    look = cut.isoformat()
    judged = {e.id for e in evaluation.endpoints if is_judged_at_looks(e)}
    if judged <= void:
        return code("exploratory_look_void", look=look)
    return code("exploratory_look_void_for", look=look, endpoints=tuple(sorted(void)))


class WindowedFigures(Figures):
    """Figures that keep the prospective window shut until the first look.

    Withholding is the default: only metrics named in ``open_metrics`` (counts of what was
    delivered, scored or failed, which need no label) are shown before it. ``published_looks`` may
    be left out where every metric is open.
    """

    def __init__(
        self,
        asset: str,
        evaluation: Evaluation,
        cut: datetime.date,
        published_looks: pl.DataFrame | None = None,
        *,
        open_metrics: Collection[str] = (),
    ) -> None:
        super().__init__(asset)
        self._withheld = withheld_reason(evaluation, cut)
        looks = pl.DataFrame(schema=_LOOKS) if published_looks is None else published_looks
        self._note = exploratory_note(evaluation, cut, looks)
        self._open = frozenset(open_metrics)

    def hides(self, window: str) -> bool:
        """Whether figures of this window that need labels are withheld."""
        return self._withheld is not None and window in _BEHIND_LOOKS

    def at(self, **keys: str) -> Place:
        """Give a writer for one cell of the table."""
        return Place(self, keys)

    def _add(
        self,
        metric: str,
        status: str,
        row: Mapping[str, object],
        *,
        reason: Code | None = None,
        notes: Codes = (),
        method: Codes = (),
    ) -> None:
        is_open = row.get("window") not in _BEHIND_LOOKS or metric in self._open
        if is_open:
            super()._add(metric, status, row, reason=reason, notes=notes, method=method)
        elif self._withheld is not None:
            keys = {name: row.get(name) for name in self.keys}
            super()._add(metric, "withheld", keys, reason=self._withheld)
        else:
            notes = coded(notes, self._note)
            super()._add(metric, status, row, reason=reason, notes=notes, method=method)


class Place:
    """One cell of a figure table: its keys are written once, its metrics one by one."""

    def __init__(self, figures: WindowedFigures, keys: Mapping[str, Any]) -> None:
        self._figures = figures
        self._keys = dict(keys)

    def give(self, metric: str, value: Estimate | float | None, **rest: Any) -> None:
        """Add a figure; see :meth:`Figures.give`."""
        self._figures.give(metric, value, **self._keys, **rest)

    def count(self, metric: str, events: int, n: int) -> None:
        """Add a count of ``events`` among ``n``."""
        self.give(metric, events, n=n, events=events, method="count")

    def refuse(self, metric: str, reason: Coded, **rest: Any) -> None:
        """Add a figure that cannot be given; see :meth:`Figures.refuse`."""
        self._figures.refuse(metric, reason, **self._keys, **rest)
