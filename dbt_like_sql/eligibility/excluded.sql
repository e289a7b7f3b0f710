-- Decides: which cases are out, by which rule first, and by which rules at all.
-- A case is removed by a rule that removes it, its index study or its patient.
-- Bit r - 1 of the mask stands for rule r.
with masks as (
  select
    c.case_id,
    c.patient_id,
    f.removing_rules | coalesce(s.removing_rules, 0) | p.removing_rules as mask
  from eligibility.cases as c
  join eligibility.flags as f on f.level = 'case' and f.unit_id = c.case_id
  join eligibility.flags as p on p.level = 'patient' and p.unit_id = c.patient_id
  left join eligibility.flags as s on s.level = 'study' and s.unit_id = c.study_id
),
hits as (
  select
    case_id,
    patient_id,
    mask,
    json_extract_string(cast($rules as json), '$[*].id') as ids,
    list_filter(range(1, len(ids) + 1), lambda r: (mask >> (r - 1)) & 1 = 1) as orders
  from masks
  where mask <> 0
)
select
  case_id,
  patient_id,
  orders[1] as first_rule_order,
  ids[orders[1]] as first_rule,
  array_to_string(list_select(ids, orders), '|') as all_rules,
  mask
from hits
