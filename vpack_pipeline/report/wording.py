"""Words that no pack may say, wherever they come from: a claim that it cannot carry.

What does not belong here: the boundary statement, which says what a pack is not (``BOUNDARY`` is
the one place where such words stand, and it is left out of the search by its exact text).
"""

from __future__ import annotations

import html
import re
from typing import Final

from vpack_pipeline.errors import DocumentError, Problem

FORBIDDEN: Final = re.compile(
    r"\b(?:FDA|CE)[-\s]?(?:approved|cleared|marked)"
    r"|HIPAA[-\s]compliant"
    r"|GxP[-\s]compliant"
    r"|clinically\s+proven"
    r"|regulatory[-\s]grade"
    r"|guarantee",
    re.IGNORECASE,
)
BOUNDARY: Final = (
    "This pack is evidence that can feed a regulatory submission; it is not a submission, and it"
    " claims no regulatory status: it does not say that any product is approved, cleared or marked"
    " by any authority, nor that any workflow complies with any regulation. It reports one study at"
    " one site, as its protocol fixed it beforehand. Whoever uses it decides for themselves."
)
_TAG = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.IGNORECASE | re.DOTALL)


def check(page: str) -> None:
    """Refuse a rendered page with wording of a status that a pack cannot claim.

    Raises
    ------
    DocumentError
        The forbidden wording, and nothing of the text around it.
    """
    # Tags may part or join words without a reader seeing it; attributes are read out: all searched.
    forms = (page, _TAG.sub("", page), _TAG.sub(" ", page))
    texts = [" ".join(html.unescape(form).split()) for form in forms]
    found = sorted({m.group(0).lower() for t in texts for m in FORBIDDEN.finditer(_less(t))})
    if found:
        raise DocumentError(
            [
                Problem(
                    "report",
                    f"it would say {phrase!r}",
                    "a pack claims no such status: reword the protocol or site document",
                )
                for phrase in found
            ]
        )


def _less(text: str) -> str:
    return text.replace(BOUNDARY, "")
