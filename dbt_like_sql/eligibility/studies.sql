-- Decides: which study is a patient's first, and which study or patient was used in development.
-- Header fields are all those of cohort.studies; undated studies rank last.
select
  s.* exclude (accession_id, default_case_id, device_id),
  row_number() over (
    partition by s.patient_id order by s.study_date nulls last, s.study_id
  ) as study_rank,
  s.study_id in (select study_id from cohort.development where in_force and study_id is not null)
  or s.patient_id in (
    select patient_id from cohort.development where in_force and patient_id is not null
  ) as in_development
from cohort.studies as s
