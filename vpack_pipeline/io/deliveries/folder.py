"""The folder of deliveries as it lies there, held to the ledger of what was closed before.

What does not belong here: which of them a cut counts (``cuts``).
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from vpack_pipeline.errors import DeliveryError, InputError, Problem
from vpack_pipeline.io.deliveries.cuts import (
    DeliveredFile,
    Delivery,
    cut_for,
    is_name,
    moment,
    nothing_counts,
)
from vpack_pipeline.io.edge import Edge
from vpack_pipeline.io.forms.fields import KINDS
from vpack_pipeline.site import InputKind, Site

DONE: Final = "DONE"
LEDGER: Final = "deliveries.json"
PUBLISHED: Final = "published_cuts.json"
"""In the site's state: the cuts at which a pack was published, a JSON list of strings."""

_REMEDY_NAME: Final = "name deliveries YYYY-MM-DD, or YYYY-MM-DD.2 for a second on one day"


def survey(edge: Edge) -> tuple[Delivery, ...]:
    """List closed deliveries in order, hold them to the ledger, and note the new ones there.

    Raises
    ------
    DeliveryError
        A closed delivery was altered after it was first seen, or holds a file that no input
        names; every problem is listed.
    """
    found = look(edge)
    note(edge, found)
    return found


def look(edge: Edge) -> tuple[Delivery, ...]:
    """As :func:`survey`, but new deliveries are not noted: they can still be mended in place.

    Raises
    ------
    DeliveryError
        As :func:`survey`.
    """
    root = edge.resolve(edge.site.deliveries)
    problems: list[Problem] = []
    found = [
        Delivery(name, root / name, _files(edge.site, root / name, problems))
        for name in _folders(root, problems)
        if is_closed(root / name)
    ]
    ledger = _read_json(edge.state / LEDGER, {})
    problems += _alterations(found, ledger)
    if problems:
        raise DeliveryError(problems)
    published = published_cuts(edge)
    return tuple(replace(d, known_after=_known_after(d, ledger, published)) for d in found)


def altered_deliveries(edge: Edge) -> list[Problem]:
    """List what of the deliveries does not lie there as it was when it was first counted."""
    try:
        look(edge)
    except DeliveryError as error:
        return list(error.problems)
    return []


def note(edge: Edge, deliveries: Sequence[Delivery]) -> None:
    """Note new deliveries in the ledger: from here on they may not be altered.

    Not before every file could be read as a whole: nobody could mend such a delivery, and no later
    one could make up for it.
    """
    ledger = _read_json(edge.state / LEDGER, {})
    new = {
        d.name: {
            "files": {f.path.name: f.sha256 for f in d.files},
            "known_after": d.known_after,
        }
        for d in deliveries
        if d.name not in ledger
    }
    if new:
        _write_json(edge.state / LEDGER, {**ledger, **new})


def _known_after(
    delivery: Delivery, ledger: Mapping[str, Any], published: Sequence[str]
) -> str | None:
    if delivery.name in ledger:
        noted: str | None = ledger[delivery.name]["known_after"]
        return noted
    late = [c for c in published if moment(c) >= moment(delivery.name)]
    return max(late, key=moment, default=None)


def closed_deliveries(root: Path, site: Site) -> tuple[str, ...]:
    """Name the closed deliveries in order, without opening a file.

    Parameters
    ----------
    root : the project root

    Raises
    ------
    DeliveryError
        The folder of deliveries is absent, or holds something that is no delivery.
    """
    return _named(root, site, closed=True)


def open_deliveries(root: Path, site: Site) -> tuple[str, ...]:
    """Name the deliveries that nobody has closed: they are ignored, and to be shown.

    Parameters
    ----------
    root : the project root

    Raises
    ------
    DeliveryError
        The folder of deliveries is absent, or holds something that is no delivery.
    """
    return _named(root, site, closed=False)


def choose_cut(edge: Edge, as_of: str | None = None) -> str:
    """Fix the cut of a build from what was delivered; see :func:`cut_for`."""
    return cut_for(look(edge), as_of, published_cuts(edge))


def published_cuts(edge: Edge) -> tuple[str, ...]:
    """Read the cuts at which this site's packs were published."""
    return published_in(edge.state)


def published_in(state: Path) -> tuple[str, ...]:
    """As :func:`published_cuts`, from a site's state folder, which need not be there."""
    return tuple(str(c) for c in _read_json(state / PUBLISHED, []))


