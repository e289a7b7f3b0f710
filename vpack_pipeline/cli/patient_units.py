"""Whether every patient gives one case, where the protocol calls the patient the unit.

Every figure would count such a patient several times under a name that says once. What does not
belong here: patients whose cases lie in both windows, which is a rule of conduct.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from vpack_pipeline.errors import Problem
from vpack_pipeline.io.forms import Form, plain_text
from vpack_pipeline.io.identity import Pseudonyms
from vpack_pipeline.site import InputForm
from vpack_pipeline.study import Study


def repeated_patients(
    loaded: Study,
    forms: Iterable[Form],
    written: InputForm | None,
    *,
    pseudonyms: Pseudonyms,
    state: Path,
) -> list[Problem]:
    """Say how many patients have more than one case, by the newest word on each case.

    Parameters
    ----------
    forms : the files of cases, oldest first
    written : their form; None where the site delivers none, and every study is a case
    """
    if loaded.protocol.unit_of_analysis != "patient":
        return []
    if written is None:
        patient_of = _scanned(state)
    else:
        patient_of = {}
        for form in forms:
            patient_of |= _listed(form, written, pseudonyms)
    several = sum(n > 1 for n in Counter(patient_of.values()).values())
    if not several:
        return []
    what = f"{several} patients have several cases each, and the unit of analysis is the patient"
    remedy = "set it to what a case is (study, breast, lesion), or deliver one case a patient"
    return [Problem(f"{loaded.protocol.reference} unit_of_analysis", what, remedy)]


def _listed(form: Form, written: InputForm, pseudonyms: Pseudonyms) -> Mapping[str, str]:
    columns = (plain_text(form, name, written) for name in ("case_id", "patient_id", "issuer"))
    return {
        pseudonyms.case(case): pseudonyms.patient(patient, issuer)
        for case, patient, issuer in zip(*columns, strict=True)
        if case is not None and patient is not None
    }


def _scanned(state: Path) -> Mapping[str, str]:
    from vpack_pipeline.io.dicom.state import scan_headers

    headers = scan_headers(state).select("default_case_id", "patient_id").drop_nulls().collect()
    return dict(headers.unique().iter_rows())
