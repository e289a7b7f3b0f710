-- Decides: how many patients, studies and cases each rule removes, in order, alone and uniquely.
-- A case is removed by a rule that removes it, its index study or its patient. A study falls when
-- the last of its cases falls, or, where it is no case's index study, when it or its patient is
-- removed. A patient falls with the last of their cases, or, without cases, of their studies.
-- An atom is what must fall for a unit to fall; every figure follows from the atoms' masks, in
-- which bit r - 1 stands for rule r.
with numbers as (
  select unnest(range(1, cast(json_array_length(cast($rules as json)) as bigint) + 1)) as rule_order
),
rules as (
  select
    rule_order,
    json_extract_string(cast($rules as json), '$[' || (rule_order - 1) || '].id') as rule,
    json_extract_string(cast($rules as json), '$[' || (rule_order - 1) || '].title') as title,
    json_extract_string(cast($rules as json), '$[' || (rule_order - 1) || '].kind') as kind,
    json_extract_string(cast($rules as json), '$[' || (rule_order - 1) || '].level') as level
  from numbers
),
flag_masks as (
  select
    level,
    unit_id,
    bit_or(case when removes then 1::bigint << (rule_order - 1)::bigint else 0 end) as mask,
    bit_or(case when value = 'unknown' then 1::bigint << (rule_order - 1)::bigint else 0 end)
      as unsure,
    min(case when removes then rule_order end) as first_order
  from eligibility.flags
  group by level, unit_id
),
case_atoms as (
  select
    c.case_id,
    c.study_id,
    c.patient_id,
    coalesce(f.mask, 0) | coalesce(s.mask, 0) | coalesce(p.mask, 0) as mask,
    coalesce(f.unsure, 0) | coalesce(s.unsure, 0) | coalesce(p.unsure, 0) as unsure,
    least(f.first_order, s.first_order, p.first_order) as first_order
  from eligibility.cases as c
  left join flag_masks as f on f.level = 'case' and f.unit_id = c.case_id
  left join flag_masks as s on s.level = 'study' and s.unit_id = c.study_id
  left join flag_masks as p on p.level = 'patient' and p.unit_id = c.patient_id
),
study_atoms as (
  select
    t.study_id,
    t.patient_id,
    coalesce(s.mask, 0) | coalesce(p.mask, 0) as mask,
    coalesce(s.unsure, 0) | coalesce(p.unsure, 0) as unsure,
    least(s.first_order, p.first_order) as first_order
  from eligibility.studies as t
  left join flag_masks as s on s.level = 'study' and s.unit_id = t.study_id
  left join flag_masks as p on p.level = 'patient' and p.unit_id = t.patient_id
),
atoms as (
  select 'case' as unit, case_id as unit_id, mask, unsure, first_order from case_atoms
  union all
  select 'study', study_id, mask, unsure, first_order
  from case_atoms
  where study_id is not null
  union all
  select 'study', study_id, mask, unsure, first_order
  from study_atoms
  where study_id not in (select study_id from case_atoms where study_id is not null)
  union all
  select 'patient', patient_id, mask, unsure, first_order from case_atoms
  union all
  select 'patient', patient_id, mask, unsure, first_order
  from study_atoms
  where patient_id not in (select patient_id from case_atoms)
),
units as (
  select
    unit,
    unit_id,
    case when bool_and(mask <> 0) then max(first_order) end as falls_at,
    bit_and(mask) as alone,
    case when bit_count(bit_and(mask)) = 1 and min(bit_count(mask)) = 1 then bit_and(mask) else 0 end
      as only_by,
    bit_or(unsure) as unsure
  from atoms
  group by unit, unit_id
),
totals as (
  select 'patient' as unit, count(*) as total
  from (
    select patient_id from cohort.studies
    union
    select patient_id from cohort.cases where in_force
  ) as people
  union all
  select 'study' as unit, count(*) as total from cohort.studies
  union all
  select 'case' as unit, count(*) as total from cohort.cases where in_force
),
steps as (
  select
    r.rule_order,
    r.rule,
    r.title,
    r.kind,
    r.level,
    t.unit,
    t.total,
    count(u.unit_id) as found,
    count(u.unit_id) filter (where u.falls_at < r.rule_order) as fallen,
    count(u.unit_id) filter (where u.falls_at = r.rule_order) as removed,
    count(u.unit_id) filter (where (u.alone >> (r.rule_order - 1)) & 1 = 1) as marginal,
    count(u.unit_id) filter (where (u.only_by >> (r.rule_order - 1)) & 1 = 1) as unique_to_rule,
    count(u.unit_id) filter (where (u.unsure >> (r.rule_order - 1)) & 1 = 1) as unknown
  from rules as r
  cross join totals as t
  left join units as u on u.unit = t.unit
  group by r.rule_order, r.rule, r.title, r.kind, r.level, t.unit, t.total
)
select
  0 as rule_order,
  'start' as rule,
  'In the cohort' as title,
  'start' as kind,
  'all' as level,
  t.unit,
  count(u.unit_id) as entered,
  0 as removed,
  count(u.unit_id) as remaining,
  0 as marginal,
  0 as unique_to_rule,
  0 as unknown,
  t.total
from totals as t
left join units as u on u.unit = t.unit
group by t.unit, t.total
union all
select
  rule_order, rule, title, kind, level, unit,
  found - fallen as entered,
  removed,
  found - fallen - removed as remaining,
  marginal, unique_to_rule, unknown, total
from steps
