"""What ``vpack check`` looks at: everything that can be said before a build, nothing written.

What does not belong here: what was delivered (``delivered``), the checks of finished tables
(``gate``), which need a build.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from vpack_pipeline import study
from vpack_pipeline.attestation import PROTOCOL_ITEMS, SITE_ITEMS, not_attested
from vpack_pipeline.cli.delivered import check_deliveries
from vpack_pipeline.cli.findings import Findings
from vpack_pipeline.errors import Problem, SecretError, VpackError
from vpack_pipeline.io.identity import Pseudonyms
from vpack_pipeline.io.project import ProjectFolder, read_secret
from vpack_pipeline.site import FolderSource
from vpack_pipeline.study import Study

TO_BE_FILLED: Final = "TODO"


def check_site(
    folder: ProjectFolder,
    site_id: str,
    environment: Mapping[str, str],
    *,
    shows_words: bool = False,
) -> Findings:
    """Check a site's documents, rules, secret, sources, deliveries, headers, and the SQL models.

    Parameters
    ----------
    environment : tells whether a variable that ``site.yaml`` names is set
    shows_words : whether words of headers that a pack would not print may be shown

    Raises
    ------
    UsageError
        There is no such site.
    """
    found = Findings()
    loaded: Study | None = None
    with found.gathering():
        loaded = folder.study(site_id)
    found.problems += placeholders(folder.root, site_id, loaded)
    if loaded is not None:
        _documents(found, loaded)
        pseudonyms = _secret(found, folder, loaded)
        _sources(found, loaded, environment)
        check_deliveries(found, folder, loaded, pseudonyms, shows_words=shows_words)
    _models(found)
    return found


def placeholders(root: Path, site_id: str, loaded: Study | None) -> list[Problem]:
    """List the documents of a site that are not filled in yet, with the lines."""
    paths = [root / study.SITES / site_id / "site.yaml"]
    if loaded is not None:
        name = loaded.protocol.reference.replace("@", "-")
        paths.append(root / study.PROTOCOLS / f"{name}.yaml")
    problems = []
    for path in filter(Path.is_file, paths):
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
        marked = [str(i) for i, line in enumerate(lines, start=1) if TO_BE_FILLED in line]
        if marked:
            what = f"{TO_BE_FILLED} stands in line{'s' * (len(marked) > 1)} {', '.join(marked)}"
            remedy = f"write what belongs there, drop {TO_BE_FILLED}"
            problems.append(Problem(path.name, what, remedy))
    return problems


def _documents(found: Findings, loaded: Study) -> None:
    from vpack_pipeline.core.eligibility import bounded_rules
    from vpack_pipeline.core.evaluation.endpoint_plan import plan_in_words
    from vpack_pipeline.core.sampling import draw_in_words

    protocol = loaded.protocol
    rules = protocol.eligibility.rules
    late = sum(rule.partition == "after" for rule in rules)
    found.fine.append(f"site.yaml: {len(loaded.site.inputs)} inputs")
    found.fine.append(
        f"protocol {protocol.reference}, digest {protocol.digest[:12]}: {len(rules)} rules"
        f" ({late} after partition), {len(protocol.findings)} findings,"
        f" {len(protocol.drift.monitors)} monitors"
    )
    found.fine += [f"plan: {line}" for line in plan_in_words(protocol.evaluation)]
    found.fine += [f"sampling: {line}" for line in draw_in_words(protocol.sampling)]
    if protocol.amendments:
        dates = ", ".join(str(amendment.date) for amendment in protocol.amendments)
        found.fine.append(f"amended on {dates}")
    if protocol.covariates:
        told = ", ".join(f"{c.name} ({c.title}, {c.type})" for c in protocol.covariates)
        found.fine.append(f"columns that cases may hold beside the usual ones: {told}")
    for lacking in protocol.about.not_applicable:
        numbers = ", ".join(map(str, lacking.items))
        found.fine.append(f"CLAIM items {numbers} do not apply: {lacking.reason}")
    for where, given, items in (
        ("the protocol (about.attested)", protocol.about.attested, PROTOCOL_ITEMS),
        ("site.yaml (attested)", loaded.site.attested, SITE_ITEMS),
    ):
        missing = ", ".join(map(str, not_attested(given, items)))
        if missing:
            found.notes.append(
                f"{where} does not say who attests CLAIM items {missing}, and when: they are at"
                " most partly met"
            )
    bounded = bounded_rules(protocol.eligibility)
    if bounded:
        found.notes.append(
            f"rules {', '.join(bounded)} ask whether a prediction, a reference or reads exist: the"
            " pack bounds what they leave out"
        )


def _secret(found: Findings, folder: ProjectFolder, loaded: Study) -> Pseudonyms | None:
    site = loaded.site
    with found.gathering():
        pseudonyms = Pseudonyms(read_secret(loaded), site.identifiers, site.issuer)
        receipts = folder.warehouse.receipts("cohort/deliveries", site.site_id)
        if any(r.get("secret") != pseudonyms.fingerprint for r in receipts.values()):
            remedy = "restore the old secret, or start a new site folder"
            what = "is not the one that made the earlier tables"
            raise SecretError(Problem("site secret", what, remedy))
        public = ": published, so that pseudonyms protect nobody" if site.published_secret else ""
        found.fine.append(f"site secret, fingerprint {pseudonyms.fingerprint}{public}")
        return pseudonyms
    return None


def _sources(found: Findings, loaded: Study, environment: Mapping[str, str]) -> None:
    for number, source in enumerate(loaded.site.sources):
        where = f"site.yaml sources[{number}]"
        if isinstance(source, FolderSource):
            problem = _folder_problem(where, (loaded.root / source.path).resolve(), source.path)
            if problem is None:
                found.fine.append(f"source {source.path}: a folder with content")
            else:
                found.problems.append(problem)
            continue
        variable = source.authorization_variable
        if variable is not None and not environment.get(variable):
            what = f"the environment variable {variable} is not set"
            found.problems.append(Problem(where, what, "set it to the Authorization header"))
        else:
            found.notes.append(f"{where}: a DICOMweb server, which was not asked")
        if any(a and a.startswith("http://") for a in (source.url, source.orthanc_url)):
            found.notes.append(f"{where}: http: identifiers and the authorization pass unencrypted")


def _folder_problem(where: str, path: Path, written: str) -> Problem | None:
    if not path.is_dir():
        return Problem(where, f"no folder {written}", "mend the path, or mount the archive")
    try:
        with os.scandir(path) as entries:
            is_empty = next(entries, None) is None
    except OSError:
        return Problem(where, f"{written} cannot be read", "let this user read it")
    return Problem(where, f"{written} is empty", "mount the archive") if is_empty else None


def _models(found: Findings) -> None:
    """Trace every column of every SQL model: one that its inputs do not have is named."""
    from vpack_pipeline.io import models

    try:
        assets = sorted(models.load())
    except VpackError as error:
        found.problems.append(Problem("SQL models", str(error), "mend the file"))
        return
    broken = 0
    for asset in assets:
        try:
            models.column_lineage(asset)
        except VpackError as error:
            broken += 1
            found.problems.append(Problem(f"model {asset}", str(error), "mend the file"))
    if not broken:
        found.fine.append(f"SQL models: {len(assets)}, every column known")
