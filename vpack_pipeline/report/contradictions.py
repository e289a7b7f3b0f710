"""Which rules of conduct each declared field of the protocol rests on.

Where one of them is broken, the report says so right beside what the author declared. Fields of
free prose are not here: nobody parses them. What does not belong here: the rules themselves
(``core.evaluation.integrity``), their words (``words``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from vpack_pipeline.contracts import codes
from vpack_pipeline.protocol import Protocol
from vpack_pipeline.report.book import Row

PACKAGE_DATA: Final = ("contracts",)

_SCORED_AS_THEY_COME: Final = (
    "scored_by_locked_model",
    "received_before_scored",
    "scored_before_labelled",
    "delivered_before_labels",
)
_ANY: Final[Any] = object()

RESTS_ON: Final[Mapping[str, Mapping[Any, tuple[str, ...]]]] = {
    "about.evidence_kind": {
        "retrospective": ("scored_by_locked_model",),
        "temporal": (
            "scored_by_locked_model",
            "no_development_patient",
            "no_development_study",
            "no_near_duplicate",
            "disjoint_patients",
        ),
        "silent_prospective": (
            *_SCORED_AS_THEY_COME,
            "readers_blind_to_index_test",
            "reference_blind_to_index_test",
        ),
        "live_observational": _SCORED_AS_THEY_COME,
        "comparative": _SCORED_AS_THEY_COME,
    },
    "about.registered_at": {_ANY: ("protocol_registered",)},
    "index_test.models": {_ANY: ("model_locked", "scored_by_locked_model")},
    "evaluation.operating_points": {
        _ANY: ("thresholds_fixed", "thresholds_chosen_elsewhere", "no_tuning_patient")
    },
    "evaluation.endpoints": {_ANY: ("protocol_registered", "model_locked", "thresholds_fixed")},
    "eligibility.rules": {_ANY: ("rules_before_window", "rules_blind")},
    "sampling.prospective.method": {
        "consecutive": (
            "consecutive",
            "days_and_hours",
            "no_accession_gap",
            "every_study_has_case",
            "every_case_accounted",
        ),
        "random": ("every_case_accounted",),
        "convenience": (),
    },
    "adjudication.blind_to_index_test": {
        True: ("readers_blind_to_index_test", "reference_blind_to_index_test"),
        False: (),
    },
    "adjudication.blind_to_peers": {True: ("readers_blind_to_peers",), False: ()},
    "adjudication.verification_tolerance": {_ANY: ("verification_alike",)},
}
"""Field of the protocol → declared value → the rules of conduct that it rests on."""


def declared(protocol: Protocol, field: str) -> Any:
    """Find what the author declared.

    Parameters
    ----------
    field : a path of attributes, such as ``sampling.prospective.method``
    """
    value: Any = protocol
    for name in field.split("."):
        value = getattr(value, name)
    return value


def rules_of(protocol: Protocol, field: str) -> tuple[str, ...]:
    """List the rules of conduct that a declared field rests on, with the value that it has.

    Raises
    ------
    KeyError
        The field, or its value, is not in :data:`RESTS_ON`.
    """
    by_value = RESTS_ON[field]
    return by_value[_ANY] if _ANY in by_value else by_value[declared(protocol, field)]


def unit_of(row: Row) -> str:
    """Name the units in which a rule of conduct is counted."""
    unit = codes.load()["count_of"].parameters["unit"]
    return unit.printed.written(json.loads(row.says("detail"))["count_of.unit"])
