-- Decides: which study is a patient's first, and which study or patient was used in development.
-- Header fields are those of cohort.studies; undated studies rank last.
select
  s.study_id,
  s.patient_id,
  s.study_date,
  s.age_years,
  s.sex,
  s.modality,
  s.study_description,
  s.manufacturer,
  s.model,
  s.software,
  s.kvp,
  s.exposure_mas,
  s.exposure_index,
  s.deviation_index,
  s.slice_thickness_mm,
  s.spacing_between_slices_mm,
  s.pixel_spacing_mm,
  s.imager_pixel_spacing_mm,
  s.convolution_kernel,
  s.magnetic_field_strength_t,
  s.radiopharmaceutical_code,
  s.contrast_agent,
  s.body_part,
  s.view_position,
  s.laterality,
  s.lossy_image_compression,
  s.burned_in_annotation,
  s.breast_implant_present,
  s.n_series,
  s.n_instances,
  s.n_conflicts,
  row_number() over (
    partition by s.patient_id order by s.study_date nulls last, s.study_id
  ) as study_rank,
  s.study_id in (select study_id from cohort.development where in_force and study_id is not null)
  or s.patient_id in (
    select patient_id from cohort.development where in_force and patient_id is not null
  ) as in_development
from cohort.studies as s
