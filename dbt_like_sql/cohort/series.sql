-- Decides what a series says of itself: of each setting the value that most of its instances have;
-- ties go to the smallest (mode takes the first in the order given), and it is null only where no
-- instance has a value.
-- Acquisitions are told apart by all settings but exposure, which dose modulation changes. Of a
-- setting that may differ from frame to frame, there is the least and greatest over images and
-- frames; how many distinct values there are is the larger of that among the images and that within
-- one of them, for which values an image has in between is not kept.
with described as (
  select
    series_id,
    mode(study_id order by study_id) as study_id,
    mode(patient_id order by patient_id) as patient_id,
    mode(modality order by modality) as modality,
    mode(study_date order by study_date) as study_date,
    mode(series_description order by series_description) as series_description,
    mode(protocol_name order by protocol_name) as protocol_name,
    mode(sequence_name order by sequence_name) as sequence_name,
    mode(manufacturer order by manufacturer) as manufacturer,
    mode(model order by model) as model,
    mode(software order by software) as software,
    mode(kvp order by kvp) as kvp,
    mode(exposure_mas order by exposure_mas) as exposure_mas,
    mode(exposure_index order by exposure_index) as exposure_index,
    mode(deviation_index order by deviation_index) as deviation_index,
    mode(slice_thickness_mm order by slice_thickness_mm) as slice_thickness_mm,
    mode(spacing_between_slices_mm order by spacing_between_slices_mm) as spacing_between_slices_mm,
    mode(pixel_spacing_mm order by pixel_spacing_mm) as pixel_spacing_mm,
    mode(imager_pixel_spacing_mm order by imager_pixel_spacing_mm) as imager_pixel_spacing_mm,
    mode(convolution_kernel order by convolution_kernel) as convolution_kernel,
    mode(magnetic_field_strength_t order by magnetic_field_strength_t) as magnetic_field_strength_t,
    mode(radiopharmaceutical_code order by radiopharmaceutical_code) as radiopharmaceutical_code,
    mode(contrast_agent order by contrast_agent) as contrast_agent,
    mode(body_part order by body_part) as body_part,
    mode(view_position order by view_position) as view_position,
    mode(laterality order by laterality) as laterality,
    mode(detector_type order by detector_type) as detector_type,
    mode(scanning_sequence order by scanning_sequence) as scanning_sequence,
    mode(repetition_time_ms order by repetition_time_ms) as repetition_time_ms,
    mode(echo_time_ms order by echo_time_ms) as echo_time_ms,
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
)
select described.*, acquisitions.n_distinct_acquisitions
from described
join acquisitions using (series_id)
