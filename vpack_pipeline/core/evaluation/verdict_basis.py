"""What an endpoint's verdict at a look rests on, and what of it has changed since.

A look is void for an endpoint where these values differ between the protocol of the pack published
at it and the protocol of today. Every value of a block counts, one that is new too, unless it is
named here: titles, rationales and notes, names that only refer, the order of lists that no figure
follows, and what no verdict reads. What does not belong here: how that pack is found
(``io.packs.looks``), and what a void look does (``looks``).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import Any, Final

from vpack_pipeline.core.calls import primary_point
from vpack_pipeline.core.eligibility import meaning
from vpack_pipeline.core.windows import slowest_days
from vpack_pipeline.document import Document
from vpack_pipeline.protocol import Endpoint, Finding, OperatingPoint, Protocol, Sampling

_OF_PREDICTIONS: Final = frozenset({"has_prediction"})
"""Columns of the case view that depend on which model is the primary one."""
_OF_FINDINGS: Final = frozenset({"has_prediction", "has_reference", "n_reads", "is_diagnostic"})
"""Columns of the case view that depend on what is accepted of any finding."""


def changed_blocks(
    then: Protocol, now: Protocol, endpoint: str, look: datetime.date
) -> tuple[str, ...]:
    """Name the blocks of the protocol in which what a verdict rests on has changed.

    Parameters
    ----------
    then, now : the protocol of the pack published at the look, and that of today
    endpoint : id of an endpoint of ``now``
    look : a look of ``now``

    Returns
    -------
    names of blocks, sorted; none where the verdict stands. An endpoint or a look that was not
    there is a change of ``evaluation``
    """
    # A look that was the last spent all that there was, whatever was planned: one that is added
    # afterwards must not void it, and have alpha anew.
    was_last = look == then.evaluation.looks[-1].cut
    before, after = (
        verdict_basis(p, endpoint, look, rests_on_plan=not was_last) for p in (then, now)
    )
    if before is None or after is None:
        return ("evaluation",)
    return tuple(sorted(block for block in after if before[block] != after[block]))


def verdict_basis(
    protocol: Protocol, endpoint: str, look: datetime.date, *, rests_on_plan: bool = True
) -> Mapping[str, object] | None:
    """Give what an endpoint's verdict at a look rests on, by block of the protocol.

    Where a rule for several endpoints lets others decide at which level it is tested, what theirs
    rest on is part of it.

    Parameters
    ----------
    rests_on_plan : whether the planned information decides what the look spends

    Returns
    -------
    values that are equal where the verdict would be; None without that endpoint or look
    """
    claim = next((e for e in protocol.evaluation.endpoints if e.id == endpoint), None)
    if claim is None or look not in {one.cut for one in protocol.evaluation.looks}:
        return None
    named = _columns_of_rules(protocol)
    rule, others = _tested_with(protocol, claim)
    return {
        "adjudication": _values(protocol.adjudication, "blinding_note", "floor"),
        "covariates": {_fixed(c, "title") for c in protocol.covariates if c.name in named},
        # A set: a case is in if it passes every rule, in whatever order they stand.
        "eligibility": {
            _fixed(rule, "id", "title", "rationale", when=meaning(rule.when)[0])
            for rule in protocol.eligibility.rules
        },
        "evaluation": _evaluation(protocol, claim, rests_on_plan=rests_on_plan)
        | {
            "rule": rule,
            "others": _set(_evaluation(protocol, e, rests_on_plan=rests_on_plan) for e in others),
        },
        "findings": [
            _findings(protocol, claim, named),
            _set(_findings(protocol, e, named) for e in others),
        ],
        "index_test": [
            _index_test(protocol, claim, named),
            _set(_index_test(protocol, e, named) for e in others),
        ],
        "sampling": {
            window: _draw(draw)
            for window, draw in protocol.sampling.by_window.items()
            if any(window in e.windows for e in (claim, *others))
        },
        "unit_of_analysis": protocol.unit_of_analysis,
    }


def _values(document: Document, *left_out: str) -> dict[str, Any]:
    """Give every value of a part of the protocol but those named; times compare as moments."""
    names = (name for name in type(document).model_fields if name not in left_out)
    return {name: getattr(document, name) for name in names}


def _draw(sampling: Sampling) -> dict[str, Any]:
    """Give what a verdict rests on of one draw; in which order strata stand says nothing."""
    return _values(sampling, "note") | {
        "strata": {_fixed(stratum) for stratum in sampling.strata},
        "depends_on": set(sampling.depends_on),
    }


def _fixed(document: Document, *left_out: str, **instead: str) -> frozenset[tuple[str, Any]]:
    """Give the same as a member of a set; of a list in it, the order says nothing."""
    values = _values(document, *left_out) | instead
    return frozenset(
        (name, frozenset(value) if isinstance(value, tuple) else value)
        for name, value in values.items()
    )


def _set(parts: Iterable[Any]) -> list[Any]:
    """Give parts of which the order says nothing."""
    return sorted(parts, key=str)


def _tested_with(protocol: Protocol, claim: Endpoint) -> tuple[str | None, tuple[Endpoint, ...]]:
    """Give the rule for several endpoints, and those whose verdicts decide the claim's level."""
    primary = protocol.evaluation.primary_endpoints
    if claim not in primary or len(primary) == 1:
        return None, ()
    rule = protocol.evaluation.several_endpoints
    others = {
        "fixed_sequence": primary[: primary.index(claim)],
        "holm": tuple(e for e in primary if e != claim),
    }
    return rule, others.get(str(rule), ())


