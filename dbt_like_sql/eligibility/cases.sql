-- Decides: which study describes a case, and what a case-level rule may know of it.
-- The index study is the one delivered with role index, of the same patient and in the cohort; of
-- several, arm standard first, then the earliest. Scores and label values are not in this view.
-- Only that a prediction or an independent reference exists, and how many reads there are.
with linked as (
  select
    l.case_id,
    s.study_id,
    row_number() over (
      partition by l.case_id
      order by l.arm <> 'standard', s.study_date nulls last, l.arm, s.study_id
    ) as choice
  from cohort.case_studies as l
  join cohort.cases as c on c.case_id = l.case_id and c.in_force
  join eligibility.studies as s on s.study_id = l.study_id and s.patient_id = c.patient_id
  where l.in_force and l.role = 'index'
),
developed as (
  select c.case_id
  from cohort.cases as c
  join cohort.development as v on v.patient_id = c.patient_id
  where c.in_force and v.in_force
  union
  select l.case_id
  from cohort.case_studies as l
  join cohort.development as v on v.study_id = l.study_id
  where l.in_force and v.in_force
),
predicted as (
  select distinct case_id
  from cohort.predictions
  where in_force and model_id = $primary_model and status = 'ok'
),
referenced as (
  select distinct case_id from cohort.reference where in_force
),
independent as (
  select case_id, count(distinct reader_id || '/' || arm || '/' || session) as n_reads
  from cohort.reads
  where in_force and purpose = 'reference' and role = 'independent'
  group by case_id
),
diagnostic as (
  select case_id, 2 * sum(case when is_diagnostic then 1 else 0 end) > count(*) as is_diagnostic
  from cohort.reads
  where in_force and purpose = 'reference'
  group by case_id
)
select
  c.case_id,
  c.patient_id,
  s.study_id,
  c.index_date,
  c.stratum,
  c.covariates,
  s.* exclude (study_id, patient_id, in_development),
  row_number() over (partition by c.patient_id order by c.index_date, c.case_id) as case_rank,
  c.case_id in (select case_id from developed) as in_development,
  c.case_id in (select case_id from predicted) as has_prediction,
  c.case_id in (select case_id from referenced) as has_reference,
  coalesce(i.n_reads, 0) as n_reads,
  g.is_diagnostic
from cohort.cases as c
left join linked as l on l.case_id = c.case_id and l.choice = 1
left join eligibility.studies as s on s.study_id = l.study_id
left join independent as i on i.case_id = c.case_id
left join diagnostic as g on g.case_id = c.case_id
where c.in_force
