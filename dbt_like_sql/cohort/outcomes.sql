-- Decides under what each image file is counted: under DELIVERED, and under PARSED, COPY, SET_ASIDE
-- or QUARANTINED; what is set aside once more by its kind, what is quarantined by its reason code.
-- The five wholes have a row even if no file is among them; kinds and reasons only if they occur.
with counted as (
  select
    case when outcome in ('PARSED', 'COPY', 'SET_ASIDE') then outcome else 'QUARANTINED' end
      as outcome,
    case
      when outcome in ('PARSED', 'COPY') then 'all'
      when outcome = 'SET_ASIDE' then outcome_part
      else outcome
    end as outcome_part,
    count(*) as n_files,
    count(*) filter (where engine = 'walker') as n_walker,
    count(*) filter (where engine = 'pydicom') as n_pydicom,
    count(*) filter (where engine = 'dicomweb') as n_dicomweb,
    count(*) filter (where engine is null) as n_unread,
    count(*) filter (where checked is not null) as n_checked,
    count(*) filter (where checked <> 'same') as n_differed
  from cohort.files
  group by 1, 2
),
wholes as (
  select
    unnest(['DELIVERED', 'PARSED', 'COPY', 'SET_ASIDE', 'QUARANTINED']) as outcome,
    'all' as outcome_part
),
places as (
  select outcome, outcome_part from wholes
  union
  select outcome, outcome_part from counted
)
select
  p.outcome,
  p.outcome_part,
  cast(coalesce(sum(c.n_files), 0) as bigint) as n_files,
  cast(coalesce(sum(c.n_walker), 0) as bigint) as n_walker,
  cast(coalesce(sum(c.n_pydicom), 0) as bigint) as n_pydicom,
  cast(coalesce(sum(c.n_dicomweb), 0) as bigint) as n_dicomweb,
  cast(coalesce(sum(c.n_unread), 0) as bigint) as n_unread,
  cast(coalesce(sum(c.n_checked), 0) as bigint) as n_checked,
  cast(coalesce(sum(c.n_differed), 0) as bigint) as n_differed
from places as p
left join counted as c
  on (p.outcome = 'DELIVERED' or p.outcome = c.outcome) and (p.outcome_part = 'all' or p.outcome_part = c.outcome_part)
group by p.outcome, p.outcome_part
