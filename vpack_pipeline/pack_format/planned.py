"""What the protocol of a pack plans, read as plain data: which model and point speak for a finding.

What does not belong here: the protocol's model (``protocol``), which needs more than a reviewer's
commands import.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Plain = Mapping[str, Any]


def primary_model(protocol: Plain) -> str:
    """Name the primary model; the only one where there is one."""
    models = protocol["index_test"]["models"]
    (model,) = (m["id"] for m in models if m.get("primary", len(models) == 1))
    return str(model)


def points_of(protocol: Plain, finding: str) -> list[Plain]:
    """Give the primary model's operating points of a finding, the primary one first."""
    model = primary_model(protocol)
    points = protocol["evaluation"].get("operating_points", ())
    own = [p for p in points if p["model"] == model and p["finding"] == finding]
    return sorted(own, key=lambda p: not p.get("primary"))


def goals_at(protocol: Plain, point: Plain) -> dict[str, float]:
    """Give the highest goal that an endpoint states of each figure at an operating point."""
    goals: dict[str, float] = {}
    for endpoint in protocol["evaluation"].get("endpoints", ()):
        asked = (endpoint.get("finding"), endpoint.get("operating_point"))
        if asked == (point["finding"], point["name"]) and endpoint.get("goal") is not None:
            goals[endpoint["metric"]] = max(endpoint["goal"], goals.get(endpoint["metric"], 0.0))
    return goals
