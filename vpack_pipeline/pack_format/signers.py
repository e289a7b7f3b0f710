"""Who is to sign a pack: whom the site names, in the payload and on the report's first page.

Both are part of what is signed: whoever signs, signs the list too.
What does not belong here: who has signed (``signatures``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vpack_pipeline.errors import Problem
from vpack_pipeline.pack_format import bag
from vpack_pipeline.pack_format.roles import FINGERPRINT, ROLES

SIGNERS: Final = "signers.json"
"""The file of the payload that lists whom the site names; without it nobody is named."""

_ON_PAGE = re.compile(rf'<p class="signer">([a-z]+): <span class="code">({FINGERPRINT})</span>')
_ASK: Final = "ask the sender for the pack again"


@dataclass(frozen=True, slots=True)
class Signer:
    """Whom a site names to sign its packs."""

    role: str
    fingerprint: str

    def __str__(self) -> str:
        """As it is printed."""
        return f"{self.role} {self.fingerprint}"


def list_signers(signers: Sequence[Signer]) -> bytes:
    """Write the payload's list of those who are to sign."""
    listed = [{"role": s.role, "fingerprint": s.fingerprint} for s in signers]
    return (json.dumps({"signers": listed}, indent=1) + "\n").encode()


def named_signers(pack: Path) -> tuple[Signer, ...]:
    """Read whom a pack names, in the site's order; of a pack that is whole."""
    found = _listed(pack / bag.DATA / SIGNERS)
    return found or ()


def listing_problems(pack: Path) -> list[Problem]:
    """Hold the payload's list of signers against the first page of the report."""
    where = f"{bag.DATA}{SIGNERS}"
    named = _listed(pack / where)
    if named is None:
        return [Problem(where, "is no list of signers", _ASK)]
    page = (pack / bag.DATA / "report.html").read_text(encoding="utf-8", errors="replace")
    if [Signer(*found) for found in _ON_PAGE.findall(page)] != list(named):
        return [Problem(where, "names other signers than the report's first page", _ASK)]
    return []


def _listed(path: Path) -> tuple[Signer, ...] | None:
    """Read a list of signers: none where there is no file, None where it is no list of them."""
    if path.is_symlink():
        return None  # a link is never followed
    if not path.is_file():
        return ()
    try:
        content: Any = json.loads(path.read_bytes())
        made = tuple(Signer(**row) for row in content["signers"])
        is_list = all(s.role in ROLES and re.fullmatch(FINGERPRINT, s.fingerprint) for s in made)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return made if is_list and made else None
