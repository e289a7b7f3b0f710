"""The pack as a Process Run Crate: what its files are and what they were made from, as JSON-LD.

RO-Crate 1.1 and Process Run Crate 0.5, for tools that read neither BagIt nor receipts. Nothing in
it is new: each line follows from the other files, the data cut stands for every time, and the one
moment of a build stays out. What does not belong here: what receipts prove (``receipts``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from vpack_pipeline.errors import Problem
from vpack_pipeline.pack_format import bag, codes, comparison, expectations, figures
from vpack_pipeline.pack_format.contents import Contents, problem
from vpack_pipeline.pack_format.documents import (
    BASELINE,
    CLAIM,
    CRATE,
    PLAN,
    PLANNED,
    PROTOCOL,
    REPORT,
    SUMMARY,
    Documents,
    contract_of,
    receipt_of,
    table_of,
)
from vpack_pipeline.pack_format.quoted import NAME as RELEASE
from vpack_pipeline.pack_format.quoted import Quote, is_made_of
from vpack_pipeline.pack_format.signers import SIGNERS

_SPECIFICATION: Final = "https://w3id.org/ro/crate/1.1"
_PROFILE: Final = "https://w3id.org/ro/wfrun/process/0.5"
_CONTEXT: Final = (
    f"{_SPECIFICATION}/context",
    {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"},
)
_FORMATS: Final[Mapping[str, str]] = {
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "pdf": "application/pdf",
    "yaml": "application/yaml",
}
_TITLES: Final[Mapping[str, str]] = {
    REPORT: "The report",
    SUMMARY: "The first page of the report, for paper",
    PROTOCOL: "The study as prespecified",
    CLAIM: "The 44 items of the CLAIM checklist with status and evidence",
    PLAN: "The executable drift plan",
    BASELINE: "Baselines of the drift plan",
    codes.NAME: "What each code in these tables says",
    comparison.NAME: "The comparison with a reviewer's own population",
    expectations.NAME: "What was asked of each table, and with what outcome",
    figures.NAME: "Every printed figure with the cell that it comes from",
    SIGNERS: "Who is to sign this pack",
    RELEASE: "Which tables of this release are those of an earlier one",
}
_RECEIPT: Final = ".receipt.json"
_KINDS: Final[Mapping[str, str]] = {
    _RECEIPT: "Receipt of the checks of",
    ".contract.json": "Contract of",
    ".schema.json": "JSON schema of",
    ".csv": "Table",
}
_ENTITY: Final = {"@id": str}
_FORM: Final = {"@context": [(str, dict)], "@graph": [_ENTITY]}


def write(
    files: Mapping[str, bytes],
    *,
    site: str,
    protocol: str,
    cut: str,
    inputs: Mapping[str, Sequence[str]],
    quotes: Mapping[str, Quote],
    terms: str,
) -> bytes:
    """Describe the files of a payload.

    Parameters
    ----------
    files : every other file of the payload, by path
    protocol : its id and version
    inputs : exported table → the tables from which it was made, by asset
    quotes : tables that are those of an earlier release, and were made at its cut
    terms : under which data, code and model can be had
    """
    day, made = cut[:10], _sources(files, inputs, quotes)
    cuts = dict.fromkeys(made, cut) | {table_of(a): q.cut for a, q in quotes.items()}
    graph = [
        {
            "@id": CRATE,
            "@type": "CreativeWork",
            "about": _to("./"),
            "conformsTo": _to(_SPECIFICATION),
        },
        {
            "@id": "./",
            "@type": "Dataset",
            "conformsTo": _to(_PROFILE),
            "name": f"Validation pack of {site}, data cut {cut}",
            "description": f"A clinical imaging validation pack under the protocol {protocol}.",
            "datePublished": day,
            "license": _to("#terms"),
            "author": _to("#site"),
            "publisher": _to("#site"),
            "hasPart": [_to(path) for path in sorted(files)],
            "mentions": [_to(_action(path)) for path in made],
        },
        {"@id": _PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"},
        {
            "@id": "#terms",
            "@type": "CreativeWork",
            "name": "Availability of data, code and model",
            "description": terms,
        },
        {"@id": "#site", "@type": "Organization", "name": site},
        {
            "@id": "#vpack",
            "@type": "SoftwareApplication",
            "name": "vpack-pipeline",
            "softwareVersion": f"writes Vpack-Format {bag.FORMAT}",
        },
    ]
    graph += [_file(path, files[path]) for path in sorted(files)]
    graph += [
        {
            "@id": _action(path),
            "@type": "CreateAction",
            "name": f"Made {path}",
            "description": f"{_title(path)}, made at the data cut {cuts[path]}.",
            "agent": _to("#site"),
            "instrument": _to("#vpack"),
            "object": [_to(source) for source in sources],
            "result": _to(path),
            "endTime": cuts[path][:10],
            "actionStatus": "http://schema.org/CompletedActionStatus",
        }
        for path, sources in made.items()
    ]
    text = json.dumps({"@context": _CONTEXT, "@graph": graph}, indent=1, ensure_ascii=False)
    return f"{text}\n".encode()


def _to(name: str) -> dict[str, str]:
    return {"@id": name}


def _action(path: str) -> str:
    return f"#made/{path}"


def _file(path: str, content: bytes) -> dict[str, Any]:
    return {
        "@id": path,
        "@type": "File",
        "name": _title(path),
        "encodingFormat": _FORMATS[path.rpartition(".")[2]],
        "contentSize": str(len(content)),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _title(path: str) -> str:
    """Say what a file is.

    >>> _title("gates/cohort.reads.receipt.json")
    'Receipt of the checks of cohort/reads'
    """
    name = path.rpartition("/")[2]
    end = next((end for end in _KINDS if name.endswith(end)), "")
    table = name.removesuffix(end).replace(".", "/")
    return _TITLES.get(path) or f"{_KINDS[end]} {table}"


def _sources(
    files: Iterable[str], inputs: Mapping[str, Sequence[str]], quotes: Mapping[str, Quote]
) -> dict[str, list[str]]:
    """Give the files from which each file was made, by path.

    Most inputs of a table stay at the site: their receipts stand for them. Those of a quoted table
    are not in this pack, but for what is quoted with it.
    """
    tables = sorted(table_of(asset) for asset in inputs)
    plan = [table_of(asset) for asset in PLANNED.values() if asset in inputs]
    of_tables = {
        table_of(asset): [
            *([] if asset in quotes else [PROTOCOL]),
            contract_of(asset),
            *(
                receipt_of(source)
                for source in sorted(made_of)
                if is_made_of(quotes, asset, source)
            ),
        ]
        for asset, made_of in sorted(inputs.items())
    }
    return {
        **of_tables,
        figures.NAME: [*tables, codes.NAME],
        CLAIM: [PROTOCOL, *tables],
        PLAN: [PROTOCOL, *plan],
        REPORT: [PROTOCOL, figures.NAME, CLAIM],
        SUMMARY: [PROTOCOL, figures.NAME],
        expectations.NAME: sorted(path for path in files if path.endswith(_RECEIPT)),
        comparison.NAME: [
            PROTOCOL,
            CLAIM,
            *(table_of(asset) for asset in comparison.TABLES if asset in inputs),
            codes.NAME,
        ],
    }


def held(contents: Contents, documents: Documents) -> Iterator[Problem]:
    """Say where the crate describes other files than those of the pack, or another pack.

    Raises
    ------
    VerificationError
        It is no crate.
    """
    graph = contents.json(CRATE, _FORM)["@graph"]
    entities = {entity["@id"]: entity for entity in graph}
    root = entities.get("./", {})
    others = contents.names - {CRATE}
    if len(entities) < len(graph):
        yield problem(CRATE, "describes something twice")
    if root.get("hasPart") != [_to(path) for path in sorted(others)]:
        yield problem(CRATE, "lists other files than those of the pack")
    if root.get("datePublished") != documents.cut[:10]:
        yield problem(CRATE, "has another date than the data cut")
    if entities.get("#site", {}).get("name") != documents.plan["site"]:
        yield problem(CRATE, "names another site than the pack")
    for path in sorted(others):
        content, said = contents.raw(path), entities.get(path, {})
        size, digest = str(len(content)), hashlib.sha256(content).hexdigest()
        if (said.get("contentSize"), said.get("sha256")) != (size, digest):
            yield problem(CRATE, f"{path}: has another size or digest there")
    actions = [entity for entity in graph if entity.get("@type") == "CreateAction"]
    named = [part for action in actions for part in (action.get("result"), *_listed(action))]
    if not actions or any(not _leads_to(part, others) for part in named):
        yield problem(CRATE, "tells of a file that is not in the pack")


def _listed(action: Mapping[str, Any]) -> list[Any]:
    found = action.get("object")
    return found if isinstance(found, list) else [found]


def _leads_to(part: Any, files: frozenset[str]) -> bool:
    return isinstance(part, dict) and part.get("@id") in files
