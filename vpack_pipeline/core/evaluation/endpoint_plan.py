"""What a protocol plans of its endpoints: whether it can come true, and how it reads in words.

What does not belong here: names that do not resolve (``study``), what is found at a look
(``endpoints``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from vpack_pipeline.contracts import codes
from vpack_pipeline.core.evaluation.information import CLASSES, planned_patients
from vpack_pipeline.core.evaluation.looks import is_judged_at_looks
from vpack_pipeline.errors import Problem
from vpack_pipeline.protocol import Endpoint, Evaluation, Information, Protocol
from vpack_pipeline.stats.goals import (
    bound_without_a_miss,
    bound_without_an_error,
    fewest_without_a_miss,
    fewest_without_an_error,
)
from vpack_pipeline.stats.sequential import look_levels, share_of_information
from vpack_pipeline.stats.several_endpoints import RULES

PACKAGE_DATA: Final = ("contracts/codes",)

_PATIENTS: Final[Mapping[str, str]] = {
    "positives": "patients with positives",
    "negatives": "patients with negatives",
    "flagged": "patients with flagged cases",
    "cleared": "patients with cases not flagged",
}
_HIGHEST: Final = 1 - 1e-6
"""Stands for a goal that no bound exceeds, where only words are made of it."""


def check_endpoints(protocol: Protocol) -> Iterator[Problem]:
    """Find what no result of a study could mend."""
    evaluation = protocol.evaluation
    where = f"{protocol.reference} evaluation"
    if len(evaluation.primary_endpoints) > 1 and evaluation.several_endpoints is None:
        names = ", ".join(e.id for e in evaluation.primary_endpoints)
        what = f"several endpoints are primary ({names}), and no rule judges them together"
        remedy = f"add several_endpoints: {', '.join(RULES)}"
        yield Problem(f"{where}.several_endpoints", what, remedy)
    yield from _look_problems(evaluation, where)
    for endpoint in evaluation.endpoints:
        at = f"{protocol.reference} endpoints {endpoint.id}"
        yield from _goal_problems(endpoint, at)
        yield from _information_problems(endpoint, evaluation, at)
        yield from _size_problems(endpoint, evaluation, at)


def _look_problems(evaluation: Evaluation, where: str) -> Iterator[Problem]:
    stated = [look.information for look in evaluation.looks if look.information is not None]
    ends = evaluation.looks[-1].information in (None, 1.0)
    early = [look.information for look in evaluation.looks[:-1]]
    if stated != sorted(set(stated)) or not ends or 1.0 in early:
        what = "the information of looks does not rise to 1 at the last"
        yield Problem(f"{where}.looks", what, "give shares of the planned information, rising")


def _goal_problems(endpoint: Endpoint, where: str) -> Iterator[Problem]:
    if endpoint.comparison == "absolute" and not 0 < (endpoint.goal or 0.0) < 1:
        what = f"{endpoint.goal:g} is no goal for {endpoint.metric}, which lies within 0 and 1"
        remedy = "give a goal above 0 and below 1, which the lower bound can exceed"
        yield Problem(f"{where}.goal", what, remedy)
    if endpoint.margin is not None and endpoint.margin >= 1:
        what = "a margin of 1 tolerates any loss"
        yield Problem(f"{where}.margin", what, "give the largest loss that is tolerable, below 1")


def _information_problems(
    endpoint: Endpoint, evaluation: Evaluation, where: str
) -> Iterator[Problem]:
    is_difference = endpoint.comparison == "non_inferiority"
    needed = {"information_max": endpoint.information_max}
    if is_difference:
        needed["information_max_retrospective"] = endpoint.information_max_retrospective
    elif endpoint.information_max_retrospective is not None:
        what = "only non-inferiority compares with the retrospective window"
        yield Problem(f"{where}.information_max_retrospective", what, "remove it")
    has_steps = len(evaluation.looks) > 1 and is_judged_at_looks(endpoint)
    for name, planned in needed.items():
        if has_steps and planned_patients(endpoint.metric, planned) is None:
            example = ", ".join(f"{one}: 120" for one in CLASSES[endpoint.metric])
            what = "several looks spend alpha as information accrues, and none is planned"
            yield Problem(f"{where}.{name}", what, f"add the patients planned: {{{example}}}")
        for one in _unused(endpoint.metric, planned):
            what = f"{endpoint.metric} does not use {one}"
            remedy = f"it uses {', '.join(CLASSES[endpoint.metric])}"
            yield Problem(f"{where}.{name}.{one}", what, remedy)


def _unused(metric: str, planned: Information | None) -> list[str]:
    stated = {} if planned is None else planned.model_dump(exclude_none=True)
    return [name for name in stated if name not in CLASSES[metric]]


def _size_problems(endpoint: Endpoint, evaluation: Evaluation, where: str) -> Iterator[Problem]:
    planned = planned_patients(endpoint.metric, endpoint.information_max)
    goal = endpoint.goal
    if planned is None:
        return
    told = " and ".join(
        f"{n} {_PATIENTS[one]}" for one, n in zip(CLASSES[endpoint.metric], planned, strict=True)
    )
    if min(planned) < evaluation.minimum_patients:
        what = f"{told}: fewer than minimum_patients, {evaluation.minimum_patients}"
        yield Problem(f"{where}.information_max", what, "plan for more patients")
    elif goal is not None and endpoint.comparison == "absolute" and 0 < goal < 1:
        level = _last_level(endpoint, evaluation)
        bound = (
            bound_without_an_error(planned[0], planned[1], level)
            if endpoint.metric == "auc"
            else bound_without_a_miss(planned[0], level)
        )
        if not bound > goal:
            what = f"a goal that no sample could meet: of {told} without a miss the lower bound is"
            remedy = f"{_fewest(endpoint, evaluation)}: plan for more, or lower the goal"
            yield Problem(f"{where}.goal", f"{what} {bound:.3f}", remedy)


def planned_levels(
    endpoint: Endpoint, evaluation: Evaluation, alpha: float
) -> tuple[float | None, ...]:
    """Give the one-sided level of each look as planned; None of one that is not taken.

    Looks that state no information are taken to bring equal parts.

    Parameters
    ----------
    alpha : one-sided error of the endpoint, over all looks
    """
    looks = evaluation.looks if is_judged_at_looks(endpoint) else evaluation.looks[-1:]
    expected = [look.information or (i + 1) / len(looks) for i, look in enumerate(looks)]
    taken: list[float] = []
    is_taken = []
    for i, share in enumerate(expected):
        found = share_of_information(share, 1.0, taken, is_last=i == len(looks) - 1)
        is_taken.append(found is not None)
        taken += [] if found is None else [found]
    levels = iter(look_levels(alpha, taken))
    return tuple(next(levels) if one else None for one in is_taken)


def plan_in_words(evaluation: Evaluation) -> list[str]:
    """Say what is planned: the rule for primary endpoints, then each endpoint in a sentence."""
    primary = evaluation.primary_endpoints
    rule = evaluation.several_endpoints
    lines = [f"one-sided alpha {evaluation.alpha:g} of each endpoint, over all its looks"]
    if len(primary) > 1 and rule is not None:
        lines = [
            f"{len(primary)} primary endpoints at one-sided alpha {evaluation.alpha:g}:"
            f" {codes.load()['judged_by'].parameters['rule'].words[rule]}"
        ]
    return lines + [_in_words(endpoint, evaluation) for endpoint in evaluation.endpoints]


def _in_words(endpoint: Endpoint, evaluation: Evaluation) -> str:
    if endpoint.comparison == "non_inferiority":
        claim = f"falls by less than {endpoint.margin:g} after the lock"
    else:
        claim = f"above {endpoint.goal:g}, {endpoint.window}"
    primary = evaluation.primary_endpoints
    share = 1
    if evaluation.several_endpoints == "holm" and endpoint in primary:
        share = len(primary)
    said = f"{endpoint.id} ({endpoint.rank}): {endpoint.metric} {claim}"
    looks = _looks_in_words(endpoint, evaluation, share)
    return f"{said}; {looks}; {_fewest(endpoint, evaluation)}"


def _looks_in_words(endpoint: Endpoint, evaluation: Evaluation, share: int) -> str:
    levels = planned_levels(endpoint, evaluation, evaluation.alpha / share)
    freed = planned_levels(endpoint, evaluation, evaluation.alpha)
    told = [_level_in_words(*pair) for pair in zip(levels, freed, strict=True)]
    if not is_judged_at_looks(endpoint):
        return told[0]
    each = zip(evaluation.looks, told, strict=True)
    return ", ".join(f"look of {look.cut} {text}" for look, text in each)


def _level_in_words(level: float | None, freed: float | None) -> str:
    if level is None or freed is None:
        return "not taken, too little information"
    more = "" if level == freed else f", up to {freed:.4g} as others are met"
    return f"at alpha {level:.4g}{more}"


def _last_level(endpoint: Endpoint, evaluation: Evaluation) -> float:
    """Two-sided level of the last look, which is always taken, at the whole of alpha."""
    last = planned_levels(endpoint, evaluation, evaluation.alpha)[-1]
    return 1 - 2 * (evaluation.alpha if last is None else last)


def _fewest(endpoint: Endpoint, evaluation: Evaluation) -> str:
    """Say how few patients can meet the goal at the last look."""
    level = _last_level(endpoint, evaluation)
    is_difference = endpoint.comparison == "non_inferiority"
    goal = 1 - (endpoint.margin or 0.0) if is_difference else endpoint.goal or 0.0
    find = fewest_without_an_error if endpoint.metric == "auc" else fewest_without_a_miss
    fewest = max(find(min(goal, _HIGHEST), level), evaluation.minimum_patients)
    if endpoint.metric == "auc":
        told = f"it takes at least {fewest} patients with positives, and as many with negatives"
        return f"{told}, ranked without an error"
    told = f"it takes at least {fewest} {_PATIENTS[CLASSES[endpoint.metric][0]]} without a miss"
    return f"{told}, and none missed before the lock" if is_difference else told