def sha256_of(path: Path) -> str:
    """Digest a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _named(root: Path, site: Site, *, closed: bool) -> tuple[str, ...]:
    folder = (root / site.deliveries).resolve()
    problems: list[Problem] = []
    names = _folders(folder, problems)
    if problems:
        raise DeliveryError(problems)
    return tuple(n for n in names if is_closed(folder / n) == closed)


def is_closed(folder: Path) -> bool:
    """Tell whether a delivery was closed."""
    return (folder / DONE).is_file()


def _folders(root: Path, problems: list[Problem]) -> list[str]:
    if not root.is_dir():
        raise nothing_counts("the folder named in site.yaml is absent", "run `vpack deliver`")
    entries = sorted(e for e in root.iterdir() if not e.name.startswith("."))
    for entry in entries:
        if not entry.is_dir():
            problems.append(
                Problem(f"deliveries/{entry.name}", "is no delivery", "run `vpack deliver` on it")
            )
        elif not is_name(entry.name):
            problems.append(Problem(f"deliveries/{entry.name}", "is no delivery", _REMEDY_NAME))
    names = [e.name for e in entries if e.is_dir() and is_name(e.name)]
    return sorted(names, key=moment)


def _files(site: Site, folder: Path, problems: list[Problem]) -> tuple[DeliveredFile, ...]:
    kinds: Mapping[str, InputKind] = {form.file: kind for kind, form in site.inputs.items()}
    found: list[DeliveredFile] = []
    for entry in sorted(folder.iterdir()):
        if entry.name == DONE:
            continue
        kind = kinds.get(entry.name)
        if kind is None or not entry.is_file():
            problems.append(
                Problem(
                    f"deliveries/{folder.name}/{entry.name}",
                    "no input of site.yaml has this file",
                    _named_otherwise(entry.name, kinds),
                )
            )
            continue
        found.append(DeliveredFile(kind, entry, sha256_of(entry), entry.stat().st_size))
    return tuple(sorted(found, key=lambda f: f.kind))


def without_input(name: str, kinds: Collection[str]) -> str:
    """Say how to give a file an input, where its name is that of a kind that has none; or empty."""
    kind = Path(name).stem
    is_one = kind in KINDS and kind not in kinds
    return f"uncomment `{kind}:` under inputs in site.yaml" if is_one else ""


def _named_otherwise(name: str, kinds: Mapping[str, InputKind]) -> str:
    """Say how a file of a closed delivery is given an input: once counted it keeps its name."""
    files = {str(kind): file for file, kind in kinds.items()}
    near = difflib.get_close_matches(name, sorted(kinds), n=1, cutoff=0.6)
    stem = Path(name).stem
    own = stem if stem in files else str(kinds[near[0]]) if near else ""
    if (told := without_input(name, files)) or not own:
        return told or f"inputs name {', '.join(sorted(kinds))}"
    return (
        f"set `file: {name}` under inputs.{own} in site.yaml, or name the file {files[own]!r}"
        " while no build has counted it"
    )


def _alterations(found: Sequence[Delivery], ledger: Mapping[str, Any]) -> list[Problem]:
    remedy = "restore it as it was, and send what has changed as a new delivery"
    there = {d.name: {f.path.name: f.sha256 for f in d.files} for d in found}
    problems: list[Problem] = []
    for name, entry in sorted(ledger.items()):
        where = f"deliveries/{name}"
        if name not in there:
            problems.append(Problem(where, "was closed and is gone or open again", remedy))
            continue
        before: Mapping[str, str] = entry["files"]
        for file in sorted(before.keys() | there[name].keys()):
            was, now = before.get(file), there[name].get(file)
            if was != now:
                how = "added" if was is None else "removed" if now is None else "altered"
                problems.append(Problem(f"{where}/{file}", f"{how} after it was closed", remedy))
    return problems


def _read_json(path: Path, default: Any) -> Any:
    if not path.exists():
        return default
    broken = InputError(
        Problem(f"state/{path.name}", "cannot be read", "restore it from the backup of the state")
    )
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, IsADirectoryError):
        raise broken from None
    if not isinstance(found, type(default)) or not _is_of_its_kind(found):
        raise broken
    return found


def _is_of_its_kind(found: Any) -> bool:
    """Tell whether it is the ledger of deliveries, or the list of published cuts."""
    if isinstance(found, list):
        return all(isinstance(cut, str) and is_name(cut) for cut in found)
    return all(
        is_name(name)
        and isinstance(entry, dict)
        and isinstance(entry.get("files"), dict)
        and isinstance(entry.get("known_after", 0), str | None)
        for name, entry in found.items()
    )


def _write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, draft = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(value, file, indent=1, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(path)
    finally:
        Path(draft).unlink(missing_ok=True)
