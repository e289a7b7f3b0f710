"""The reference that later windows are compared with, and a monitor's baseline made of it.

What does not belong here: what a monitor computes (``monitors``), its limits (``calibration``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from vpack_pipeline.core.drift.monitors import Encoding, kind_of, level_encoding
from vpack_pipeline.core.drift.people import People
from vpack_pipeline.core.drift.signals import take
from vpack_pipeline.core.windows import lies_within
from vpack_pipeline.protocol import Drift, Monitor
from vpack_pipeline.stats.estimate import FloatArray


@dataclass(frozen=True, slots=True)
class Reference:
    """The cases of the reference window.

    Attributes
    ----------
    values : monitor → values of the cases
    patient : (n,) code of each case's patient, from 0 without a gap
    days : length of the reference window, days
    levels : monitor → printed levels, of those that watch what describes people
    """

    values: Mapping[str, Any]
    patient: Any
    days: int
    levels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Cases."""
        return len(self.patient)

    @property
    def n_patients(self) -> int:
        """Patients."""
        return int(self.patient.max()) + 1 if self.n else 0


def reference_of(
    cases: pl.DataFrame, values: Mapping[str, Any], drift: Drift, people: People
) -> Reference:
    """Select the cases of the reference window."""
    span = drift.reference
    mask = cases.select(lies_within(pl.col("index_date"), span)).to_series().to_numpy()
    _, codes = np.unique(cases["patient_id"].to_numpy()[mask], return_inverse=True)
    return Reference(
        values={name: take(v, mask) for name, v in values.items()},
        patient=codes,
        days=(span.end - span.start).days + 1,
        levels={m.name: found for m in drift.monitors if (found := people.levels(m)) is not None},
    )


@dataclass(frozen=True, slots=True)
class Baseline:
    """A monitor's encoding and the reference sums that windows are compared with."""

    monitor: Monitor
    encoding: Encoding
    sums: FloatArray

    def statistic(self, window: FloatArray) -> FloatArray:
        """Compare window sums (r, k) with the reference: (r,)."""
        kind = kind_of(self.monitor)
        return kind.statistic(self.sums[None, :], self._as_seen(window))

    def _as_seen(self, window: FloatArray) -> FloatArray:
        """Count the categories that these sums lack, of those that the encoding has, as unseen."""
        unseen = self.encoding.unseen
        if unseen is None:
            return window
        lacking = (self.sums == 0) & (np.arange(self.sums.size) < unseen)
        seen = np.where(lacking, 0.0, window)
        seen[:, unseen] += window[:, lacking].sum(axis=1)
        return seen


def baseline_of(monitor: Monitor, reference: Reference, drift: Drift) -> Baseline:
    """Make a monitor's baseline from all patients of the reference."""
    kind = kind_of(monitor)
    values = reference.values[monitor.name]
    levels = reference.levels.get(monitor.name)
    if levels is None:
        encoding = kind.prepare(values, monitor.bins)
    else:
        encoding = level_encoding(levels, values, kind)
    sums = encoding.encode(values, 0.0).sum(axis=0)
    if kind.is_volume:
        sums = sums * (drift.window_days / reference.days)
    return Baseline(monitor, encoding, sums)
