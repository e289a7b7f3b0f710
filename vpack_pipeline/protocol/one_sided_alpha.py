"""From an alpha of each look, two-sided, to one alpha of all, one-sided: how a text is rewritten.

Protocols once divided a two-sided alpha among their looks. Half of the sum is the one-sided error
of all looks together, which is spent by information now. What does not belong here: how the
protocol of a pack is read (``travelling``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import yaml

from vpack_pipeline.errors import DocumentError, Problem

DEFAULT: Final = 0.025
RULE_OF_OLD: Final = "all_must_be_met"
"""How several primary endpoints were judged before protocols said so: each at the whole alpha."""


def one_sided(alphas: Sequence[float]) -> float:
    """Give the one-sided alpha of all looks from the two-sided ones of each.

    >>> one_sided([0.01, 0.04])
    0.025
    """
    return round(sum(alphas) / 2, 12)


def with_one_sided_alpha(text: str, name: str) -> str:
    """Take ``alpha`` from the looks of a protocol's text; state it once where it is no default.

    Where several endpoints are primary and no rule is stated, the one that was followed is.

    Parameters
    ----------
    text : YAML that :func:`strict_yaml.parse` accepts
    name : of the file, for messages

    Raises
    ------
    DocumentError
        Both forms stand side by side, or an alpha is no number.
    """
    evaluation = _value(yaml.compose(text, Loader=yaml.SafeLoader), "evaluation")
    looks = _value(evaluation, "looks")
    found = list(_alphas(looks))
    if evaluation is None or looks is None or not found:
        return text
    key = next(k for k, v in evaluation.value if v is looks)
    place = f"{name}:{key.start_mark.line + 1}"
    if _value(evaluation, "alpha") is not None:
        what = "'alpha' of looks stands beside evaluation.alpha"
        raise DocumentError(Problem(place, what, "keep evaluation.alpha, by hand"))
    try:
        total = one_sided([float(look.value[i][1].value) for look, i in found])
    except (TypeError, ValueError):
        raise DocumentError(Problem(place, "'alpha' of a look is no number")) from None
    for look, i in reversed(found):
        start, end = _extent(text, look, i)
        text = text[:start] + text[end:]
    stated = [] if total == DEFAULT else [f"alpha: {total:g}"]
    if _is_one_of_several(evaluation) and _value(evaluation, "several_endpoints") is None:
        stated.append(f"several_endpoints: {RULE_OF_OLD}")
    at, indent = key.start_mark.index, " " * key.start_mark.column
    return text[:at] + "".join(f"{line}\n{indent}" for line in stated) + text[at:]


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return next((value for name, value in pairs if name.value == key), None)


def _alphas(looks: yaml.Node | None) -> Iterator[tuple[yaml.MappingNode, int]]:
    """Give each look that states an alpha, with the place of that among its keys."""
    for look in looks.value if isinstance(looks, yaml.SequenceNode) else ():
        keys = [k.value for k, _ in look.value] if isinstance(look, yaml.MappingNode) else []
        if "alpha" in keys:
            yield look, keys.index("alpha")


def _is_one_of_several(evaluation: yaml.Node) -> bool:
    endpoints = _value(evaluation, "endpoints")
    claims = endpoints.value if isinstance(endpoints, yaml.SequenceNode) else ()
    ranks = [_value(claim, "rank") for claim in claims]
    return [rank.value for rank in ranks if rank is not None].count("primary") > 1


def _extent(text: str, look: yaml.MappingNode, i: int) -> tuple[int, int]:
    """Find what goes with a key of a look: its comma, or its line."""
    key, value = look.value[i]
    if i + 1 < len(look.value):
        return key.start_mark.index, look.value[i + 1][0].start_mark.index
    if i == 0 or look.flow_style:
        before = look.value[i - 1][1].end_mark.index if i else key.start_mark.index
        return before, value.end_mark.index
    line_end = text.find("\n", value.end_mark.index)
    start: int = key.start_mark.index - key.start_mark.column
    return start, len(text) if line_end < 0 else line_end + 1
