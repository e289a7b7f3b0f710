"""Rules on leaks: nothing that trained or tuned the index test is in the test set, nor its like.

The list of development data says what was used, by patient, study, or what the header of an image
says. What does not belong here: who is in the study for any other reason (``enrolment``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import polars as pl

from vpack_pipeline.core.evaluation.integrity.study import Outcome, Study, judged
from vpack_pipeline.core.time_bands import known_time
from vpack_pipeline.stats.codes import Code

_PLACE: Final = ("device_id", "study_date", "second")
"""What no two studies share: one device begins one study a second."""
_EXPOSURE: Final = ("kvp", "exposure_mas")


def no_development_patient(study: Study) -> Outcome:
    """No included patient was used to train or tune; without a list nobody can tell."""
    if not study.development["in_force"].any():
        return Outcome(0, 0, "patients", reason=Code("no_development_list"))
    patients = study.patients.join(study.included, on="patient_id", how="semi")
    return judged(patients, pl.col("in_development"), "patients")


def no_tuning_patient(study: Study) -> Outcome:
    """No included patient was used to tune, where the list says what each was used for."""
    tuned = _people(study).filter(pl.col("used_for") == "tuning")
    if tuned.height == 0:
        return Outcome(0, 0, "patients", reason=Code("use_not_stated"))
    included = study.included.select("patient_id").unique()
    return judged(included, pl.col("patient_id").is_in(tuned["person"].implode()), "patients")


def training_apart_from_tuning(study: Study) -> Outcome:
    """No patient was used both to train and to tune, where the list says what each was used for."""
    used = _people(study).filter(pl.col("used_for").is_not_null())
    if used["used_for"].n_unique() < 2:
        return Outcome(0, 0, "patients", reason=Code("use_not_stated"))
    uses = used.group_by("person").agg(pl.col("used_for").n_unique().alias("n_uses"))
    return judged(uses, pl.col("n_uses") > 1, "patients")


def no_development_study(study: Study) -> Outcome:
    """No included study was used to train or tune, whatever patient it is under there."""
    listed = _listed(study)["study_id"].drop_nulls()
    if listed.len() == 0:
        return Outcome(0, 0, "studies", reason=Code("no_development_studies"))
    return judged(_included(study), pl.col("study_id").is_in(listed.implode()), "studies")


def no_near_duplicate(study: Study) -> Outcome:
    """No included study has the device, second and exposure of another one that trained or tuned.

    Tube voltage and exposure tell two studies apart where both state them.
    """
    known = _headers_of_development(study)
    if known.height == 0:
        return Outcome(0, 0, "studies", reason=Code("no_development_headers"))
    included = _placed(_included(study))
    pairs = included.join(known, on=_PLACE, suffix="_listed").filter(
        pl.col("study_id_listed").ne_missing(pl.col("study_id")),
        *((pl.col(c) == pl.col(f"{c}_listed")).fill_null(value=True) for c in _EXPOSURE),
    )
    is_placed = pl.all_horizontal(pl.col(c).is_not_null() for c in _PLACE)
    is_like = pl.col("study_id").is_in(pairs["study_id"].implode())
    found = judged(included, pl.when(is_placed).then(is_like), "studies")
    return replace(found, has_unknown=found.has_unknown or _some_listed_are_unknown(study))


def _listed(study: Study) -> pl.DataFrame:
    return study.development.filter("in_force")


def _included(study: Study) -> pl.DataFrame:
    """Studies of the archive that belong to an included case."""
    used = study.case_studies.filter("in_force").join(study.included, on="case_id", how="semi")
    return study.studies.join(used, on="study_id", how="semi")


def _people(study: Study) -> pl.DataFrame:
    """Whom each row of the list is of: its patient, or that of its study, or else the study."""
    owners = study.studies.select("study_id", pl.col("patient_id").alias("owner"))
    rows = _listed(study).join(owners, on="study_id", how="left")
    return rows.select("used_for", pl.coalesce("patient_id", "owner", "study_id").alias("person"))


def _headers_of_development(study: Study) -> pl.DataFrame:
    """What is known of images that were used: of the list, and of the archive's studies on it."""
    listed = _listed(study)
    is_listed = pl.any_horizontal(
        pl.col(c).is_in(listed[c].drop_nulls().implode()) for c in ("study_id", "patient_id")
    )
    parts = (_placed(listed), _placed(study.studies.filter(is_listed)))
    columns = ["study_id", *_PLACE, *_EXPOSURE]
    return pl.concat([p.select(columns) for p in parts]).drop_nulls(_PLACE)


def _some_listed_are_unknown(study: Study) -> bool:
    """Whether the list names what neither it nor the archive says the header of."""
    placed = _placed(study.studies).drop_nulls(_PLACE)
    listed = _placed(_listed(study))
    is_known = pl.all_horizontal(pl.col(c).is_not_null() for c in _PLACE) | pl.any_horizontal(
        pl.col(c).is_in(placed[c].implode()) for c in ("study_id", "patient_id")
    )
    return not listed.select(is_known.fill_null(value=False).all()).item()


def _placed(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(known_time().floor().alias("second"))
