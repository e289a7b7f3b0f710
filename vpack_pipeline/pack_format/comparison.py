"""``compare.html``: the page on which a reviewer holds a pack against counts of their own.

It is a page that is the same in every pack of one vpack, and in it what this pack says of itself:
cells of its tables, parts of its protocol, sentences of its codes. Both are held against the rest
of the pack: what it says follows from tables and protocol, byte for byte, and one script may run,
whose digest the page's own policy tells. What does not belong here: how the page looks and what
the script computes (``report``).
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final, NamedTuple

from vpack_pipeline.errors import Problem
from vpack_pipeline.pack_format import bag, cells, codes
from vpack_pipeline.pack_format.contents import Contents, problem
from vpack_pipeline.pack_format.documents import CLAIM, PLAN, PROTOCOL, Documents, table_of
from vpack_pipeline.pack_format.planned import goals_at, points_of
from vpack_pipeline.pack_format.stated import POINTS, rows_at, stated_figures

NAME: Final = "compare.html"
CELLS: Final = "evaluation/transport_cells"
LEVELS: Final = "representativeness/levels"
PROFILE: Final = "representativeness/profile"
TABLES: Final[Mapping[str, Mapping[str, str]]] = {
    CELLS: {
        **dict.fromkeys(
            ("finding", "model_id", "window", "operating_point", "stratum_kind", "stratum"),
            "string",
        ),
        "metric": "string",
        "estimate": "float",
        **dict.fromkeys(("status", "reason", "detail"), "string"),
    },
    LEVELS: {
        "variable": "string",
        "level_order": "int",
        "level": "string",
        "printed_level": "string",
    },
    POINTS: {
        **dict.fromkeys(
            ("finding", "model_id", "window", "operating_point", "analysis", "metric"), "string"
        ),
        **dict.fromkeys(("estimate", "lower", "upper"), "float"),
    },
    PROFILE: {
        **dict.fromkeys(("variable", "bin", "set"), "string"),
        "bin_order": "int",
        "n": "int",
    },
}
"""The tables that the page is made of, with the columns that it reads and their types."""
GIVEN: Final = (
    "cells_with_few_positives",
    "cells_without_case",
    "margins_cross_goal",
    "no_case_outside_target",
    "no_interval_of_margins",
    "no_interval_of_weighted_cells",
    "no_mature_case",
    "no_table_with_margins",
    "no_target",
    "nobody_in_denominator",
    "not_computed_weighted",
    "one_common_cell",
    "prevalence_needs_joint_counts",
    "prevalence_out_of_reach",
    "prevalence_typed",
)
"""The reasons and notes that the script may give of itself, beside those of the cells."""
WINDOWS: Final = ("retrospective", "prospective")
EVERY_POINT_SINCE: Final = 6
"""The format from which on the page has every point of the primary model, and what a case is."""
_PAGE: Final = re.compile(
    r'(?P<policy><meta http-equiv="Content-Security-Policy" content="(?P<told>[^"]*)">)'
    r".*?<title>(?P<title>[^<]*)</title>"
    r'.*?<body>\n(?P<banner>(?:<div class="banner"[^\n]*\n)?)'
    r'.*?<script type="application/json" id="pack">(?P<data>[^<]*)</script>\n'
    r"<script>(?P<script>.*?)</script>",
    re.DOTALL,
)
SHIPPED: Final = "a0dc88156a8e96292e8f8008eb3bbb949f465b3edbefcf63ecf31d8e49d6e6aa"
"""The digest of layout and script that this vpack puts into its packs; a test holds it."""
Row = Mapping[str, Any]
_UNREADABLE: Final = (KeyError, TypeError, ValueError, AttributeError, IndexError)


class EmptyPage(NamedTuple):
    """The page that is the same in every pack, and its script."""

    html: str
    """With one mark each for policy, title, banner, data and script, such as ``@@title@@``."""
    script: str


def page(empty: EmptyPage, of_pack: Mapping[str, Any]) -> bytes:
    """Put what :func:`data` gives, and the script, into the page."""
    parts = {**_of_pack(of_pack), "policy": _policy(empty.script), "script": empty.script}
    return re.sub("@@([a-z]+)@@", lambda mark: parts[mark[1]], empty.html).encode()


def data_of(files: Mapping[str, bytes]) -> dict[str, Any]:
    """Gather the same from the files of a payload that this process made."""
    import yaml

    return data(
        yaml.safe_load(files[PROTOCOL]),
        json.loads(files[CLAIM]),
        json.loads(files[PLAN]),
        lambda name: files[name].decode(),
    )


def data(
    protocol: Mapping[str, Any],
    claim: Mapping[str, Any],
    plan: Mapping[str, Any],
    text: Callable[[str], str],
    pack_format: int = bag.FORMAT,
) -> dict[str, Any]:
    """Gather what the script needs: of the primary model's operating points, primary ones first.

    Parameters
    ----------
    protocol, claim, plan : documents of the pack
    text : file of the pack → its text
    pack_format : of the pack; one of an older format holds less
    """
    has_every_point = pack_format >= EVERY_POINT_SINCE
    tables = {
        asset: list(cells.read_rows(text(table_of(asset)), TABLES[asset])) for asset in TABLES
    }
    kind = next((row["stratum_kind"] for row in tables[CELLS]), None)
    names = kind.split(" × ") if kind is not None else []
    places = [
        _place(finding, point, protocol, tables)
        | ({"primary": is_first} if has_every_point else {})
        for finding, point, is_first in _points(protocol)
        if is_first or has_every_point
    ]
    told = {row[4] for p in places for w in p["windows"].values() for row in w if row[4]}
    variables = protocol.get("representativeness", {}).get("variables", ())
    return {
        "site": plan["site"],
        "cut": plan["cut"],
        "protocol": plan["protocol"],
        **(_of_protocol(protocol, plan) if has_every_point else {}),
        "synthetic": [part.partition(":")[0] for part in claim.get("synthetic") or ()],
        "kind": kind,
        "titles": {v["name"]: v["title"] for v in variables if v["name"] in names},
        "others": [v["name"] for v in variables if v["name"] not in names],
        "levels": [
            list(row.values())
            for row in tables[LEVELS]
            if row["variable"] in names or row["variable"] == kind
        ],
        "level": protocol["evaluation"].get("interval", {}).get("level", 0.95),
        "places": places,
        "target": _target(tables[PROFILE], names),
        "codes": _sentences(text(codes.NAME), told),
    }


def _of_protocol(protocol: Mapping[str, Any], plan: Mapping[str, Any]) -> dict[str, str]:
    return {"protocol_digest": plan["protocol_digest"], "unit": protocol["unit_of_analysis"]}


def _points(
    protocol: Mapping[str, Any],
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any], bool]]:
    """Give each finding with the primary model's points, and whether the point is the first."""
    for finding in protocol["findings"]:
        for place, point in enumerate(points_of(protocol, finding["name"])):
            yield finding, point, place == 0


