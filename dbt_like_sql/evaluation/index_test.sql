-- Decides which attempt of each model speaks for a case and finding, and what became of it.
-- Every case in force × finding × model has a row: without a prediction its status is missing.
-- Of the reference standard only the keys are read: they are the list of cases and findings.
with attempts as (
    select
        case_id,
        finding,
        model_id,
        attempt,
        status,
        score,
        call,
        received_at,
        produced_at,
        count(*) over (partition by case_id, finding, model_id) as n_attempts,
        row_number() over (
            partition by case_id, finding, model_id
            order by
                case when $attempt = 'first_ok' and status = 'ok' then 0 else 1 end,
                case when $attempt = 'last' then -attempt else attempt end
        ) as choice
    from cohort.predictions
    where in_force
),

models as (
    select unnest($models) as model_id
)

select
    units.case_id,
    units.finding,
    models.model_id,
    units.patient_id,
    coalesce(attempts.status, 'missing') as status,
    case when attempts.status = 'ok' then attempts.score end as score,
    case when attempts.status = 'ok' then attempts.call end as call,
    attempts.attempt,
    coalesce(attempts.n_attempts, 0) as n_attempts,
    attempts.received_at,
    attempts.produced_at
from adjudication.reference_standard as units
cross join models
left join attempts
    on
        units.case_id = attempts.case_id
        and units.finding = attempts.finding
        and models.model_id = attempts.model_id
        and attempts.choice = 1
