"""Rows that cannot be taken, one function a kind: each makes lines for the first delivery.

A broken row never shares its key with a sound one, so that what is lost is what was planted. The
registry at the foot names the kinds of ``planted.yaml``. What does not belong here: which code a
kind should be given (``planted.yaml``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from examples.demo_sites.forms import Line, Ragged, Raw, Row
from examples.demo_sites.images import shared_accession
from examples.demo_sites.world import World


@dataclass(frozen=True, slots=True)
class Delivered:
    """The sound rows of the first delivery."""

    world: World
    tables: Mapping[str, Sequence[Line]]
    labelled: frozenset[str]

    def sound(self, kind: str, n: int, skip: int = 0) -> list[Row]:
        """Give copies of sound rows, spread over the file."""
        rows = [line for line in self.tables[kind] if not isinstance(line, Ragged)]
        step = max(len(rows) // (n + 1), 1)
        return [dict(rows[(skip + (i + 1) * step) % len(rows)]) for i in range(n)]


Maker = Callable[[Delivered, int], list[Line]]


def _changed(kind: str, **changes: Any) -> Maker:
    """Change cells of sound rows; each is given a key that no sound row has."""

    def make(given: Delivered, n: int) -> list[Line]:
        # Another starting row for each kind of fault, so that two faults never share a key.
        skip = sum(str(sorted(changes.items())).encode()) % 89
        return [
            _NEW_KEY[kind](row, i) | changes for i, row in enumerate(given.sound(kind, n, skip))
        ]

    return make


def _new_case(row: Row, i: int) -> Row:
    return row | {"case_id": f"{row['case_id']}-X{i}"}


_NEW_KEY: Final[Mapping[str, Callable[[Row, int], Row]]] = {
    "cases": _new_case,
    "reads": lambda row, i: row | {"session": 70 + i},
    "predictions": lambda row, i: row | {"attempt": 70 + i},
    "readers": lambda row, i: row | {"reader_id": f"R-X{i}"},
    "development": lambda row, _: row,
    "population": lambda row, _: row,
}


def case_without_study(given: Delivered, n: int) -> list[Line]:
    """A case whose accession number no study has."""
    prefix = given.world.plan.prefix
    return [
        _new_case(row, 100 + i) | {"study": f"{prefix}GONE{i}"}
        for i, row in enumerate(given.sound("cases", n, 3))
    ]


def case_with_shared_accession(given: Delivered, n: int) -> list[Line]:
    """A case whose accession number two studies have."""
    shared = shared_accession(given.world.plan)
    return [
        _new_case(row, 200 + i) | {"study": shared}
        for i, row in enumerate(given.sound("cases", n, 5))
    ]


def case_of_other_patient(given: Delivered, n: int) -> list[Line]:
    """A case that names the study of somebody else."""
    return [
        _new_case(row, 300 + i) | {"patient_id": f"7700{i:04d}", "issuer": None}
        for i, row in enumerate(given.sound("cases", n, 7))
    ]


def case_in_the_future(given: Delivered, n: int) -> list[Line]:
    """A case whose examination lies after the delivery."""
    later = given.world.plan.deliveries.closed[0] + timedelta(days=400)
    return [
        _new_case(row, 400 + i) | {"index_date": later}
        for i, row in enumerate(given.sound("cases", n, 11))
    ]


def case_twice_alike(given: Delivered, n: int) -> list[Line]:
    """A sound row once more."""
    return list(given.sound("cases", n, 13))


def case_twice_unlike(given: Delivered, n: int) -> list[Line]:
    """Two rows of one case that differ: neither is taken."""
    found: list[Line] = []
    for i, row in enumerate(given.sound("cases", n // 2, 17)):
        first = _new_case(row, 500 + i)
        found += [first, first | {"setting": _other_setting(row["setting"])}]
    return found


def _other_setting(setting: Any) -> str:
    return "emergency" if setting == "outpatient" else "outpatient"


def case_ragged(given: Delivered, n: int) -> list[Line]:
    """A line with one cell too many, or one too few."""
    return [
        Ragged(_new_case(row, 600 + i), 1 if i % 2 else -1)
        for i, row in enumerate(given.sound("cases", n, 19))
    ]


def read_hour_twice(given: Delivered, n: int) -> list[Line]:
    """A local time in the hour that clocks go through twice."""
    return [
        row | {"session": 90 + i, "read_at": Raw(f"2025-10-26 02:{10 + i}:00")}
        for i, row in enumerate(given.sound("reads", n, 23))
    ]


def read_unknown_case(given: Delivered, n: int) -> list[Line]:
    """A read of a case that nobody delivered."""
    prefix = given.world.plan.prefix
    return [
        row | {"case_id": f"{prefix}-9{i:05d}"} for i, row in enumerate(given.sound("reads", n, 29))
    ]


def _unlabelled(given: Delivered, n: int, start: int) -> list[Row]:
    """Sound reference rows, moved to cases that have no outside label."""
    free = [
        row["case_id"]
        for row in given.sound("cases", len(given.tables["cases"]) - 1)
        if row["case_id"] not in given.labelled
    ]
    free = sorted(set(free))[start : start + n]
    return [row | {"case_id": c} for row, c in zip(given.sound("reference", n), free, strict=True)]


def reference_unknown_source(given: Delivered, n: int) -> list[Line]:
    """A label from a source that the site did not map."""
    return [row | {"source": Raw("Sektion")} for row in _unlabelled(given, n, 0)]


def reference_without_label(given: Delivered, n: int) -> list[Line]:
    """A reference row that says nothing."""
    return [row | {"label": None} for row in _unlabelled(given, n, 20)]


def reference_unknown_case(given: Delivered, n: int) -> list[Line]:
    """A label of a case that nobody delivered."""
    prefix = given.world.plan.prefix
    return [
        row | {"case_id": f"{prefix}-8{i:05d}"} for i, row in enumerate(given.sound("reference", n))
    ]


def score_unknown_case(given: Delivered, n: int) -> list[Line]:
    """A score of a case that nobody delivered."""
    prefix = given.world.plan.prefix
    return [
        row | {"case_id": f"{prefix}-7{i:05d}"}
        for i, row in enumerate(given.sound("predictions", n, 31))
    ]


def _score(value: float) -> Maker:
    def make(given: Delivered, n: int) -> list[Line]:
        skip = 37 if value > 1 else 41
        return [
            row | {"attempt": 80 + i, "status": "ok", "score": value}
            for i, row in enumerate(given.sound("predictions", n, skip))
        ]

    return make


def _operation(start: int, **changes: Any) -> Maker:
    """Break a row of a study of which no sound row tells."""

    def make(given: Delivered, n: int) -> list[Line]:
        told = {row["study"] for row in given.sound("operations", len(given.tables["operations"]))}
        first = given.world.plan.deliveries.closed[0]
        free = [
            e.accession
            for e in given.world.exams
            if e.accession not in told and e.index_date < first - timedelta(days=9)
        ]
        sound: Row = {"turnaround_s": 3600.5, "failure": False, "override": False}
        return [{"study": a} | sound | changes for a in free[start : start + n]]

    return make


def operation_without_study(given: Delivered, n: int) -> list[Line]:
    """A turnaround of a study that the archive does not hold."""
    return [
        row | {"study": f"{given.world.plan.prefix}NONE{i}"}
        for i, row in enumerate(given.sound("operations", n))
    ]


def population_unknown_band(given: Delivered, n: int) -> list[Line]:
    """A cell whose age band is none of the protocol's."""
    return [row | {"age_years": Raw("elderly")} for row in given.sound("population", n)]


