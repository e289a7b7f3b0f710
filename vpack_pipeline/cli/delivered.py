"""What ``vpack check`` looks at in deliveries: files, headers, rows, identifiers without a match.

It prints counts, names of files and headers, and never a cell of a data row. What does not belong
here: the site's documents and sources (``checkup``), texts that nobody lists (``unlisted``).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from vpack_pipeline.cli import days_to_come
from vpack_pipeline.cli.faulty import passing_pseudonyms, row_problems
from vpack_pipeline.cli.findings import Findings
from vpack_pipeline.cli.patient_units import repeated_patients
from vpack_pipeline.errors import InputError, Problem
from vpack_pipeline.io.deliveries import (
    LEDGER,
    PUBLISHED,
    closed_deliveries,
    moment,
    open_deliveries,
    published_in,
    survey,
)
from vpack_pipeline.io.edge import Edge
from vpack_pipeline.io.forms import (
    Form,
    form_problems,
    normalisation_hint,
    plain_text,
    read_form,
)
from vpack_pipeline.io.identity import Pseudonyms
from vpack_pipeline.io.project import ProjectFolder
from vpack_pipeline.site import InputForm, InputKind
from vpack_pipeline.study import Study

_ALWAYS: Final[tuple[InputKind, ...]] = ("readers", "reads", "predictions")
_SAID_OF_CASES: Final[tuple[InputKind, ...]] = ("reads", "reference", "predictions", "error_review")
_OF_STUDIES: Final[tuple[InputKind, ...]] = ("cases", "case_studies", "operations")


def check_deliveries(
    found: Findings,
    folder: ProjectFolder,
    loaded: Study,
    pseudonyms: Pseudonyms | None,
    *,
    shows_words: bool,
) -> None:
    """Check what was delivered, as far as files tell without a build.

    Parameters
    ----------
    pseudonyms : None where the secret is missing: identifiers are compared with nothing then
    shows_words : whether words of headers that a pack would not print may be shown
    """
    from vpack_pipeline.cli.unlisted import unlisted_notes

    names = _deliveries(found, folder, loaded, pseudonyms)
    forms = _forms(found, loaded, names)
    _rows(found, folder, loaded, forms, pseudonyms or passing_pseudonyms(loaded.site))
    state = folder.root / "data" / "state" / loaded.site.site_id
    found.problems += _patient_problems(loaded, forms, pseudonyms, state)
    cells = partial(_cells, forms)
    found.notes += unlisted_notes(loaded, cells, state, shows_words=shows_words)
    if pseudonyms is not None:
        _hints(found, folder, loaded, forms, pseudonyms)


def _deliveries(
    found: Findings, folder: ProjectFolder, loaded: Study, pseudonyms: Pseudonyms | None
) -> tuple[str, ...]:
    """Say what is closed, open or altered; name the closed deliveries in order."""
    site = loaded.site
    names: tuple[str, ...] = ()
    with found.gathering():
        names = closed_deliveries(loaded.root, site)
        still_open = open_deliveries(loaded.root, site)
        if still_open:
            found.notes.append(f"open and not counted: {', '.join(still_open)} (no file DONE)")
        found.notes += [str(problem) for problem in days_to_come(names)]
        if not names:
            remedy = f"run `vpack deliver {site.site_id} FILE...`"
            raise InputError(Problem("deliveries", "none is closed", remedy))
        _survey_a_copy(folder, loaded, pseudonyms)
        found.fine.append(f"deliveries: {len(names)} closed, none altered, newest {names[-1]}")
    return names


def _survey_a_copy(folder: ProjectFolder, loaded: Study, pseudonyms: Pseudonyms | None) -> None:
    """Hold deliveries to a copy of their ledger: a check must not note what it saw."""
    own = folder.root / "data" / "state" / loaded.site.site_id
    with tempfile.TemporaryDirectory(prefix="vpack-check-") as temporary:
        state = Path(temporary)
        for name in (LEDGER, PUBLISHED):
            if (own / name).is_file():
                shutil.copyfile(own / name, state / name)
        survey(
            Edge(
                root=loaded.root,
                site=loaded.site,
                protocol=loaded.protocol,
                # It asks for no pseudonym, and must run where the secret is missing as well.
                pseudonyms=pseudonyms or passing_pseudonyms(loaded.site),
                state=state,
                cut=None,
            )
        )


@dataclass(frozen=True, slots=True)
class Delivered:
    """One kind of input: how it is written, and its files that can be read, oldest first."""

    written: InputForm
    forms: tuple[Form, ...]

    def cells(self, name: str) -> list[str]:
        """Values of a column as the site wrote them; to be compared, never printed."""
        taken = self.forms[-1:] if self.written.mode == "full" else self.forms
        columns = [plain_text(f, name, self.written).drop_nulls() for f in taken]
        return [str(v) for column in columns for v in column]


def _forms(found: Findings, loaded: Study, names: tuple[str, ...]) -> dict[InputKind, Delivered]:
    """Hold each kind's newest file, and the older ones that still count, to its form."""
    made: dict[InputKind, Delivered] = {}
    base = (loaded.root / loaded.site.deliveries).resolve()
    for kind, written in loaded.site.inputs.items():
        problems = form_problems(kind, written, loaded.protocol)
        found.problems += problems
        having = [n for n in names if (base / n / written.file).is_file()]
        if not having and kind in _ALWAYS and names:
            what = f"no closed delivery holds {written.file}"
            found.problems.append(Problem(f"inputs.{kind}", what, "deliver it"))
        elif not having and names:
            found.notes.append(f"{kind}: no closed delivery holds {written.file}")
        if problems or not having:
            continue
        forms = _read(found, loaded, kind, having)
        made[kind] = Delivered(written, forms)
        if forms and forms[-1].where.startswith(f"{having[-1]}/"):
            newest = forms[-1]
            ragged = f", {len(newest.ragged)} of them ragged" if newest.ragged else ""
            found.fine.append(f"{newest.where}: headers fit, {newest.rows} rows{ragged}")
    return made


