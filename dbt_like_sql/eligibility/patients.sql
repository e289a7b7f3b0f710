-- Decides: who is a patient of this cohort, and what a patient-level rule may know of them.
-- A patient is anyone with a study or a case in force. Sex is unknown where studies disagree.
-- A patient is in development if they, or any of their studies, were used to train or tune.
with people as (
  select patient_id from cohort.studies
  union
  select patient_id from cohort.cases where in_force
),
of_studies as (
  select
    patient_id,
    count(*) as n_studies,
    min(study_date) as first_study_date,
    case when count(distinct sex) = 1 then min(sex) end as sex
  from cohort.studies
  group by patient_id
),
of_cases as (
  select patient_id, count(*) as n_cases
  from cohort.cases
  where in_force
  group by patient_id
),
developed as (
  select patient_id from cohort.development where in_force and patient_id is not null
  union
  select s.patient_id
  from cohort.studies as s
  join cohort.development as v on v.study_id = s.study_id
  where v.in_force
)
select
  p.patient_id,
  s.sex,
  s.first_study_date,
  coalesce(s.n_studies, 0) as n_studies,
  coalesce(c.n_cases, 0) as n_cases,
  p.patient_id in (select patient_id from developed) as in_development
from people as p
left join of_studies as s on s.patient_id = p.patient_id
left join of_cases as c on c.patient_id = p.patient_id
