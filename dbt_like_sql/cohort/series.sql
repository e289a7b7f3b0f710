-- Decides what a series says of itself: of each setting the value that most of its instances have;
-- ties go to the smallest, and it is null only where no instance has a value. `counted` says of one
-- setting after the other how many instances have each value; the other settings are null there.
-- Acquisitions are told apart by all settings but exposure, which dose modulation changes.
with counted as (
  select
    series_id, study_id, patient_id, modality, study_date, manufacturer, model, software, kvp,
    exposure_mas, slice_thickness_mm, pixel_spacing_mm, convolution_kernel, contrast_agent,
    body_part, view_position, laterality, count(*) as n
  from cohort.instances
  group by grouping sets (
    (series_id, study_id), (series_id, patient_id), (series_id, modality),
    (series_id, study_date), (series_id, manufacturer), (series_id, model),
    (series_id, software), (series_id, kvp), (series_id, exposure_mas),
    (series_id, slice_thickness_mm), (series_id, pixel_spacing_mm),
    (series_id, convolution_kernel), (series_id, contrast_agent), (series_id, body_part),
    (series_id, view_position), (series_id, laterality)
  )
),
most_frequent as (
  select
    series_id,
    arg_min(study_id, (-n, study_id)) as study_id,
    arg_min(patient_id, (-n, patient_id)) as patient_id,
    arg_min(modality, (-n, modality)) as modality,
    arg_min(study_date, (-n, study_date)) as study_date,
    arg_min(manufacturer, (-n, manufacturer)) as manufacturer,
    arg_min(model, (-n, model)) as model,
    arg_min(software, (-n, software)) as software,
    arg_min(kvp, (-n, kvp)) as kvp,
    arg_min(exposure_mas, (-n, exposure_mas)) as exposure_mas,
    arg_min(slice_thickness_mm, (-n, slice_thickness_mm)) as slice_thickness_mm,
    arg_min(pixel_spacing_mm, (-n, pixel_spacing_mm)) as pixel_spacing_mm,
    arg_min(convolution_kernel, (-n, convolution_kernel)) as convolution_kernel,
    arg_min(contrast_agent, (-n, contrast_agent)) as contrast_agent,
    arg_min(body_part, (-n, body_part)) as body_part,
    arg_min(view_position, (-n, view_position)) as view_position,
    arg_min(laterality, (-n, laterality)) as laterality
  from counted
  group by series_id
),
acquisitions as (
  select series_id, count(*) as n_distinct_acquisitions
  from (
    select distinct
      series_id, manufacturer, model, software, kvp, slice_thickness_mm, pixel_spacing_mm,
      convolution_kernel, contrast_agent, body_part, view_position, laterality
    from cohort.instances
  )
  group by series_id
),
-- What is summed up over all instances of a series belongs here.
summary as (
  select series_id, count(*) as n_instances
  from cohort.instances
  group by series_id
)
select
  series_id, study_id, patient_id, modality, study_date, n_instances, manufacturer, model,
  software, kvp, exposure_mas, slice_thickness_mm, pixel_spacing_mm, convolution_kernel,
  contrast_agent, body_part, view_position, laterality, n_distinct_acquisitions
from most_frequent
join summary using (series_id)
join acquisitions using (series_id)
