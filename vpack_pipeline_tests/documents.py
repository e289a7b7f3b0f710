"""The starter documents of ``vpack init`` as plain data, to be changed by tests."""

from __future__ import annotations

import copy
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from vpack_pipeline.protocol import Protocol
from vpack_pipeline.site import Site
from vpack_pipeline.strict_yaml import parse

_TEMPLATES = resources.files("vpack_pipeline.cli") / "templates"
_VALUES = {
    "@SITE@": "harbour",
    "@PROTOCOL@": "starter@0.1",
    "@ID@": "starter",
    "@VERSION@": "0.1",
    "@SCHEMA@": "schema.json",
    "@VARIABLE@": "VPACK_SECRET_HARBOUR",
}


def text_of(name: str) -> str:
    text = (_TEMPLATES / name).read_text(encoding="utf-8")
    for key, value in _VALUES.items():
        text = text.replace(key, value)
    return text


def data_of(name: str) -> Any:
    return copy.deepcopy(parse(text_of(name), name)[0])


def put(data: Any, path: str, value: Any) -> Any:
    """Set a value at a dotted path such as ``drift.monitors.0.level``; ``...`` removes it."""
    *way, last = (int(p) if p.isdigit() else p for p in path.split("."))
    node = data
    for step in way:
        node = node[step]
    if value is ...:
        del node[last]
    else:
        node[last] = value
    return data


def protocol(**changes: Any) -> Protocol:
    """The starter protocol, changed at dotted paths (written with ``__`` for the dot)."""
    data = data_of("protocol.yaml")
    for path, value in changes.items():
        put(data, path.replace("__", "."), value)
    return Protocol.model_validate(data)


def site(**changes: Any) -> Site:
    """The starter site, changed at dotted paths (written with ``__`` for the dot)."""
    data = data_of("site.yaml")
    for path, value in changes.items():
        put(data, path.replace("__", "."), value)
    return Site.model_validate(data)


def project(root: Path, protocol_data: Any = None, site_data: Any = None) -> Path:
    """Write both documents as a project of one site, ``harbour``."""
    protocols, home = root / "data/protocols", root / "data/sites/harbour"
    protocols.mkdir(parents=True, exist_ok=True)
    home.mkdir(parents=True, exist_ok=True)
    for folder, name, data, fallback in (
        (protocols, "starter-0.1.yaml", protocol_data, "protocol.yaml"),
        (home, "site.yaml", site_data, "site.yaml"),
    ):
        text = yaml.safe_dump(data, sort_keys=False) if data is not None else text_of(fallback)
        (folder / name).write_text(text, encoding="utf-8")
    return root