def _place(
    finding: Mapping[str, Any],
    point: Mapping[str, Any],
    protocol: Mapping[str, Any],
    tables: Mapping[str, Sequence[Row]],
) -> dict[str, Any]:
    here, points = (rows_at(tables[asset], finding["name"], point) for asset in (CELLS, POINTS))
    stated = stated_figures(points)
    read = ("stratum", "metric", "status", "estimate", "reason", "detail")
    return {
        "finding": finding["title"],
        "model": point["model"],
        "point": point["title"],
        "goals": goals_at(protocol, point),
        "windows": {
            window: [_shortened([row[c] for c in read]) for row in here if row["window"] == window]
            for window in WINDOWS
        },
        "stated": None if stated is None else {"window": stated[0], "figures": stated[1]},
    }


def _shortened(row: list[Any]) -> list[Any]:
    """Leave out how a given count was made."""
    return row if row[2] != "given" else [*row[:4], None, None]


def _target(rows: Sequence[Row], names: Sequence[str]) -> list[list[Any]]:
    """Give the margins of the population that the site stated; none where one is not printed."""
    own = [row for row in rows if row["set"] == "target" and row["variable"] in names]
    if any(row["n"] is None for row in own) or not sum(row["n"] for row in own):
        return []
    ordered = sorted(own, key=lambda row: (names.index(row["variable"]), row["bin_order"]))
    return [[row["variable"], row["bin"], row["n"]] for row in ordered]


def _sentences(text: str, told: set[str]) -> dict[str, Any]:
    found = {}
    for row in csv.DictReader(io.StringIO(text, newline="")):
        if row["code"] in told or row["code"] in GIVEN:
            parameters = {
                name: {"type": p.type, **({"words": dict(p.words)} if p.words else {})}
                for name, p in codes.parameters_of(row["parameters"]).items()
            }
            found[row["code"]] = [row["sentence"], parameters]
    return found


def _of_pack(of: Mapping[str, Any]) -> dict[str, str]:
    """Write the parts of the page that depend on the pack."""
    # No "<" in a block of data: nothing in it can end it.
    text = json.dumps(of, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    made_up = escape(", ".join(of["synthetic"]))
    banner = (
        '<div class="banner" role="note" aria-label="Synthetic data"><strong>Synthetic data:'
        f"</strong> {made_up}. No figure here is evidence about any product.</div>\n"
    )
    title = f"Does it hold here? {of['site']}, data cut {of['cut']}"
    return {"title": escape(title), "banner": banner if made_up else "", "data": text}


def _policy(script: str) -> str:
    """Allow this one script, the page's own style, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    told = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'"
    )
    return f'<meta http-equiv="Content-Security-Policy" content="{told}">'


def empty_digest(empty: EmptyPage) -> str:
    """Give the digest of a page without a pack."""
    return hashlib.sha256(f"{empty.html}\0{empty.script}".encode()).hexdigest()


def is_shipped(text: str) -> bool:
    """Say whether layout and script of a pack's page are those of this vpack, byte for byte.

    Nothing in a pack says which vpack made it, and another one of the same format may lay the page
    out otherwise: this tells a reader, and is no fault of the pack.
    """
    found = _PAGE.search(text)
    if found is None:
        return False
    empty = text
    for name in ("script", "data", "banner", "title", "policy"):
        empty = f"{empty[: found.start(name)]}@@{name}@@{empty[found.end(name) :]}"
    return empty_digest(EmptyPage(empty, found["script"])) == SHIPPED


def held(contents: Contents, documents: Documents, pack_format: int) -> Iterator[Problem]:
    """Say where the page differs from what the pack's tables and protocol give.

    Raises
    ------
    VerificationError
        It is no text, or a file that it is made of cannot be read.
    """
    found = _PAGE.search(contents.text(NAME))
    scripts = contents.text(NAME).lower().count("<script")
    if found is None or scripts != 2:
        yield problem(NAME, "is no page with one block of data and one script")
        return
    if found["policy"] != _policy(found["script"]):
        yield problem(NAME, "has another policy than the one that allows its one script alone")
    try:
        known = data(
            documents.protocol, documents.claim, documents.plan, contents.text, pack_format
        )
    except _UNREADABLE:
        yield problem(NAME, "cannot be made from this pack's tables and protocol")
        return
    for name, text in _of_pack(known).items():
        if found[name] != text:
            yield problem(NAME, f"has another {name} than this pack's tables and protocol give")
