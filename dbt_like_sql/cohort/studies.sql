-- Decides what a study says of itself: of each fact the value that most of its instances have; ties
-- go to the smallest (mode takes the first in the order given), and it is null only where no
-- instance has a value. A flag is yes if any instance says so and no if all say no, else absent.
with described as (
  select
    study_id,
    mode(patient_id order by patient_id) as patient_id,
    mode(accession_id order by accession_id) as accession_id,
    mode(default_case_id order by default_case_id) as default_case_id,
    mode(device_id order by device_id) as device_id,
    mode(study_date order by study_date) as study_date,
    mode(study_time_s order by study_time_s) as study_time_s,
    mode(age_years order by age_years) as age_years,
    mode(sex order by sex) as sex,
    mode(modality order by modality) as modality,
    mode(study_description order by study_description) as study_description,
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
select described.*, coalesce(conflicts.n_conflicts, 0) as n_conflicts
from described
left join conflicts using (study_id)
