"""When a site last released a pack, and what has changed since.

What does not belong here: releasing (``release``), how a site stands otherwise (``standing``).
"""

from __future__ import annotations

from typing import Any

from vpack_pipeline.assets import bench as benches
from vpack_pipeline.errors import GateClosedError, InputError, VpackError
from vpack_pipeline.io import releases
from vpack_pipeline.io.deliveries import closed_deliveries, moment
from vpack_pipeline.io.project import ProjectFolder
from vpack_pipeline.io.releases import Release
from vpack_pipeline.study import Study


def release_standing(folder: ProjectFolder, loaded: Study) -> dict[str, Any]:
    """Tell of the last release: its version, cut, day and recipients, and what differs now.

    Returns
    -------
    ``last`` is None before the first; ``tables`` those whose newest state is another; ``problems``
    say why the ledger cannot be read, in which case nothing else is known
    """
    site_id = loaded.site.site_id
    try:
        edge = folder.edge(loaded, None)
        ledger = releases.read_ledger(edge.state, folder.releases, site_id, edge.pseudonyms)
        last = ledger.last
        if last is None:
            return {"last": None, "problems": []}
        return {
            "last": last.name,
            "cut": last.cut,
            "on": max(h.on for h in last.handed_out),
            "to": [h.to for h in last.handed_out if h.to],
            "people": last.people,
            "deliveries": _deliveries(folder, loaded, last),
            "tables": _changed(folder, site_id, last),
            "protocol": last.protocol != loaded.protocol.reference,
            "problems": [],
        }
    except (InputError, GateClosedError) as error:
        return {"last": None, "problems": [(p.where, p.what, p.remedy) for p in error.problems]}
    except VpackError as error:
        return {"last": None, "problems": [(site_id, str(error), "")]}


def _deliveries(folder: ProjectFolder, loaded: Study, last: Release) -> list[str]:
    known = closed_deliveries(folder.root, loaded.site)
    return [name for name in known if moment(name) > moment(last.cut)]


def _changed(folder: ProjectFolder, site_id: str, last: Release) -> list[str]:
    """List the tables that are not what they were when the release was made."""
    if not folder.warehouse.receipts(benches.FIRST, site_id):
        return []
    cut = benches.newest_cut(folder, site_id)
    now = {a: folder.warehouse.read_receipt(a, site_id, cut) or {} for a in last.tables}
    return [a for a, digest in last.tables.items() if now[a].get("table_digest") != digest]


def release_line(told: dict[str, Any]) -> str:
    """Say in one line when a site last released, and what has changed since."""
    if told["last"] is None:
        return "nothing was released yet"
    to = ", ".join(told["to"]) or "nobody who was named"
    quoted = "" if told["people"] == told["last"] else f" (people as in {told['people']})"
    since = [
        _counted(len(told["deliveries"]), "delivery", "deliveries"),
        _counted(len(told["tables"]), "table differs", "tables differ"),
        "another version of the protocol" if told["protocol"] else "",
    ]
    start = f"last release {told['last']}{quoted} on {told['on']}, to {to}"
    return f"{start}; since then: {', '.join(filter(None, since)) or 'nothing new'}"


def _counted(n: int, one: str, more: str) -> str:
    return f"{n} {one if n == 1 else more}" if n else ""
