"""DICOM headers at the edge: which fields are wanted, how a header is read, what was seen when."""
