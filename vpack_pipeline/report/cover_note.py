"""The note that goes with a release: what it is, what it holds, what it may be used for.

Markdown that reads as plain text. It lies beside the pack, not in it: the same release goes to
several recipients. What does not belong here: any figure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from vpack_pipeline.pack_format.quoted import Quote
from vpack_pipeline.protocol import Protocol
from vpack_pipeline.report import wording, words
from vpack_pipeline.site import Site

_HOLDS: Final = (
    ("data/report.html", "the report: opens in any browser, without network or script"),
    ("data/tables/", "every table behind it, as CSV with a JSON schema: counts and figures only"),
    ("data/codes.csv", "what each reason, note and method in these tables says"),
    ("data/figures.csv", "every printed figure with the cell that it comes from"),
    ("data/claim.json", "the 44 items of the CLAIM checklist, each with its status"),
    ("data/protocol.yaml", "the study as it was fixed beforehand"),
    ("data/gates/", "what each table had to satisfy before this pack could be made"),
    ("data/drift/", "the plan by which the model is watched, and its baselines"),
    ("data/release.json", "that this is a release, and which tables are those of an earlier one"),
)  # fmt: skip


def cover_note(
    *,
    protocol: Protocol,
    site: Site,
    cut: str,
    release: str,
    digest: str,
    recipient: str,
    quotes: Mapping[str, Quote],
    is_signed: bool,
) -> bytes:
    """Write the cover note of one release for one recipient.

    Parameters
    ----------
    digest : sha256 of the release's tag manifest
    recipient : empty where none is named
    quotes : tables that are those of an earlier release
    is_signed : whether signatures lie in the pack

    Raises
    ------
    DocumentError
        The note would claim a status that a pack cannot have.
    """
    about = protocol.about
    named = _plain(recipient) if recipient else "nobody was named; ask the site who may hold it"
    lines = [
        f"# {_plain(about.title)}",
        "",
        f"A validation pack of {_plain(site.title)}, released for one recipient.",
        "",
        f"- For: {named}",
        f"- Product: {_plain(about.product)}",
        f"- Protocol: {protocol.reference}; data cut {cut}",
        f"- Release: {release}",
        f"- Digest (SHA-256 of tagmanifest-sha256.txt): {digest}",
        *_synthetic(site),
        "",
        "## What it holds",
        "",
        f"The folder {release} holds one pack:",
        "",
        *(f"- {path}: {what}" for path, what in _HOLDS),
        "",
        "No row is of one patient. Results are printed whole; people are described in groups of at"
        f" least {protocol.disclosure.smallest_group} patients.",
        *_quoted(quotes, protocol),
        "",
        "## What it may be used for",
        "",
        "- To judge, under the agreement with the site, how the model did in this one study at this"
        " one site.",
        "- Not to be passed on or published, not to be joined with other data on patients, and not"
        " to find out who somebody is.",
        "- It says nothing of other sites, versions or uses of the model.",
        "",
        wording.BOUNDARY,
        "",
        "## How to check it",
        "",
        f"`vpack verify {release}`, or in that folder `sha256sum -c tagmanifest-sha256.txt` and"
        " then `sha256sum -c manifest-sha256.txt`. Both say whether the pack is whole. Compare the"
        " digest above with the one that the site sends by another way: whoever alters a pack can"
        " alter this note.",
        *_signatures(release, is_signed=is_signed),
        "",
    ]
    text = "\n".join(lines)
    wording.check(text)
    return text.encode()


def _synthetic(site: Site) -> list[str]:
    if not site.synthetic:
        return []
    parts = _plain(words.listed([s.part for s in site.synthetic]))
    return ["", f"**Synthetic data:** {parts}. No figure is evidence about any product."]


def _quoted(quotes: Mapping[str, Quote], protocol: Protocol) -> list[str]:
    if not quotes:
        return []
    return [
        "",
        "## Tables of an earlier release",
        "",
        "Some tables about people are those of an earlier release. Held beside them, newer ones"
        f" would describe a group of fewer than {protocol.disclosure.smallest_group} patients, by"
        " subtraction. They are:",
        "",
        *(f"- {asset}: {q.release} (data cut {q.cut})" for asset, q in sorted(quotes.items())),
    ]


def _signatures(release: str, *, is_signed: bool) -> list[str]:
    if not is_signed:
        return []
    return [
        "",
        "Signatures lie in its folder signature/: `vpack verify"
        f" {release} --allowed-signers FILE` says whose they are. FILE names those whom you trust,"
        " with public keys that you have from them and not from this zip.",
    ]


def _plain(text: str) -> str:
    """Let a text stand for itself: on one line, with nothing that Markdown takes as a mark."""
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", " ".join(text.split()))
