"""What ``vpack init`` writes: a site's documents, empty forms, its secret. Nothing is overwritten.

What does not belong here: what the documents mean (``protocol``, ``site``).
"""

from __future__ import annotations

import csv
import os
import secrets
import stat
from importlib import resources
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from vpack_pipeline import study
from vpack_pipeline.cli import schema
from vpack_pipeline.document import Identifier
from vpack_pipeline.errors import DocumentError, Problem, UsageError
from vpack_pipeline.io import private
from vpack_pipeline.io.forms import KINDS, template_headers
from vpack_pipeline.io.identity import MINIMUM_SECRET_BYTES
from vpack_pipeline.io.project import SECRET_VARIABLE
from vpack_pipeline.protocol import Protocol
from vpack_pipeline.strict_yaml import read_model, validate

STARTER = "starter@0.1"
_IGNORED = ("warehouse", "state", "packs", "dagster", "secrets")


def make_site(root: Path, site_id: str, reference: str | None) -> list[str]:
    """Make a site's folder, its secret and, where there is none yet, a protocol to start from.

    Parameters
    ----------
    root : the project root; made if absent
    reference : the protocol as ``id@version``; None takes the only one there is

    Returns
    -------
    one line for each thing made or kept

    Raises
    ------
    UsageError
        The name is no identifier, the site exists, or several protocols could be meant.
    DocumentError
        The protocol is not there, or is refused.
    """
    check_name(site_id)
    folder = root / study.SITES / site_id
    if (folder / "site.yaml").exists():
        raise UsageError(
            Problem(f"{study.SITES}/{site_id}", "exists already", "edit its site.yaml")
        )
    made: list[str] = []
    protocol = _protocol(root, reference, made)
    schemas = _schemas(root, made)
    _forms(folder / "forms", protocol, root, made)
    _folder(folder / "deliveries", root, made)
    _new(folder / ".gitignore", "/deliveries/\n", root, [])
    _secret(root, site_id, made)
    if not (root / ".gitignore").exists():
        # Rows of patients and secrets lie below data/: no repository must take them in.
        names = "".join(f"/{name}/\n" for name in _IGNORED)
        _new(root / "data" / ".gitignore", names, root, made)
    # The last: without it there is no site, and the call can be repeated.
    text = _filled(
        "site.yaml",
        SITE=site_id,
        PROTOCOL=protocol.reference,
        SCHEMA=os.path.relpath(schemas / "site.schema.json", folder),
        VARIABLE=SECRET_VARIABLE.format(site=site_id.upper().replace("-", "_")),
    )
    _new(folder / "site.yaml", text, root, made)
    return made


def check_name(site_id: str) -> None:
    """Refuse a site name that could not be a folder and a partition key.

    Raises
    ------
    UsageError
        It holds a path, upper case, or anything but a-z, 0-9 and hyphens.
    """
    try:
        TypeAdapter(Identifier).validate_python(site_id)
    except ValidationError:
        what = "holds a path" if set(site_id) & set("/\\.") else "cannot be a folder's name"
        remedy = "use 1 to 32 of a-z, 0-9 and -, and begin with a letter or digit"
        raise UsageError(Problem("site name", what, remedy)) from None


def _protocol(root: Path, reference: str | None, made: list[str]) -> Protocol:
    folder = root / study.PROTOCOLS
    files = sorted(folder.glob("*.yaml")) if folder.is_dir() else []
    if not files:
        return _starter(root, reference or STARTER, made)
    found = {p.reference: p for p in (read_model(f, Protocol) for f in files)}
    there = f"{study.PROTOCOLS} holds {', '.join(sorted(found))}"
    if reference is None and len(found) > 1:
        raise UsageError(Problem("--protocol", "several could be meant", there))
    if reference is not None and reference not in found:
        raise UsageError(Problem("--protocol", "is not there", there))
    return found[reference or next(iter(found))]


def _starter(root: Path, reference: str, made: list[str]) -> Protocol:
    name, _, version = reference.partition("@")
    folder = root / study.PROTOCOLS
    schemas = _schemas(root, made)
    text = _filled(
        "protocol.yaml",
        ID=name,
        VERSION=version,
        SCHEMA=os.path.relpath(schemas / "protocol.schema.json", folder),
    )
    try:
        protocol = validate(text, "protocol.yaml", Protocol)
    except DocumentError:
        remedy = "write it like lung-nodules@1.0"
        raise UsageError(Problem("--protocol", "is no id@version", remedy)) from None
    _new(folder / f"{name}-{version}.yaml", text, root, made)
    return protocol


def starter() -> Protocol:
    """Give the protocol that a new project starts from."""
    name, _, version = STARTER.partition("@")
    return validate(_filled("protocol.yaml", ID=name, VERSION=version), "protocol.yaml", Protocol)


def _schemas(root: Path, made: list[str]) -> Path:
    """Give the folder of JSON schemas: the project's own, or one that is made."""
    committed = root / schema.FOLDER
    if committed.is_dir():
        return committed
    folder = root / "data" / "schema"
    if not folder.is_dir():
        schema.write(folder)
        made.append("data/schema/: JSON schemas, by which editors complete and check documents")
    return folder


def _forms(folder: Path, protocol: Protocol, root: Path, made: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        path = folder / f"{kind}.csv"
        if not path.exists():
            with path.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file, lineterminator="\n").writerow(template_headers(kind, protocol))
    made.append(f"{folder.relative_to(root)}/: a file with headers only for each kind of input")


def _secret(root: Path, site_id: str, made: list[str]) -> None:
    folder = root / "data" / "secrets"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(stat.S_IRWXU)
    path = folder / f"{site_id}.key"
    where = path.relative_to(root)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR)
    except FileExistsError:
        made.append(f"{where}: kept, it was there")
        return
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(MINIMUM_SECRET_BYTES) + "\n")
    made.append(f"{where}: the site secret; back it up, and never commit it")


def _folder(path: Path, root: Path, made: list[str]) -> None:
    private.make_folder(path)
    made.append(f"{path.relative_to(root)}/: where `vpack deliver` puts exports")


def _new(path: Path, text: str, root: Path, made: list[str]) -> None:
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    made.append(str(path.relative_to(root)))


def _filled(name: str, **values: str) -> str:
    text = (resources.files("vpack_pipeline.cli") / "templates" / name).read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text
