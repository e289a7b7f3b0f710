-- Decides what a series says of itself: of each setting the value that most of its instances have;
-- ties go to the smallest, and it is null only where no instance has a value. `counted` says of one
-- setting after the other how many instances have each value; the other settings are null there.
-- Acquisitions are told apart by all settings but exposure, which dose modulation changes. Of a
-- setting that may differ from frame to frame, `summary` has the least and greatest over images and
-- frames; how many distinct values there are is the larger of that among the images and that within
-- one of them, for which values an image has in between is not kept.
with counted as (
  select
    series_id, study_id, patient_id, modality, study_date, series_description, protocol_name,
    sequence_name, manufacturer, model, software, kvp, exposure_mas, exposure_index,
    deviation_index, slice_thickness_mm, spacing_between_slices_mm, pixel_spacing_mm,
    imager_pixel_spacing_mm, convolution_kernel, magnetic_field_strength_t,
    radiopharmaceutical_code, contrast_agent, body_part, view_position, laterality,
    scanning_sequence, repetition_time_ms, echo_time_ms, count(*) as n
  from cohort.instances
  group by grouping sets (
    (series_id, study_id), (series_id, patient_id), (series_id, modality), (series_id, study_date),
    (series_id, series_description), (series_id, protocol_name), (series_id, sequence_name),
    (series_id, manufacturer), (series_id, model), (series_id, software), (series_id, kvp),
    (series_id, exposure_mas), (series_id, exposure_index), (series_id, deviation_index),
    (series_id, slice_thickness_mm), (series_id, spacing_between_slices_mm),
    (series_id, pixel_spacing_mm), (series_id, imager_pixel_spacing_mm),
    (series_id, convolution_kernel), (series_id, magnetic_field_strength_t),
    (series_id, radiopharmaceutical_code), (series_id, contrast_agent), (series_id, body_part),
    (series_id, view_position), (series_id, laterality), (series_id, scanning_sequence),
    (series_id, repetition_time_ms), (series_id, echo_time_ms)
  )
),
most_frequent as (
  select
    series_id,
    arg_min(study_id, (-n, study_id)) as study_id,
    arg_min(patient_id, (-n, patient_id)) as patient_id,
    arg_min(modality, (-n, modality)) as modality,
    arg_min(study_date, (-n, study_date)) as study_date,
    arg_min(series_description, (-n, series_description)) as series_description,
    arg_min(protocol_name, (-n, protocol_name)) as protocol_name,
    arg_min(sequence_name, (-n, sequence_name)) as sequence_name,
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
    arg_min(laterality, (-n, laterality)) as laterality,
    arg_min(scanning_sequence, (-n, scanning_sequence)) as scanning_sequence,
    arg_min(repetition_time_ms, (-n, repetition_time_ms)) as repetition_time_ms,
    arg_min(echo_time_ms, (-n, echo_time_ms)) as echo_time_ms
  from counted
  group by series_id
),
acquisitions as (
  select series_id, count(*) as n_distinct_acquisitions
  from (
    select distinct
      series_id, series_description, protocol_name, sequence_name, manufacturer, model, software,
      kvp, slice_thickness_mm, spacing_between_slices_mm, pixel_spacing_mm, imager_pixel_spacing_mm,
      convolution_kernel, magnetic_field_strength_t, radiopharmaceutical_code, contrast_agent,
      body_part, view_position, laterality, scanning_sequence, repetition_time_ms, echo_time_ms
    from cohort.instances
  )
  group by series_id
),
summary as (
  select
    series_id,
    count(*) as n_instances,
    cast(sum(coalesce(n_frames, 1)) as bigint) as n_frames,
    least(min(kvp), min(kvp_min)) as kvp_min,
    greatest(max(kvp), max(kvp_max)) as kvp_max,
    greatest(count(distinct kvp), max(kvp_n_distinct)) as kvp_n_distinct,
    least(min(exposure_mas), min(exposure_mas_min)) as exposure_mas_min,
    greatest(max(exposure_mas), max(exposure_mas_max)) as exposure_mas_max,
    greatest(count(distinct exposure_mas), max(exposure_mas_n_distinct)) as exposure_mas_n_distinct,
    least(min(slice_thickness_mm), min(slice_thickness_mm_min)) as slice_thickness_mm_min,
    greatest(max(slice_thickness_mm), max(slice_thickness_mm_max)) as slice_thickness_mm_max,
    greatest(count(distinct slice_thickness_mm), max(slice_thickness_mm_n_distinct)) as slice_thickness_mm_n_distinct,
    least(min(spacing_between_slices_mm), min(spacing_between_slices_mm_min)) as spacing_between_slices_mm_min,
    greatest(max(spacing_between_slices_mm), max(spacing_between_slices_mm_max)) as spacing_between_slices_mm_max,
    greatest(count(distinct spacing_between_slices_mm), max(spacing_between_slices_mm_n_distinct)) as spacing_between_slices_mm_n_distinct,
    least(min(pixel_spacing_mm), min(pixel_spacing_mm_min)) as pixel_spacing_mm_min,
    greatest(max(pixel_spacing_mm), max(pixel_spacing_mm_max)) as pixel_spacing_mm_max,
    greatest(count(distinct pixel_spacing_mm), max(pixel_spacing_mm_n_distinct)) as pixel_spacing_mm_n_distinct,
    least(min(repetition_time_ms), min(repetition_time_ms_min)) as repetition_time_ms_min,
    greatest(max(repetition_time_ms), max(repetition_time_ms_max)) as repetition_time_ms_max,
    greatest(count(distinct repetition_time_ms), max(repetition_time_ms_n_distinct)) as repetition_time_ms_n_distinct,
    least(min(echo_time_ms), min(echo_time_ms_min)) as echo_time_ms_min,
    greatest(max(echo_time_ms), max(echo_time_ms_max)) as echo_time_ms_max,
    greatest(count(distinct echo_time_ms), max(echo_time_ms_n_distinct)) as echo_time_ms_n_distinct
  from cohort.instances
  group by series_id
)
select
  series_id, study_id, patient_id, modality, study_date, n_instances, n_frames, series_description,
  protocol_name, sequence_name, manufacturer, model, software, kvp, exposure_mas, exposure_index,
  deviation_index, slice_thickness_mm, spacing_between_slices_mm, pixel_spacing_mm,
  imager_pixel_spacing_mm, convolution_kernel, magnetic_field_strength_t, radiopharmaceutical_code,
  contrast_agent, body_part, view_position, laterality, scanning_sequence, repetition_time_ms,
  echo_time_ms, kvp_min, kvp_max, kvp_n_distinct, exposure_mas_min, exposure_mas_max,
  exposure_mas_n_distinct, slice_thickness_mm_min, slice_thickness_mm_max,
  slice_thickness_mm_n_distinct, spacing_between_slices_mm_min, spacing_between_slices_mm_max,
  spacing_between_slices_mm_n_distinct, pixel_spacing_mm_min, pixel_spacing_mm_max,
  pixel_spacing_mm_n_distinct, repetition_time_ms_min, repetition_time_ms_max,
  repetition_time_ms_n_distinct, echo_time_ms_min, echo_time_ms_max, echo_time_ms_n_distinct,
  n_distinct_acquisitions
from most_frequent
join summary using (series_id)
join acquisitions using (series_id)