def population_negative_count(given: Delivered, n: int) -> list[Line]:
    """A cell of fewer than no patients, in a band that no sound row names."""
    return [row | {"sex": "other", "n": -5} for row in given.sound("population", n)]


def map_to_itself(_given: Delivered, n: int) -> list[Line]:
    """An identifier that is mapped to itself."""
    return [{"patient_id": f"t99000{i:02d}", "same_as": f"t99000{i:02d}"} for i in range(n)]


def map_chain(given: Delivered, n: int) -> list[Line]:
    """An identifier that is mapped to one which is mapped itself."""
    targets = [row["patient_id"] for row in given.sound("patient_map", n)]
    return [{"patient_id": f"t98000{i:02d}", "same_as": target} for i, target in enumerate(targets)]


BROKEN: Final[Mapping[str, Maker]] = {
    "case_without_study": case_without_study,
    "case_with_shared_accession": case_with_shared_accession,
    "case_of_other_patient": case_of_other_patient,
    "case_without_patient": _changed("cases", patient_id=Raw("")),
    "case_on_no_day": _changed("cases", index_date=Raw("2025-06-31")),
    "case_in_the_future": case_in_the_future,
    "case_twice_alike": case_twice_alike,
    "case_twice_unlike": case_twice_unlike,
    "case_ragged": case_ragged,
    "case_bedside_perhaps": _changed("cases", portable=Raw("perhaps")),
    "reader_negative_years": _changed("readers", years_experience=-3.0),
    "read_unknown_rating": _changed("reads", rating=Raw("likely")),
    "read_unknown_reader": _changed("reads", reader_id="R-NOBODY"),
    "read_unknown_case": read_unknown_case,
    "read_bad_time": _changed("reads", read_at=Raw("2025-13-45 10:00:00")),
    "read_hour_twice": read_hour_twice,
    "read_session_zero": lambda g, n: [row | {"session": 0} for row in g.sound("reads", n, 43)],
    "read_seconds_in_words": _changed("reads", duration_s=Raw("a minute")),
    "reference_unknown_source": reference_unknown_source,
    "reference_without_label": reference_without_label,
    "reference_unknown_case": reference_unknown_case,
    "score_out_of_range": _score(1.7),
    "score_not_finite": _score(float("nan")),
    "score_unknown_model": _changed("predictions", model_id="nodule-3"),
    "score_unknown_finding": _changed("predictions", finding="effusion"),
    "score_unknown_status": _changed("predictions", status="timeout"),
    "score_unknown_case": score_unknown_case,
    "operation_negative_time": _operation(0, turnaround_s=-60.0),
    "operation_thousands_point": _operation(10, turnaround_s=Raw("1.234,5")),
    "operation_without_study": operation_without_study,
    "development_of_nobody": lambda _, n: [{"patient_id": Raw("")} for _ in range(n)],
    "population_unknown_band": population_unknown_band,
    "population_negative_count": population_negative_count,
    "map_to_itself": map_to_itself,
    "map_chain": map_chain,
}
"""Kind of ``planted.yaml`` → how such lines are made."""
