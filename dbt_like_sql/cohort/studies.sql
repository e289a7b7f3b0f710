-- Decides what a study says of itself: of each fact the value that most of its instances have; ties
-- go to the smallest, and it is null only where no instance has a value. `counted` says of one fact
-- after the other how many instances have each value; the other facts are null there.
-- A flag is yes if any instance says so and no if all say no, else absent.
with counted as (
  select
    study_id, patient_id, accession_id, default_case_id, device_id, study_date, age_years, sex,
    modality, study_description, manufacturer, model, software, kvp, exposure_mas, exposure_index,
    deviation_index, slice_thickness_mm, spacing_between_slices_mm, pixel_spacing_mm,
    imager_pixel_spacing_mm, convolution_kernel, magnetic_field_strength_t,
    radiopharmaceutical_code, contrast_agent, body_part, view_position, laterality, count(*) as n
  from cohort.instances
  group by grouping sets (
    (study_id, patient_id), (study_id, accession_id), (study_id, default_case_id),
    (study_id, device_id), (study_id, study_date), (study_id, age_years), (study_id, sex),
    (study_id, modality), (study_id, study_description), (study_id, manufacturer),
    (study_id, model), (study_id, software), (study_id, kvp), (study_id, exposure_mas),
    (study_id, exposure_index), (study_id, deviation_index), (study_id, slice_thickness_mm),
    (study_id, spacing_between_slices_mm), (study_id, pixel_spacing_mm),
    (study_id, imager_pixel_spacing_mm), (study_id, convolution_kernel),
    (study_id, magnetic_field_strength_t), (study_id, radiopharmaceutical_code),
    (study_id, contrast_agent), (study_id, body_part), (study_id, view_position),
    (study_id, laterality)
  )
),
most_frequent as (
  select
    study_id,
    arg_min(patient_id, (-n, patient_id)) as patient_id,
    arg_min(accession_id, (-n, accession_id)) as accession_id,
    arg_min(default_case_id, (-n, default_case_id)) as default_case_id,
    arg_min(device_id, (-n, device_id)) as device_id,
    arg_min(study_date, (-n, study_date)) as study_date,
    arg_min(age_years, (-n, age_years)) as age_years,
    arg_min(sex, (-n, sex)) as sex,
    arg_min(modality, (-n, modality)) as modality,
    arg_min(study_description, (-n, study_description)) as study_description,
    arg_min(manufacturer, (-n, manufacturer)) as manufacturer,
    arg_min(model, (-n, model)) as model,
    arg_min(software, (-n, software)) as software,
    arg_min(kvp, (-n, kvp)) as kvp,
    arg_min(exposure_mas, (-n, exposure_mas)) as exposure_mas,
    arg_min(exposure_index, (-n, exposure_index)) as exposure_index,
    arg_min(deviation_index, (-n, deviation_index)) as deviation_index,
    arg_min(slice_thickness_mm, (-n, slice_thickness_mm)) as slice_thickness_mm,
    arg_min(spacing_between_slices_mm, (-n, spacing_between_slices_mm)) as spacing_between_slices_mm,
    arg_min(pixel_spacing_mm, (-n, pixel_spacing_mm)) as pixel_spacing_mm,
    arg_min(imager_pixel_spacing_mm, (-n, imager_pixel_spacing_mm)) as imager_pixel_spacing_mm,
    arg_min(convolution_kernel, (-n, convolution_kernel)) as convolution_kernel,
    arg_min(magnetic_field_strength_t, (-n, magnetic_field_strength_t)) as magnetic_field_strength_t,
    arg_min(radiopharmaceutical_code, (-n, radiopharmaceutical_code)) as radiopharmaceutical_code,
    arg_min(contrast_agent, (-n, contrast_agent)) as contrast_agent,
    arg_min(body_part, (-n, body_part)) as body_part,
    arg_min(view_position, (-n, view_position)) as view_position,
    arg_min(laterality, (-n, laterality)) as laterality
  from counted
  group by study_id
),
summary as (
  select
    study_id,
    case
      when bool_or(lossy_image_compression = 'yes') then 'yes'
      when bool_and(lossy_image_compression = 'no') then 'no'
      else 'absent'
    end as lossy_image_compression,
    case
      when bool_or(burned_in_annotation = 'yes') then 'yes'
      when bool_and(burned_in_annotation = 'no') then 'no'
      else 'absent'
    end as burned_in_annotation,
    case
      when bool_or(breast_implant_present = 'yes') then 'yes'
      when bool_and(breast_implant_present = 'no') then 'no'
      else 'absent'
    end as breast_implant_present,
    count(distinct series_id) as n_series,
    count(*) as n_instances
  from cohort.instances
  group by study_id
),
conflicts as (
  select study_id, count(*) as n_conflicts
  from cohort.files
  where outcome = 'DUP_SOP_CONFLICT'
  group by study_id
)
select
  study_id, patient_id, accession_id, default_case_id, device_id, study_date, age_years, sex,
  modality, study_description, manufacturer, model, software, kvp, exposure_mas, exposure_index,
  deviation_index, slice_thickness_mm, spacing_between_slices_mm, pixel_spacing_mm,
  imager_pixel_spacing_mm, convolution_kernel, magnetic_field_strength_t, radiopharmaceutical_code,
  contrast_agent, body_part, view_position, laterality, lossy_image_compression,
  burned_in_annotation, breast_implant_present, n_series, n_instances, coalesce(n_conflicts, 0) as
  n_conflicts
from most_frequent
join summary using (study_id)
left join conflicts using (study_id)
