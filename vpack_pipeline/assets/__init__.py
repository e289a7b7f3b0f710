"""Thin Dagster assets: read, call, return with metadata. One module a section."""
