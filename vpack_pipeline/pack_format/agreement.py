"""Whether the parts of a pack agree: names, files, receipts, tables, figures, page, plan, crate.

Digests notice a careless change; agreement notices one whose author wrote every manifest anew.
Whoever changes all parts alike is noticed by a signature alone. What does not belong here: digests
and manifests (``verification``), which are held first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from vpack_pipeline.errors import Problem, VerificationError
from vpack_pipeline.pack_format import (
    bag,
    codes,
    coherence,
    comparison,
    crate,
    documents,
    expectations,
    figures,
    names,
    quoted,
    receipts,
    signers,
    statements,
    tables,
)
from vpack_pipeline.pack_format.contents import ASK, Contents
from vpack_pipeline.pack_format.documents import Documents

PROTOCOL_SINCE: Final = 2
"""The format from which on receipts and plan have the digest of ``protocol.yaml``."""
TABLES_SINCE: Final = 3
"""The format from which on tables are whole, as their contracts have them."""
FIGURES_SINCE: Final = 4
"""The format from which on figures travel, and receipts tell the digests of files."""
COMPARISON_SINCE: Final = 5
"""The format from which on a page compares a reviewer's counts."""
SUMMARY_SINCE: Final = 6
"""The format from which on the first page lies beside the report, for paper."""
_CAME_WITH: Final = {
    codes.NAME: 3,
    signers.SIGNERS: 3,
    figures.NAME: 4,
    documents.CRATE: 4,
    quoted.NAME: 4,
    comparison.NAME: 5,
    documents.SUMMARY: SUMMARY_SINCE,
    expectations.NAME: expectations.SINCE,
}
"""Files that no pack of an older format has: whoever states one would be asked less."""
_MOST: Final = 5
"""Problems that are told of one file; of more their number."""


def find(pack: Path, payload: Iterable[str]) -> list[Problem]:
    """Find what does not agree in a pack whose manifests hold.

    Parameters
    ----------
    pack : its folder, links resolved
    payload : its files below ``data/``, by their path from there
    """
    info = bag.parse_info((pack / bag.INFO).read_bytes())
    files = frozenset(payload)
    found = [*_stated_older(info, files), *signers.listing_problems(pack)]
    try:
        found += names.outside(pack, info)
        if bag.format_of(info) >= PROTOCOL_SINCE:
            contents = Contents(pack, files)
            found += _inside(contents, documents.read(contents), info)
    except VerificationError as error:
        found += error.problems
    return _shortened(found)


def unheld(pack_format: int) -> str | None:
    """Say what a pack of a format has not, and cannot be held to; None where it has all."""
    missing = {
        PROTOCOL_SINCE: "the protocol's digest in receipts and plan",
        TABLES_SINCE: "whole tables and their codes",
        FIGURES_SINCE: "its figures by cell and the digests of files in receipts",
        COMPARISON_SINCE: "a page that compares a reviewer's counts",
        comparison.EVERY_POINT_SINCE: (
            "every operating point on that page, and the first page for paper"
        ),
        expectations.SINCE: "a page of what was asked of each table",
    }
    found = [what for since, what in missing.items() if pack_format < since]
    return ", ".join(found) or None


def _stated_older(info: dict[str, str], payload: frozenset[str]) -> Iterator[Problem]:
    least = max((_CAME_WITH[name] for name in payload & _CAME_WITH.keys()), default=1)
    if 0 < bag.format_of(info) < least:
        what = f"states an older format than {least}, with which files in it came"
        yield Problem(bag.INFO, what, ASK)


def _inside(contents: Contents, known: Documents, info: dict[str, str]) -> Iterator[Problem]:
    pack_format = bag.format_of(info)
    yield from names.inside(info, known)
    yield from receipts.file_set(contents, known, pack_format)
    yield from receipts.passed(known)
    yield from receipts.descent(known)
    yield from _told(lambda: receipts.same_baseline(contents, known))
    if pack_format < TABLES_SINCE:
        return
    read, wrong = tables.read(contents, known)
    yield from wrong
    checks: list[Callable[[], Iterator[Problem]]] = [
        lambda: tables.plan(known, read),
        lambda: coherence.find(known, read),
    ]
    if pack_format >= FIGURES_SINCE:
        checks += [
            lambda: receipts.files_told(contents, known),
            lambda: statements.of_tables(contents, known, read),
            lambda: statements.of_page(contents, known),
            lambda: crate.held(contents, known),
        ]
    if pack_format >= COMPARISON_SINCE:
        checks.append(lambda: comparison.held(contents, known, pack_format))
    if pack_format >= expectations.SINCE:
        checks.append(lambda: statements.of_expectations(contents, known))
    for check in checks:
        yield from _told(check)


def _told(check: Callable[[], Iterator[Problem]]) -> Iterator[Problem]:
    """Give what a check finds, and what keeps it from going on."""
    try:
        yield from check()
    except VerificationError as error:
        yield from error.problems


def _shortened(found: Iterable[Problem]) -> list[Problem]:
    """Tell each problem once, and of each file only the first ones."""
    kept: list[Problem] = []
    seen: Counter[str] = Counter()
    for problem in dict.fromkeys(found):
        seen[problem.where] += 1
        if seen[problem.where] <= _MOST:
            kept.append(problem)
    more = [(where, n - _MOST) for where, n in seen.items() if n > _MOST]
    return kept + [Problem(where, f"has {n} more problems", ASK) for where, n in more]
