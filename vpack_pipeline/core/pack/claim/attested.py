"""Items that rest on an author's word: whether a statement answers, and who attests it.

Nothing here can tell whether a statement is true. A form that cannot answer is found by rule, and
an item that nobody attests is not settled. What does not belong here: which field answers which
item (``items``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Final

from vpack_pipeline.core.pack.claim.ground import Ground, Judged
from vpack_pipeline.stats.codes import Code, code, coded

FEWEST_WORDS: Final = 6
"""Of an account of what was done and how: "Resized to 512 pixels, then normalised" has six words.

"Standard procedures were followed" and "See the maker's documentation" have fewer, and tell
nothing."""
NOT_STATED: Final = Code("not_stated")
NOT_ATTESTED: Final = Code("not_attested")
_NONE: Final = re.compile(
    r"(none|nothing|nil|unknown|unclear|tbd|n/?a|not (applicable|available|known|stated))\b", re.I
)
_TO_BE_FILLED: Final = "TODO"


def naming(text: str | None, missing: Code = NOT_STATED) -> Judged:
    """Judge by whether the author names something: one word may, and "None" does not.

    A place that is still to be filled in states nothing.

    >>> naming("PyTorch").status, naming("None.").status, naming("TODO: name it").status
    ('met', 'partial', 'not_met')
    """
    if not text or text.startswith(_TO_BE_FILLED):
        return Judged("not_met", missing)
    return Judged("partial", Code("answered_with_none")) if _NONE.match(text) else Judged("met")


def account(text: str | None, missing: Code = NOT_STATED) -> Judged:
    """Judge by whether the author gives an account: not "None", nor fewer words than one needs.

    >>> account("As usual.").reason
    Code(name='thin_statement', detail=(('fewest', 6), ('n_words', 2)))
    """
    judged = naming(text, missing)
    n_words = len((text or "").split())
    if judged.status == "met" and n_words < FEWEST_WORDS:
        return Judged("partial", code("thin_statement", n_words=n_words, fewest=FEWEST_WORDS))
    return judged


def vouched(item: int, judge: Callable[[Ground], Judged], g: Ground) -> Judged:
    """Judge an item by its statement and by whether anybody attests it.

    Parameters
    ----------
    item : its number
    judge : tells what the statement answers; not asked where the item is declared not applicable
    """
    why = g.about.why_not_applicable(item)
    judged = judge(g) if why is None else _not_applicable(why)
    if judged.status == "not_met" or _attested(item, g):
        return judged
    if judged.status == "partial":
        return Judged("partial", judged.reason, coded(judged.notes, NOT_ATTESTED))
    return Judged("partial", NOT_ATTESTED, coded(judged.reason, judged.notes))


def _not_applicable(why: str) -> Judged:
    said = account(why)
    return said if said.reason else Judged("not_applicable", code("does_not_apply", why=why))


def attested_as_json(item: int, g: Ground) -> str | None:
    """Write who attests an item and when, as a table holds it; None where nobody does."""
    return json.dumps(_attested(item, g), ensure_ascii=False) if _attested(item, g) else None


def _attested(item: int, g: Ground) -> list[dict[str, str]]:
    return [{"by": a.by, "date": a.date.isoformat()} for a in g.attested if item in a.items]
