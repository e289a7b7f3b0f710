"""The protocol as it travels: the YAML in every pack, and how that of an older pack is read.

What does not belong here: the documents as people write them (``strict_yaml``), which formats a
pack can have (``pack_format.bag``).
"""

from __future__ import annotations

import datetime
import functools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import yaml

from vpack_pipeline.old_names import OldName, with_new_names
from vpack_pipeline.protocol.monitoring import SMALLEST_GROUP
from vpack_pipeline.protocol.one_sided_alpha import RULE_OF_OLD, one_sided
from vpack_pipeline.strict_yaml import LOADER

Migration = Callable[[dict[str, Any]], None]
"""Changes a protocol's plain data in place into what the next format means by it."""


def to_yaml(data: Mapping[str, Any]) -> bytes:
    """Write plain data as YAML whose bytes follow from its content alone."""
    return _written(json.dumps(data, sort_keys=True))


@functools.lru_cache(maxsize=16)
def _written(text: str) -> bytes:
    made: str = yaml.dump(json.loads(text), sort_keys=True, allow_unicode=True, width=100)
    return made.encode()


def from_yaml(
    text: bytes,
    pack_format: int,
    *,
    old_names: Sequence[OldName] = (),
    migrations: Mapping[int, Migration] | None = None,
) -> dict[str, Any]:
    """Read a protocol that travelled in a pack, as today's fields would say it.

    Parameters
    ----------
    pack_format : of the pack; each migration from this format on is applied, in order
    old_names : those that the protocol's fields no longer have
    migrations : by the format that they lead away from; ``MIGRATIONS`` where not given

    Raises
    ------
    ValueError
        It is not the YAML of a mapping.
    """
    data = with_new_names(_mapping(text), old_names)
    known = MIGRATIONS if migrations is None else migrations
    for number in sorted(known):
        if number >= pack_format:
            known[number](data)
    return data


def alpha_of_old_look(text: bytes, cut: datetime.date) -> float | None:
    """Give the one-sided alpha of a look where the protocol of a pack states one a look.

    Parameters
    ----------
    text : of ``protocol.yaml``; see :func:`from_yaml`
    """
    for look in _mapping(text).get("evaluation", {}).get("looks", ()):
        if str(look["cut"]) == cut.isoformat() and "alpha" in look:
            return one_sided([look["alpha"]])
    return None


def _mapping(text: bytes) -> dict[str, Any]:
    try:
        data = yaml.load(text, Loader=LOADER)
    except yaml.YAMLError:
        data = None
    if not isinstance(data, dict):
        raise ValueError("not the YAML of a protocol")
    return data


def _without_labelled_minimum(data: dict[str, Any]) -> None:
    """State that nothing was asked: the earliest packs were judged without this minimum."""
    data.get("adjudication", {}).setdefault("labelled_minimum", 0.0)


def _with_a_group_that_is_allowed(data: dict[str, Any]) -> None:
    """Raise a smallest group below today's least to it: no verdict rests on what was hidden."""
    disclosure = data.get("disclosure", {})
    if isinstance(disclosure.get("smallest_group"), int):
        disclosure["smallest_group"] = max(SMALLEST_GROUP, disclosure["smallest_group"])


def _with_one_sided_alpha(data: dict[str, Any]) -> None:
    """State the alpha of all looks once, one-sided; primary endpoints were judged each at it."""
    evaluation = data.get("evaluation", {})
    looks = [look for look in evaluation.get("looks", ()) if isinstance(look, dict)]
    spent = [look.pop("alpha") for look in looks if "alpha" in look]
    if not spent:
        return
    evaluation["alpha"] = one_sided(spent)
    ranks = [endpoint.get("rank") for endpoint in evaluation.get("endpoints", ())]
    if ranks.count("primary") > 1:
        evaluation["several_endpoints"] = RULE_OF_OLD


MIGRATIONS: Final[Mapping[int, Migration]] = {
    1: _without_labelled_minimum,
    2: _with_a_group_that_is_allowed,
    # Packs of format 4 were written before and after: one that has it already is left as it is.
    4: _with_one_sided_alpha,
}
"""What a default or a bound changed the meaning of, by the format that it leads away from.

A new field whose default says what was done before needs none: the model fills it in. Nor has
``evaluation.minimum_patients`` one: verdicts of looks that were taken without it stand.
"""
