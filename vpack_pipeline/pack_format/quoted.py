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
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from vpack_pipeline.errors import Problem
from vpack_pipeline.pack_format import bag

NAME: Final = "release.json"
"""Its path in the payload."""
_VERSION: Final = re.compile(
    r"[0-9]+(?:\.[0-9]+){0,2}-(\d{4}-\d\d-\d\d(?:\.\d+)?)-[0-9a-f]{12}", re.ASCII
)
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_ASK: Final = "ask the sender for the release again"


@dataclass(frozen=True, slots=True)
class Quote:
    """The release whose table is quoted: ``digest`` is the sha256 of its tag manifest."""

    release: str
    cut: str
    digest: str


def written(site_id: str, quotes: Mapping[str, Quote]) -> bytes:
    """Write ``release.json``: each quoted table with the release that it comes from."""
    data = {"site": site_id, "quoted": {asset: asdict(quotes[asset]) for asset in sorted(quotes)}}
    return f"{json.dumps(data, indent=1, sort_keys=True)}\n".encode()


def quotes_of(pack: Path) -> dict[str, Quote] | None:
    """Give the quoted tables of a release, by name; None where the pack is no release.

    Raises
    ------
    ValueError
        The file is there and does not say it as :func:`written` does.
    """
    path = pack / bag.DATA / NAME
    if path.is_symlink() or not path.is_file():
        return None
    content = path.read_bytes()
    try:
        said = json.loads(content)
        found = {asset: Quote(**quote) for asset, quote in said["quoted"].items()}
        is_exact = content == written(said["site"], found)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        is_exact = False
    if not is_exact or not all(_is_plain(quote) for quote in found.values()):
        raise ValueError("not the quotes of a release")
    return found


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


def quote_problems(pack: Path) -> list[Problem]:
    """Say where a release's tables are not of the cut that it states, each accepted by name.

    A table that ``release.json`` names has the receipt of that release's cut; any other that of
    the release's own. A pack that is no release has nothing to state.
    """
    try:
        quotes = quotes_of(pack)
    except ValueError:
        return [Problem(f"{bag.DATA}{NAME}", "does not list quoted tables", _ASK)]
    return [] if quotes is None else list(_differing(pack, quotes))


def _differing(pack: Path, quotes: Mapping[str, Quote]) -> Iterator[Problem]:
    info = bag.parse_info((pack / bag.INFO).read_bytes())
    site, _, version = info.get("External-Identifier", "").partition("/")
    own = _VERSION.fullmatch(version)
    if (pack / bag.DATA / NAME).read_bytes() != written(site, quotes):
        yield Problem(f"{bag.DATA}{NAME}", "is of another site than the pack", _ASK)
    seen = set()
    for path in sorted((pack / bag.DATA / "gates").glob("*.receipt.json")):
        asset, cut = _asset_and_cut(path)
        seen.add(asset)
        quote = quotes.get(asset)
        wanted = quote.cut if quote else (own[1] if own else None)
        if cut != wanted:
            where = path.relative_to(pack).as_posix()
            what = f"is of another cut than {wanted}, and {NAME} does not say so"
            yield Problem(where, what, _ASK)
    for asset in sorted(quotes):
        table = f"{bag.DATA}tables/{asset.replace('/', '.')}.csv"
        if asset not in seen or not (pack / table).is_file():
            yield Problem(f"{bag.DATA}{NAME}", f"quotes {asset}, which is not there", _ASK)


def _asset_and_cut(path: Path) -> tuple[str, Any]:
    try:
        receipt = json.loads(path.read_bytes())
        return str(receipt["asset"]), receipt["cut"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "", None


def _is_plain(quote: Quote) -> bool:
    texts = (quote.release, quote.cut, quote.digest)
    if not all(isinstance(text, str) for text in texts):
        return False
    version = _VERSION.fullmatch(quote.release)
    is_of_cut = version is not None and version[1] == quote.cut
    return is_of_cut and _DIGEST.fullmatch(quote.digest) is not None