def _read(found: Findings, loaded: Study, kind: InputKind, having: list[str]) -> tuple[Form, ...]:
    written = loaded.site.inputs[kind]
    base = (loaded.root / loaded.site.deliveries).resolve()
    forms: list[Form] = []
    for name in having if written.mode == "append" else having[-1:]:
        with found.gathering():
            where = f"{name}/{written.file}"
            forms.append(
                read_form(base / name / written.file, where, kind, written, loaded.protocol)
            )
    return tuple(forms)


def _rows(
    found: Findings,
    folder: ProjectFolder,
    loaded: Study,
    forms: Mapping[InputKind, Delivered],
    pseudonyms: Pseudonyms,
) -> None:
    """Name the rows that the next build would quarantine, as far as their own file tells.

    Those that a published pack was built with are only noted, and so are repeated rows.
    """
    from vpack_pipeline.io.cohort.inputs.alone import rows_alone, still_wrong

    cuts = published_in(folder.root / "data" / "state" / loaded.site.site_id)
    last = max(map(moment, cuts), default=None)
    for kind, delivered in forms.items():
        days = [moment(form.where.partition("/")[0]) for form in delivered.forms]
        files = []
        with found.gathering():
            files = [
                rows_alone(kind, form, delivered.written, loaded.protocol, pseudonyms, day)
                for form, (day, _) in zip(delivered.forms, days, strict=True)
            ]
        if len(files) < len(days):
            continue
        for form, when, faults in zip(delivered.forms, days, still_wrong(files), strict=True):
            for problem in row_problems(form.where, faults):
                is_known = last is not None and when <= last
                if is_known or problem.what.startswith("DUPLICATE_ROW"):
                    found.notes.append(f"{problem}")
                else:
                    found.problems.append(problem)


