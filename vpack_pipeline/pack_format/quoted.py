"""Which tables of a release are those of an earlier one: its file ``release.json``.

A nightly pack has no such file; a release has one, be it that it quotes nothing. Table, schema,
receipt and contract of a quoted table are byte for byte those of its release: the receipt has that
release's cut, protocol and inputs. All other files, the plan and the checklist with its receipt
too, are made at the release's own cut, of the tables that lie in it. What does not belong here: why
a table is quoted (``assets.release``), what a receipt says beside its cut.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from vpack_pipeline.pack_format import bag

NAME: Final = "release.json"
"""Its path in the payload."""
_VERSION: Final = re.compile(
    r"[0-9]+(?:\.[0-9]+){0,2}-(\d{4}-\d\d-\d\d(?:\.\d+)?)-[0-9a-f]{12}", re.ASCII
)
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Quote:
    """The release whose table is quoted: ``digest`` is the sha256 of its tag manifest."""

    release: str
    cut: str
    digest: str


@dataclass(frozen=True, slots=True)
class Quotes:
    """What ``release.json`` says: of which site, and each quoted table with its release."""

    site: str
    tables: Mapping[str, Quote]


def written(site_id: str, quotes: Mapping[str, Quote]) -> bytes:
    """Write ``release.json``: each quoted table with the release that it comes from."""
    data = {"site": site_id, "quoted": {asset: asdict(quotes[asset]) for asset in sorted(quotes)}}
    return f"{json.dumps(data, indent=1, sort_keys=True)}\n".encode()


def read(content: bytes) -> Quotes:
    """Read ``release.json``.

    Raises
    ------
    ValueError
        It does not say it as :func:`written` does.
    """
    try:
        said = json.loads(content)
        found = {asset: Quote(**quote) for asset, quote in said["quoted"].items()}
        is_exact = content == written(said["site"], found)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        is_exact = False
    if not is_exact or not all(_is_plain(quote) for quote in found.values()):
        raise ValueError("not the quotes of a release")
    return Quotes(said["site"], found)


def quotes_of(pack: Path) -> Mapping[str, Quote] | None:
    """Give the quoted tables of a release that is whole, by name; None where the pack is none.

    Raises
    ------
    ValueError
        As :func:`read` does.
    """
    path = pack / bag.DATA / NAME
    return read(path.read_bytes()).tables if path.is_file() else None


def is_made_of(quotes: Mapping[str, Quote], asset: str, source: str) -> bool:
    """Tell whether a table was made of the source that lies in the same release.

    A quoted table was not, unless that source is quoted with it: its own inputs are of its cut.

    >>> levels, profile, flow = "levels", "profile", "flow"
    >>> quotes = dict.fromkeys((levels, profile), Quote("1.0-2026-01-05-0123456789ab", "", ""))
    >>> is_made_of(quotes, profile, levels), is_made_of(quotes, profile, flow)
    (True, False)
    >>> is_made_of(quotes, "claim", levels), is_made_of(quotes, "claim", flow)
    (True, True)
    """
    return quotes.get(asset) in (None, quotes.get(source))


def _is_plain(quote: Quote) -> bool:
    texts = (quote.release, quote.cut, quote.digest)
    if not all(isinstance(text, str) for text in texts):
        return False
    version = _VERSION.fullmatch(quote.release)
    is_of_cut = version is not None and version[1] == quote.cut
    return is_of_cut and _DIGEST.fullmatch(quote.digest) is not None
