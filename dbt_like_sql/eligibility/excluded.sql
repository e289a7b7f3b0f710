-- Decides: which cases are out, by which rule first, and by which rules at all.
-- A case is removed by a rule that removes it, its index study or its patient.
-- Bit r - 1 of the mask stands for rule r.
with hits as (
  select c.case_id, c.patient_id, f.rule_order, f.rule
  from eligibility.cases as c
  join eligibility.flags as f on f.level = 'case' and f.unit_id = c.case_id
  where f.removes
  union all
  select c.case_id, c.patient_id, f.rule_order, f.rule
  from eligibility.cases as c
  join eligibility.flags as f on f.level = 'study' and f.unit_id = c.study_id
  where f.removes
  union all
  select c.case_id, c.patient_id, f.rule_order, f.rule
  from eligibility.cases as c
  join eligibility.flags as f on f.level = 'patient' and f.unit_id = c.patient_id
  where f.removes
)
select
  case_id,
  patient_id,
  min(rule_order) as first_rule_order,
  min_by(rule, rule_order) as first_rule,
  string_agg(rule, '|' order by rule_order) as all_rules,
  bit_or(1::bigint << (rule_order - 1)::bigint) as mask
from hits
group by case_id, patient_id