def _hints(
    found: Findings,
    folder: ProjectFolder,
    loaded: Study,
    forms: Mapping[InputKind, Delivered],
    pseudonyms: Pseudonyms,
) -> None:
    """Say where identifiers match nothing, and whether padding or case would make them match."""
    from vpack_pipeline.io.dicom.state import scan_headers

    scanned = scan_headers(folder.root / "data" / "state" / loaded.site.site_id)
    names = ("default_case_id", "accession_id", "study_id", "patient_id")
    headers = scanned.select(*names).collect()
    cases = {pseudonyms.case(v) for v in _cells(forms, "cases", "case_id")}
    if "cases" not in loaded.site.inputs:
        cases = set(headers["default_case_id"].drop_nulls())
    readers = {pseudonyms.reader(v) for v in _cells(forms, "readers", "reader_id")}
    for kind in ("case_studies", *_SAID_OF_CASES):
        _hint(found, forms, kind, "case_id", cases, pseudonyms.case)
    _hint(found, forms, "reads", "reader_id", readers, pseudonyms.reader)
    if headers.is_empty():
        found.notes.append("no scan of the images yet: identifiers were not compared with them")
        return
    accessions = set(headers["accession_id"].drop_nulls())
    studies = set(headers["study_id"].drop_nulls())

    def study_or_accession(value: str) -> str:
        as_study = pseudonyms.study(value)
        return as_study if as_study in studies else pseudonyms.accession(value)

    for kind in _OF_STUDIES:
        _hint(found, forms, kind, "study", studies | accessions, study_or_accession)
    delivered = forms.get("cases")
    if delivered is not None and not _cells(forms, "cases", "issuer"):
        patients = set(headers["patient_id"].drop_nulls())
        _hint(found, forms, "cases", "patient_id", patients, pseudonyms.patient)


def _patient_problems(
    loaded: Study,
    forms: Mapping[InputKind, Delivered],
    pseudonyms: Pseudonyms | None,
    state: Path,
) -> list[Problem]:
    delivered = forms.get("cases")
    return repeated_patients(
        loaded,
        () if delivered is None else delivered.forms,
        loaded.site.inputs.get("cases"),
        pseudonyms=pseudonyms or passing_pseudonyms(loaded.site),
        state=state,
    )


def _cells(forms: Mapping[InputKind, Delivered], kind: InputKind, name: str) -> list[str]:
    delivered = forms.get(kind)
    return [] if delivered is None else delivered.cells(name)


def _hint(
    found: Findings,
    forms: Mapping[InputKind, Delivered],
    kind: InputKind,
    name: str,
    known: set[str],
    pseudonym: Callable[[str], str],
) -> None:
    if not known:
        return
    values = {value for value in _cells(forms, kind, name) if value}
    hint = normalisation_hint(values, known=known, pseudonym=pseudonym)
    where = f"inputs.{kind}, {name}"
    if hint.by_zero_padding or hint.by_case:
        remedy = "declare zero_pad or case under `identifiers` in site.yaml"
        found.problems.append(Problem(where, str(hint), remedy))
    elif values and hint.unmatched == len(values):
        what = f"none of {len(values)} identifiers matches anything"
        found.problems.append(Problem(where, what, _unmatched(name)))
    elif hint.unmatched:
        found.notes.append(f"{kind}, {name}: {hint}")


def _unmatched(name: str) -> str:
    """Say what to look at where every identifier of a column matches nothing."""
    column = f"wrong column mapped to `{name}`?"
    against = {
        "study": f"wrong folder in `sources`, or {column}",
        "patient_id": f"wrong folder in `sources` or wrong `issuer`, or {column}",
        "case_id": f"{column} It is held to `case_id` of cases, or without cases to study UIDs",
        "reader_id": f"{column} It is held to `reader_id` of readers",
    }
    return against[name]
