-- Decides: how many patients, studies and cases each rule removes, in order, alone and uniquely.
-- A case is removed by a rule that removes it, its index study or its patient. A study falls when
-- the last of its cases falls, or, where it is no case's index study, when it or its patient is
-- removed. A patient falls with the last of their cases, or, without cases, of their studies.
-- An atom is what must fall for a unit to fall; every figure follows from the atoms' masks, in
-- which bit r - 1 stands for rule r. Units alike in the bits of eight rules are counted together:
-- a row a unit and rule would be too many.
with numbers as (
  select unnest(range(1, cast(json_array_length(cast($rules as json)) as bigint) + 1)) as rule_order
),
rules as (
  select
    0 as rule_order,
    'start' as rule,
    'In the cohort' as title,
    'start' as kind,
    'all' as level,
    null as first_bit,
    null as bit
  union all
  select
    rule_order,
    json_extract_string(cast($rules as json), '$[' || (rule_order - 1) || '].id'),
    json_extract_string(cast($rules as json), '$[' || (rule_order - 1) || '].title'),
    json_extract_string(cast($rules as json), '$[' || (rule_order - 1) || '].kind'),
    json_extract_string(cast($rules as json), '$[' || (rule_order - 1) || '].level'),
    (rule_order - 1) // 8 * 8,
    (rule_order - 1) % 8
  from numbers
),
case_atoms as (
  select
    c.case_id,
    c.study_id,
    c.patient_id,
    f.removing_rules | coalesce(s.removing_rules, 0) | p.removing_rules as mask,
    f.unknown_rules | coalesce(s.unknown_rules, 0) | p.unknown_rules as unsure
  from eligibility.cases as c
  join eligibility.flags as f on f.level = 'case' and f.unit_id = c.case_id
  join eligibility.flags as p on p.level = 'patient' and p.unit_id = c.patient_id
  left join eligibility.flags as s on s.level = 'study' and s.unit_id = c.study_id
),
study_atoms as (
  select
    t.study_id,
    t.patient_id,
    s.removing_rules | p.removing_rules as mask,
    s.unknown_rules | p.unknown_rules as unsure
  from eligibility.studies as t
  join eligibility.flags as s on s.level = 'study' and s.unit_id = t.study_id
  join eligibility.flags as p on p.level = 'patient' and p.unit_id = t.patient_id
),
atoms as (
  select 'case' as unit, case_id as unit_id, mask, unsure from case_atoms
  union all
  select 'study', study_id, mask, unsure
  from case_atoms
  where study_id is not null
  union all
  select 'study', study_id, mask, unsure
  from study_atoms
  where study_id not in (select study_id from case_atoms where study_id is not null)
  union all
  select 'patient', patient_id, mask, unsure from case_atoms
  union all
  select 'patient', patient_id, mask, unsure
  from study_atoms
  where patient_id not in (select patient_id from case_atoms)
),
units as (
  select
    unit,
    unit_id,
    case when min(mask) > 0 then max(mask & -mask) else 0 end as falls_by,
    bit_and(mask) as alone,
    case when min(bit_count(mask)) = 1 then bit_and(mask) else 0 end as only_by,
    bit_or(unsure) as unsure
  from atoms
  group by unit, unit_id
),
eights as (
  select
    unit,
    first_bit,
    (falls_by >> first_bit) & 255 as falls_by,
    (alone >> first_bit) & 255 as alone,
    (only_by >> first_bit) & 255 as only_by,
    (unsure >> first_bit) & 255 as unsure,
    count(*) as n
  from units
  cross join (select unnest(range(0, 64, 8)) as first_bit) as bytes
  group by all
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
found as (
  select unit, sum(n) as found from eights where first_bit = 0 group by unit
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
    coalesce(sum(e.n) filter (where (e.falls_by >> r.bit) & 1 = 1), 0) as removed,
    coalesce(sum(e.n) filter (where (e.alone >> r.bit) & 1 = 1), 0) as marginal,
    coalesce(sum(e.n) filter (where (e.only_by >> r.bit) & 1 = 1), 0) as unique_to_rule,
    coalesce(sum(e.n) filter (where (e.unsure >> r.bit) & 1 = 1), 0) as unknown
  from rules as r
  cross join totals as t
  left join eights as e on e.unit = t.unit and e.first_bit = r.first_bit
  group by r.rule_order, r.rule, r.title, r.kind, r.level, t.unit, t.total
)
select
  s.rule_order,
  s.rule,
  s.title,
  s.kind,
  s.level,
  s.unit,
  coalesce(f.found, 0) - sum(s.removed) over so_far + s.removed as entered,
  s.removed,
  coalesce(f.found, 0) - sum(s.removed) over so_far as remaining,
  s.marginal,
  s.unique_to_rule,
  s.unknown,
  s.total
from steps as s
left join found as f on f.unit = s.unit
window so_far as (partition by s.unit order by s.rule_order)
