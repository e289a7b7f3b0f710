"""DICOMweb servers as a source of headers: what is there, what changed, and rows as of files.

The seam to the scan is ``source``: ``connect`` a source of ``site.yaml``, then ``refresh`` what is
known of it. Below it ``query`` speaks QIDO-RS and WADO-RS, ``feed`` Orthanc's feed of changes,
``server`` HTTP, and ``model`` turns the DICOM JSON model into the structure that ``header`` judges.
What does not belong here: what a header means, what a cut knows.
"""
