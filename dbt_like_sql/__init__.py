"""The SQL models, one table a file, shipped as package data."""
