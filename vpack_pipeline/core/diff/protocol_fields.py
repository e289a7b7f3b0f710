"""The fields in which two protocols differ, and whether words or values.

What does not belong here: which verdicts a change voids (``core.evaluation.verdict_basis``, which
reads conditions of rules; here they are compared as they are written).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any, Final

WORDING: Final = (
    "about.*",
    "amendments*",
    "*.title",
    "eligibility.rules.*.rationale",
    "sampling.note",
    "sampling.*.note",
    "adjudication.blinding_note",
    "findings.*.categories.*.label",
    "findings.*.negative_follow_up.source",
    "evaluation.endpoints.*.estimand",
    "evaluation.endpoints.*.margin_rationale",
    "evaluation.stated_prevalence.*.source",
    "drift.monitors.*.sees",
    "drift.monitors.*.blind_to",
    "drift.escalation.*",
    "drift.live_evidence",
)
"""Fields that say something, and of which no figure is made."""
VALUES_OF_ABOUT: Final = ("about.registered_at", "about.evidence_kind")
"""Fields among words that a rule of conduct, or the kind of claim, rests on."""
NOT_COMPARED: Final = ("id", "version")
"""What names a protocol is told apart from what it says."""
_KEYS: Final = ("id", "name", "cut", "level", "finding", "value")
"""Fields by one of which the items of a list are told apart."""
ABSENT: Final = None
"""The value of a field that one protocol does not have."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field with another value; of an item that one protocol lacks, the whole item."""

    path: tuple[str, ...]
    a: Any
    b: Any

    @property
    def block(self) -> str:
        """The block of the protocol."""
        return self.path[0]

    @property
    def is_wording(self) -> bool:
        """Whether the field holds words of which no figure is made."""
        return is_wording(".".join(self.path))


def is_wording(path: str) -> bool:
    """Tell whether a field holds words of which no figure is made.

    >>> is_wording("evaluation.endpoints.auc.title"), is_wording("evaluation.endpoints.auc.goal")
    (True, False)
    """
    return path not in VALUES_OF_ABOUT and any(fnmatch(path, pattern) for pattern in WORDING)


def changed_fields(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[FieldChange]:
    """Give the fields in which two protocols differ, in the order of the blocks' names.

    Parameters
    ----------
    a, b : plain data of protocols, both as today's fields say them

    Returns
    -------
    items of lists stand under their id, name or what else tells them apart. An item that one
    protocol lacks is one change; so is another order, under ``order``
    """
    for name in sorted(a.keys() | b.keys()):
        if name not in NOT_COMPARED:
            yield from _changes((name,), a.get(name), b.get(name))


def _changes(path: tuple[str, ...], a: Any, b: Any) -> Iterator[FieldChange]:
    if a == b:
        return
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for name in sorted(a.keys() | b.keys()):
            yield from _changes((*path, str(name)), a.get(name), b.get(name))
        return
    key = _key(a, b)
    if key is None:
        yield FieldChange(path, a, b)
        return
    first, second = ({str(item[key]): item for item in items} for items in (a, b))
    for name in dict.fromkeys([*first, *second]):
        yield from _changes((*path, name), first.get(name), second.get(name))
    kept, again = (
        [n for n in one if n in other] for one, other in ((first, second), (second, first))
    )
    if kept != again:
        yield FieldChange((*path, "order"), kept, again)


def _key(a: Any, b: Any) -> str | None:
    """Name the field by which the items of both lists are told apart."""
    if not isinstance(a, Sequence) or not isinstance(b, Sequence) or isinstance(a, str):
        return None
    items = [*a, *b]
    if not all(isinstance(item, Mapping) for item in items):
        return None
    for key in _KEYS:
        if all(key in item for item in items) and all(
            len({str(item[key]) for item in one}) == len(one) for one in (a, b)
        ):
            return key
    return None
