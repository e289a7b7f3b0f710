"""What a forger does who knows the format: change a pack, and write every digest of it anew.

Nothing here signs: what is made so is told from the true pack by its digest and its signature, or
because its parts no longer agree.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vpack_pipeline.io import packs
from vpack_pipeline.pack_format import bag
from vpack_pipeline.pack_format.documents import CRATE, FILES
from vpack_pipeline.pack_format.names import VERSION

Change = Callable[[bytes], bytes]
ENDPOINTS = "tables/evaluation.endpoints"
RECEIPT = "gates/evaluation.endpoints.receipt.json"
LEAF = "gates/drift.status.receipt.json"
CONTRACT = "gates/evaluation.endpoints.contract.json"
"""Files of the stored pack that tests change: those of one table, and the receipt of another."""


def writable(pack: Path) -> Path:
    """Let a test change the files of a published pack."""
    for path in [pack, *pack.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return pack


def forge(
    pack: Path,
    changes: Mapping[str, Change | None],
    *,
    cut: str | None = None,
    site: str | None = None,
    within: bool = True,
) -> Path:
    """Change files of the payload and write crate, manifests, identifier and folder name anew.

    Parameters
    ----------
    changes : what is done with a file's bytes, by its path below ``data/``; None removes the file
    cut : another data cut for identifier, date and folder name
    site : another site for the identifier
    within : whether the digests that files of the payload tell are written anew too

    Returns
    -------
    where the pack lies now
    """
    data = writable(pack) / "data"
    for name, change in changes.items():
        path = data / name
        if change is None:
            path.unlink()
            continue
        before = path.read_bytes() if path.exists() else b""
        after = change(before)
        assert after != before, f"nothing was changed in {name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(after)
    payload = {
        p.relative_to(data).as_posix(): p.read_bytes() for p in data.rglob("*") if p.is_file()
    }
    anew = digested_anew(payload) if within else {}
    for name in anew.keys() - changes.keys():
        (data / name).write_bytes(anew[name])
        payload[name] = anew[name]
    return _bagged_anew(pack, payload, cut, site)


def digested_anew(payload: Mapping[str, bytes]) -> dict[str, bytes]:
    """Give the receipts and the crate of changed files: each digest that they tell holds again."""
    made = {
        name: _receipt_anew(payload, content)
        for name, content in payload.items()
        if name.endswith(".receipt.json")
    }
    return made | ({CRATE: _crate_anew({**payload, **made})} if CRATE in payload else {})


def _receipt_anew(payload: Mapping[str, bytes], content: bytes) -> bytes:
    receipt = json.loads(content)
    if FILES not in receipt:
        return content
    told = receipt[FILES]
    receipt[FILES] = {n: hashlib.sha256(payload[n]).hexdigest() for n in told if n in payload}
    return json.dumps(receipt).encode()


def _crate_anew(payload: Mapping[str, bytes]) -> bytes:
    crate = json.loads(payload[CRATE])
    others = {path: payload[path] for path in sorted(payload.keys() - {CRATE})}
    known = {e["@id"]: e for e in crate["@graph"]}
    files = [
        known.get(path, {"@id": path, "@type": "File", "name": path})
        | {"contentSize": str(len(content)), "sha256": hashlib.sha256(content).hexdigest()}
        for path, content in others.items()
    ]
    rest = [e for e in crate["@graph"] if e["@type"] not in ("File", "CreateAction")]
    made = [
        e | {"object": [part for part in e["object"] if part["@id"] in others]}
        for e in crate["@graph"]
        if e["@type"] == "CreateAction" and e["result"]["@id"] in others
    ]
    for entity in rest:
        if entity["@id"] == "./":
            entity["hasPart"] = [{"@id": path} for path in others]
            entity["mentions"] = [{"@id": e["@id"]} for e in made]
    return json.dumps(crate | {"@graph": [*rest, *files, *made]}).encode()


def _bagged_anew(
    pack: Path, payload: Mapping[str, bytes], cut: str | None, site: str | None
) -> Path:
    info = (pack / bag.INFO).read_bytes()
    named, _, version = bag.parse_info(info)["External-Identifier"].partition("/")
    parts = VERSION.fullmatch(version)
    assert parts is not None
    at = cut or parts["cut"]
    name = f"{parts['protocol']}-{at}-{bag.payload_digest(payload)[:12]}"
    laid_out = bag.lay_out(payload, identifier=f"{site or named}/{name}", bagged=at[:10])
    stated = b"\n".join(line for line in info.split(b"\n") if line.startswith(b"Vpack-Format"))
    tags = {tag: laid_out[tag] for tag in bag.TAGGED}
    tags[bag.INFO] = re.sub(
        rb"Vpack-Format: .*\n", stated + b"\n" if stated else b"", tags[bag.INFO]
    )
    for tag, content in {**tags, bag.TAG_MANIFEST: bag.manifest_text(tags)}.items():
        (pack / tag).write_bytes(content)
    return pack.rename(pack.with_name(name)) if VERSION.fullmatch(pack.name) else pack


def swapped(old: str, new: str) -> Change:
    return lambda content: content.replace(old.encode(), new.encode(), 1)


def edited(change: Callable[[Any], object]) -> Change:
    """Change the data of a JSON file in place."""

    def done(content: bytes) -> bytes:
        data = json.loads(content)
        change(data)
        return json.dumps(data).encode()

    return done


def cell(row: int, column: str, text: str) -> Change:
    """Write another text into a cell of a CSV file without quotes in it."""

    def done(content: bytes) -> bytes:
        lines = content.decode().split("\n")
        cells = lines[row].split(",")
        cells[lines[0].split(",").index(column)] = text
        lines[row] = ",".join(cells)
        return "\n".join(lines).encode()

    return done


def found(pack: Path) -> set[str]:
    """What does not agree in a pack whose digests all hold."""
    return {f"{p.where}: {p.what}" for p in packs.verify(pack)}
