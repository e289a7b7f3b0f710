"""vpack: builds a clinical imaging validation pack as gated Dagster assets.

Importing this package touches no file, no environment variable and no network.
"""

__version__ = "0.1.0"
