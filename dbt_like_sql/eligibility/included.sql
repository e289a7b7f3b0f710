-- Decides: which cases remain after every rule.
select c.case_id, c.patient_id, c.study_id
from eligibility.cases as c
where c.case_id not in (select case_id from eligibility.excluded)
