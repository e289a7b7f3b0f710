"""The judgement of each section: frames in, frames out.

No Dagster, DuckDB, pydicom or Great Expectations, no clock, file or environment.
"""