def _columns_of_rules(protocol: Protocol) -> frozenset[str]:
    return frozenset[str]().union(*(meaning(rule.when)[1] for rule in protocol.eligibility.rules))


def _evaluation(protocol: Protocol, claim: Endpoint, *, rests_on_plan: bool) -> dict[str, Any]:
    evaluation, point = protocol.evaluation, _point(protocol, claim)
    elsewhere = {"endpoints", "looks", "maturity", "operating_points", "several_endpoints"}
    words = {"id", "title", "estimand", "margin_rationale", "operating_point"}
    planned = {"information_max", "information_max_retrospective"}
    # No figure that a verdict is given of is resampled, or moved to another prevalence.
    unread = {"interval", "replicates", "seed", "stated_prevalence", "subgroups"}
    return _values(evaluation, *elsewhere, *unread) | {
        "cluster": evaluation.interval.cluster,
        "endpoint": _values(claim, *words, *(set() if rests_on_plan else planned)),
        "mature_after_days": slowest_days(protocol.adjudication, evaluation),
        "point": None if point is None else _values(point, "name", "title", "primary", "chosen_on"),
    }


def _point(protocol: Protocol, claim: Endpoint) -> OperatingPoint | None:
    """Find the point that the claim is about; for the AUC the one that judges its labels."""
    evaluation = protocol.evaluation
    if claim.metric == "auc":
        return primary_point(evaluation, claim.finding, protocol.index_test.primary.id)
    return next((p for p in evaluation.operating_points if p.name == claim.operating_point), None)


def _findings(protocol: Protocol, claim: Endpoint, named: frozenset[str]) -> list[dict[str, Any]]:
    own = [
        _values(f, "title", "negative_follow_up")
        | _scale(f)
        | {
            "indeterminate": set(f.indeterminate),
            "negative_follow_up": f.negative_follow_up and f.negative_follow_up.minimum_days,
        }
        for f in protocol.findings
        if f.name == claim.finding
    ]
    others = [_scale(f) for f in protocol.findings] if named & _OF_FINDINGS else []
    return [*own, *sorted(others, key=lambda scale: str(scale["name"]))]


def _scale(finding: Finding) -> dict[str, Any]:
    return {"name": finding.name, "categories": [_values(c, "label") for c in finding.categories]}


def _index_test(protocol: Protocol, claim: Endpoint, named: frozenset[str]) -> dict[str, Any]:
    test = protocol.index_test
    points = {p.name: p.model for p in protocol.evaluation.operating_points}
    asked = test.primary.id if claim.metric == "auc" else points.get(str(claim.operating_point))
    return _values(test, "models") | {
        "model": next((_values(m, "primary") for m in test.models if m.id == asked), None),
        "primary": test.primary.id if named & _OF_PREDICTIONS else None,
    }
